//! Plans, checkout, and what Stripe tells us.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use url::form_urlencoded::Serializer;

use super::Context;
use crate::app::App;
use crate::config::{Billing, Secret};
use crate::domain::{
    billing::{EventError, SubscriptionEvent, plan_from_json},
    json,
    month::Month,
    plan::{Plan, Quota},
};
use crate::guard::{Problem, Scope, StrictJson, is_signed, read_body};
use crate::ports::{Clock, OutboundRequest, OutboundResponse, Platform, PortError};
use crate::store::{QuotaMonths, Subscriptions};

/// Stripe is given up after this. It answers within a second.
const STRIPE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer of Stripe that is read, in bytes. A checkout session has about 5 KB.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The plan of the caller, and how much of it is used.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct PlanReport {
    /// The best plan that is paid for.
    plan: Plan,
    /// The status of the subscription in Stripe's terms; null without one.
    status: Option<String>,
    /// The end of the period that is paid for, in seconds since 1970.
    period_end: Option<i64>,
    /// The calendar month that the quota is for, in UTC.
    month: String,
    /// The quota of a month.
    quota: Quota,
    /// The part of the quota that was used this month.
    used: Quota,
}

/// A page of Stripe's on which to pay.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct Checkout {
    /// Stripe's identifier of the checkout.
    id: String,
    /// The URL to send the browser to.
    url: String,
}

/// The acknowledgement that Stripe gets.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct Received {
    /// True.
    received: bool,
}

/// Answers `GET /billing/plan`.
pub(super) async fn plan<P: Platform>(context: Context<P>) -> Result<Json<PlanReport>, Problem> {
    let user = context.caller_with(Scope::Read)?;
    let quotas = &context.app.config.billing.quotas;
    let now = context.now();
    let best = Subscriptions::new(context.ports.database()).best(user, quotas, now).await?;
    let month = Month::of(now);
    let taken = QuotaMonths::new(context.ports.database()).used(user, month).await?;
    let plan = best.as_ref().map_or(Plan::Free, |best| best.plan);
    let (quota, month) = (quotas.of(plan), month.name());
    let (status, period_end) =
        best.map_or((None, None), |best| (Some(best.status), best.period_end));
    Ok(Json(PlanReport { plan, status, period_end, month, quota, used: taken }))
}

/// Answers `POST /billing/checkout`: the plan is in force when Stripe says that it is paid for.
pub(super) async fn checkout<P: Platform>(
    context: Context<P>,
    StrictJson(body): StrictJson,
) -> Result<(StatusCode, Json<Checkout>), Problem> {
    let user = context.caller_with(Scope::Write)?;
    let plan = plan_from_json(&body).map_err(Problem::invalid_input)?;
    let billing = &context.app.config.billing;
    let not_sold = || PortError::unavailable("stripe", "STRIPE_SECRET_KEY or the price is missing");
    let offer = billing.secret_key.as_ref().zip(billing.price(plan));
    let (key, price) = offer.ok_or_else(not_sold)?;
    // The same for each attempt at this request: Stripe makes one session for it.
    let idempotency_key = context.new_id()?;
    let request = session(billing, key, price, user, &idempotency_key);
    let checkout = read_session(&context.ports.http().send(request).await?)?;
    Ok((StatusCode::CREATED, Json(checkout)))
}

/// Builds the request for a checkout session:
/// <https://docs.stripe.com/api/checkout/sessions/create>.
fn session(
    billing: &Billing,
    key: &Secret,
    price: &str,
    user: &str,
    idempotency_key: &str,
) -> OutboundRequest {
    let back = &billing.return_url;
    let form = Serializer::new(String::new())
        .append_pair("mode", "subscription")
        .append_pair("line_items[0][price]", price)
        .append_pair("line_items[0][quantity]", "1")
        .append_pair("client_reference_id", user)
        .append_pair("subscription_data[metadata][user_id]", user)
        .append_pair("success_url", &format!("{back}?checkout=success"))
        .append_pair("cancel_url", &format!("{back}?checkout=cancelled"))
        .finish();
    OutboundRequest {
        method: "POST".to_owned(),
        url: format!("{}/v1/checkout/sessions", billing.api),
        headers: BTreeMap::from([
            ("authorization", format!("Bearer {}", key.expose())),
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("idempotency-key", idempotency_key.to_owned()),
        ]),
        body: Some(form.into_bytes()),
        timeout: STRIPE_TIMEOUT,
        max_body_bytes: MAX_ANSWER_BYTES,
    }
}

fn read_session(answer: &OutboundResponse) -> Result<Checkout, PortError> {
    #[derive(Deserialize)]
    struct Session {
        id: String,
        url: String,
    }
    if answer.status != 200 {
        return Err(PortError::unavailable("stripe", format!("status {}", answer.status)));
    }
    let session: Result<Session, _> = serde_json::from_slice(&answer.body);
    // A browser is sent there.
    let session = session.ok().filter(|session| session.url.starts_with("http"));
    let nonsense = || PortError::unavailable("stripe", "the answer is no checkout session");
    session.map(|Session { id, url }| Checkout { id, url }).ok_or_else(nonsense)
}

/// A body as it was received, from who knows the webhook's secret.
pub(super) struct Signed(Bytes);

impl<P: Platform> FromRequest<App<P>> for Signed {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App<P>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let clock = app.platform.clock();
        let body = read_body(body, clock).await?;
        let now = clock.now();
        let secrets = &app.config.billing.webhook_secrets;
        if is_signed(&parts.headers, &body, secrets, now) {
            Ok(Self(body))
        } else {
            Err(Problem::bad_signature())
        }
    }
}

/// Answers `POST /webhooks/stripe`: an event that changes nothing here is received all the same, or
/// Stripe would send it for days.
pub(super) async fn webhook<P: Platform>(
    context: Context<P>,
    Signed(body): Signed,
) -> Result<Json<Received>, Problem> {
    let event = json::parse(&body)?;
    match SubscriptionEvent::from_json(&event, &context.app.config.billing.prices) {
        Ok(event) => {
            let subscriptions = Subscriptions::new(context.ports.database());
            subscriptions.take(&event, context.now()).await?;
        }
        Err(EventError::Ignored(why)) => context.ports.log(&format!("stripe: {why}")),
        Err(error @ EventError::Malformed { .. }) => {
            return Err(Problem::malformed_json(error.to_string()));
        }
    }
    Ok(Json(Received { received: true }))
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_session_is_asked_for_as_stripe_documents_it() {
        let config = Config::from_lookup(|name| match name {
            "JWT_SECRET" => Some("s".repeat(32)),
            "CHECKOUT_RETURN_URL" => Some("https://app.example/billing".to_owned()),
            _ => None,
        });
        let billing = config.unwrap().billing;
        let request = session(&billing, &Secret::new("sk_1"), "price_1", "ann & bob", "once");
        assert_eq!(request.url, "https://api.stripe.com/v1/checkout/sessions");
        assert_eq!(request.headers["authorization"], "Bearer sk_1");
        assert_eq!(request.headers["idempotency-key"], "once");
        let form: Vec<_> = url::form_urlencoded::parse(request.body.as_deref().unwrap())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            form,
            [
                "mode=subscription",
                "line_items[0][price]=price_1",
                "line_items[0][quantity]=1",
                "client_reference_id=ann & bob",
                "subscription_data[metadata][user_id]=ann & bob",
                "success_url=https://app.example/billing?checkout=success",
                "cancel_url=https://app.example/billing?checkout=cancelled",
            ]
        );
    }

    #[test]
    fn only_a_session_is_a_session() {
        let read = |status, body: &str| {
            read_session(&OutboundResponse { status, body: body.as_bytes().to_vec() })
        };
        assert_eq!(read(200, r#"{"id":"cs_1","url":"https://c"}"#).unwrap().id, "cs_1");
        for (status, body) in [
            (500, "{}"),
            (402, r#"{"error":{"message":"declined"}}"#),
            (302, ""),
            (200, ""),
            (200, r#"{"id":"cs_1","url":null}"#),
            (200, r#"{"id":"cs_1","url":"javascript:x"}"#),
        ] {
            assert!(read(status, body).is_err(), "{status} {body}");
        }
    }
}
