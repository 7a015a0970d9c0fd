//! Variables: values that are given, and values that are computed. A new kind is a variant of [`ValueFile`], an arm in
//! `plan::resolve::values`, and one in `run::compute`.

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Json, Spanned};
use crate::{
    language::{
        quantity::{Offset, Whole},
        text::{EnvironmentName, JsonPath, Name, TemplateText, Word},
    },
    model::{Encoding, InstantFormat, Spoil},
};

/// The most repetitions of a text: a body of 8 MiB from a text of eight bytes.
pub const MAX_TEXT_REPEATS: u64 = 1 << 20;

/// The name by which [`ValueFile`] asks the deserializer to choose by the only key of a map, and
/// to take everything else as [`LITERAL`].
pub(in crate::language) const BY_KEY: &str = "$workway::ByKey";

/// The variant of [`ValueFile`] for what has no key of another.
pub(in crate::language) const LITERAL: &str = "literal";

/// A value of a variable. A map with one key, which is one of these, is computed; anything else is
/// the value itself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "$workway::ByKey", rename_all = "kebab-case")]
#[schemars(rename = "value", transform = or_itself)]
pub enum ValueFile {
    /// This value, whatever its keys are.
    Json(Json),
    /// An instant.
    Now(NowFile),
    /// A text several times.
    Repeat(RepeatTextFile),
    /// A text in base64.
    Base64(Spanned<TemplateText>),
    /// A text in base64 for URLs, without padding.
    Base64Url(Spanned<TemplateText>),
    /// A value as the JSON text that a body would have.
    JsonText(Json),
    /// A value as text: a name alone is written out.
    ToText(Spanned<TemplateText>),
    /// A part of a value.
    Select(SelectFile),
    /// HMAC-SHA256 of a text.
    HmacSha256(HmacFile),
    /// The header `Stripe-Signature` of a payload.
    StripeSignature(StripeSignatureFile),
    /// A JSON Web Token, signed with HMAC-SHA256.
    Jwt(Box<JwtFile>),
    /// The value of an environment variable; no report shows it.
    Secret(SecretFile),
    /// The value itself, with names in it.
    #[schemars(skip)]
    Literal(Json),
}

/// Adds the values that are not computed.
fn or_itself(schema: &mut Schema) {
    let Some(Value::Array(kinds)) = schema.get_mut("oneOf") else { return };
    let required = kinds.iter().filter_map(|kind| kind.get("required")?.get(0));
    let words: Vec<Value> = required.cloned().collect();
    kinds.push(json!({
        "description": "The value itself.",
        "not": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "propertyNames": { "enum": words },
        },
    }));
}

/// An instant.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "now", deny_unknown_fields)]
pub struct NowFile {
    /// The offset from now, such as `-301s`; 0s by default.
    pub offset: Option<Offset>,
    /// The format; whole seconds since 1970 by default.
    #[serde(rename = "as")]
    pub format: Option<InstantFormat>,
}

/// A text several times.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "repeat-text", deny_unknown_fields)]
pub struct RepeatTextFile {
    /// The text.
    pub text: Spanned<TemplateText>,
    /// The number of repetitions.
    pub times: Whole<1, MAX_TEXT_REPEATS>,
}

/// A part of a value.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "select", deny_unknown_fields)]
pub struct SelectFile {
    /// The value.
    pub from: Json,
    /// A JSON path: one value, or the list of several.
    pub path: JsonPath,
}

/// The key of a signature.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "key", rename_all = "kebab-case")]
pub enum KeyFile {
    /// The value of an environment variable.
    Env(EnvironmentName),
    /// This text: a key that is wrong on purpose, not a secret.
    Text(Spanned<TemplateText>),
    /// The secret that the target verifies tokens with.
    Target,
    /// The secret that the target verifies webhooks with.
    Webhook,
}

/// HMAC-SHA256 of a text.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "hmac", deny_unknown_fields)]
pub struct HmacFile {
    /// The key of the signature.
    pub key: Spanned<KeyFile>,
    /// The text to sign.
    pub text: Spanned<TemplateText>,
    /// The encoding; `hex` by default.
    #[serde(rename = "as")]
    pub encoding: Option<Encoding>,
}

/// `t=…,v1=…`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "stripe-signature", deny_unknown_fields)]
pub struct StripeSignatureFile {
    /// The secret of the endpoint.
    pub key: Spanned<KeyFile>,
    /// The body, byte for byte.
    pub payload: Spanned<TemplateText>,
    /// The time of the signature, from now; 0s by default.
    pub at: Option<Offset>,
    /// Another scheme than `v1`.
    pub scheme: Option<Word>,
}

/// A JSON Web Token.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "jwt", deny_unknown_fields)]
pub struct JwtFile {
    /// The user whose claims it starts from; none by default.
    pub user: Option<Spanned<Name>>,
    /// Members of the header on top of the usual ones; `null` takes one out.
    pub header: Option<Json>,
    /// Claims on top of the user's; `null` takes one out.
    pub claims: Option<Json>,
    /// The key of the signature; the target's own secret by default.
    pub key: Option<Spanned<KeyFile>>,
    /// The change that makes the signed token a bad one.
    pub spoil: Option<Spoil>,
}

/// The value of an environment variable.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "secret", deny_unknown_fields)]
pub struct SecretFile {
    /// The variable.
    pub env: EnvironmentName,
}
