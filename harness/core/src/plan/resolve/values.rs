//! `vars`: values that are given or computed.

use crate::{
    language::{
        Spanned,
        file::{Entries, Json, JwtFile, KeyFile, ValueFile},
        text::{Name, TemplateText},
    },
    model::Capability,
    plan::{JsonTemplate, JwtPlan, Key, UserId, ValuePlan},
};

use super::Resolver;

/// The scheme of Stripe's signatures that counts.
const STRIPE_SCHEME: &str = "v1";

impl Resolver {
    /// Each may use those before it.
    pub(super) fn values(
        &mut self,
        file: &Entries<Name, Spanned<ValueFile>>,
    ) -> Vec<(String, ValuePlan)> {
        let mut values = Vec::new();
        for (name, value) in file {
            let plan = self.value(name, value);
            let defined = self.scope.define_value(&name.0, name.span);
            self.ok(defined);
            if let Some(ValuePlan::Json(value)) = &plan {
                self.scope.describe_last(value);
            }
            values.extend(plan.map(|plan| (name.0.clone(), plan)));
        }
        values
    }

    /// The value of a variable, or `None` after an error.
    pub(super) fn value(
        &mut self,
        name: &Spanned<Name>,
        file: &Spanned<ValueFile>,
    ) -> Option<ValuePlan> {
        Some(match &file.value {
            ValueFile::Json(json) => ValuePlan::Json(self.json(json)),
            ValueFile::Literal(json) => {
                self.lint_uuid(&name.0, json);
                ValuePlan::Json(self.json(json))
            }
            ValueFile::Now(now) => ValuePlan::Now {
                offset: now.offset.map_or(0, |offset| offset.0),
                format: now.format.unwrap_or_default(),
            },
            ValueFile::Repeat(repeat) => {
                ValuePlan::Repeat { text: self.text(&repeat.text), times: repeat.times.count() }
            }
            ValueFile::Base64(text) => ValuePlan::Base64(self.text(text)),
            ValueFile::Base64Url(text) => ValuePlan::Base64Url(self.text(text)),
            ValueFile::ToText(text) => ValuePlan::ToText(self.text(text)),
            ValueFile::JsonText(json) => ValuePlan::JsonText(self.json(json)),
            ValueFile::Select(select) => {
                ValuePlan::Select { from: self.json(&select.from), path: select.path.0.clone() }
            }
            ValueFile::HmacSha256(hmac) => ValuePlan::Hmac {
                key: self.key(&hmac.key),
                text: self.text(&hmac.text),
                encoding: hmac.encoding.unwrap_or_default(),
            },
            ValueFile::StripeSignature(stripe) => ValuePlan::StripeSignature {
                key: self.key(&stripe.key),
                payload: self.text(&stripe.payload),
                offset: stripe.at.map_or(0, |offset| offset.0),
                scheme: stripe.scheme.as_ref().map_or(STRIPE_SCHEME, |word| &word.0).to_owned(),
            },
            ValueFile::Jwt(jwt) => ValuePlan::Jwt(Box::new(self.jwt(jwt)?)),
            ValueFile::Secret(secret) => ValuePlan::Secret(secret.env.0.clone()),
        })
    }

    fn text(&mut self, text: &Spanned<TemplateText>) -> crate::plan::Template {
        self.use_template(&text.0, text.span);
        text.0.clone()
    }

    fn jwt(&mut self, file: &JwtFile) -> Option<JwtPlan> {
        let user = match &file.user {
            None => None,
            Some(name) => {
                let found = self.scope.minted_user(&name.0, name.span);
                Some(UserId(self.ok(found)?))
            }
        };
        let key = if let Some(key) = &file.key {
            self.key(key)
        } else {
            self.need(Capability::SigningKey);
            Key::Target
        };
        Some(JwtPlan {
            user,
            header: self.object(file.header.as_ref()),
            claims: self.object(file.claims.as_ref()),
            key,
            spoil: file.spoil,
        })
    }

    fn object(&mut self, json: Option<&Json>) -> JsonTemplate {
        json.map_or_else(|| JsonTemplate::Object(Vec::new()), |json| self.json(json))
    }

    fn key(&mut self, key: &Spanned<KeyFile>) -> Key {
        match &key.value {
            KeyFile::Env(name) => Key::Environment(name.0.clone()),
            KeyFile::Text(text) => Key::Text(self.text(text)),
            KeyFile::Target => {
                self.need(Capability::SigningKey);
                Key::Target
            }
            KeyFile::Webhook => {
                self.need(Capability::WebhookSecret);
                Key::Webhook
            }
        }
    }
}
