//! Deliberate defects, and whether the scenarios see them.
//!
//! A defect is a line of the `catalogue`: what is wrong, which rules should see it, and the
//! [`Change`]s that make it. Changes are decorators: around the ports of the native server
//! (`ports`), around the events of its objects (`objects`), around its routes (`front`).
//! The service itself knows of none.

use std::{fs, io, path::PathBuf};

use sha2::{Digest as _, Sha256};

mod caches;
mod catalogue;
mod change;
mod front;
mod limiter;
mod memory;
mod objects;
mod ports;
mod seeded;
mod token;

pub use catalogue::all;
pub use change::Change;
pub use seeded::Seeded;

pub use crate::report::Area;

/// Returns a digest of the catalogue and of scenario files: of their contents, in the order of their
/// names, wherever the folder is.
///
/// # Errors
/// That of the first file that cannot be read.
pub fn suite(files: &[PathBuf]) -> io::Result<String> {
    let mut digest = Sha256::new();
    for Defect { id, says, status, .. } in all() {
        let status = match status {
            Status::Made { seen_by, .. } => seen_by.join(" "),
            Status::NotApplicable(why) | Status::Elsewhere(why) => (*why).to_owned(),
        };
        digest.update(format!("{id}\n{says}\n{status}\n"));
    }
    let mut contents = files.iter().map(fs::read).collect::<io::Result<Vec<_>>>()?;
    contents.sort_unstable();
    for content in contents {
        digest.update(Sha256::digest(&content));
    }
    Ok(format!("{:x}", digest.finalize()))
}

/// A line of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Defect {
    /// Its name, such as `RL-1`.
    pub id: &'static str,
    /// The area that it is about.
    pub area: Area,
    /// The description of the defect.
    pub says: &'static str,
    /// The treatment of the defect here.
    pub status: Status,
}

/// Says how a defect is treated.
#[derive(Clone, Copy, Debug)]
pub enum Status {
    /// The defect is made here, and scenarios must see it.
    Made {
        /// The rules of which at least one should be broken: the scenarios that name them are run.
        seen_by: &'static [&'static str],
        /// The changes that make the defect.
        changes: &'static [Change],
    },
    /// The API has nothing that could be wrong like this.
    NotApplicable(&'static str),
    /// The defect applies, and no scenario can see it; the named test does.
    Elsewhere(&'static str),
}

/// Says why a defect cannot be put around the service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefectError {
    /// The catalogue has none of this name.
    #[error(
        "no defect is called `{id}`{}; `workway lab prove --list` shows all", near_it(.near)
    )]
    Unknown {
        /// The name that was asked for.
        id: String,
        /// The names that look like it, the most similar first.
        near: Vec<&'static str>,
    },
    /// The catalogue has it, and no change makes it.
    #[error("{id} is in the catalogue and not made: {why}")]
    NotMade {
        /// The name of the defect.
        id: &'static str,
        /// The reason.
        why: &'static str,
    },
}

/// Returns the part of a message that offers names.
fn near_it(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { String::new() } else { format!("; near it are {}", names.join(", ")) }
}

/// Returns the defect of this name.
///
/// # Errors
/// [`DefectError::Unknown`].
pub fn find(id: &str) -> Result<&'static Defect, DefectError> {
    let same = |defect: &&Defect| defect.id.eq_ignore_ascii_case(id);
    let unknown = || DefectError::Unknown { id: id.to_owned(), near: near(id) };
    all().iter().find(same).ok_or_else(unknown)
}

/// Returns the names that look like this one.
fn near(id: &str) -> Vec<&'static str> {
    let wanted = id.to_uppercase();
    let mut known: Vec<_> = all()
        .iter()
        .map(|defect| (strsim::damerau_levenshtein(&wanted, defect.id), defect.id))
        .filter(|(distance, _)| *distance <= MAX_SLIPS)
        .collect();
    known.sort_unstable();
    known.into_iter().take(MAX_NEAR).map(|(_, id)| id).collect()
}

/// Names that differ in more are no slips of this one.
const MAX_SLIPS: usize = 2;
/// A reader looks for one of them.
const MAX_NEAR: usize = 4;

#[cfg(test)]
mod tests;
