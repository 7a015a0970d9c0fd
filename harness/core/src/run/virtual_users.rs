//! Prepares the virtual users, who send requests: subjects and tokens, ready before the clock
//! starts.

use std::fmt;

use http::HeaderValue;
use serde_json::{Map, Value};

use crate::{
    model::Secret,
    plan::{Credentials, ScenarioPlan, UserId, UserPlan},
};

/// Makes or finds the tokens of users.
pub trait Tokens {
    /// The subject of virtual user `index` of a user, `${{ user.<name>.sub }}`.
    fn subject(&self, user: &str, index: usize) -> String;

    /// The token of virtual user `index` of a user, without `Bearer`.
    ///
    /// # Errors
    /// Why there is none.
    fn bearer(&self, user: &UserPlan, index: usize) -> Result<String, TokenError>;

    /// The header of a token that is signed with `secret`, besides its `alg`.
    fn header(&self, _secret: &Secret) -> Map<String, Value> {
        Map::new()
    }

    /// The claims of a token of `subject` with these scopes that is valid from `now`, in seconds
    /// since 1970.
    fn claims(&self, subject: &str, scope: &str, now: u64) -> Map<String, Value> {
        let members = [("sub", subject.into()), ("scope", scope.into()), ("iat", now.into())];
        members.map(|(name, value): (_, Value)| (name.to_owned(), value)).into_iter().collect()
    }
}

impl fmt::Debug for dyn Tokens + Send + Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

/// The reason why a user has no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TokenError(pub String);

/// The reason why a user cannot send requests.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VirtualUserError {
    /// There is no token.
    #[error("no token for user `{user}`: {source}")]
    NoToken { user: String, source: TokenError },
    /// The token has characters that no header can have.
    #[error("the token of user `{0}` does not fit into a header")]
    NotAHeader(String),
}

/// The virtual users of each user of a scenario, by [`UserId`].
#[derive(Debug)]
pub(crate) struct VirtualUsers(Vec<User>);

#[derive(Debug)]
struct User {
    name: String,
    all: Vec<VirtualUser>,
}

/// A virtual user, with a token.
pub(crate) struct VirtualUser {
    /// The `sub` claim.
    pub(crate) subject: String,
    /// The token itself, to keep it out of reports.
    pub(crate) token: String,
    /// `Bearer …`, marked as sensitive.
    pub(crate) authorization: HeaderValue,
}

impl fmt::Debug for VirtualUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the token.
        f.debug_struct("VirtualUser").field("subject", &self.subject).finish_non_exhaustive()
    }
}

impl VirtualUsers {
    /// Prepares at most `needed` virtual users for every user.
    pub(crate) fn prepare(
        plan: &ScenarioPlan,
        tokens: &dyn Tokens,
        needed: usize,
    ) -> Result<Self, VirtualUserError> {
        let user = |user: &UserPlan| {
            let count = match user.credentials {
                Credentials::Minted { count, .. } => count.min(needed).max(1),
                Credentials::Environment(_) => 1,
            };
            let all: Result<_, _> =
                (0..count).map(|index| virtual_user(user, tokens, index)).collect();
            Ok(User { name: user.name.clone(), all: all? })
        };
        plan.users.iter().map(user).collect::<Result<_, _>>().map(Self)
    }

    /// Returns all of them.
    pub(crate) fn everyone(&self) -> impl Iterator<Item = &VirtualUser> {
        self.0.iter().flat_map(|user| &user.all)
    }

    /// Returns who a user is in an iteration.
    pub(crate) fn get(&self, user: UserId, iteration: u64) -> Option<&VirtualUser> {
        self.0.get(user.0).and_then(|user| user.get(iteration))
    }

    /// Returns the subject of the user with this name in an iteration.
    pub(crate) fn subject(&self, name: &str, iteration: u64) -> Option<&str> {
        let user = self.0.iter().find(|user| user.name == name)?;
        user.get(iteration).map(|user| user.subject.as_str())
    }
}

impl User {
    fn get(&self, iteration: u64) -> Option<&VirtualUser> {
        let index = iteration.checked_rem(self.all.len() as u64)?;
        self.all.get(usize::try_from(index).ok()?)
    }
}

fn virtual_user(
    user: &UserPlan,
    tokens: &dyn Tokens,
    index: usize,
) -> Result<VirtualUser, VirtualUserError> {
    let token = tokens
        .bearer(user, index)
        .map_err(|source| VirtualUserError::NoToken { user: user.name.clone(), source })?;
    let mut authorization = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| VirtualUserError::NotAHeader(user.name.clone()))?;
    authorization.set_sensitive(true);
    Ok(VirtualUser { subject: tokens.subject(&user.name, index), token, authorization })
}
