//! Defines the state of a person: their sessions and their connections. The functions are pure and
//! get the time as an argument.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::provider::{Profile, Provider, TIMEOUT};
use crate::config::Sealed;
use crate::domain::Millis;

/// The time from the sign-in to the end of a session, whether it is used or not: thirty days.
pub const SESSION_LIFETIME: Millis = 30 * 24 * 60 * 60 * 1000;
/// The largest number of sessions of one person. One more ends the oldest. People have fewer
/// devices than that.
pub const MAX_SESSIONS: usize = 20;
/// The shortest time that an access token of a provider must still be valid to be handed out,
/// because a step may take that long to use it.
pub const TOKEN_MARGIN: Millis = 60_000;
/// The time after which a refresh that has not ended counts as failed, because its host must have
/// died.
pub(super) const REFRESH_LEASE: Millis = 2 * TIMEOUT;

/// A person as their object stores them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Person {
    /// The profile, once they have signed in.
    pub profile: Option<Profile>,
    /// The sessions by identifier. A session that is not here has ended.
    sessions: BTreeMap<String, Session>,
    /// The connections, at most one for each provider.
    pub connections: BTreeMap<Provider, Connection>,
}

/// A session, from the sign-in to the sign-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    /// The generation of the current refresh token. Those before it have been used.
    generation: u32,
    expires_at: Millis,
}

/// A connection with a provider: its tokens and their state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Connection {
    /// The name of the account, if the provider tells it.
    pub account: Option<String>,
    /// The time at which the person agreed.
    pub connected_at: Millis,
    /// The access token. It is `None` once the provider neither accepts it nor issues another one.
    pub access: Option<Sealed>,
    /// The refresh token, which gets the next access token.
    pub refresh: Option<Sealed>,
    /// The time at which the access token expires; `None` if it does not.
    pub expires_at: Option<Millis>,
    /// The end of the lease of the refresh that is under way.
    pub refreshing_until: Option<Millis>,
    /// The time at which a refresh last failed.
    pub failed_at: Option<Millis>,
    /// The version, which grows with each new token, so that an answer to an older refresh changes
    /// nothing.
    pub version: u32,
}

/// The decision on a request for an access token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum AccessToken {
    /// This access token is valid.
    Current(Sealed),
    /// The caller is to refresh it, with this refresh token and for this version.
    Refresh(Sealed, u32),
    /// Another caller is refreshing it.
    Refreshing,
    /// Another caller has tried to refresh it since this one began, and failed.
    Failed,
    /// The person has not connected the provider, or must connect it again.
    NotConnected,
}

impl Person {
    /// Begins a session.
    pub(super) fn begin(&mut self, id: String, now: Millis) {
        self.sessions.retain(|_, session| now < session.expires_at);
        while self.sessions.len() >= MAX_SESSIONS {
            let oldest = self.sessions.iter().min_by_key(|(_, session)| session.expires_at);
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else { break };
            self.sessions.remove(&oldest);
        }
        let session = Session { generation: 0, expires_at: now.saturating_add(SESSION_LIFETIME) };
        self.sessions.insert(id, session);
    }

    /// Returns true if a session has not ended.
    pub(super) fn is_live(&self, id: &str, now: Millis) -> bool {
        self.sessions.get(id).is_some_and(|session| now < session.expires_at)
    }

    /// Uses the refresh token of a generation. Returns the next generation if it is the current one.
    /// A token that was used before is in two hands, and it cannot be known which of them is a
    /// thief's, so the session ends and this returns `None`.
    pub(super) fn rotate(&mut self, id: &str, generation: u32, now: Millis) -> Option<u32> {
        let session = self.sessions.get_mut(id).filter(|session| now < session.expires_at)?;
        if session.generation == generation {
            session.generation += 1;
            return Some(session.generation);
        }
        self.sessions.remove(id);
        None
    }

    /// Ends a session. Returns false if there was none.
    pub(super) fn end(&mut self, id: &str) -> bool {
        self.sessions.remove(id).is_some()
    }

    /// Decides on a request for an access token that began at `since`. If the caller is to refresh
    /// the token, this notes that a refresh is under way.
    pub(super) fn access_token(
        &mut self,
        provider: Provider,
        since: Millis,
        now: Millis,
    ) -> AccessToken {
        let Some(connection) = self.connections.get_mut(&provider) else {
            return AccessToken::NotConnected;
        };
        let Some(access) = connection.access.clone() else { return AccessToken::NotConnected };
        if connection.expires_at.is_none_or(|end| now < end - TOKEN_MARGIN) {
            return AccessToken::Current(access);
        }
        if connection.refreshing_until.is_some_and(|until| now < until) {
            return AccessToken::Refreshing;
        }
        if connection.failed_at.is_some_and(|at| at >= since) {
            return AccessToken::Failed;
        }
        let Some(refresh) = connection.refresh.clone() else { return AccessToken::NotConnected };
        connection.refreshing_until = Some(now + REFRESH_LEASE);
        AccessToken::Refresh(refresh, connection.version)
    }
}

impl Connection {
    /// Makes a connection that has no token yet.
    pub(super) fn new(account: Option<String>, now: Millis) -> Self {
        Self {
            account,
            connected_at: now,
            access: None,
            refresh: None,
            expires_at: None,
            refreshing_until: None,
            failed_at: None,
            version: 0,
        }
    }

    /// Deletes the tokens, because the provider does not accept them any more.
    pub(super) fn invalidate(&mut self) {
        self.access = None;
        self.refresh = None;
        self.refreshing_until = None;
        self.version += 1;
    }
}

/// Returns the identifier of the person whom Google calls `sub`. It is as stable as that, of one
/// length, and does not reveal Google's identifier.
pub fn person_id(sub: &str) -> String {
    let digest = Sha256::new_with_prefix("workway person: google:").chain_update(sub).finalize();
    format!("person-{}", &URL_SAFE_NO_PAD.encode(digest)[..22])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_is_good_once_and_twice_is_the_end() {
        let mut person = Person::default();
        person.begin("s".to_owned(), 0);
        assert_eq!(person.rotate("s", 0, 1), Some(1));
        assert_eq!(person.rotate("s", 1, 1), Some(2));
        assert!(person.is_live("s", 1));
        assert_eq!(person.rotate("s", 1, 1), None, "used before");
        assert!(!person.is_live("s", 1), "the whole family");
        assert_eq!(person.rotate("s", 2, 1), None, "also the newest");
        person.begin("t".to_owned(), 0);
        assert_eq!(person.rotate("t", 7, 1), None, "never handed out");
        assert!(!person.is_live("t", 1));
    }

    #[test]
    fn sessions_end_at_their_lifetime_and_their_number_is_bounded() {
        let mut person = Person::default();
        person.begin("s".to_owned(), 0);
        assert!(person.is_live("s", SESSION_LIFETIME - 1));
        assert!(!person.is_live("s", SESSION_LIFETIME));
        assert_eq!(person.rotate("s", 0, SESSION_LIFETIME), None);
        let mut person = Person::default();
        for n in 0..MAX_SESSIONS {
            person.begin(format!("{n:02}"), Millis::try_from(n).unwrap());
        }
        assert!(person.is_live("00", 30));
        person.begin("new".to_owned(), 30);
        assert!(!person.is_live("00", 30) && person.is_live("01", 30) && person.is_live("new", 30));
        assert_eq!(person.sessions.len(), MAX_SESSIONS);
    }

    #[test]
    fn one_asks_for_the_next_token_and_the_others_wait() {
        let sealed: Sealed = serde_json::from_str(r#"{"key":"k","nonce":"n","text":"t"}"#).unwrap();
        let mut person = Person::default();
        assert_eq!(
            person.access_token(Provider::Notion, 0, 0),
            AccessToken::NotConnected,
            "never connected"
        );
        let mut connection = Connection::new(None, 0);
        connection.access = Some(sealed.clone());
        connection.refresh = Some(sealed.clone());
        connection.expires_at = Some(TOKEN_MARGIN + 10);
        person.connections.insert(Provider::Notion, connection);
        assert_eq!(
            person.access_token(Provider::Notion, 9, 9),
            AccessToken::Current(sealed.clone())
        );
        assert_eq!(
            person.access_token(Provider::Notion, 10, 10),
            AccessToken::Refresh(sealed.clone(), 0)
        );
        assert_eq!(
            person.access_token(Provider::Notion, 10, 10 + REFRESH_LEASE - 1),
            AccessToken::Refreshing
        );
        let again = person.clone().access_token(Provider::Notion, 10, 10 + REFRESH_LEASE);
        assert_eq!(again, AccessToken::Refresh(sealed.clone(), 0), "whoever asked is gone");
        let connection = person.connections.get_mut(&Provider::Notion).unwrap();
        connection.refreshing_until = None;
        connection.failed_at = Some(20);
        assert_eq!(
            person.access_token(Provider::Notion, 20, 21),
            AccessToken::Failed,
            "asked before it failed"
        );
        assert_eq!(person.access_token(Provider::Notion, 21, 21), AccessToken::Refresh(sealed, 0));
        person.connections.get_mut(&Provider::Notion).unwrap().invalidate();
        assert_eq!(person.access_token(Provider::Notion, 22, 22), AccessToken::NotConnected);
    }

    #[test]
    fn identifiers_are_stable_and_do_not_tell() {
        assert_eq!(person_id("1"), person_id("1"));
        assert_ne!(person_id("1"), person_id("2"));
        assert_eq!(person_id("110169484474386276334").len(), 29);
    }
}
