//! What the objects of the class `OAuth` are asked, from the side of whoever asks.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::{
    flow::Flow,
    provider::{Profile, Provider, Tokens},
};
use crate::domain::Millis;
use crate::ports::{ActorClass, Actors, MeteredActors, PortError};

/// A message.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message {
    /// Keep a flow. For an object of its own.
    Begin(Flow),
    /// Give it away.
    Take,
    /// About a person, to their object.
    Person {
        /// Who.
        id: String,
        /// What.
        about: About,
    },
}

/// A message about a person.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum About {
    SignIn { profile: Profile, tokens: Tokens },
    Connect { provider: Provider, tokens: Tokens },
    Rotate { session: String, generation: u32 },
    End { session: String },
    IsLive { session: String },
    Show,
    Disconnect { provider: Provider },
    Token { provider: Provider },
    Refused { provider: Provider, hash: String },
}

/// What may be seen of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// What they are called.
    pub name: Option<String>,
    /// Their verified address.
    pub email: Option<String>,
    /// Their connections.
    pub connections: Vec<Connected>,
}

/// What may be seen of a connection: no token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Connected {
    /// With whom.
    pub provider: Provider,
    /// What the account is called there, if the provider says.
    pub account: Option<String>,
    /// When the person agreed.
    pub connected_at: Millis,
    /// Whether the provider accepts our tokens; if not, the person must connect again.
    pub active: bool,
}

/// An access token, or why there is none.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenReply {
    /// Here it is.
    Token(String),
    /// The person never connected, or must connect again.
    Over,
    /// The provider did not give one this time.
    Unavailable,
}

/// Names a token without telling it.
pub(super) fn hash_of(token: &str) -> String {
    URL_SAFE_NO_PAD
        .encode(Sha256::new_with_prefix("workway lab token:").chain_update(token).finalize())
}

/// One person's object.
#[derive(Clone, Copy, Debug)]
pub struct PersonOf<'a, A> {
    actors: MeteredActors<'a, A>,
    id: &'a str,
}

impl<'a, A: Actors> PersonOf<'a, A> {
    /// The object of the person `id`.
    pub fn new(actors: MeteredActors<'a, A>, id: &'a str) -> Self {
        Self { actors, id }
    }

    async fn ask<R: DeserializeOwned>(&self, about: About) -> Result<R, PortError> {
        let message = Message::Person { id: self.id.to_owned(), about };
        ask(self.actors, &format!("person/{}", self.id), &message).await
    }

    /// Begins a session of somebody whom Google has just named; its identifier.
    ///
    /// # Errors
    /// As every method here, [`crate::ports::PortError`] when the object cannot be reached or
    /// cannot store what it decided.
    pub async fn sign_in(&self, profile: Profile, tokens: Tokens) -> Result<String, PortError> {
        self.ask(About::SignIn { profile, tokens }).await
    }

    /// Keeps the tokens of a provider.
    pub async fn connect(&self, provider: Provider, tokens: Tokens) -> Result<(), PortError> {
        self.ask(About::Connect { provider, tokens }).await
    }

    /// The generation of the next refresh token, for the good one; `None` ends the session.
    pub async fn rotate(&self, session: &str, generation: u32) -> Result<Option<u32>, PortError> {
        self.ask(About::Rotate { session: session.to_owned(), generation }).await
    }

    /// Ends a session; whether it went on until now.
    pub async fn end(&self, session: &str) -> Result<bool, PortError> {
        self.ask(About::End { session: session.to_owned() }).await
    }

    /// Whether a session goes on.
    pub async fn is_live(&self, session: &str) -> Result<bool, PortError> {
        self.ask(About::IsLive { session: session.to_owned() }).await
    }

    /// What may be seen.
    pub async fn show(&self) -> Result<Shown, PortError> {
        self.ask(About::Show).await
    }

    /// Forgets a connection. Whether the provider forgot it, too; `None`: there was none.
    pub async fn disconnect(&self, provider: Provider) -> Result<Option<bool>, PortError> {
        self.ask(About::Disconnect { provider }).await
    }

    /// An access token for calls of a provider.
    pub async fn token(&self, provider: Provider) -> Result<TokenReply, PortError> {
        self.ask(About::Token { provider }).await
    }

    /// Says that the provider did not take this one.
    pub async fn refused(&self, provider: Provider, token: &str) -> Result<(), PortError> {
        self.ask(About::Refused { provider, hash: hash_of(token) }).await
    }
}

/// Keeps a flow under its number.
///
/// # Errors
/// When its object cannot be reached.
pub async fn begin_flow<A: Actors>(
    actors: MeteredActors<'_, A>,
    id: &str,
    flow: Flow,
) -> Result<(), PortError> {
    ask(actors, &flow_object(id), &Message::Begin(flow)).await
}

/// The flow with this number, unless it is over or somebody had it before.
///
/// # Errors
/// When its object cannot be reached. It may or may not be gone.
pub async fn take_flow<A: Actors>(
    actors: MeteredActors<'_, A>,
    id: &str,
) -> Result<Option<Flow>, PortError> {
    ask(actors, &flow_object(id), &Message::Take).await
}

fn flow_object(id: &str) -> String {
    format!("sign-in/{id}")
}

async fn ask<A: Actors, R: DeserializeOwned>(
    actors: MeteredActors<'_, A>,
    object: &str,
    message: &Message,
) -> Result<R, PortError> {
    actors.call(ActorClass::OAuth, object, message).await
}
