//! Defects around the routes.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{self, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tower_service::Service;
use workway_service::{platform::native::NativeClock, ports::Clock};

use super::{
    change::{Change, Front, Further, Head},
    seeded::{Seeded, answering},
    token,
};

/// Longer than any body that a scenario sends to see it refused.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// The answer to a request, with its whole body.
type Answer = http::Response<Bytes>;

#[derive(Clone)]
struct Outside {
    seeded: Seeded,
    inside: Router,
    clock: NativeClock,
    kept: Arc<Mutex<HashMap<String, Kept>>>,
}

#[derive(Clone)]
struct Kept {
    until: i64,
    answer: Answer,
}

/// Returns a router around the service's, which reads each body as a whole: without changes there
/// is none.
pub(super) fn around(inside: Router, seeded: &Seeded) -> Router {
    if seeded.changes().is_empty() {
        return inside;
    }
    let clock = seeded.clock();
    let outside = Outside { seeded: seeded.clone(), inside, clock, kept: Arc::default() };
    Router::new().fallback(serve).with_state(outside)
}

async fn serve(State(outside): State<Outside>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    outside.answer(http::Request::from_parts(parts, body)).await
}

/// Parses a body that is a JSON object: edits look for members.
fn object(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok().filter(Value::is_object)
}

impl Outside {
    async fn answer(&self, mut request: http::Request<Bytes>) -> Response {
        let first = self.head(&request);
        if let Some(answer) = self.in_place(&first) {
            return answer.map(Body::from);
        }
        self.edit(&first, &mut request);
        let head = Arc::new(self.head(&request));
        let extensions = request.extensions().clone();
        let response = answering(Arc::clone(&head), self.call(request.map(Body::from))).await;
        if !self.looks_at_answers(&first) {
            return response;
        }
        let (parts, body) = response.into_parts();
        let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
            return StatusCode::BAD_GATEWAY.into_response();
        };
        let mut answer = http::Response::from_parts(parts, body);
        for change in self.seeded.changes() {
            if let Change::Also(on, why) = change
                && on.fits(&first)
                && let Some(further) = why(&first, &answer)
            {
                let further = self.further(&first, &further, extensions.clone());
                drop(answering(Arc::clone(&head), self.call(further)).await);
            }
        }
        self.edit_answer(&first, &mut answer);
        self.keep(&first, answer).map(Body::from)
    }

    fn head(&self, request: &http::Request<Bytes>) -> Head {
        Head {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            body: request.body().clone(),
            now: self.clock.now(),
        }
    }

    async fn call(&self, request: Request) -> Response {
        let mut inside = self.inside.clone();
        let answered: Result<_, Infallible> = inside.call(request).await;
        answered.unwrap_or_else(|never| match never {})
    }

    fn looks_at_answers(&self, head: &Head) -> bool {
        self.seeded.changes().iter().any(|change| match change {
            Change::Answer(on, _) | Change::AnswerBody(on, _) | Change::Also(on, _) => {
                on.fits(head)
            }
            Change::Front(front) => front.on.fits(head),
            _ => false,
        })
    }

    fn in_place(&self, head: &Head) -> Option<Answer> {
        self.seeded.changes().iter().find_map(|change| match change {
            Change::Instead(on, answer) if on.fits(head) => {
                let (status, text) = answer(head)?;
                let mut answer = http::Response::new(Bytes::from_static(text.as_bytes()));
                *answer.status_mut() = StatusCode::from_u16(status).ok()?;
                let json = HeaderValue::from_static("application/problem+json");
                answer.headers_mut().insert(header::CONTENT_TYPE, json);
                Some(answer)
            }
            Change::Front(front) if front.on.fits(head) && !front.only_if_error => {
                self.kept(front, head)
            }
            _ => None,
        })
    }

    fn edit(&self, head: &Head, request: &mut http::Request<Bytes>) {
        for change in self.seeded.changes() {
            match change {
                Change::Request(on, edit) if on.fits(head) => edit(head, request),
                Change::Body(on, edit) if on.fits(head) => {
                    if let Some(mut json) = object(request.body()) {
                        edit(&mut json);
                        *request.body_mut() = json.to_string().into();
                    }
                }
                Change::Token(accepts) => {
                    let secret = self.seeded.secret();
                    if let Some(again) = token::signed_again(head, secret, *accepts) {
                        request.headers_mut().insert(header::AUTHORIZATION, again);
                    }
                }
                Change::Signature(accepts) if head.uri.path() == "/webhooks/stripe" => {
                    if let Some(again) = token::event_signed_again(head, *accepts) {
                        request.headers_mut().insert("stripe-signature", again);
                    }
                }
                _ => {}
            }
        }
        // What was changed is as long as it is.
        if request.headers().contains_key(header::CONTENT_LENGTH) {
            let length = request.body().len().into();
            request.headers_mut().insert(header::CONTENT_LENGTH, length);
        }
    }

    fn edit_answer(&self, head: &Head, answer: &mut Answer) {
        for change in self.seeded.changes() {
            match change {
                Change::Answer(on, edit) if on.fits(head) => edit(head, answer),
                Change::AnswerBody(on, edit) if on.fits(head) => {
                    if let Some(mut json) = object(answer.body()) {
                        edit(&mut json);
                        *answer.body_mut() = json.to_string().into();
                    }
                }
                _ => {}
            }
        }
        answer.headers_mut().remove(header::CONTENT_LENGTH);
    }

    fn further(&self, head: &Head, further: &Further, extensions: http::Extensions) -> Request {
        let mut request = http::Request::new(Body::from(further.json.to_string()));
        *request.method_mut() = further.method.clone();
        *request.uri_mut() = http::Uri::from_static(further.path);
        *request.extensions_mut() = extensions;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        let now = head.now / 1000;
        let own = head.headers.get(header::AUTHORIZATION).cloned();
        let own =
            own.or_else(|| token::sign(self.seeded.secret(), "the service", "read write", now));
        if let Some(own) = own.filter(|_| further.signed) {
            request.headers_mut().insert(header::AUTHORIZATION, own);
        }
        request
    }

    fn kept(&self, front: &Front, head: &Head) -> Option<Answer> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.get(&(front.key)(head)).cloned();
        kept.filter(|kept| head.now < kept.until).map(|kept| kept.answer)
    }

    /// Keeps an answer that a cache in front keeps; gives the one to send.
    fn keep(&self, head: &Head, answer: Answer) -> Answer {
        for change in self.seeded.changes() {
            let Change::Front(front) = change else { continue };
            if !front.on.fits(head) {
                continue;
            }
            if front.only_if_error && answer.status().is_server_error() {
                return self.kept(front, head).unwrap_or(answer);
            }
            if (front.keeps)(answer.status().as_u16()) {
                let ttl = i64::try_from(front.ttl.as_millis()).unwrap_or(i64::MAX);
                let until = head.now.saturating_add(ttl);
                let kept = Kept { until, answer: answer.clone() };
                let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                all.insert((front.key)(head), kept);
            }
        }
        answer
    }
}
