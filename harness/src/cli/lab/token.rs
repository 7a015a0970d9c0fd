//! `workway lab token`

use clap::Args;

use crate::cli::output;
use crate::{
    exit::Exit,
    plan::DEFAULT_SCOPE,
    token::{
        LIFETIME_SECONDS, SECRET_VARIABLE, Signer, local_secret, now, secret_from_environment,
    },
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Subject of the token.
    #[arg(long, default_value = "developer")]
    sub: String,
    /// Scopes that it grants, separated by spaces: `read`, `write`, `meter`.
    #[arg(long, default_value = DEFAULT_SCOPE)]
    scope: String,
}

pub(in crate::cli) fn token(arguments: &Arguments) -> Exit {
    let secret = secret_from_environment();
    let known = secret.is_some();
    let signer = Signer::new(&secret.unwrap_or_else(local_secret));
    let token = match signer.sign(&arguments.sub, &arguments.scope, now()) {
        Ok(token) => token,
        Err(error) => return output::fail(Exit::Internal, &error.to_string()),
    };
    if let Err(error) = output::result(&format!("{token}\n")) {
        return output::fail(Exit::ReportNotWritten, &format!("stdout: {error}"));
    }
    let hours = LIFETIME_SECONDS / 3600;
    let whose = if known {
        format!("signed with {SECRET_VARIABLE}")
    } else {
        format!("signed with the local secret; set {SECRET_VARIABLE} for another")
    };
    output::say(&format!("valid for {hours} hours, {whose}"));
    Exit::Pass
}
