//! Implements the objects of the class `OAuth`. There are two kinds: one for each person, with their
//! sessions and connections, and one for each flow, which returns its content once and is deleted.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    flow::Flow,
    messages::{ConnectionView, Message, PersonRequest, PersonView, TokenReply, hash_of},
    person::{AccessToken, Connection, Person},
    provider::{self, Provider, ProviderError, Tokens},
};
use crate::config::{Client, OAuthConfig, Sealed};
use crate::domain::{Millis, id};
use crate::ports::{ActorContext, Clock, ObjectPorts, PortError, PortResult, Random, Usage};

/// The pause between two checks of a refresh that is under way, a tenth of what a refresh takes.
const REFRESH_POLL: Duration = Duration::from_millis(50);
/// The longest time that a request waits for the refresh of another one. After that it gets no
/// token. This wait, a refresh of its own and the call that follows fit into one attempt of a step.
pub(crate) const REFRESH_WAIT: Millis = 2_000;

/// An object of the class `OAuth`. The value lives for as long as one message or alarm takes.
pub struct OAuthObject<'a, C> {
    ports: ObjectPorts<'a, C>,
    oauth: Option<&'a OAuthConfig>,
}

impl<'a, C: ActorContext> OAuthObject<'a, C> {
    /// Opens the object that `context` stands for.
    pub fn new(context: &'a C, oauth: Option<&'a OAuthConfig>) -> Self {
        Self { ports: ObjectPorts::new(context), oauth }
    }

    /// Handles a message.
    ///
    /// # Errors
    /// [`PortError`] when the message is malformed or its outcome cannot be stored.
    pub async fn message(&self, message: Value) -> PortResult<Value> {
        self.ports.metered(self.reply(message).await)
    }

    /// Handles the alarm of a flow that has expired, and deletes it. This uses one request and one
    /// row, which no account pays for, because no request waits for it.
    ///
    /// # Errors
    /// [`PortError`] when the flow could not be deleted. The platform delivers the alarm again.
    pub async fn alarm(&self) -> Result<(), PortError> {
        self.ports.meter().add(Usage { actor_requests: 1, ..Usage::default() });
        self.ports.erase().await
    }

    async fn reply(&self, message: Value) -> Result<Value, PortError> {
        let message: Message = serde_json::from_value(message).map_err(broken)?;
        match message {
            Message::Begin(flow) => {
                let text = serde_json::to_string(&flow).map_err(broken)?;
                self.ports.save(&text, Some(flow.expires_at)).await?;
                json(())
            }
            Message::Take => json(self.take().await?),
            Message::Person { id, request } => self.person(&id, request).await,
        }
    }

    /// Returns the flow and deletes it. Returns `None` if it has expired or was taken before.
    async fn take(&self) -> Result<Option<Flow>, PortError> {
        let _turn = self.ports.turn().await;
        let flow: Option<Flow> = self.load().await?;
        self.ports.erase().await?;
        Ok(flow.filter(|flow| self.now() < flow.expires_at))
    }

    async fn person(&self, id: &str, request: PersonRequest) -> Result<Value, PortError> {
        match request {
            PersonRequest::SignIn { profile, tokens } => {
                let session = self.new_id()?;
                let connection = self.connection(id, Provider::Google, &tokens)?;
                self.change(|person, now| {
                    person.profile = Some(profile);
                    person.connections.insert(Provider::Google, connection);
                    person.begin(session.clone(), now);
                })
                .await?;
                json(session)
            }
            PersonRequest::Connect { provider, tokens } => {
                let connection = self.connection(id, provider, &tokens)?;
                json(
                    self.change(|person, _| drop(person.connections.insert(provider, connection)))
                        .await?,
                )
            }
            PersonRequest::Rotate { session, generation } => {
                json(self.change(|person, now| person.rotate(&session, generation, now)).await?)
            }
            PersonRequest::End { session } => {
                json(self.change(|person, _| person.end(&session)).await?)
            }
            PersonRequest::IsLive { session } => {
                let person: Person = self.load().await?.unwrap_or_default();
                json(person.is_live(&session, self.now()))
            }
            PersonRequest::Show => json(view(self.load().await?.unwrap_or_default())),
            PersonRequest::Disconnect { provider } => json(self.disconnect(id, provider).await?),
            PersonRequest::Token { provider } => json(self.token(id, provider).await?),
            PersonRequest::Refused { provider, hash } => {
                json(self.refused(id, provider, &hash).await?)
            }
        }
    }

    /// Loads the person, changes them, and saves them if that changed anything, in one turn of the
    /// object.
    async fn change<T>(&self, act: impl FnOnce(&mut Person, Millis) -> T) -> Result<T, PortError> {
        let _turn = self.ports.turn().await;
        let before: Person = self.load().await?.unwrap_or_default();
        let mut person = before.clone();
        let outcome = act(&mut person, self.now());
        if person != before {
            let text = serde_json::to_string(&person).map_err(broken)?;
            self.ports.save(&text, None).await?;
        }
        Ok(outcome)
    }

    async fn load<T: DeserializeOwned>(&self) -> Result<Option<T>, PortError> {
        let text = self.ports.load().await?;
        text.map(|text| serde_json::from_str(&text).map_err(broken)).transpose()
    }

    /// Deletes the tokens, and then asks the provider to revoke them. Returns `None` if there was no
    /// connection, and true if the provider revoked them.
    async fn disconnect(&self, id: &str, provider: Provider) -> Result<Option<bool>, PortError> {
        let removed = self.change(|person, _| person.connections.remove(&provider)).await?;
        let Some(removed) = removed else { return Ok(None) };
        let (client, oauth) = self.client(provider)?;
        // Revoking the refresh token revokes its access tokens, too, so it is preferred.
        let candidates = [(&removed.refresh, "refresh"), (&removed.access, "access")];
        let token = candidates.into_iter().find_map(|(sealed, kind)| {
            oauth.vault.open(sealed.as_ref()?, &owner(id, provider, kind))
        });
        let Some(token) = token else { return Ok(Some(false)) };
        let answer = self.ports.http().send(provider.revoke(client, &token)).await;
        Ok(Some(provider::is_success(&answer)))
    }

    /// Returns an access token. If it must be refreshed, only one of many concurrent requests asks
    /// the provider.
    async fn token(&self, id: &str, provider: Provider) -> Result<TokenReply, PortError> {
        let since = self.now();
        loop {
            match self.change(|person, now| person.access_token(provider, since, now)).await? {
                AccessToken::Current(sealed) => {
                    let (_, oauth) = self.client(provider)?;
                    let opened = oauth.vault.open(&sealed, &owner(id, provider, "access"));
                    return Ok(opened.map_or(TokenReply::NotConnected, TokenReply::Token));
                }
                AccessToken::Refresh(sealed, version) => {
                    if let Some(reply) = self.refresh(id, provider, &sealed, version).await? {
                        return Ok(reply);
                    }
                }
                AccessToken::NotConnected => return Ok(TokenReply::NotConnected),
                AccessToken::Failed => return Ok(TokenReply::Unavailable),
                AccessToken::Refreshing if self.now() - since >= REFRESH_WAIT => {
                    return Ok(TokenReply::Unavailable);
                }
                AccessToken::Refreshing => self.ports.clock().sleep(REFRESH_POLL).await,
            }
        }
    }

    /// Asks the provider for the next access token and stores it. Returns `None` on success, and
    /// otherwise the reply for whoever asked.
    async fn refresh(
        &self,
        id: &str,
        provider: Provider,
        sealed: &Sealed,
        version: u32,
    ) -> Result<Option<TokenReply>, PortError> {
        let (client, oauth) = self.client(provider)?;
        let asked = match oauth.vault.open(sealed, &owner(id, provider, "refresh")) {
            Some(token) => {
                let answer = self.ports.http().send(provider.refresh(client, &token)).await;
                provider::tokens(answer)
            }
            // The key that sealed the token is no longer configured.
            None => Err(ProviderError::Refused),
        };
        let renewed = match &asked {
            Ok(tokens) => Some(self.connection(id, provider, tokens)?),
            Err(_) => None,
        };
        self.change(|person, now| {
            let current = person.connections.get_mut(&provider);
            let current = current.filter(|current| current.version == version)?;
            match (renewed, asked) {
                (Some(renewed), _) => {
                    current.refresh = renewed.refresh.or(current.refresh.take());
                    current.access = renewed.access;
                    current.expires_at = renewed.expires_at;
                    current.refreshing_until = None;
                    current.failed_at = None;
                    current.version += 1;
                    None
                }
                (None, Err(ProviderError::Refused)) => {
                    current.invalidate();
                    Some(TokenReply::NotConnected)
                }
                (None, _) => {
                    current.refreshing_until = None;
                    current.failed_at = Some(now);
                    Some(TokenReply::Unavailable)
                }
            }
        })
        .await
    }

    /// Marks an access token as expired that the provider refused, so that the next request for it
    /// gets another one.
    async fn refused(&self, id: &str, provider: Provider, hash: &str) -> Result<(), PortError> {
        let (_, oauth) = self.client(provider)?;
        let owner = owner(id, provider, "access");
        self.change(|person, _| {
            let Some(connection) = person.connections.get_mut(&provider) else { return };
            let current = connection.access.as_ref();
            let current = current.and_then(|sealed| oauth.vault.open(sealed, &owner));
            if current.is_some_and(|current| hash_of(&current) == hash) {
                // Half of the minimum leaves room for the margin that is subtracted from it.
                connection.expires_at = Some(Millis::MIN / 2);
                if connection.refresh.is_none() {
                    connection.invalidate();
                }
            }
        })
        .await
    }

    fn connection(
        &self,
        id: &str,
        provider: Provider,
        tokens: &Tokens,
    ) -> Result<Connection, PortError> {
        let (_, oauth) = self.client(provider)?;
        let seal = |text: &str, kind| {
            oauth.vault.seal(text, &owner(id, provider, kind), self.ports.random())
        };
        let now = self.now();
        let mut connection = Connection::new(tokens.account.clone(), now);
        connection.access = Some(seal(&tokens.access, "access")?);
        connection.refresh =
            tokens.refresh.as_deref().map(|token| seal(token, "refresh")).transpose()?;
        connection.expires_at = tokens.expires_in.map(|seconds| now + seconds * 1000);
        Ok(connection)
    }

    fn client(&self, provider: Provider) -> Result<(&'a Client, &'a OAuthConfig), PortError> {
        let client = self.oauth.and_then(|oauth| Some((oauth.client(provider)?, oauth)));
        client.ok_or_else(|| PortError::unavailable("actor", "the provider is not configured"))
    }

    fn new_id(&self) -> Result<String, PortError> {
        let mut entropy = [0; id::ENTROPY];
        self.ports.random().fill(&mut entropy)?;
        Ok(id::new(self.now(), entropy))
    }

    fn now(&self) -> Millis {
        self.ports.now()
    }
}

/// Returns the owner that an encrypted token is bound to. Only the identifier of the person can
/// contain the separator, and it comes last.
fn owner(id: &str, provider: Provider, kind: &str) -> String {
    format!("{kind}:{}:{id}", provider.name())
}

fn view(person: Person) -> PersonView {
    let connections = person.connections.into_iter().map(|(provider, connection)| ConnectionView {
        provider,
        account: connection.account,
        connected_at: connection.connected_at,
        active: connection.access.is_some(),
    });
    let connections = connections.collect();
    let (name, email) = person.profile.map_or((None, None), |p| (p.name, p.email));
    PersonView { name, email, connections }
}

fn json(value: impl Serialize) -> Result<Value, PortError> {
    serde_json::to_value(value).map_err(broken)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: serde_json::Error) -> PortError {
    // Only the place is reported, because the text of such an error can quote a secret.
    PortError::unavailable("actor", format!("malformed JSON at column {}", error.column()))
}
