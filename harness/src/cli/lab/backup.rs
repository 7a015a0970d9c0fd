//! `workway lab backup`

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use workway_service::{backup::tables, platform::native::SqliteDatabase};

use crate::cli::output;
use crate::{
    backup::{Backup, BackupError},
    exit::Exit,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the keys of the objects that a manifest names.
    Objects(Folder),
    /// Read all of a backup and compare it with its checksums.
    Verify(Folder),
    /// Print the SQL that fills an empty database, for `wrangler d1 execute --file`.
    Sql(Folder),
    /// Fill the empty database of a native service, and compare it with the backup.
    Restore {
        #[command(flatten)]
        folder: Folder,
        /// The service's folder for state, as in `workway lab serve --state`; made if absent.
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
    },
    /// Compare an export of a database (`wrangler d1 export`) with a backup, row by row.
    Compare {
        #[command(flatten)]
        folder: Folder,
        /// File that `wrangler d1 export --output` wrote.
        #[arg(value_name = "EXPORT.SQL")]
        export: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Folder {
    /// Folder with the objects of one day: manifest.json, and the chunks beside it.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(in crate::cli) async fn backup(arguments: &Arguments) -> Exit {
    let done = match &arguments.action {
        Action::Objects(folder) => objects(&folder.folder),
        Action::Verify(folder) => verify(&folder.folder),
        Action::Sql(folder) => sql(&folder.folder),
        Action::Restore { folder, state } => restore(&folder.folder, state).await,
        Action::Compare { folder, export } => compare(&folder.folder, export).await,
    };
    match done {
        Ok(text) => output::result_or_fail(&text),
        Err(error) => output::fail(exit(&error), &error.to_string()),
    }
}

fn exit(error: &BackupError) -> Exit {
    match error {
        BackupError::Damaged { .. } | BackupError::Differs { .. } => Exit::Conformance,
        _ => Exit::Usage,
    }
}

type Done = Result<String, BackupError>;

fn objects(folder: &Path) -> Done {
    let backup = Backup::open(folder)?;
    Ok(backup.objects().fold(String::new(), |text, key| text + key + "\n"))
}

fn verify(folder: &Path) -> Done {
    let backup = Backup::open(folder)?;
    backup.verify()?;
    Ok(summary(&backup, "whole"))
}

fn sql(folder: &Path) -> Done {
    let mut script = String::new();
    Backup::open(folder)?.sql(&mut script)?;
    Ok(script)
}

async fn restore(folder: &Path, state: &Path) -> Done {
    let backup = Backup::open(folder)?;
    std::fs::create_dir_all(state)
        .map_err(|error| BackupError::Read { path: state.to_owned(), error })?;
    let database = SqliteDatabase::open(&state.join("database.sqlite"))?;
    backup.restore(&database).await?;
    Ok(summary(&backup, "restored and compared"))
}

async fn compare(folder: &Path, export: &Path) -> Done {
    let backup = Backup::open(folder)?;
    let script = std::fs::read_to_string(export)
        .map_err(|error| BackupError::Read { path: export.to_owned(), error })?;
    let database = SqliteDatabase::of_export(&script)?;
    backup.compare_export(&tables(&database).await?)?;
    Ok(summary(&backup, "the same as the export"))
}

/// Lists what the backup holds, and what it does not.
fn summary(backup: &Backup, verdict: &str) -> String {
    let manifest = &backup.manifest;
    let mut text = format!("backup of {}, {}: {verdict}\n", manifest.day, manifest.schema);
    for table in &manifest.tables {
        let digest = serde_json::to_value(&table.digest).unwrap_or_default();
        let digest = digest.as_str().unwrap_or_default().get(..16).unwrap_or_default().to_owned();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:20} {:>9} rows  {digest}…", table.name, table.rows);
    }
    text += "not in it:\n";
    for (name, why) in &manifest.not_included {
        let _ = writeln!(text, "  {name}: {why}");
    }
    text
}
