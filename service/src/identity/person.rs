//! What is kept of a person: their sessions and their connections. Pure: `now` is given.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::provider::{Profile, Provider, TIMEOUT};
use crate::config::Sealed;
use crate::domain::Millis;

/// A session ends so long after the sign-in, whether it is used or not: thirty days.
pub const SESSION_LIFETIME: Millis = 30 * 24 * 60 * 60 * 1000;
/// Sessions of one person. One more ends the oldest: their devices are fewer.
pub const MAX_SESSIONS: usize = 20;
/// An access token of a provider with less to live is not handed out any more: a step that gets it
/// may take that long to use it.
pub const TOKEN_MARGIN: Millis = 60_000;
/// A refresh that has not ended after this died with its host.
pub(super) const REFRESH_LEASE: Millis = 2 * TIMEOUT;

/// A person, as their object stores them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Person {
    /// Who they are, once they have signed in.
    pub profile: Option<Profile>,
    /// By identifier. What is not here has ended.
    sessions: BTreeMap<String, Session>,
    /// At most one for each provider.
    pub connections: BTreeMap<Provider, Connection>,
}

/// One sign-in, from browser to sign-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    /// Of the refresh token that is good; those before it have been used.
    generation: u32,
    expires_at: Millis,
}

/// The tokens of a provider, and what became of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Connection {
    /// What the account is called, if the provider says.
    pub account: Option<String>,
    /// When the person agreed.
    pub connected_at: Millis,
    /// For calls. `None` when the provider does not accept it any more, nor gives another.
    pub access: Option<Sealed>,
    /// For the next access token.
    pub refresh: Option<Sealed>,
    /// The end of the access token; `None` when it has none.
    pub expires_at: Option<Millis>,
    /// Somebody is asking for the next access token, until then.
    pub refreshing_until: Option<Millis>,
    /// When that last failed.
    pub failed_at: Option<Millis>,
    /// Grows with each new token: an answer that comes too late changes nothing.
    pub version: u32,
}

/// What to do about an access token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// Hand this out.
    Give(Sealed),
    /// Ask the provider, with this refresh token, for the token after this version.
    Refresh(Sealed, u32),
    /// Somebody is asking.
    Wait,
    /// Somebody asked meanwhile, in vain.
    Failed,
    /// The person must connect again.
    Over,
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

    /// Whether a session goes on.
    pub(super) fn is_live(&self, id: &str, now: Millis) -> bool {
        self.sessions.get(id).is_some_and(|session| now < session.expires_at)
    }

    /// The next generation of a session, for whoever has its good refresh token. One that was used
    /// before is in two hands, and which of them is the thief's cannot be told: the session ends.
    pub(super) fn rotate(&mut self, id: &str, generation: u32, now: Millis) -> Option<u32> {
        let session = self.sessions.get_mut(id).filter(|session| now < session.expires_at)?;
        if session.generation == generation {
            session.generation += 1;
            return Some(session.generation);
        }
        self.sessions.remove(id);
        None
    }

    /// Ends a session; whether there was one.
    pub(super) fn end(&mut self, id: &str) -> bool {
        self.sessions.remove(id).is_some()
    }

    /// Decides about an access token, and takes note of who asks for the next. `since`: when
    /// whoever asks began to.
    pub(super) fn next(&mut self, provider: Provider, since: Millis, now: Millis) -> Next {
        let Some(connection) = self.connections.get_mut(&provider) else { return Next::Over };
        let Some(access) = connection.access.clone() else { return Next::Over };
        let fresh = connection.expires_at.is_none_or(|end| now < end - TOKEN_MARGIN);
        if fresh {
            return Next::Give(access);
        }
        if connection.refreshing_until.is_some_and(|until| now < until) {
            return Next::Wait;
        }
        if connection.failed_at.is_some_and(|at| at >= since) {
            return Next::Failed;
        }
        let Some(refresh) = connection.refresh.clone() else { return Next::Over };
        connection.refreshing_until = Some(now + REFRESH_LEASE);
        Next::Refresh(refresh, connection.version)
    }
}

impl Connection {
    /// A new one, with no token yet.
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

    /// The provider does not accept these tokens any more.
    pub(super) fn give_up(&mut self) {
        self.access = None;
        self.refresh = None;
        self.refreshing_until = None;
        self.version += 1;
    }
}

/// The identifier of the person whom Google calls `sub`: as stable, of one length, and it does not
/// tell what Google calls them.
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
        assert_eq!(person.next(Provider::Notion, 0, 0), Next::Over, "never connected");
        let mut connection = Connection::new(None, 0);
        connection.access = Some(sealed.clone());
        connection.refresh = Some(sealed.clone());
        connection.expires_at = Some(TOKEN_MARGIN + 10);
        person.connections.insert(Provider::Notion, connection);
        assert_eq!(person.next(Provider::Notion, 9, 9), Next::Give(sealed.clone()));
        assert_eq!(person.next(Provider::Notion, 10, 10), Next::Refresh(sealed.clone(), 0));
        assert_eq!(person.next(Provider::Notion, 10, 10 + REFRESH_LEASE - 1), Next::Wait);
        let again = person.clone().next(Provider::Notion, 10, 10 + REFRESH_LEASE);
        assert_eq!(again, Next::Refresh(sealed.clone(), 0), "whoever asked is gone");
        let connection = person.connections.get_mut(&Provider::Notion).unwrap();
        connection.refreshing_until = None;
        connection.failed_at = Some(20);
        assert_eq!(person.next(Provider::Notion, 20, 21), Next::Failed, "asked before it failed");
        assert_eq!(person.next(Provider::Notion, 21, 21), Next::Refresh(sealed, 0));
        person.connections.get_mut(&Provider::Notion).unwrap().give_up();
        assert_eq!(person.next(Provider::Notion, 22, 22), Next::Over);
    }

    #[test]
    fn identifiers_are_stable_and_do_not_tell() {
        assert_eq!(person_id("1"), person_id("1"));
        assert_ne!(person_id("1"), person_id("2"));
        assert_eq!(person_id("110169484474386276334").len(), 29);
    }
}
