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
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    serve::IncomingStream,
};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::{Stub, UPSTREAMS};

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
    /// The answer comes this many milliseconds late.
    LatencyMs(u64),
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

/// An order for faults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// One of [`UPSTREAMS`].
    pub upstream: String,
    /// Of calls of this path below the upstream's own, without the query; otherwise of all calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What happens to them.
    pub fault: Fault,
    /// To so many calls.
    #[serde(default = "once")]
    pub times: u32,
}

const fn once() -> u32 {
    1
}

/// What is programmed, oldest first.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<VecDeque<Order>>);

impl Faults {
    fn orders(&self) -> MutexGuard<'_, VecDeque<Order>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, order: Order) -> Result<(), String> {
        if !UPSTREAMS.contains(&order.upstream.as_str()) {
            return Err(format!("upstream: must be one of {}", UPSTREAMS.join(", ")));
        }
        if order.times == 0 {
            return Err("times: must be at least 1".to_owned());
        }
        if let Fault::Status(status) = order.fault
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

    /// The fault for a call, if there is one; it is spent.
    fn take(&self, upstream: &str, path: &str) -> Option<Fault> {
        let mut orders = self.orders();
        let index = orders.iter().position(|order| {
            order.upstream == upstream && order.path.as_deref().is_none_or(|wanted| wanted == path)
        })?;
        let order = orders.get_mut(index)?;
        order.times -= 1;
        let (fault, spent) = (order.fault, order.times == 0);
        if spent {
            orders.remove(index);
        }
        Some(fault)
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
    let fault = stub.faults.take(name, request.uri().path());
    stub.note(name, &request, fault);
    let socket = request.extensions().get::<ConnectInfo<Socket>>().map(|info| info.0.clone());
    match fault {
        None => next.run(request).await,
        Some(Fault::LatencyMs(millis)) => {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            next.run(request).await
        }
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

    fn order(path: Option<&str>, fault: Fault, times: u32) -> Order {
        Order { upstream: "effects".to_owned(), path: path.map(str::to_owned), fault, times }
    }

    #[test]
    fn faults_are_spent_in_order_and_by_path() {
        let faults = Faults::default();
        faults.add(order(Some("/a"), Fault::Status(503), 2)).unwrap();
        faults.add(order(None, Fault::Hang, 1)).unwrap();
        assert_eq!(faults.take("effects", "/b"), Some(Fault::Hang));
        assert_eq!(faults.take("effects", "/b"), None);
        assert_eq!(faults.take("sentry", "/a"), None, "another upstream");
        assert_eq!(faults.take("effects", "/a"), Some(Fault::Status(503)));
        assert_eq!(faults.take("effects", "/a"), Some(Fault::Status(503)));
        assert_eq!(faults.take("effects", "/a"), None);
    }

    #[test]
    fn orders_that_make_no_sense_are_refused_and_their_number_is_bounded() {
        let faults = Faults::default();
        let unknown = Order { upstream: "nobody".to_owned(), ..order(None, Fault::Hang, 1) };
        assert!(faults.add(unknown).unwrap_err().contains("effects"));
        assert!(faults.add(order(None, Fault::Hang, 0)).is_err());
        assert!(faults.add(order(None, Fault::Status(99), 1)).is_err());
        for _ in 0..MAX_ORDERS {
            faults.add(order(None, Fault::Hang, 1)).unwrap();
        }
        assert!(faults.add(order(None, Fault::Hang, 1)).is_err());
    }

    #[test]
    fn orders_as_they_are_written() {
        for (text, fault) in [
            (r#"{"latency_ms": 5}"#, Fault::LatencyMs(5)),
            (r#"{"status": 500}"#, Fault::Status(500)),
            (r#""half_body""#, Fault::HalfBody),
            (r#""reset""#, Fault::Reset),
        ] {
            let order: Order =
                serde_json::from_str(&format!(r#"{{"upstream": "effects", "fault": {text}}}"#))
                    .unwrap();
            assert_eq!((order.fault, order.times, order.path), (fault, 1, None));
        }
        let misspelt = r#"{"upstream": "effects", "fault": "hang", "time": 2}"#;
        assert!(serde_json::from_str::<Order>(misspelt).is_err());
    }
}
