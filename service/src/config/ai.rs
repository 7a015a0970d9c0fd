//! Where the models are, and which.

use super::{ConfigError, Secret, base};
use crate::domain::ai::{MODELS, Model, Models};

/// An account at Cloudflare, to be reached by its public API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudflareAccount {
    /// Where the API is.
    pub api: String,
    /// The account's identifier.
    pub id: String,
    /// A token with the permissions Workers AI and Vectorize.
    pub token: Secret,
    /// The name of the Vectorize index.
    pub vector_index: String,
}

/// Reads `CLOUDFLARE_ACCOUNT_ID` and `CLOUDFLARE_API_TOKEN`, both or neither; and, with defaults,
/// `CLOUDFLARE_API` and `VECTOR_INDEX`.
pub(super) fn account(
    lookup: &impl Fn(&str) -> Option<String>,
) -> Result<Option<CloudflareAccount>, ConfigError> {
    let get = |name| lookup(name).filter(|value| !value.is_empty());
    let missing = |name| {
        let problem = "is needed with the other of CLOUDFLARE_ACCOUNT_ID, CLOUDFLARE_API_TOKEN";
        ConfigError { name, problem: problem.to_owned() }
    };
    let (id, token) = match (get("CLOUDFLARE_ACCOUNT_ID"), get("CLOUDFLARE_API_TOKEN")) {
        (None, None) => return Ok(None),
        (Some(id), Some(token)) => (id, Secret::new(token)),
        (None, _) => return Err(missing("CLOUDFLARE_ACCOUNT_ID")),
        (_, None) => return Err(missing("CLOUDFLARE_API_TOKEN")),
    };
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let wrong =
        |name| ConfigError { name, problem: "may have letters, digits and hyphens".to_owned() };
    if !plain(&id) {
        return Err(wrong("CLOUDFLARE_ACCOUNT_ID"));
    }
    let vector_index = get("VECTOR_INDEX").unwrap_or_else(|| "workway-embeddings".to_owned());
    if !plain(&vector_index) {
        return Err(wrong("VECTOR_INDEX"));
    }
    let api = base(lookup, "CLOUDFLARE_API", "https://api.cloudflare.com")?;
    Ok(Some(CloudflareAccount { api, id, token, vector_index }))
}

/// Reads `AI_MODEL_SIMPLE`, `AI_MODEL_BALANCED` and `AI_MODEL_COMPLEX`: names of [`MODELS`].
pub(super) fn models(lookup: &impl Fn(&str) -> Option<String>) -> Result<Models, ConfigError> {
    let default = Models::default();
    let read = |name, default: &'static Model| match lookup(name).filter(|v| !v.is_empty()) {
        None => Ok(default),
        Some(value) => Model::named(&value).ok_or_else(|| {
            let known = MODELS.iter().map(|model| model.name).collect::<Vec<_>>().join(", ");
            ConfigError { name, problem: format!("has no known price; known are {known}") }
        }),
    };
    Ok(Models {
        simple: read("AI_MODEL_SIMPLE", default.simple)?,
        balanced: read("AI_MODEL_BALANCED", default.balanced)?,
        complex: read("AI_MODEL_COMPLEX", default.complex)?,
    })
}
