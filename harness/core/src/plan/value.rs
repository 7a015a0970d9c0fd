//! Values of variables: given, or computed where a scenario cannot write them down.

use super::{Encoding, InstantFormat, JsonTemplate, JwtPlan, Template};

/// The way in which a value is made. There is no scripting: each kind meets one need of the users
/// of APIs.
#[derive(Clone, Debug)]
pub enum ValuePlan {
    /// This value, with names in it.
    Json(JsonTemplate),
    /// An instant.
    Now {
        /// Milliseconds from now.
        offset: i64,
        /// The format.
        format: InstantFormat,
    },
    /// A text several times.
    Repeat {
        /// The text.
        text: Template,
        /// The number of repetitions.
        times: usize,
    },
    /// A text in base64.
    Base64(Template),
    /// A text in base64 for URLs, without padding.
    Base64Url(Template),
    /// A value as JSON text, as it is sent in a body.
    JsonText(JsonTemplate),
    /// A value as text: a name alone is written out.
    ToText(Template),
    /// A part of a value.
    Select {
        /// The value.
        from: JsonTemplate,
        /// An RFC 9535 query.
        path: String,
    },
    /// HMAC-SHA256 of a text.
    Hmac {
        /// The key of the signature.
        key: Key,
        /// The text to sign.
        text: Template,
        /// The encoding.
        encoding: Encoding,
    },
    /// The header `Stripe-Signature` of a payload: `t=…,v1=…`.
    StripeSignature {
        /// The secret of the endpoint.
        key: Key,
        /// The body, byte for byte.
        payload: Template,
        /// Milliseconds from now.
        offset: i64,
        /// The scheme, `v1` unless another is wanted to be ignored.
        scheme: String,
    },
    /// A JSON Web Token.
    Jwt(Box<JwtPlan>),
    /// The value of an environment variable, which no report shows.
    Secret(String),
}

/// The key of a signature.
#[derive(Clone, Debug)]
pub enum Key {
    /// The value of an environment variable.
    Environment(String),
    /// This text, which is no secret: a key that is wrong on purpose.
    Text(Template),
    /// The secret that the target verifies tokens with; see [`super::Capability::SigningKey`].
    Target,
    /// The secret that the target verifies webhooks with; see
    /// [`super::Capability::WebhookSecret`].
    Webhook,
}

impl ValuePlan {
    /// Returns the environment variable in which it expects a secret.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::Secret(name) => Some(name),
            Self::Hmac { key, .. } | Self::StripeSignature { key, .. } => key.environment(),
            Self::Jwt(jwt) => jwt.key.environment(),
            _ => None,
        }
    }

    /// Returns whether the value depends on the time at which it is computed.
    pub fn needs_time(&self) -> bool {
        matches!(self, Self::Now { .. } | Self::StripeSignature { .. } | Self::Jwt(_))
    }

    /// The names in it.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Now { .. } | Self::Secret(_) => Vec::new(),
            Self::Repeat { text, .. }
            | Self::Base64(text)
            | Self::Base64Url(text)
            | Self::ToText(text) => text.names().collect(),
            Self::Json(json) | Self::JsonText(json) | Self::Select { from: json, .. } => {
                json.names()
            }
            Self::Hmac { key, text, .. } | Self::StripeSignature { key, payload: text, .. } => {
                key.names().into_iter().chain(text.names()).collect()
            }
            Self::Jwt(jwt) => {
                let mut names = jwt.header.names();
                names.extend(jwt.claims.names());
                names.extend(jwt.key.names());
                names
            }
        }
    }
}

impl Key {
    /// Returns the environment variable that holds it.
    pub fn environment(&self) -> Option<&str> {
        match self {
            Self::Environment(name) => Some(name),
            _ => None,
        }
    }

    fn names(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => text.names().collect(),
            Self::Environment(_) | Self::Target | Self::Webhook => Vec::new(),
        }
    }

    /// Returns whether a value made with it is a secret, too.
    pub fn is_secret(&self) -> bool {
        !matches!(self, Self::Text(_))
    }
}
