//! Whether a session goes on: decided by the person's object, remembered in the namespace
//! `SESSIONS` for a minute, so that not every request asks the object.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::messages::PersonOf;
use crate::domain::Millis;
use crate::ports::{MIN_KV_TTL, Platform, PortError, Ports};

/// A session that ended is believed to go on for at most so long. The decision carries its instant,
/// so a copy that KV has kept too long is not believed either: this is the bound, whatever KV does.
/// (Clocks of different machines apart: Cloudflare's are within milliseconds.)
pub const REVOCATION_STALENESS: Millis = 60_000;
const RECORD_TTL: Duration = MIN_KV_TTL;

/// What the object said, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    live: bool,
    at: Millis,
}

/// Whether a session of `person` goes on.
///
/// # Errors
/// When neither the record nor the object can be had: who cannot be asked is not believed.
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
    let live = PersonOf::new(ports.actors(), person).is_live(session).await?;
    // The instant from before the object was asked: the answer is not older.
    remember(ports, &key(person, session), Record { live, at: now }).await;
    Ok(live)
}

/// Tells everybody that a session has ended, sooner than they would find out.
pub async fn ended<P: Platform>(ports: &Ports<P>, person: &str, session: &str) {
    let record = Record { live: false, at: ports.now() };
    remember(ports, &key(person, session), record).await;
}

async fn remember<P: Platform>(ports: &Ports<P>, key: &str, record: Record) {
    // Two plain members: this cannot fail.
    let text = serde_json::to_string(&record).unwrap_or_default();
    if let Err(error) = ports.sessions().put(key, &text, RECORD_TTL).await {
        ports.log(&format!("sessions: {error}"));
    }
}

/// The session of this person and of nobody else. Identifiers of sessions have no slash, those of
/// people at most 96 bytes: it fits.
fn key(person: &str, session: &str) -> String {
    format!("session/{session}/{person}")
}
