//! The events of a run, as they happen: Server-Sent Events.

use std::{collections::VecDeque, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{
    future::{Either, select},
    stream,
};

use super::{Context, extract::Id};
use crate::app::{App, bill};
use crate::domain::{Issue, Millis, run::RunEvent};
use crate::engine::executor;
use crate::guard::{Problem, Scope};
use crate::ports::{Cause, Clock, Platform, PortError, PortFailure, Ports};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Pause between two polls of the run's object. Each poll is a billed request of it.
pub const POLL_EVERY: Duration = Duration::from_secs(1);
/// An object that takes longer ends the stream; the client comes back.
pub const POLL_DEADLINE: Duration = Duration::from_secs(5);
/// A stream ends after this long, so that none stays open behind a client that has gone. The client
/// comes back with `Last-Event-ID` and misses nothing.
pub const STREAM_LIFETIME: Millis = 60_000;

/// Answers `GET /runs/{id}/events`: every event after `Last-Event-ID`, then those to come, until
/// the run has ended. 204, which tells an `EventSource` to stay away, when there will be none.
pub(super) async fn stream<P: Platform>(
    context: Context<P>,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let owner = context.caller_with(Scope::Read)?;
    let after = last_event_id(&headers)?;
    let run = context.runs().get(owner, &id).await?.ok_or_else(Problem::not_found)?;
    let first = poll(&context.ports, &id, 0).await?;
    let ended = first.last().is_some_and(|event| event.change.is_last());
    let missed: VecDeque<_> = first.into_iter().filter(|event| event.id > after).collect();
    if ended && missed.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let until = context.now() + STREAM_LIFETIME;
    let (app, owner) = (context.app.clone(), owner.to_owned());
    let follow = Follow { app, run: run.id, owner, after, until, pending: missed, done: false };
    let body = Body::from_stream(stream::unfold(follow, Follow::next));
    Ok(([(header::CONTENT_TYPE, "text/event-stream")], body).into_response())
}

/// Returns the number in the header; if it is absent, 0, from the start.
fn last_event_id(headers: &HeaderMap) -> Result<u32, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(0) };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    let wrong = || vec![Issue::new("Last-Event-ID", "must be the id of an event of this run")];
    id.ok_or_else(|| Problem::invalid_input(wrong()))
}

async fn poll<P: Platform>(
    ports: &Ports<P>,
    run: &str,
    after: u32,
) -> Result<Vec<RunEvent>, PortError> {
    let asked = std::pin::pin!(executor::events(ports.actors(), run, after));
    let deadline = std::pin::pin!(ports.clock().sleep(POLL_DEADLINE));
    match select(asked, deadline).await {
        Either::Left((events, _)) => events,
        Either::Right(_) => Err(PortFailure::Timeout("actor").into()),
    }
}

/// A client that follows a run.
struct Follow<P> {
    app: App<P>,
    run: String,
    /// The account that pays for the polls.
    owner: String,
    /// The last event sent.
    after: u32,
    until: Millis,
    pending: VecDeque<RunEvent>,
    done: bool,
}

impl<P: Platform> Follow<P> {
    /// Returns the next piece of the body.
    async fn next(mut self) -> Option<(Result<Bytes, std::convert::Infallible>, Self)> {
        if self.done {
            return None;
        }
        if let Some(event) = self.pending.pop_front() {
            self.after = event.id;
            self.done = event.change.is_last();
            return Some((Ok(frame(&event)), self));
        }
        // The owner pays for each poll by itself: the request has been answered and billed.
        let ports = Ports::new(self.app.platform.clone());
        if ports.now() >= self.until {
            return None;
        }
        ports.clock().sleep(POLL_EVERY).await;
        let polled = poll(&ports, &self.run, self.after).await;
        bill(&self.app, &self.owner, Cause::Events, ports.usage()).await;
        match polled {
            Ok(events) => self.pending = events.into(),
            Err(error) => {
                ports.log(&format!("events of run {}: {error}", self.run));
                return None;
            }
        }
        // A comment: whoever is between us and the client sees that the stream is alive.
        Some((Ok(Bytes::from_static(b":\n\n")), self))
    }
}

fn frame(event: &RunEvent) -> Bytes {
    // Numbers and names: this cannot fail.
    let data = serde_json::to_string(event).unwrap_or_default();
    Bytes::from(format!("id: {}\nevent: {}\ndata: {data}\n\n", event.id, event.change.name()))
}
