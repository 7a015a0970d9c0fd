//! `workway lab`: the commands that concern the reference service of this project alone.

#[cfg(feature = "service")]
mod backup;
mod launch;
#[cfg(feature = "service")]
mod mutation_run;
#[cfg(feature = "service")]
mod prove;
mod serve;
mod token;

use clap::Subcommand;

use crate::exit::Exit;

/// The commands below `workway lab`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve the API on loopback, with a stub of everything that it calls.
    Serve(serve::Arguments),
    /// Print an access token for a local service.
    Token(token::Arguments),
    /// Prove that the scenarios see what they are for: run them against deliberate defects.
    #[cfg(feature = "service")]
    Prove(prove::Arguments),
    /// Look into backups of the service's database, and restore them.
    #[cfg(feature = "service")]
    Backup(backup::Arguments),
    /// Print the launch checklist, each item with its evidence or the command that would give it.
    Launch(launch::Arguments),
}

/// Does what the command says, and returns how it ended.
pub(super) async fn lab(command: Command) -> Exit {
    match command {
        Command::Serve(arguments) => serve::serve(&arguments).await,
        Command::Token(arguments) => token::token(&arguments),
        #[cfg(feature = "service")]
        Command::Prove(arguments) => prove::prove(&arguments).await,
        #[cfg(feature = "service")]
        Command::Backup(arguments) => backup::backup(&arguments).await,
        Command::Launch(arguments) => launch::launch(&arguments),
    }
}
