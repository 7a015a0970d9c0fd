//! Checks sessions. The person's object decides whether a session has ended; the namespace
//! `SESSIONS` caches that for a minute, so that not every request calls the object.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::messages::PersonClient;
use crate::domain::Millis;
use crate::ports::{MIN_KV_TTL, Platform, PortError, Ports};

/// The longest time that a session which has ended is still accepted. A cached decision carries its
/// instant, so that this bound holds even if KV returns a copy that is too old. (It does not include
/// the difference between the clocks of two machines, which is milliseconds at Cloudflare.)
pub const REVOCATION_STALENESS: Millis = 60_000;
const RECORD_TTL: Duration = MIN_KV_TTL;

/// A cached decision of the person's object, with its instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    live: bool,
    at: Millis,
}

/// Returns true if a session of `person` has not ended.
///
/// # Errors
/// [`PortError`] when there is no recent record and the object cannot be reached.
pub async fn is_live<P: Platform>(
    ports: &Ports<P>,
    person: &str,
    session: &str,
) -> Result<bool, PortError> {
    let now = ports.now();
    let found = match ports.sessions().get(&key(person, session)).await {
        Ok(found) => found.and_then(|text| serde_json::from_str::<Record>(&text).ok()),
        Err(error) => {
            ports.log(&format!("sessions: {error}"));
            None
        }
    };
    let recent = found.filter(|record| (0..REVOCATION_STALENESS).contains(&(now - record.at)));
    if let Some(record) = recent {
        return Ok(record.live);
    }
    let live = PersonClient::new(ports.actors(), person).is_live(session).await?;
    // The record gets the instant before the call, because the decision may be as old as that.
    cache(ports, &key(person, session), Record { live, at: now }).await;
    Ok(live)
}

/// Caches that a session has ended, so that it is refused before the cached decision gets old.
pub async fn ended<P: Platform>(ports: &Ports<P>, person: &str, session: &str) {
    let record = Record { live: false, at: ports.now() };
    cache(ports, &key(person, session), record).await;
}

async fn cache<P: Platform>(ports: &Ports<P>, key: &str, record: Record) {
    // A record has two plain members, so that this cannot fail.
    let text = serde_json::to_string(&record).unwrap_or_default();
    if let Err(error) = ports.sessions().put(key, &text, RECORD_TTL).await {
        ports.log(&format!("sessions: {error}"));
    }
}

/// Returns the key of a session in KV. It is unique to the person, because identifiers of sessions
/// have no slash. It fits into a key of KV, because identifiers of people have at most 96 bytes.
fn key(person: &str, session: &str) -> String {
    format!("session/{session}/{person}")
}
