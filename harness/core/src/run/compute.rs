//! Values that are computed.

use crate::model::{Object, Value};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, Mac as _, digest::InvalidLength};
use sha2::Sha256;

use super::values::{At, Scope};
use crate::{
    check::expect,
    model::{MAX_RENDERED_BYTES, QueryError, Secret},
    plan::{
        Credentials, Encoding, InstantFormat, JsonTemplate, JwtPlan, Key, ScenarioPlan, Spoil,
        Template, TemplateError, ValuePlan,
    },
    record::hex,
};

/// The shortest secret: hiding a shorter one would make reports unreadable, and guessing it easy.
pub const MIN_SECRET: usize = 8;

/// The largest size of all variables of a scenario together, in bytes.
pub(super) const MAX_VARS_BYTES: usize = 64 << 20;

/// Says why a value cannot be computed, without secrets.
#[derive(Debug, thiserror::Error)]
pub(super) enum ValueError {
    /// A name in it has no value.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A path is no query.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A query selects nothing.
    #[error("{0} selects nothing")]
    Nothing(String),
    /// A secret is not in the environment.
    #[error("a secret is expected in ${0}, which is not set")]
    NoSecret(String),
    /// A secret is too short to be one.
    #[error("${0} has less than {MIN_SECRET} bytes, which is no secret")]
    ShortSecret(String),
    /// The key with which the target verifies something is not known.
    #[error("the secret that the target verifies {0} with is not known")]
    UnknownKey(&'static str),
    /// A part of a token is something else than an object.
    #[error("the {0} of a token must be an object")]
    NotAnObject(&'static str),
    /// A token is for a user of which there is none.
    #[error("nobody to make a token for")]
    Nobody,
    /// An instant has no form in RFC 3339 here.
    #[error("the instant is before 1970")]
    Before1970,
    /// HMAC refuses the key.
    #[error(transparent)]
    Key(#[from] InvalidLength),
    /// The variables are too large together.
    #[error("with it the variables have more than {MAX_VARS_BYTES} bytes")]
    TooMuch,
}

/// Computes values from the state of an iteration.
pub(super) struct Computer<'a> {
    pub(super) plan: &'a ScenarioPlan,
    pub(super) scope: &'a Scope,
    /// The reading of the target's clock, in milliseconds since 1970.
    pub(super) now: i64,
}

impl Computer<'_> {
    /// Computes a value.
    ///
    /// # Errors
    /// [`ValueError`].
    pub(super) fn compute(&self, value: &ValuePlan) -> Result<Value, ValueError> {
        let names = self.scope.at(0);
        Ok(match value {
            ValuePlan::Json(json) => json_of(json, &names)?,
            ValuePlan::Now { offset, format } => instant(self.now + offset, *format)?,
            ValuePlan::Repeat { text, times } => {
                let text = text_of(text, &names)?;
                if text.len().saturating_mul(*times) > MAX_RENDERED_BYTES {
                    return Err(TemplateError::TooLarge.into());
                }
                text.repeat(*times).into()
            }
            ValuePlan::Base64(text) => STANDARD.encode(text_of(text, &names)?).into(),
            ValuePlan::Base64Url(text) => URL_SAFE_NO_PAD.encode(text_of(text, &names)?).into(),
            ValuePlan::ToText(text) => text_of(text, &names)?.into(),
            ValuePlan::JsonText(json) => json_of(json, &names)?.to_string().into(),
            ValuePlan::Select { from, path } => {
                let from = json_of(from, &names)?;
                let selected = expect::select(&from, path)?;
                selected.ok_or_else(|| ValueError::Nothing(path.clone()))?
            }
            ValuePlan::Hmac { key, text, encoding } => {
                let signature = hmac(&self.key(key, &names)?, &text_of(text, &names)?)?;
                self.signed(key, encode(&signature, *encoding))
            }
            ValuePlan::StripeSignature { key, payload, offset, scheme } => {
                let at = (self.now + offset).div_euclid(1000);
                let signed = format!("{at}.{}", text_of(payload, &names)?);
                let signature = hmac(&self.key(key, &names)?, &signed)?;
                let signature = encode(&signature, Encoding::Hex);
                format!("t={at},{scheme}={}", self.signed(key, signature).as_str().unwrap_or(""))
                    .into()
            }
            ValuePlan::Jwt(jwt) => {
                let token = self.jwt(jwt, &names)?;
                self.signed(&jwt.key, token)
            }
            ValuePlan::Secret(name) => self.environment(name)?.into(),
        })
    }

    /// Returns a signature; if its key is a secret, the signature is hidden, too, because it gives
    /// the same access.
    fn signed(&self, key: &Key, signature: String) -> Value {
        if key.is_secret() {
            self.scope.context().secrets.add(&signature);
        }
        signature.into()
    }

    fn environment(&self, name: &str) -> Result<String, ValueError> {
        let value = std::env::var(name).map_err(|_| ValueError::NoSecret(name.to_owned()))?;
        if value.len() < MIN_SECRET {
            return Err(ValueError::ShortSecret(name.to_owned()));
        }
        self.scope.context().secrets.add(&value);
        Ok(value)
    }

    fn key(&self, key: &Key, names: &At<'_>) -> Result<String, ValueError> {
        match key {
            Key::Environment(name) => self.environment(name),
            Key::Text(text) => text_of(text, names),
            Key::Target => self.own(self.scope.context().signing.as_ref(), "tokens"),
            Key::Webhook => self.own(self.scope.context().webhook.as_ref(), "webhooks"),
        }
    }

    /// A secret that the target verifies something with.
    fn own(&self, secret: Option<&Secret>, what: &'static str) -> Result<String, ValueError> {
        let secret = secret.ok_or(ValueError::UnknownKey(what))?.expose();
        self.scope.context().secrets.add(secret);
        Ok(secret.to_owned())
    }

    fn jwt(&self, jwt: &JwtPlan, names: &At<'_>) -> Result<String, ValueError> {
        let mut header = Object::from_iter([("alg".to_owned(), "HS256".into())]);
        if let Some(signing) = &self.scope.context().signing {
            header.extend(members(self.scope.context().tokens.header(signing)));
        }
        change(&mut header, json_of(&jwt.header, names)?, "header")?;
        let mut claims = self.claims(jwt)?;
        change(&mut claims, json_of(&jwt.claims, names)?, "claims")?;
        let part = |members: Object| URL_SAFE_NO_PAD.encode(Value::Object(members).to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = hmac(&self.key(&jwt.key, names)?, &signed)?;
        Ok(spoil(&signed, &signature, jwt.spoil))
    }

    fn claims(&self, jwt: &JwtPlan) -> Result<Object, ValueError> {
        let Some(id) = jwt.user else { return Ok(Object::new()) };
        let world = self.scope.context();
        let person = world.virtual_users.get(id, self.scope.iteration);
        let person = person.ok_or(ValueError::Nobody)?;
        let scope = match self.plan.users.get(id.0).map(|user| &user.credentials) {
            Some(Credentials::Minted { scope, .. }) => scope.as_str(),
            _ => "",
        };
        let now = u64::try_from(self.now.div_euclid(1000)).unwrap_or_default();
        Ok(members(world.tokens.claims(&person.subject, scope, now)))
    }
}

fn text_of(text: &Template, names: &At<'_>) -> Result<String, ValueError> {
    Ok(text.render(names)?)
}

fn json_of(json: &JsonTemplate, names: &At<'_>) -> Result<Value, ValueError> {
    Ok(json.render(names)?)
}

fn members(members: serde_json::Map<String, serde_json::Value>) -> Object {
    members.into_iter().map(|(name, value)| (name, value.into())).collect()
}

/// Sets members; `null` takes one out.
fn change(members: &mut Object, changes: Value, what: &'static str) -> Result<(), ValueError> {
    let Value::Object(changes) = changes else {
        return Err(ValueError::NotAnObject(what));
    };
    for (name, value) in changes {
        if value.is_null() {
            members.shift_remove(&name);
        } else {
            members.insert(name, value);
        }
    }
    Ok(())
}

fn instant(millis: i64, format: InstantFormat) -> Result<Value, ValueError> {
    Ok(match format {
        InstantFormat::Seconds => millis.div_euclid(1000).into(),
        InstantFormat::Milliseconds => millis.into(),
        InstantFormat::Rfc3339 => {
            let since = u64::try_from(millis).map_err(|_| ValueError::Before1970)?;
            let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(since);
            humantime::format_rfc3339_millis(at).to_string().into()
        }
    })
}

fn hmac(key: &str, text: &str) -> Result<Vec<u8>, ValueError> {
    // HMAC takes keys of any length.
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())?;
    Ok(mac.chain_update(text).finalize().into_bytes().to_vec())
}

fn encode(bytes: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Hex => hex(bytes),
        Encoding::Base64 => STANDARD.encode(bytes),
        Encoding::Base64Url => URL_SAFE_NO_PAD.encode(bytes),
    }
}

fn spoil(signed: &str, signature: &[u8], how: Option<Spoil>) -> String {
    let encoded = URL_SAFE_NO_PAD.encode(signature);
    let flipped = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        if let Some(byte) = bytes.first_mut() {
            *byte ^= 1;
        }
        URL_SAFE_NO_PAD.encode(bytes)
    };
    match how {
        None => format!("{signed}.{encoded}"),
        Some(Spoil::NoSignature) => format!("{signed}."),
        Some(Spoil::FlipSignature) => format!("{signed}.{}", flipped(signature)),
        Some(Spoil::CutSignature) => format!("{signed}.{}", &encoded[..encoded.len() * 3 / 4]),
        Some(Spoil::ExtraPart) => format!("{signed}.{encoded}.{encoded}"),
        Some(Spoil::FlipClaims) => {
            let (header, claims) = signed.split_once('.').unwrap_or((signed, ""));
            // The claims are JSON: a changed byte in the middle leaves text that is still decoded.
            let mut bytes = URL_SAFE_NO_PAD.decode(claims).unwrap_or_default();
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 1;
            }
            format!("{header}.{}.{encoded}", URL_SAFE_NO_PAD.encode(bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2; and the example in Stripe's documentation of its scheme.
    #[test]
    fn signatures_are_those_of_the_standards() {
        let signature = hmac("Jefe", "what do ya want for nothing?").unwrap();
        assert_eq!(
            encode(&signature, Encoding::Hex),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(encode(&[251, 255], Encoding::Base64), "+/8=");
        assert_eq!(encode(&[251, 255], Encoding::Base64Url), "-_8");
    }

    #[test]
    fn instants_in_each_format() {
        let at = 1_700_000_000_123;
        assert_eq!(instant(at, InstantFormat::Seconds).unwrap(), 1_700_000_000);
        assert_eq!(instant(at, InstantFormat::Milliseconds).unwrap(), at);
        assert_eq!(instant(at, InstantFormat::Rfc3339).unwrap(), "2023-11-14T22:13:20.123Z");
        assert!(instant(-1, InstantFormat::Rfc3339).is_err());
    }

    #[test]
    fn spoiled_tokens_differ_from_the_good_one_and_from_each_other() {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode("{}"), URL_SAFE_NO_PAD.encode("{ }"));
        let all: std::collections::BTreeSet<_> = [
            None,
            Some(Spoil::NoSignature),
            Some(Spoil::FlipSignature),
            Some(Spoil::CutSignature),
            Some(Spoil::FlipClaims),
            Some(Spoil::ExtraPart),
        ]
        .map(|how| spoil(&signed, &[1; 32], how))
        .into();
        assert_eq!(all.len(), 6);
        assert!(all.contains(&format!("{signed}.")));
    }
}
