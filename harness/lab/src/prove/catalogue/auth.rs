//! Tokens, origins, and what is another's.

use axum::http::{HeaderValue, Method, header};
use serde_json::{Value, json};
use workway_service::ports::ActorClass;

use super::{Area::Auth as A, Defect, edit::set, elsewhere, made, none};
use crate::{
    prove::{
        change::{ANY, Change, Head, on},
        token,
    },
    upstream::PAGE_ORIGIN,
};

const DAY: i64 = 24 * 60 * 60;

/// Returns the seconds since a token ended; not above zero as long as it is good.
fn since_its_end(token: &token::Token) -> Option<i64> {
    token.is_ours.then(|| token.number("exp").map(|end| token.now - end)).flatten()
}

fn allow(answer: &mut axum::http::Response<axum::body::Bytes>, origin: &str) {
    if !origin.is_empty() {
        set(answer, "access-control-allow-origin", origin);
    }
}

/// Allows the origin of a request if it fits; the defects pass the guide's and others' ways to
/// compare origins.
fn allow_if(
    head: &Head,
    answer: &mut axum::http::Response<axum::body::Bytes>,
    fits: impl Fn(&str) -> bool,
) {
    let origin = head.header("origin");
    if fits(origin) {
        allow(answer, origin);
    }
}

const IN_TESTS: &str =
    "harness/tests/identity.rs: a scenario does not follow a browser to a provider";

pub(super) const DEFECTS: &[Defect] = &[
    made(
        A,
        ("AU-1", "a token is decoded and not verified"),
        &["AU1", "AU3"],
        &[Change::Token(|_| true)],
    ),
    made(
        A,
        ("AU-2", "the algorithm is the one that the token names: `none`"),
        &["AU1"],
        &[Change::Token(|token| token.alg().eq_ignore_ascii_case("none"))],
    ),
    made(
        A,
        ("AU-4", "RS256 is verified with what HS256 is"),
        &["AU1"],
        &[Change::Token(|token| token.is_ours && token.alg() == "RS256")],
    ),
    made(
        A,
        ("AU-5", "`exp` is ignored"),
        &["AU2"],
        &[Change::Token(|token| since_its_end(token).is_some_and(|seconds| seconds > 0))],
    ),
    made(
        A,
        ("AU-7", "a day of leeway"),
        &["AU2"],
        &[Change::Token(|token| {
            since_its_end(token).is_some_and(|seconds| (0..DAY).contains(&seconds))
        })],
    ),
    made(
        A,
        ("AU-8", "`nbf` is ignored"),
        &["AU2"],
        &[Change::Token(|token| {
            token.is_ours && token.number("nbf").is_some_and(|at| at > token.now)
        })],
    ),
    made(
        A,
        ("AU-10", "`iss` needs only begin like ours"),
        &["AU3"],
        &[Change::Token(|token| {
            token.is_ours
                && token.claims["iss"]
                    .as_str()
                    .is_some_and(|iss| iss != "workway" && iss.starts_with("workway"))
        })],
    ),
    made(
        A,
        ("AU-11", "a token without `exp` is good for ever"),
        &["AU2"],
        &[Change::Token(|token| token.is_ours && token.claims["exp"].is_null())],
    ),
    made(
        A,
        ("AU-12", "`aud` is ignored"),
        &["AU3"],
        &[Change::Token(|token| {
            token.is_ours && token.claims["aud"].as_str().is_some_and(|aud| aud != "workway-api")
        })],
    ),
    made(
        A,
        ("AU-13", "who one is stands in the query"),
        &["AU5"],
        &[Change::Request(ANY, |head, request| {
            let query = head.uri.query().unwrap_or_default();
            let wanted = query.split('&').find_map(|pair| pair.strip_prefix("user_id="));
            let secret = crate::token::local_secret();
            let own = wanted
                .filter(|_| head.headers.contains_key(header::AUTHORIZATION))
                .and_then(|user| token::sign(&secret, user, "read write", head.now / 1000));
            if let Some(own) = own {
                request.headers_mut().insert(header::AUTHORIZATION, own);
            }
        })],
    ),
    made(
        A,
        ("AU-14", "whose it is, is asked for GET and not for DELETE"),
        &["AU5"],
        &[Change::Sql("delete_workflow", "AND user_id = ?2", "AND ?2 = ?2")],
    ),
    made(
        A,
        ("AU-14b", "whose it is, is asked for GET and not for PUT"),
        &["AU5"],
        &[Change::Sql("update_workflow", "AND user_id = ?2", "AND ?2 = ?2")],
    ),
    made(
        A,
        ("AU-15", "whose it is, is not asked"),
        &["AU5", "IV15"],
        &[
            Change::Sql("get_workflow", "AND user_id = ?2", "AND ?2 = ?2"),
            Change::Sql("get_run", "AND user_id = ?2", "AND ?2 = ?2"),
        ],
    ),
    made(
        A,
        ("AU-15b", "lists show everybody's"),
        &["AU5"],
        &[
            Change::Sql("list_workflows", "user_id = ?1", "?1 = ?1"),
            Change::Sql("list_runs", "user_id = ?1", "?1 = ?1"),
        ],
    ),
    made(
        A,
        ("AU-16", "the token of a session that is over goes on"),
        &["AU12"],
        &[Change::Message(ActorClass::OAuth, |_, message| {
            message.to_string().contains("is_live").then_some(Value::Bool(true))
        })],
    ),
    made(
        A,
        ("AU-17", "any origin is allowed, with credentials"),
        &["AU6"],
        &[Change::Answer(ANY, |head, answer| {
            allow(answer, head.header("origin"));
            set(answer, "access-control-allow-credentials", "true");
        })],
    ),
    made(
        A,
        ("AU-17b", "nobody is allowed"),
        &["AU6"],
        &[Change::Config(|config| config.cors_allowed_origins.clear())],
    ),
    made(
        A,
        ("AU-18", "`*` is allowed"),
        &["AU6"],
        &[Change::Answer(ANY, |_, answer| allow(answer, "*"))],
    ),
    made(
        A,
        ("AU-19", "an origin needs only end like one that is allowed"),
        &["AU6"],
        &[Change::Answer(ANY, |head, answer| {
            let host = PAGE_ORIGIN.trim_start_matches("https://");
            allow_if(head, answer, |origin| origin.ends_with(host));
        })],
    ),
    made(
        A,
        ("AU-19b", "an origin needs only begin like one that is allowed"),
        &["AU6"],
        &[Change::Answer(ANY, |head, answer| {
            allow_if(head, answer, |origin| origin.starts_with(PAGE_ORIGIN));
        })],
    ),
    made(
        A,
        ("AU-20", "the origin `null` is allowed"),
        &["AU6"],
        &[Change::Answer(ANY, |head, answer| allow_if(head, answer, |origin| origin == "null"))],
    ),
    made(
        A,
        ("AU-21", "browsers ask for permission before each request"),
        &["AU6"],
        &[Change::Answer(on("OPTIONS", "*"), |_, answer| {
            drop(answer.headers_mut().remove(header::ACCESS_CONTROL_MAX_AGE));
        })],
    ),
    made(
        A,
        ("AU-22", "a preflight needs a token"),
        &["AU6"],
        &[Change::Instead(on("OPTIONS", "*"), |_| Some((401, "{}")))],
    ),
    made(
        A,
        ("AU-23", "errors are without the headers of CORS"),
        &["AU6"],
        &[Change::Answer(ANY, |_, answer| {
            if answer.status().is_client_error() {
                drop(answer.headers_mut().remove(header::VARY));
                drop(answer.headers_mut().remove(header::ACCESS_CONTROL_ALLOW_ORIGIN));
            }
        })],
    ),
    elsewhere(A, ("AU-37", "`state` is not the browser's, or good twice"), IN_TESTS),
    made(
        A,
        ("AU-38", "a flow begins without PKCE"),
        &["AU10"],
        &[Change::Answer(on("GET", "/oauth/*"), |_, answer| {
            let location = answer.headers().get(header::LOCATION).and_then(|l| l.to_str().ok());
            let location = location.map(|location| location.replace("code_challenge", "x"));
            if let Some(location) = location {
                set(answer, "location", &location);
            }
        })],
    ),
    elsewhere(A, ("AU-40", "a code is good twice"), IN_TESTS),
    none(
        A,
        ("AU-41", "`redirect_uri` needs only begin like the registered one"),
        "the service is a client of OAuth, and has one redirect URI for each provider",
    ),
    made(
        A,
        ("AU-43", "an error quotes the secret that it was sent"),
        &["AU11", "AU1"],
        &[Change::Answer(ANY, |head, answer| {
            if answer.status() == 401
                && let Ok(mut body) = serde_json::from_slice::<Value>(answer.body())
            {
                body["detail"] = json!(format!("bad token: {}", head.header("authorization")));
                *answer.body_mut() = body.to_string().into();
            }
        })],
    ),
    made(
        A,
        ("AU-44", "`bearer` in lower case is refused"),
        &["AU4"],
        &[Change::Request(ANY, |head, request| {
            if !head.header("authorization").starts_with("Bearer ") {
                drop(request.headers_mut().remove(header::AUTHORIZATION));
            }
        })],
    ),
    made(
        A,
        ("AU-45", "a token in the query is taken"),
        &["AU4"],
        &[Change::Request(ANY, |head, request| {
            let query = head.uri.query().unwrap_or_default();
            let token = query.split('&').find_map(|pair| pair.strip_prefix("access_token="));
            let token =
                token.and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
            if let Some(token) = token {
                request.headers_mut().insert(header::AUTHORIZATION, token);
            }
        })],
    ),
    made(
        A,
        ("AU-46", "what a token may do is not looked at"),
        &["AU4"],
        &[Change::Request(ANY, |head, request| {
            let subject = head.subject();
            let secret = crate::token::local_secret();
            let all = "read write";
            let own = (head.method != Method::GET && !subject.is_empty())
                .then(|| token::sign(&secret, &subject, all, head.now / 1000));
            if let Some(own) = own.flatten() {
                request.headers_mut().insert(header::AUTHORIZATION, own);
            }
        })],
    ),
];
