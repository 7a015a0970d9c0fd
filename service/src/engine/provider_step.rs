//! Carries out the steps that act for the owner at a provider: `google.userinfo` and
//! `notion.create_page`.
//!
//! Notion has no idempotency keys, so a page is created *at most once*: an attempt whose outcome is
//! not known is not repeated, and the run fails with that reason. An attempt is repeated if Notion
//! said that it did nothing, or if the request never left. (`http` steps, in contrast, are carried
//! out at least once, with a key.)

use serde_json::{Value, json};

use super::{failure::Failure, machine::ATTEMPT_TIMEOUT};
use crate::config::{Client, OAuthConfig};
use crate::domain::{
    notion,
    workflow::{Step, StepError, StepKind},
};
use crate::identity::{
    PersonClient, Provider, REFRESH_WAIT, TIMEOUT, TokenReply, create_page, userinfo,
};
use crate::ports::{ActorContext, ObjectPorts, OutboundRequest, OutboundResponse, PortError};

const _: () = assert!(REFRESH_WAIT + 2 * TIMEOUT <= ATTEMPT_TIMEOUT);

/// The owner for whom a step acts, and the ports that it needs.
#[derive(Debug)]
pub(super) struct ProviderStep<'a, C> {
    pub(super) ports: &'a ObjectPorts<'a, C>,
    pub(super) oauth: Option<&'a OAuthConfig>,
    pub(super) owner: &'a str,
}

impl<C: ActorContext> ProviderStep<'_, C> {
    /// Makes one attempt of the step.
    pub(super) async fn attempt(&self, step: &Step) -> Result<Value, Failure> {
        match step.kind {
            StepKind::NotionCreatePage => {
                let page = notion::page(&step.config).map_err(StepError::from)?;
                let request = |client: &Client, token: &str| create_page(client, token, &page);
                created_page(self.call(Provider::Notion, request).await?)
            }
            _ => user_info(self.call(Provider::Google, userinfo).await?),
        }
    }

    /// Sends a request with the owner's token.
    async fn call(
        &self,
        provider: Provider,
        request: impl FnOnce(&Client, &str) -> OutboundRequest,
    ) -> Result<Result<OutboundResponse, PortError>, Failure> {
        let client = self.oauth.and_then(|oauth| oauth.client(provider));
        let client = client.ok_or(Failure::NoProvider(provider))?;
        let person = PersonClient::new(self.ports.actors(), self.owner);
        let reply = person.token(provider).await;
        let token = match reply.map_err(|_| Failure::ProviderUnreachable(provider))? {
            TokenReply::Token(token) => token,
            TokenReply::Unavailable => return Err(Failure::NoToken(provider)),
            TokenReply::NotConnected => return Err(Failure::NotConnected(provider)),
        };
        let answer = self.ports.http().send(request(client, &token)).await;
        if answer.as_ref().is_ok_and(|answer| answer.status == 401) {
            // If this message is lost, the next attempt gets the same token and reports it again.
            let _ = person.refused(provider, &token).await;
            return Err(Failure::TokenRefused(provider));
        }
        Ok(answer)
    }
}

/// Reads Google's answer to the question who the owner is.
fn user_info(answer: Result<OutboundResponse, PortError>) -> Result<Value, Failure> {
    let provider = Provider::Google;
    let answer = answer.map_err(|_| Failure::NoAnswer(provider))?;
    match answer.status {
        200 => serde_json::from_slice(&answer.body).map_err(|_| Failure::NotJson(provider)),
        status => {
            let retry = status >= 500 || status == 429;
            Err(Failure::ProviderStatus { provider, status, retry })
        }
    }
}

/// Reads Notion's answer to the request for a new page.
fn created_page(answer: Result<OutboundResponse, PortError>) -> Result<Value, Failure> {
    let provider = Provider::Notion;
    let answer = answer.map_err(|_| Failure::UnknownOutcome)?;
    match answer.status {
        200 => {
            let page: Value =
                serde_json::from_slice(&answer.body).map_err(|_| Failure::UnknownOutcome)?;
            Ok(json!({"id": page.get("id"), "url": page.get("url")}))
        }
        // Notion documents these as too many requests, a conflict while saving, and unavailable.
        // It has created nothing in these cases.
        status @ (409 | 429 | 503) => {
            Err(Failure::ProviderStatus { provider, status, retry: true })
        }
        status if status < 500 => Err(Failure::ProviderStatus { provider, status, retry: false }),
        _ => Err(Failure::UnknownOutcome),
    }
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
    fn a_page_is_tried_again_only_if_none_was_created() {
        let page = created_page(answer(200, r#"{"id":"p","url":"u","secret":1}"#)).unwrap();
        assert_eq!(page, json!({"id": "p", "url": "u"}));
        for status in [409, 429, 503] {
            assert!(created_page(answer(status, "")).unwrap_err().is_retryable(), "{status}");
        }
        for status in [301, 400, 403, 404, 500, 502, 504] {
            assert!(!created_page(answer(status, "")).unwrap_err().is_retryable(), "{status}");
        }
        let timeout = created_page(Err(PortFailure::Timeout("http").into())).unwrap_err();
        assert!(!timeout.is_retryable() && timeout.to_string().contains("not known"));
        assert!(!created_page(answer(200, "half")).unwrap_err().is_retryable());
    }

    #[test]
    fn a_question_can_be_asked_again() {
        assert_eq!(user_info(answer(200, r#"{"sub":"1"}"#)).unwrap(), json!({"sub": "1"}));
        for status in [429, 500, 503] {
            assert!(user_info(answer(status, "")).unwrap_err().is_retryable(), "{status}");
        }
        assert!(!user_info(answer(403, "")).unwrap_err().is_retryable());
        assert!(user_info(answer(200, "half")).unwrap_err().is_retryable());
        assert!(user_info(Err(PortFailure::Timeout("http").into())).unwrap_err().is_retryable());
    }
}
