//! One request as models of the target see it.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::plan::{StepId, UserId};

/// A request to the target and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The step that sent it.
    pub step: StepId,
    /// The user who sent it, if any.
    pub user: Option<UserId>,
    /// HTTP method.
    pub method: Method,
    /// Path and query, as sent.
    pub path: String,
    /// The time of sending, from the start of the scenario.
    pub sent: Duration,
    /// The time at which its result was known, likewise.
    pub received: Duration,
    /// The earliest reading of the target's clock when the request reached it, in milliseconds
    /// since 1970.
    pub earliest: i64,
    /// The latest reading of that clock when the answer left it, likewise.
    pub latest: i64,
    /// The body that was sent, as JSON, where a model looks at bodies and it is.
    pub asked: Option<Value>,
    /// The status; `None` without a complete answer.
    pub status: Option<u16>,
    /// The body as JSON, where a model looks at bodies and it is.
    pub body: Option<Value>,
}
