//! The tokens of a run.

use std::env;

use serde_json::{Map, Value};

use crate::{
    model::Secret,
    plan::{Credentials, UserPlan},
    run::{TokenError, Tokens},
    target::Target,
    token::{self, SECRET_VARIABLE, Signer},
};

/// Signs tokens for a target whose secret is known; takes others from the environment.
pub(super) struct RunTokens {
    signer: Option<Signer>,
    suffix: String,
    now: u64,
}

impl RunTokens {
    /// Tokens whose subjects end with `suffix`, valid from `now`, in milliseconds since 1970.
    pub(super) fn new(target: &Target, suffix: String, now: i64) -> Self {
        let signer = target.secret.as_ref().map(Signer::new);
        let now = u64::try_from(now / 1000).unwrap_or_default();
        Self { signer, suffix, now }
    }
}

impl Tokens for RunTokens {
    fn subject(&self, user: &str, index: usize) -> String {
        format!("{user}-{index}-{}", self.suffix)
    }

    fn bearer(&self, user: &UserPlan, index: usize) -> Result<String, TokenError> {
        match &user.credentials {
            Credentials::Environment(name) => env::var(name).map_err(|_| {
                TokenError(format!(
                    "the token of `{}` is expected in ${name}, which is not set",
                    user.name
                ))
            }),
            Credentials::Minted { scope, .. } => {
                let signer = self.signer.as_ref().ok_or_else(|| {
                    TokenError(format!(
                        "the signing secret of this target is not known, so there is no token for \
                         `{}`: set {SECRET_VARIABLE}, or give the user a `token`",
                        user.name
                    ))
                })?;
                let subject = self.subject(&user.name, index);
                signer.sign(&subject, scope, self.now).map_err(|e| TokenError(e.to_string()))
            }
        }
    }

    fn header(&self, secret: &Secret) -> Map<String, Value> {
        token::header(secret)
    }

    fn claims(&self, subject: &str, scope: &str, now: u64) -> Map<String, Value> {
        token::claims(subject, scope, now)
    }
}
