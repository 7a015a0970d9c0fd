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
    /// Who sent it, if anybody.
    pub user: Option<UserId>,
    /// HTTP method.
    pub method: Method,
    /// Path and query, as sent.
    pub path: String,
    /// When it was sent, from the start of the scenario.
    pub sent: Duration,
    /// When its fate was known, likewise.
    pub received: Duration,
    /// What the clock of the target showed at the earliest when the request reached it, in
    /// milliseconds since 1970.
    pub earliest: i64,
    /// What it showed at the latest when the answer left it, likewise.
    pub latest: i64,
    /// The body that was sent, as JSON, where a model looks at bodies and it is.
    pub asked: Option<Value>,
    /// The status; `None` without a complete answer.
    pub status: Option<u16>,
    /// The body as JSON, where a model looks at bodies and it is.
    pub body: Option<Value>,
}
