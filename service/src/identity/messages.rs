//! Sends messages to the objects of the class `OAuth`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::{
    flow::Flow,
    provider::{Profile, Provider, Tokens},
};
use crate::domain::Millis;
use crate::ports::{ActorClass, Actors, MeteredActors, PortError};

/// A message to an object of the class `OAuth`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message {
    /// Store a flow. It goes to an object of its own.
    Begin(Flow),
    /// Return the flow and delete it.
    Take,
    /// Carry out a request about a person. It goes to the person's object.
    Person {
        /// The identifier of the person.
        id: String,
        /// The request.
        request: PersonRequest,
    },
}

/// A request about a person. [`PersonClient`] has a method for each, which describes it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PersonRequest {
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

/// The part of a person that may leave the object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonView {
    /// The name of the person.
    pub name: Option<String>,
    /// The verified email address.
    pub email: Option<String>,
    /// The connections with providers.
    pub connections: Vec<ConnectionView>,
}

/// A connection with a provider, without its tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[cfg_attr(not(target_arch = "wasm32"), schemars(rename = "Connection"))]
pub struct ConnectionView {
    /// The provider.
    pub provider: Provider,
    /// The name of the account, if the provider tells it.
    pub account: Option<String>,
    /// The time at which the person agreed.
    pub connected_at: Millis,
    /// True if the provider accepts the stored tokens; if false, the person must connect again.
    pub active: bool,
}

/// An access token, or the reason why there is none.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenReply {
    /// The access token.
    Token(String),
    /// The person has not connected the provider, or must connect it again.
    NotConnected,
    /// The provider did not issue one this time.
    Unavailable,
}

/// Returns a hash that identifies a token without revealing it.
pub(super) fn hash_of(token: &str) -> String {
    URL_SAFE_NO_PAD
        .encode(Sha256::new_with_prefix("workway lab token:").chain_update(token).finalize())
}

/// A client of one person's object.
#[derive(Clone, Copy, Debug)]
pub struct PersonClient<'a, A> {
    actors: MeteredActors<'a, A>,
    id: &'a str,
}

impl<'a, A: Actors> PersonClient<'a, A> {
    /// Makes a client of the object of the person `id`.
    pub fn new(actors: MeteredActors<'a, A>, id: &'a str) -> Self {
        Self { actors, id }
    }

    async fn send<R: DeserializeOwned>(&self, request: PersonRequest) -> Result<R, PortError> {
        let message = Message::Person { id: self.id.to_owned(), request };
        send(self.actors, &format!("person/{}", self.id), &message).await
    }

    /// Begins a session of a person whom Google has identified, and returns its identifier.
    ///
    /// # Errors
    /// [`crate::ports::PortError`], as from every method here, when the object cannot be reached or
    /// cannot store its decision.
    pub async fn sign_in(&self, profile: Profile, tokens: Tokens) -> Result<String, PortError> {
        self.send(PersonRequest::SignIn { profile, tokens }).await
    }

    /// Stores the tokens of a provider.
    pub async fn connect(&self, provider: Provider, tokens: Tokens) -> Result<(), PortError> {
        self.send(PersonRequest::Connect { provider, tokens }).await
    }

    /// Uses the refresh token of this generation. Returns the generation of the next one, or `None`
    /// if the token was not the current one, which ends the session.
    pub async fn rotate(&self, session: &str, generation: u32) -> Result<Option<u32>, PortError> {
        self.send(PersonRequest::Rotate { session: session.to_owned(), generation }).await
    }

    /// Ends a session. Returns false if it had ended before.
    pub async fn end(&self, session: &str) -> Result<bool, PortError> {
        self.send(PersonRequest::End { session: session.to_owned() }).await
    }

    /// Returns true if a session has not ended.
    pub async fn is_live(&self, session: &str) -> Result<bool, PortError> {
        self.send(PersonRequest::IsLive { session: session.to_owned() }).await
    }

    /// Returns the part of the person that may be shown.
    pub async fn show(&self) -> Result<PersonView, PortError> {
        self.send(PersonRequest::Show).await
    }

    /// Deletes a connection. Returns `None` if there was none, and true if the provider has revoked
    /// its tokens.
    pub async fn disconnect(&self, provider: Provider) -> Result<Option<bool>, PortError> {
        self.send(PersonRequest::Disconnect { provider }).await
    }

    /// Returns an access token for calls of a provider.
    pub async fn token(&self, provider: Provider) -> Result<TokenReply, PortError> {
        self.send(PersonRequest::Token { provider }).await
    }

    /// Reports that the provider refused this access token.
    pub async fn refused(&self, provider: Provider, token: &str) -> Result<(), PortError> {
        self.send(PersonRequest::Refused { provider, hash: hash_of(token) }).await
    }
}

/// Stores a flow under its identifier.
///
/// # Errors
/// [`crate::ports::PortError`] when its object cannot be reached.
pub async fn begin_flow<A: Actors>(
    actors: MeteredActors<'_, A>,
    id: &str,
    flow: Flow,
) -> Result<(), PortError> {
    send(actors, &flow_object(id), &Message::Begin(flow)).await
}

/// Returns the flow with this identifier and deletes it. Returns `None` if it has expired or was
/// taken before.
///
/// # Errors
/// [`crate::ports::PortError`] when its object cannot be reached. The flow may be deleted or not.
pub async fn take_flow<A: Actors>(
    actors: MeteredActors<'_, A>,
    id: &str,
) -> Result<Option<Flow>, PortError> {
    send(actors, &flow_object(id), &Message::Take).await
}

fn flow_object(id: &str) -> String {
    format!("sign-in/{id}")
}

async fn send<A: Actors, R: DeserializeOwned>(
    actors: MeteredActors<'_, A>,
    object: &str,
    message: &Message,
) -> Result<R, PortError> {
    actors.call(ActorClass::OAuth, object, message).await
}
