//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a request that comes again
//! with its key gets the answer it got, and nothing happens twice.

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http_body_util::BodyExt;
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use super::{Caller, HANDLER_DEADLINE, Problem, Scope, body, ports_of};
use crate::app::App;
use crate::domain::{Issue, Millis, id};
use crate::ports::{Platform, PortError, Ports, Random};
use crate::store::{Claim, Claimed, IdempotencyKeys, Outcome};

/// Longest key, in characters.
pub const MAX_KEY: usize = 255;
/// An outcome is kept this long; after that the key is as good as new.
pub const RETENTION: Millis = 24 * 60 * 60 * 1000;
/// A claim without an outcome is over after this: its request has been given up, or its host died.
pub const CLAIM_TIMEOUT: Millis = 30_000;
const _: () = assert!(CLAIM_TIMEOUT as u128 > HANDLER_DEADLINE.as_millis());

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The identifier for what the request makes, if it carries a key.
#[derive(Clone, Debug)]
pub struct ClaimedId(pub String);

/// Carries out requests with a key once. It runs after authentication, because keys belong to
/// callers.
pub async fn idempotent<P: Platform>(
    State(app): State<App<P>>,
    request: Request,
    next: Next,
) -> Response {
    let answer = match key(request.headers()) {
        Ok(None) => return next.run(request).await,
        Ok(Some(key)) => with_key(&app, &key, request, next).await,
        Err(issue) => Err(Problem::invalid_input(vec![issue])),
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

async fn with_key<P: Platform>(
    app: &App<P>,
    key: &str,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let caller = request.extensions().get::<Caller>().cloned().ok_or_else(Problem::unauthorized)?;
    // Before anything is replayed: the answer may be more than this token may see.
    caller.require(Scope::Write)?;
    let ports = ports_of(app, request.extensions());
    let (mut head, body) = request.into_parts();
    let body = body::read(body, ports.clock()).await?;
    let scope = scope(&caller.subject, &head.method, head.uri.path(), key);
    let now = ports.now();
    let claim = Claim { scope, fingerprint: hash(&[&body[..]]), id: new_id(&ports, now)? };
    let keys = IdempotencyKeys::new(ports.database());
    match keys.claim(&claim, now, now + CLAIM_TIMEOUT).await? {
        Claimed::Ours(resource) => {
            head.extensions.insert(ClaimedId(resource));
            let response = next.run(Request::from_parts(head, Body::from(body))).await;
            Ok(keep(&ports, &keys, &claim, response).await)
        }
        Claimed::Running => Err(Problem::still_running()),
        Claimed::Other => Err(Problem::key_reused()),
        Claimed::Done(outcome) => replay(outcome),
    }
}

/// Stores the outcome, unless another try may have another one: then the next request may try again.
async fn keep<P: Platform>(
    ports: &Ports<P>,
    keys: &IdempotencyKeys<'_, P::Database>,
    claim: &Claim,
    response: Response,
) -> Response {
    let now = ports.now();
    let (head, body) = response.into_parts();
    let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return Problem::internal().into_response();
    };
    let stored = if is_final(head.status) {
        let text = |name| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
        let outcome = Outcome {
            status: head.status.as_u16(),
            content_type: text(header::CONTENT_TYPE),
            location: text(header::LOCATION),
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        keys.complete(claim, &outcome, now + RETENTION).await
    } else {
        keys.expire(claim, now).await
    };
    if let Err(error) = stored {
        // What was made, was made: the claim expires, and the next request finds it.
        ports.log(&format!("idempotency key: {error}"));
    }
    Response::from_parts(head, Body::from(body))
}

/// Returns whether every other try would end like this one: something was done, or the request itself
/// is wrong. Our failures end, and so do refusals for a reason beside the request: a quota that is used
/// up (402) is raised with the plan, what is missing (404) or in the way (409) may change. Nothing was
/// done, so that nothing happens twice.
fn is_final(status: StatusCode) -> bool {
    const WRONG_REQUEST: [StatusCode; 4] = [
        StatusCode::BAD_REQUEST,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::UNPROCESSABLE_ENTITY,
    ];
    status.is_success() || status.is_redirection() || WRONG_REQUEST.contains(&status)
}

fn replay(outcome: Outcome) -> Result<Response, Problem> {
    let mut response = Response::new(Body::from(Bytes::from(outcome.body)));
    *response.status_mut() = outcome.status.try_into().map_err(|_| Problem::internal())?;
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    for (name, value) in
        [(header::CONTENT_TYPE, outcome.content_type), (header::LOCATION, outcome.location)]
    {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

/// Returns the key, if there is one: a String of RFC 8941 without parameters.
fn key(headers: &HeaderMap) -> Result<Option<String>, Issue> {
    let wrong = |message: &str| Issue::new("Idempotency-Key", message);
    let mut values = headers.get_all(IDEMPOTENCY_KEY).into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    // Some servers in front of this join two headers into one: both get the same answer.
    let text = value.to_str().ok().filter(|_| values.next().is_none()).and_then(unquote);
    let text =
        text.ok_or_else(|| wrong("must be one string in double quotes, as in \"8e03978e\""))?;
    if (1..=MAX_KEY).contains(&text.len()) {
        Ok(Some(text))
    } else {
        Err(wrong(&format!("must have 1 to {MAX_KEY} characters, has {}", text.len())))
    }
}

/// Removes the quotes of a string by RFC 8941 §4.2.5.
fn unquote(text: &str) -> Option<String> {
    let inner = text.trim_matches(' ').strip_prefix('"')?.strip_suffix('"')?;
    let (mut out, mut chars) = (String::new(), inner.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next().filter(|c| ['"', '\\'].contains(c))?),
            ' '..='!' | '#'..='~' => out.push(c),
            _ => return None,
        }
    }
    Some(out)
}

/// Returns a hash of what a key belongs to. The segments of the path are decoded as the router decodes
/// them (`%61` is `a`), so that a path has one key however it is spelled; `%2F` stays within its segment.
fn scope(subject: &str, method: &Method, path: &str, key: &str) -> String {
    let segments = path.split('/').map(|segment| percent_decode_str(segment).collect::<Vec<_>>());
    let ends = [subject, method.as_str(), key].map(|part| part.as_bytes().to_vec());
    hash(&ends.into_iter().chain(segments).collect::<Vec<_>>())
}

/// Hashes parts together with their lengths, so that no two lists have the same input.
fn hash<T: AsRef<[u8]>>(parts: &[T]) -> String {
    let digest = parts.iter().fold(Sha256::new(), |digest, part| {
        let part = part.as_ref();
        digest.chain_update((part.len() as u64).to_le_bytes()).chain_update(part)
    });
    URL_SAFE_NO_PAD.encode(digest.finalize())
}

fn new_id<P: Platform>(ports: &Ports<P>, now: Millis) -> Result<String, PortError> {
    let mut entropy = [0; id::ENTROPY];
    ports.random().fill(&mut entropy)?;
    Ok(id::new(now, entropy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Result<Option<String>, Issue> {
        let values = values.iter().map(|v| (IDEMPOTENCY_KEY, HeaderValue::from_str(v).unwrap()));
        key(&values.collect())
    }

    #[test]
    fn keys_are_quoted_strings_of_bounded_length() {
        assert_eq!(of(&[]), Ok(None));
        let longest = "k".repeat(MAX_KEY);
        let cases = [("\"a b\"", "a b"), (r#""a\"\\b""#, r#"a"\b"#)];
        for (value, expected) in cases {
            assert_eq!(of(&[value]), Ok(Some(expected.to_owned())));
        }
        assert_eq!(of(&[&format!("\"{longest}\"")]), Ok(Some(longest.clone())));
        for bad in
            ["", "a", "\"", "\"\"", "\"a", "'a'", "\"a\"b\"", "\"a\";x=1", r#""a\n""#, r#""a\""#]
        {
            assert!(of(&[bad]).is_err(), "{bad}");
        }
        assert!(of(&[&format!("\"{longest}k\"")]).is_err());
        assert!(of(&["\"a\"", "\"a\""]).is_err());
    }

    #[test]
    fn a_scope_is_that_of_a_path_however_it_is_spelled() {
        let of = |path| scope("ann", &Method::POST, path, "k");
        for alias in ["/workflows/%61b/runs", "/%77orkflows/ab/run%73"] {
            assert_eq!(of(alias), of("/workflows/ab/runs"), "{alias}");
        }
        for other in ["/workflows/ab%2Fruns", "/workflows/AB/runs", "/workflows/%2561b/runs"] {
            assert_ne!(of(other), of("/workflows/ab/runs"), "{other}");
        }
    }

    #[test]
    fn only_what_another_try_would_get_too_is_kept() {
        for (status, kept) in [
            (201, true),
            (202, true),
            (303, true),
            (400, true),
            (413, true),
            (415, true),
            (422, true),
            (401, false),
            (402, false),
            (403, false),
            (404, false),
            (409, false),
            (429, false),
            (500, false),
            (503, false),
        ] {
            assert_eq!(is_final(StatusCode::from_u16(status).unwrap()), kept, "{status}");
        }
    }

    #[test]
    fn a_scope_is_not_a_concatenation() {
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
    }
}
