//! Who sends requests: subjects and tokens, ready before the clock starts.

use std::fmt;

use http::HeaderValue;
use serde_json::{Map, Value};

use crate::{
    model::Secret,
    plan::{Credentials, ScenarioPlan, UserId, UserPlan},
};

/// Makes or finds the tokens of users.
pub trait Tokens {
    /// The subject of person `index` of a user, `${{ user.<name>.sub }}`.
    fn subject(&self, user: &str, index: usize) -> String;

    /// The token of person `index` of a user, without `Bearer`.
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

/// Why a user has no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TokenError(pub String);

/// The people of each user, by [`UserId`].
#[derive(Debug)]
pub(crate) struct VirtualUsers(Vec<User>);

#[derive(Debug)]
struct User {
    name: String,
    people: Vec<Person>,
}

/// Somebody with a token.
pub(crate) struct Person {
    /// The `sub` claim.
    pub(crate) subject: String,
    /// The token itself, to keep it out of reports.
    pub(crate) token: String,
    /// `Bearer …`, marked as sensitive.
    pub(crate) authorization: HeaderValue,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the token.
        f.debug_struct("Person").field("subject", &self.subject).finish_non_exhaustive()
    }
}

impl VirtualUsers {
    /// At most `needed` people of every user.
    pub(crate) fn prepare(
        plan: &ScenarioPlan,
        tokens: &dyn Tokens,
        needed: usize,
    ) -> Result<Self, String> {
        let user = |user: &UserPlan| {
            let count = match user.credentials {
                Credentials::Minted { count, .. } => count.min(needed).max(1),
                Credentials::Environment(_) => 1,
            };
            let people: Result<_, _> =
                (0..count).map(|index| person(user, tokens, index)).collect();
            Ok(User { name: user.name.clone(), people: people? })
        };
        plan.users.iter().map(user).collect::<Result<_, _>>().map(Self)
    }

    /// Everybody.
    pub(crate) fn everyone(&self) -> impl Iterator<Item = &Person> {
        self.0.iter().flat_map(|user| &user.people)
    }

    /// Who a user is in an iteration.
    pub(crate) fn person(&self, user: UserId, iteration: u64) -> Option<&Person> {
        self.0.get(user.0).and_then(|user| user.person(iteration))
    }

    /// The subject of the user with this name in an iteration.
    pub(crate) fn subject(&self, name: &str, iteration: u64) -> Option<&str> {
        let user = self.0.iter().find(|user| user.name == name)?;
        user.person(iteration).map(|person| person.subject.as_str())
    }
}

impl User {
    fn person(&self, iteration: u64) -> Option<&Person> {
        let index = iteration.checked_rem(self.people.len() as u64)?;
        self.people.get(usize::try_from(index).ok()?)
    }
}

fn person(user: &UserPlan, tokens: &dyn Tokens, index: usize) -> Result<Person, String> {
    let token = tokens
        .bearer(user, index)
        .map_err(|error| format!("no token for user `{}`: {error}", user.name))?;
    let mut authorization = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| format!("the token of user `{}` does not fit into a header", user.name))?;
    authorization.set_sensitive(true);
    Ok(Person { subject: tokens.subject(&user.name, index), token, authorization })
}
