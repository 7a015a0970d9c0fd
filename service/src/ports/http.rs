//! Requests to others.

use std::{collections::BTreeMap, future::Future, time::Duration};

use super::PortResult;

/// A request to somebody else.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboundRequest {
    /// HTTP method.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Header names in lower case.
    pub headers: BTreeMap<&'static str, String>,
    /// Body.
    pub body: Option<Vec<u8>>,
    /// The time limit for the whole exchange.
    pub timeout: Duration,
    /// A longer response is an error.
    pub max_body_bytes: usize,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboundResponse {
    /// HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Outbound HTTP. Redirects are not followed.
pub trait Http: Send + Sync {
    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// [`super::PortFailure::Timeout`], or `Unavailable` when no whole answer came.
    fn send(
        &self,
        request: OutboundRequest,
    ) -> impl Future<Output = PortResult<OutboundResponse>> + Send;
}
