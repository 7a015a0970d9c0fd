//! What goes wrong at the stub, as a test programs it: `POST /_workway/faults` with an [`Order`].
//! `GET` lists what is left, `DELETE` clears it.

use std::{
    collections::VecDeque,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{ConnectInfo, Request, State, connect_info::Connected},
    http::{HeaderValue, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
    serve::IncomingStream,
};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::{SINK, Stub, UPSTREAMS};
use crate::glob;

/// Orders that wait at once: far more than a scenario programs, and no memory to speak of.
pub const MAX_ORDERS: usize = 1_000;
/// A hanging answer is given up after this: longer than any client of the stub waits.
const HANG: Duration = Duration::from_mins(5);
/// Between the first half of a body and the break: the half is on its way by then.
const HALF_PAUSE: Duration = Duration::from_millis(20);

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// This status, without effect.
    Status(u16),
    /// No answer, without effect; the connection stays open.
    Hang,
    /// The connection is reset, without effect.
    Reset,
    /// The effect happens; half of its answer arrives, and the connection is reset.
    HalfBody,
    /// 200 with a body that means nothing, without effect.
    Nonsense,
}

impl Fault {
    /// Whether the call is broken before it has an effect.
    pub fn is_before_the_effect(self) -> bool {
        self != Self::HalfBody
    }
}

/// An order for faults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// One of [`UPSTREAMS`]; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Which of its calls; all if absent. `*` stands for anything. With an upstream it is the path
    /// below the upstream's own, without the query; otherwise the whole path, with the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The answer comes this many milliseconds late; the effect is there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// What happens to them; nothing else if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// `Retry-After` of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
    /// To so many calls; one if absent, all if null.
    #[serde(default = "once")]
    pub times: Option<u64>,
    /// After so many that pass.
    #[serde(default)]
    pub skip: u64,
}

#[expect(clippy::unnecessary_wraps, reason = "the type of the field")]
const fn once() -> Option<u64> {
    Some(1)
}

/// What a call meets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Met {
    latency: Duration,
    fault: Option<Fault>,
    retry_after: Option<HeaderValue>,
}

/// What is programmed, oldest first.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<VecDeque<Order>>);

impl Faults {
    fn orders(&self) -> MutexGuard<'_, VecDeque<Order>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, order: Order) -> Result<(), String> {
        if order.upstream.as_deref().is_some_and(|name| !UPSTREAMS.contains(&name)) {
            return Err(format!("upstream: must be one of {}", UPSTREAMS.join(", ")));
        }
        if order.times == Some(0) {
            return Err("times: must be at least 1".to_owned());
        }
        if order.fault.is_none() && order.latency_ms.is_none() {
            return Err("fault: there is neither a fault nor `latency_ms`".to_owned());
        }
        if let Some(value) = &order.retry_after
            && HeaderValue::from_str(value).is_err()
        {
            return Err("retry_after: must be the value of a header".to_owned());
        }
        if let Some(Fault::Status(status)) = order.fault
            && !(200..600).contains(&status)
        {
            return Err("fault.status: must be from 200 to 599".to_owned());
        }
        let mut orders = self.orders();
        if orders.len() == MAX_ORDERS {
            return Err(format!("{MAX_ORDERS} orders wait already; DELETE clears them"));
        }
        orders.push_back(order);
        Ok(())
    }

    /// What a call meets: the first order that is for it, which is spent.
    fn take(&self, upstream: &str, uri: &Uri) -> Met {
        let mut orders = self.orders();
        let mut index = 0;
        while let Some(order) = orders.get_mut(index) {
            if order.is_for(upstream, uri) {
                if order.skip == 0 {
                    let met = order.met();
                    if let Some(times) = &mut order.times {
                        *times -= 1;
                    }
                    if order.times == Some(0) {
                        orders.remove(index);
                    }
                    return met;
                }
                order.skip -= 1;
            }
            index += 1;
        }
        Met::default()
    }
}

impl Order {
    fn is_for(&self, upstream: &str, uri: &Uri) -> bool {
        let matches =
            |path: &str| self.path.as_deref().is_none_or(|pattern| glob::matches(pattern, path));
        match &self.upstream {
            Some(name) => name == upstream && matches(uri.path()),
            None if upstream == SINK => matches(&uri.to_string()),
            None => matches(&format!("/{upstream}{uri}")),
        }
    }

    fn met(&self) -> Met {
        Met {
            latency: Duration::from_millis(self.latency_ms.unwrap_or(0)),
            fault: self.fault,
            retry_after: self.retry_after.as_deref().and_then(|v| HeaderValue::from_str(v).ok()),
        }
    }
}

pub(super) async fn program(
    State(stub): State<Stub>,
    body: Bytes,
) -> Result<StatusCode, (StatusCode, String)> {
    let order = serde_json::from_slice(&body).map_err(|error| error.to_string());
    let added = order.and_then(|order| stub.faults.add(order));
    added.map(|()| StatusCode::NO_CONTENT).map_err(|why| (StatusCode::BAD_REQUEST, why))
}

pub(super) async fn list(State(stub): State<Stub>) -> Json<Vec<Order>> {
    Json(stub.faults.orders().iter().cloned().collect())
}

pub(super) async fn clear(State(stub): State<Stub>) -> StatusCode {
    stub.faults.orders().clear();
    StatusCode::NO_CONTENT
}

/// A second handle of a connection, to break it with.
#[derive(Clone, Debug)]
pub(super) struct Socket(Option<Arc<OwnedFd>>);

impl Connected<IncomingStream<'_, TcpListener>> for Socket {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self(stream.io().as_fd().try_clone_to_owned().ok().map(Arc::new))
    }
}

impl Socket {
    /// The last handle that closes sends a reset.
    fn reset_at_close(&self) {
        if let Some(socket) = &self.0 {
            // Without it the connection closes in order, which is a broken answer, too.
            let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
        }
    }
}

/// Which upstream a router stands for.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) stub: Stub,
    pub(super) name: &'static str,
}

/// Applies the fault that is programmed for a call, and takes note of the call.
pub(super) async fn apply(
    State(Named { stub, name }): State<Named>,
    request: Request,
    next: Next,
) -> Response {
    let Met { latency, fault, retry_after } = stub.faults.take(name, request.uri());
    stub.note(name, &request, fault);
    let mut response = broken_by(fault, request, next).await;
    if let Some(value) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    tokio::time::sleep(latency).await;
    response
}

async fn broken_by(fault: Option<Fault>, request: Request, next: Next) -> Response {
    let socket = request.extensions().get::<ConnectInfo<Socket>>().map(|info| info.0.clone());
    match fault {
        None => next.run(request).await,
        Some(Fault::Status(status)) => StatusCode::from_u16(status)
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            .into_response(),
        Some(Fault::Hang) => {
            tokio::time::sleep(HANG).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
        Some(Fault::Nonsense) => "\u{0}<nonsense]}".into_response(),
        Some(Fault::Reset) => broken(socket, Bytes::new(), None),
        Some(Fault::HalfBody) => {
            let response = next.run(request).await;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map(http_body_util::Collected::to_bytes);
            let body = body.unwrap_or_default();
            let mut half = broken(socket, body.slice(..body.len() / 2), Some(body.len()));
            *half.status_mut() = parts.status;
            half
        }
    }
}

/// An answer that ends in a reset after `sent` of `promised` bytes.
fn broken(socket: Option<Socket>, sent: Bytes, promised: Option<usize>) -> Response {
    let pause = if promised.is_some() { HALF_PAUSE } else { Duration::ZERO };
    let end = stream::once(async move {
        tokio::time::sleep(pause).await;
        if let Some(socket) = socket {
            socket.reset_at_close();
        }
        Err(std::io::Error::other("as programmed"))
    });
    let first = promised.map(|_| Ok(sent));
    let body = Body::from_stream(stream::iter(first).chain(end));
    let mut response = Response::new(body);
    if let Some(promised) = promised {
        response.headers_mut().insert(header::CONTENT_LENGTH, promised.max(1).into());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(path: Option<&str>, fault: Fault, times: u64) -> Order {
        Order {
            upstream: Some(SINK.to_owned()),
            path: path.map(str::to_owned),
            latency_ms: None,
            fault: Some(fault),
            retry_after: None,
            times: Some(times),
            skip: 0,
        }
    }

    fn take(faults: &Faults, upstream: &str, uri: &'static str) -> Option<Fault> {
        faults.take(upstream, &Uri::from_static(uri)).fault
    }

    #[test]
    fn faults_are_spent_in_order_and_by_path() {
        let faults = Faults::default();
        faults.add(order(Some("/a*"), Fault::Status(503), 2)).unwrap();
        faults.add(order(None, Fault::Hang, 1)).unwrap();
        assert_eq!(take(&faults, SINK, "/b"), Some(Fault::Hang));
        assert_eq!(take(&faults, SINK, "/b"), None);
        assert_eq!(take(&faults, "sentry", "/a"), None, "another upstream");
        assert_eq!(take(&faults, SINK, "/a?x"), Some(Fault::Status(503)));
        assert_eq!(take(&faults, SINK, "/a1"), Some(Fault::Status(503)));
        assert_eq!(take(&faults, SINK, "/a"), None);
        let skipping = Order { skip: 1, times: None, ..order(None, Fault::Reset, 1) };
        faults.add(skipping).unwrap();
        let met: Vec<_> = (0..4).map(|_| take(&faults, SINK, "/c").is_some()).collect();
        assert_eq!(met, [false, true, true, true], "all after the first");
    }

    #[test]
    fn without_an_upstream_it_is_the_whole_path_that_counts() {
        let faults = Faults::default();
        let any =
            Order { upstream: None, times: None, ..order(Some("/sentry/x?y=*"), Fault::Hang, 1) };
        faults.add(any).unwrap();
        assert_eq!(take(&faults, "sentry", "/x?y=1"), Some(Fault::Hang));
        assert_eq!(take(&faults, "sentry", "/x"), None);
        assert_eq!(take(&faults, SINK, "/x?y=1"), None);
    }

    #[test]
    fn orders_that_make_no_sense_are_refused_and_their_number_is_bounded() {
        let faults = Faults::default();
        let hang = || order(None, Fault::Hang, 1);
        let unknown = Order { upstream: Some("nobody".to_owned()), ..hang() };
        assert!(faults.add(unknown).unwrap_err().contains("effects"));
        assert!(faults.add(order(None, Fault::Hang, 0)).is_err());
        assert!(faults.add(order(None, Fault::Status(99), 1)).is_err());
        assert!(faults.add(Order { fault: None, ..hang() }).is_err(), "nothing would happen");
        assert!(faults.add(Order { retry_after: Some("\n".to_owned()), ..hang() }).is_err());
        for _ in 0..MAX_ORDERS {
            faults.add(hang()).unwrap();
        }
        assert!(faults.add(hang()).is_err());
    }

    #[test]
    fn orders_as_they_are_written() {
        for (text, fault) in [
            (r#"{"status": 500}"#, Fault::Status(500)),
            (r#""half_body""#, Fault::HalfBody),
            (r#""reset""#, Fault::Reset),
        ] {
            let order: Order =
                serde_json::from_str(&format!(r#"{{"upstream": "effects", "fault": {text}}}"#))
                    .unwrap();
            assert_eq!((order.fault, order.times, order.path), (Some(fault), Some(1), None));
        }
        let all: Order = serde_json::from_str(r#"{"latency_ms": 5, "times": null}"#).unwrap();
        assert_eq!((all.latency_ms, all.times), (Some(5), None));
        let misspelt = r#"{"upstream": "effects", "fault": "hang", "time": 2}"#;
        assert!(serde_json::from_str::<Order>(misspelt).is_err());
    }
}
