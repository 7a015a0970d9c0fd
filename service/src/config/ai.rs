//! Reads which models there are, and the account that serves them.

use super::{ConfigError, ConfigProblem, Secret, base};
use crate::domain::ai::{Model, Models};

/// An account at Cloudflare whose public API is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudflareAccount {
    /// The address of the API.
    pub api: String,
    /// The identifier of the account.
    pub id: String,
    /// A token with the permissions Workers AI and Vectorize.
    pub token: Secret,
    /// The name of the Vectorize index.
    pub vector_index: String,
}

const ACCOUNT_ID: &str = "CLOUDFLARE_ACCOUNT_ID";
const API_TOKEN: &str = "CLOUDFLARE_API_TOKEN";

/// Reads `CLOUDFLARE_ACCOUNT_ID` and `CLOUDFLARE_API_TOKEN`, both or neither; and, with defaults,
/// `CLOUDFLARE_API` and `VECTOR_INDEX`.
pub(super) fn account(
    lookup: &impl Fn(&str) -> Option<String>,
) -> Result<Option<CloudflareAccount>, ConfigError> {
    let get = |name| lookup(name).filter(|value| !value.is_empty());
    let missing = |name, set| ConfigError { name, problem: ConfigProblem::MissingWith(set) };
    let (id, token) = match (get(ACCOUNT_ID), get(API_TOKEN)) {
        (None, None) => return Ok(None),
        (Some(id), Some(token)) => (id, Secret::new(token)),
        (None, _) => return Err(missing(ACCOUNT_ID, API_TOKEN)),
        (_, None) => return Err(missing(API_TOKEN, ACCOUNT_ID)),
    };
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let wrong = |name| ConfigError { name, problem: ConfigProblem::Identifier };
    if !plain(&id) {
        return Err(wrong(ACCOUNT_ID));
    }
    let vector_index = get("VECTOR_INDEX").unwrap_or_else(|| "workway-embeddings".to_owned());
    if !plain(&vector_index) {
        return Err(wrong("VECTOR_INDEX"));
    }
    let api = base(lookup, "CLOUDFLARE_API", "https://api.cloudflare.com")?;
    Ok(Some(CloudflareAccount { api, id, token, vector_index }))
}

/// Reads `AI_MODEL_SIMPLE`, `AI_MODEL_BALANCED` and `AI_MODEL_COMPLEX`: names of
/// [`crate::domain::ai::MODELS`].
pub(super) fn models(lookup: &impl Fn(&str) -> Option<String>) -> Result<Models, ConfigError> {
    let default = Models::default();
    let read = |name, default: &'static Model| match lookup(name).filter(|v| !v.is_empty()) {
        None => Ok(default),
        Some(value) => {
            Model::named(&value).ok_or(ConfigError { name, problem: ConfigProblem::UnknownModel })
        }
    };
    Ok(Models {
        simple: read("AI_MODEL_SIMPLE", default.simple)?,
        balanced: read("AI_MODEL_BALANCED", default.balanced)?,
        complex: read("AI_MODEL_COMPLEX", default.complex)?,
    })
}
