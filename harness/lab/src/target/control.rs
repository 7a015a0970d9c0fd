//! Controls the embedded service beyond its API: moves its clock, fires its cron, reads its
//! counters. A Worker offers nothing like it.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::http::question::{self, AnswerError};

/// The time limit for one answer: the service answers at once; a sweep visits a hundred runs.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The control socket of a service.
#[derive(Clone, Debug)]
pub struct Control(reqwest::Client);

/// The socket did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket is not there, or gave no whole answer.
    #[error("the control socket: {0}")]
    Http(#[from] reqwest::Error),
    /// The socket's answer cannot be read.
    #[error("the control socket: {0}")]
    Body(#[from] AnswerError),
    /// An answer that is not the expected one.
    #[error("the control socket answered {status}: {text}")]
    Answer {
        /// HTTP status.
        status: u16,
        /// The text of its answer.
        text: String,
    },
}

/// The clock of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct ClockFace {
    /// The time, in milliseconds since 1970.
    pub now: i64,
    /// True if the clock stands.
    pub frozen: bool,
}

/// Counts the work of the service since its start.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Counters {
    /// Requests to the API.
    pub requests: u64,
    /// Crons fired.
    pub sweeps: u64,
    /// Alarms of objects.
    pub alarms_rung: u64,
    /// The usage by resource.
    pub usage: BTreeMap<String, u64>,
}

/// Says whether anything is left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Rest {
    /// True if nothing is left to do.
    pub quiet: bool,
    /// Runs that are not finished.
    pub open_runs: u64,
    /// Alarms set or ringing.
    pub alarms: u64,
}

impl Control {
    /// Returns the socket of the service that keeps its state in the folder `state`.
    ///
    /// # Errors
    /// [`ControlError`].
    #[cfg(feature = "service")]
    pub fn of_state(state: &Path) -> Result<Self, ControlError> {
        Self::at(&workway_service::platform::native::control_socket(state))
    }

    /// Returns the control socket at `path`.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn at(path: &Path) -> Result<Self, ControlError> {
        let client = question::client().unix_socket(path);
        Ok(Self(client.timeout(ANSWER_WITHIN).build()?))
    }

    /// Reads its clock.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn clock(&self) -> Result<ClockFace, ControlError> {
        self.get("clock").await
    }

    /// Puts its clock forward.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn advance(&self, by: Duration) -> Result<ClockFace, ControlError> {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.post("clock", &json!({ "advance_ms": millis })).await
    }

    /// Stops its clock, or lets it go on.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn freeze(&self, frozen: bool) -> Result<ClockFace, ControlError> {
        self.post("clock", &json!({ "frozen": frozen })).await
    }

    /// Fires its cron, and waits for its end.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn cron(&self) -> Result<(), ControlError> {
        self.post::<Value>("cron", &Value::Null).await.map(|_| ())
    }

    /// Reads the counts of its work since its start.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn counters(&self) -> Result<Counters, ControlError> {
        self.get("counters").await
    }

    /// Asks whether anything is left to do.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn rest(&self) -> Result<Rest, ControlError> {
        self.get("rest").await
    }

    async fn get<T: DeserializeOwned>(&self, what: &str) -> Result<T, ControlError> {
        read(self.0.get(url(what)).send().await?).await
    }

    async fn post<T: DeserializeOwned>(&self, what: &str, body: &Value) -> Result<T, ControlError> {
        let request = self.0.post(url(what)).header("content-type", "application/json");
        read(request.body(body.to_string()).send().await?).await
    }
}

/// Returns a URL whose host means nothing: the connection goes to the socket.
fn url(what: &str) -> String {
    format!("http://control/{what}")
}

async fn read<T: DeserializeOwned>(response: reqwest::Response) -> Result<T, ControlError> {
    let status = response.status().as_u16();
    let text = question::read_text(response).await?;
    serde_json::from_str(&text)
        .ok()
        .filter(|_| status == 200)
        .ok_or(ControlError::Answer { status, text })
}
