//! Metering, quotas, webhooks, and what requests use.

use axum::http::Method;
use serde_json::{Value, json};
use workway_service::ports::{Param, Usage};

use super::{
    Area::{Cost, Money as A},
    Defect, elsewhere, made, none,
};
use crate::prove::{
    change::{Change, Further, Model, On, ReadThenWrite, on},
    token,
};

const HOOK: On = on("POST", "/webhooks/stripe");
const SUMMARIZE: On = on("POST", "/ai/summarize");
const OUR_TOLERANCE: i64 = 300;

const READ_OPERATIONS: &str = "SELECT ifnull((SELECT ai_operations FROM quota_months \
     WHERE user_id = ?1 AND month = ?2), 0) AS used, \
     ifnull((SELECT max(json_extract(?3, '$.' || plan)) FROM subscriptions \
     WHERE user_id = ?1 AND entitled = 1), json_extract(?3, '$.free')) AS allowed";

const fn operations(write: &'static str) -> Change {
    Change::ReadThenWrite(ReadThenWrite {
        statement: "take_ai_operation",
        read: READ_OPERATIONS,
        write,
    })
}

const NO_PRICE: &str = "the API states no prices: those of the estimate are tested against \
                        Cloudflare's worked examples, harness/cloudflare/src/cost";

/// Returns an order that was not paid for, as an event that says it was.
fn granted(event: &Value) -> Option<Value> {
    let object = &event["data"]["object"];
    (event["type"] == "checkout.session.completed").then(|| {
        json!({
            "id": event["id"], "type": "customer.subscription.created", "created": event["created"],
            "data": {"object": {
                "id": "sub_granted", "customer": "cus_granted", "status": "active",
                "metadata": {"user_id": object["client_reference_id"]},
                "items": {"data": [{"price": {"id": "price_growth"}}]},
            }},
        })
    })
}

pub(super) const DEFECTS: &[Defect] = &[
    made(
        A,
        ("CO-1", "`<=` for `<`: one more than the quota"),
        &["CO8"],
        &[Change::Sql("take_ai_operation", "ai_operations < ", "ai_operations <= ")],
    ),
    none(A, ("CO-2", "all usage at the price of the highest tier"), NO_PRICE),
    none(A, ("CO-4", "each request is rounded"), NO_PRICE),
    none(A, ("CO-5", "money in floating point"), NO_PRICE),
    made(
        A,
        ("CO-7", "tokens are counted as characters"),
        &["CO1"],
        &[Change::Model(Model::Usage(|usage| Usage {
            ai_input_tokens: usage.ai_input_tokens * 4,
            ai_output_tokens: usage.ai_output_tokens * 4,
            ..usage
        }))],
    ),
    made(
        A,
        ("CO-8", "what the model reads is counted, what it writes is not"),
        &["CO1"],
        &[Change::Model(Model::Usage(|usage| Usage { ai_output_tokens: 0, ..usage }))],
    ),
    made(
        A,
        ("CO-10", "what failed is counted"),
        &["CO5"],
        &[Change::Sql("give_back_ai_operation", "ai_operations - 1", "ai_operations")],
    ),
    made(
        A,
        ("CO-11", "hits are counted as misses"),
        &["CO5"],
        &[Change::Also(SUMMARIZE, |_, answer| {
            let body: Value = serde_json::from_slice(answer.body()).ok()?;
            let content = answer.headers().get("x-request-id")?.to_str().ok()?;
            let json = json!({"content": content, "quality": "simple"});
            let (method, path) = (Method::POST, "/ai/summarize");
            (body["cached"] == true).then_some(Further { method, path, json, signed: true })
        })],
    ),
    made(
        A,
        ("CO-13", "what is counted is counted twice"),
        &["CO5", "CO8"],
        &[Change::Sql("take_ai_operation", "ai_operations + 1", "ai_operations + 2")],
    ),
    made(
        A,
        ("CO-14", "counts are lost when requests come at once"),
        &["CO8"],
        &[operations(
            "INSERT INTO quota_months (user_id, month, runs, ai_operations) SELECT ?1, ?2, 0, ?4 + 1 \
             WHERE ?3 = ?3 ON CONFLICT (user_id, month) DO UPDATE SET ai_operations = ?4 + 1 \
             RETURNING ai_operations AS used",
        )],
    ),
    made(
        A,
        ("CO-16", "the quota is looked at before it is counted"),
        &["CO8"],
        &[operations(
            "INSERT INTO quota_months (user_id, month, runs, ai_operations) SELECT ?1, ?2, 0, 1 \
             WHERE ?3 = ?3 AND ?4 = ?4 \
             ON CONFLICT (user_id, month) DO UPDATE SET ai_operations = ai_operations + 1 \
             RETURNING ai_operations AS used",
        )],
    ),
    made(
        A,
        ("CO-17", "what is free is free for each token anew"),
        &["CO5", "CO8"],
        &[Change::Bind("take_ai_operation", 1, |head, user| match user {
            Param::Text(user) => format!("{user} {}", head.now).into(),
            other => other.clone(),
        })],
    ),
    elsewhere(
        A,
        ("CO-19", "months of thirty days, or of local time"),
        "service/src/domain/month.rs: no scenario can choose the day of the month",
    ),
    made(
        A,
        ("CO-20", "what was used is never forgotten"),
        &["CO7"],
        &[
            Change::Bind("give_back_ai_operation", 2, |_, _| "2000-01".into()),
            Change::Bind("get_quota_month", 2, |_, _| "2000-01".into()),
            Change::Bind("take_ai_operation", 2, |_, _| "2000-01".into()),
        ],
    ),
    none(A, ("CO-22", "cents for dollars"), NO_PRICE),
    none(A, ("CO-23", "a negative amount is taken"), "no client says what it used"),
    none(
        A,
        ("CO-25", "a stream that breaks off is counted as none, or whole"),
        "no answer of a model is a stream",
    ),
    made(
        A,
        ("CO-26", "the usage of another is shown"),
        &["AU5"],
        &[Change::Sql("get_quota_month", "user_id = ?1", "?1 = ?1")],
    ),
    made(
        A,
        ("CO-27", "what a plan includes comes a month after the plan"),
        &["CO10"],
        &[Change::AnswerBody(on("GET", "/billing/plan"), |body| {
            body["quota"] = json!({"runs": 1_000, "ai_operations": 50});
        })],
    ),
    made(
        A,
        ("AU-25", "no signature is as good as one"),
        &["AU7"],
        &[Change::Signature(|signature| signature.text.is_empty())],
    ),
    made(
        A,
        ("AU-26", "a signature never grows old"),
        &["AU7"],
        &[Change::Signature(|signature| {
            signature.age().abs() > OUR_TOLERANCE
                && signature.parts("v1").any(|p| signature.is_right(p))
        })],
    ),
    made(
        A,
        ("AU-28", "only the first signature is looked at"),
        &["AU7"],
        &[Change::Request(HOOK, |_, request| {
            let first = |text: &str| {
                let mut seen = false;
                let parts = text.split(',').filter(|part| {
                    !part.trim().starts_with("v1=") || !std::mem::replace(&mut seen, true)
                });
                parts.collect::<Vec<_>>().join(",")
            };
            if let Some(value) = request.headers_mut().get_mut("stripe-signature")
                && let Some(less) = value.to_str().ok().and_then(|text| first(text).try_into().ok())
            {
                *value = less;
            }
        })],
    ),
    made(
        A,
        ("AU-29", "any scheme is as good as `v1`"),
        &["AU7"],
        &[Change::Signature(|signature| {
            signature.parts("v0").any(|part| signature.is_right(part))
        })],
    ),
    made(
        A,
        ("AU-30", "the body is read and written again before it is verified"),
        &["AU7"],
        &[Change::Request(HOOK, |_, request| {
            if let Ok(body) = serde_json::from_slice::<Value>(request.body()) {
                *request.body_mut() = body.to_string().into();
            }
        })],
    ),
    none(
        A,
        ("AU-31", "an event is noted, then applied: what fails in between is lost"),
        "one statement takes an event and applies it",
    ),
    made(
        A,
        ("AU-32", "200 for an event that could not be processed"),
        &["AU8"],
        &[Change::Answer(HOOK, |_, answer| {
            if String::from_utf8_lossy(answer.body()).contains("malformed-json") {
                *answer.status_mut() = axum::http::StatusCode::OK;
            }
        })],
    ),
    made(
        A,
        ("AU-34", "a plan is granted that was not paid for"),
        &["AU8"],
        &[Change::Request(HOOK, |head, request| {
            if let Some(event) = granted(&head.json()) {
                let body = event.to_string();
                if let Some(signature) = token::sign_event(head, body.as_bytes()) {
                    request.headers_mut().insert("stripe-signature", signature);
                }
                *request.body_mut() = body.into();
            }
        })],
    ),
    made(
        A,
        ("AU-35", "an older event overwrites a newer one"),
        &["AU8"],
        &[
            // What comes is always the newest, whatever it says.
            Change::Bind("take_stripe_event", 2, |head, created| {
                if head.now > 0 { (head.now / 1000).into() } else { created.clone() }
            }),
        ],
    ),
    made(
        A,
        ("WF-31", "an event that comes twice counts twice"),
        &["AU8"],
        &[Change::Bind("take_stripe_event", 1, |head, id| match id {
            Param::Text(id) => format!("{id} {}", head.now).into(),
            other => other.clone(),
        })],
    ),
    made(
        Cost,
        ("CO-Q1", "a query more with each list"),
        &["cost/list"],
        &[Change::Extra(
            "list_workflows",
            "SELECT count(*) AS n FROM workflows WHERE description <> ''",
        )],
    ),
    made(
        Cost,
        ("CO-Q2", "a write more with each list"),
        &["cost/list"],
        &[Change::Extra(
            "list_workflows",
            "INSERT INTO quota_months (user_id, month, runs, ai_operations) \
             VALUES ('audit', '2000-01', 0, 0) ON CONFLICT (user_id, month) DO UPDATE SET runs = runs + 1",
        )],
    ),
    made(
        Cost,
        ("CO-Q3", "a query more with each run that is started"),
        &["cost/batch/batch", "cost/batch/single"],
        &[Change::Extra(
            "insert_run",
            "SELECT count(*) AS n FROM workflows WHERE description <> ''",
        )],
    ),
];
