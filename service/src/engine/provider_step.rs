//! The steps that act for the owner at a provider: `google.userinfo` and `notion.create_page`.
//!
//! Notion knows no idempotency keys, so a page is made *at most once*: an attempt whose outcome is
//! not known is not repeated, and the run fails and says so. Repeated are attempts of which Notion
//! said that it did nothing, and those that never left. (`http` steps are at least once, with a
//! key.)

use serde_json::{Value, json};

use super::machine::{ATTEMPT_TIMEOUT, Failure};
use crate::config::{Client, OAuthConfig};
use crate::domain::{
    notion,
    workflow::{Step, StepKind},
};
use crate::identity::{
    PersonOf, Provider, REFRESH_WAIT, TIMEOUT, TokenReply, create_page, userinfo,
};
use crate::ports::{ActorContext, ObjectPorts, OutboundRequest, OutboundResponse, PortError};

const _: () = assert!(REFRESH_WAIT + 2 * TIMEOUT <= ATTEMPT_TIMEOUT);

/// Whose step it is, and what it needs.
#[derive(Debug)]
pub(super) struct OnBehalf<'a, C> {
    pub(super) ports: &'a ObjectPorts<'a, C>,
    pub(super) oauth: Option<&'a OAuthConfig>,
    pub(super) owner: &'a str,
}

impl<C: ActorContext> OnBehalf<'_, C> {
    /// One attempt.
    pub(super) async fn attempt(&self, step: &Step) -> Result<Value, Failure> {
        match step.kind {
            StepKind::NotionCreatePage => {
                let page = notion::page(&step.config).map_err(for_good)?;
                let request = |client: &Client, token: &str| create_page(client, token, &page);
                made(self.call(Provider::Notion, request).await?)
            }
            _ => said(self.call(Provider::Google, userinfo).await?),
        }
    }

    /// Sends a request with the owner's token.
    async fn call(
        &self,
        provider: Provider,
        request: impl FnOnce(&Client, &str) -> OutboundRequest,
    ) -> Result<Result<OutboundResponse, PortError>, Failure> {
        let name = provider.name();
        let client = self.oauth.and_then(|oauth| oauth.client(provider));
        let client = client.ok_or_else(|| for_good(format!("this deployment has no {name}")))?;
        let person = PersonOf::new(self.ports.actors(), self.owner);
        let asked = person.token(provider).await;
        let again = |message: &str| Failure { message: format!("{name} {message}"), retry: true };
        let token = match asked.map_err(|_| again("could not be reached"))? {
            TokenReply::Token(token) => token,
            TokenReply::Unavailable => return Err(again("gave no token this time")),
            TokenReply::Over => {
                let how = format!("{name} is not connected: visit /oauth/{name}/authorize");
                return Err(for_good(how));
            }
        };
        let answer = self.ports.http().send(request(client, &token)).await;
        if answer.as_ref().is_ok_and(|answer| answer.status == 401) {
            // Whether or not that is heard, the next attempt finds out.
            let _ = person.refused(provider, &token).await;
            return Err(again("did not accept the token"));
        }
        Ok(answer)
    }
}

fn for_good(message: String) -> Failure {
    Failure { message, retry: false }
}

/// What Google said.
fn said(answer: Result<OutboundResponse, PortError>) -> Result<Value, Failure> {
    let again = |message: &str| Failure { message: message.to_owned(), retry: true };
    let answer = answer.map_err(|_| again("google gave no answer"))?;
    match answer.status {
        200 => serde_json::from_slice(&answer.body)
            .map_err(|_| again("google answered with something else than JSON")),
        status => Err(refusal("google", status, status >= 500 || status == 429)),
    }
}

/// What Notion made.
fn made(answer: Result<OutboundResponse, PortError>) -> Result<Value, Failure> {
    let unknown = || {
        let message = "notion gave no whole answer; whether it made the page is not known, and a \
                       second attempt could make another";
        for_good(message.to_owned())
    };
    let answer = answer.map_err(|_| unknown())?;
    match answer.status {
        200 => {
            let page: Value = serde_json::from_slice(&answer.body).map_err(|_| unknown())?;
            Ok(json!({"id": page.get("id"), "url": page.get("url")}))
        }
        // Documented: too many requests, a conflict while saving, not available. Nothing was made.
        status @ (409 | 429 | 503) => Err(refusal("notion", status, true)),
        status if status < 500 => Err(refusal("notion", status, false)),
        _ => Err(unknown()),
    }
}

fn refusal(name: &str, status: u16, retry: bool) -> Failure {
    Failure { message: format!("{name} answered with status {status}"), retry }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::PortFailure;

    #[expect(clippy::unnecessary_wraps, reason = "as the port gives it")]
    fn answer(status: u16, body: &str) -> Result<OutboundResponse, PortError> {
        Ok(OutboundResponse { status, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn a_page_is_tried_again_only_when_none_was_made() {
        let page = made(answer(200, r#"{"id":"p","url":"u","secret":1}"#)).unwrap();
        assert_eq!(page, json!({"id": "p", "url": "u"}));
        for status in [409, 429, 503] {
            assert!(made(answer(status, "")).unwrap_err().retry, "{status}");
        }
        for status in [301, 400, 403, 404, 500, 502, 504] {
            assert!(!made(answer(status, "")).unwrap_err().retry, "{status}");
        }
        let timeout = made(Err(PortFailure::Timeout("http").into())).unwrap_err();
        assert!(!timeout.retry && timeout.message.contains("not known"));
        assert!(!made(answer(200, "half")).unwrap_err().retry);
    }

    #[test]
    fn a_question_can_be_asked_again() {
        assert_eq!(said(answer(200, r#"{"sub":"1"}"#)).unwrap(), json!({"sub": "1"}));
        for status in [429, 500, 503] {
            assert!(said(answer(status, "")).unwrap_err().retry, "{status}");
        }
        assert!(!said(answer(403, "")).unwrap_err().retry);
        assert!(said(answer(200, "half")).unwrap_err().retry);
        assert!(said(Err(PortFailure::Timeout("http").into())).unwrap_err().retry);
    }
}
