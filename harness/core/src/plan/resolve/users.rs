//! `users`.

use crate::{
    language::{Diagnostic, ScenarioFile, Spanned, file::UserFile, text::Name},
    plan::{Credentials, UserPlan},
};

use super::Resolver;

/// The `scope` claim of a user without one: everything that an ordinary person may do, and leave
/// to read what a request cost.
pub const DEFAULT_SCOPE: &str = "read write meter";

impl Resolver {
    /// Those of the file. A called scenario has the caller's people where the names are the same.
    pub(super) fn add_users(&mut self, file: &ScenarioFile) {
        for (name, user) in file.users.iter().flatten() {
            let credentials = self.credentials(name, user);
            let known = self.users.iter().position(|user| user.name == name.0);
            let id = known.unwrap_or(self.users.len());
            self.scope.add_user(&name.0, name.span, user.token.is_none(), id);
            if known.is_none() {
                self.users.push(UserPlan { name: name.0.clone(), credentials });
            }
        }
    }

    fn credentials(&mut self, name: &Spanned<Name>, user: &UserFile) -> Credentials {
        let Some(token) = &user.token else {
            return Credentials::Minted {
                count: user.count.map_or(1, |count| count.count()),
                scope: user.scope.as_ref().map_or(DEFAULT_SCOPE, |scope| scope.as_str()).to_owned(),
            };
        };
        let count = user.count.map(|count| ("count", count.span));
        let scope = user.scope.as_ref().map(|scope| ("scope", scope.span));
        for (key, span) in count.into_iter().chain(scope) {
            let message = format!("`{}` has a `token`, so `{key}` has no effect", name.0);
            self.error(
                Diagnostic::error("token-and-more", message, span)
                    .with_help(format!("remove `{key}`: the token says who it is for")),
            );
        }
        Credentials::Environment(token.env.0.clone())
    }
}
