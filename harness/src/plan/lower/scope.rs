//! Which names have a value where.

use std::collections::BTreeMap;

use super::Found;
use crate::{
    plan::{Span, builtin},
    scenario::{Diagnostic, clip, closest, did_you_mean, listed},
};

/// The names that have a value at the place that is being lowered.
pub(super) struct Scope {
    definitions: Vec<Definition>,
    /// The definition that each name has now.
    visible: BTreeMap<String, usize>,
    users: Vec<User>,
    /// The position of each user.
    user_names: BTreeMap<String, usize>,
    requires_upstream: bool,
    pub(super) in_journey: bool,
    pub(super) in_burst: bool,
}

struct Definition {
    name: String,
    span: Span,
    is_var: bool,
    used: bool,
}

struct User {
    name: String,
    span: Span,
    minted: bool,
    used: bool,
}

impl Scope {
    pub(super) fn new(requires_upstream: bool) -> Self {
        Self {
            definitions: Vec::new(),
            visible: BTreeMap::new(),
            users: Vec::new(),
            user_names: BTreeMap::new(),
            requires_upstream,
            in_journey: false,
            in_burst: false,
        }
    }

    pub(super) fn add_user(&mut self, name: &str, span: Span, minted: bool) {
        self.user_names.insert(name.to_owned(), self.users.len());
        self.users.push(User { name: name.to_owned(), span, minted, used: false });
    }

    /// The position of a user, who counts as used from now on.
    pub(super) fn user(&mut self, name: &str, span: Span) -> Found<usize> {
        match self.user_names.get(name).copied() {
            Some(index) => {
                self.users[index].used = true;
                Ok(index)
            }
            None => Err(self.unknown_user(name, span).into()),
        }
    }

    fn unknown_user(&self, name: &str, span: Span) -> Diagnostic {
        let message = format!("unknown user `{}`", clip(name));
        let error = Diagnostic::error("unknown-user", message, span).with_focus(name);
        if self.users.is_empty() {
            return error.with_help("declare them under `users`: `alice: {}`");
        }
        suggest(error, name, self.users.iter().map(|user| user.name.as_str()), "users")
    }

    pub(super) fn define_var(&mut self, name: &str, span: Span) -> Found<()> {
        self.define(name, span, true)
    }

    /// A later capture may take the name of an earlier one: its value is replaced.
    pub(super) fn define_capture(&mut self, name: &str, span: Span) -> Found<()> {
        self.define(name, span, false)
    }

    fn define(&mut self, name: &str, span: Span, is_var: bool) -> Found<()> {
        let user = self.user_names.get(name).map(|&index| self.users[index].span);
        let earlier = self.visible.get(name).map(|&index| &self.definitions[index]);
        let var = earlier.filter(|earlier| earlier.is_var).map(|earlier| earlier.span);
        let taken = if builtin::ALL.contains(&name) || name == "user" {
            Some(format!("`{name}` is a name that always has a value of its own"))
        } else {
            let other = user.map(|span| ("user", span)).or(var.map(|span| ("variable", span)));
            other.map(|(what, span)| {
                format!("`{name}` is already a {what}, defined at line {}", span.line)
            })
        };
        // Defined in any case, so that its uses are not errors as well.
        self.visible.insert(name.to_owned(), self.definitions.len());
        self.definitions.push(Definition { name: name.to_owned(), span, is_var, used: false });
        match taken {
            None => Ok(()),
            Some(message) => Err(Diagnostic::error("name-taken", message, span)
                .with_help("choose another name")
                .into()),
        }
    }

    /// The names that are known now, for [`Self::forget`].
    pub(super) fn known(&self) -> BTreeMap<String, usize> {
        self.visible.clone()
    }

    /// Ends the definitions made since `known`.
    pub(super) fn forget(&mut self, known: BTreeMap<String, usize>) {
        self.visible = known;
    }

    /// Checks that `name` has a value here, and counts it as used.
    pub(super) fn use_name(&mut self, name: &str, span: Span) -> Found<()> {
        if builtin::ALL.contains(&name) {
            return self.use_builtin(name, span);
        }
        if let Some(user) = name.strip_prefix("user.").and_then(|rest| rest.strip_suffix(".sub")) {
            return self.use_subject(user, span);
        }
        match self.visible.get(name) {
            Some(&index) => {
                self.definitions[index].used = true;
                Ok(())
            }
            None => Err(self.unknown_name(name, span).into()),
        }
    }

    fn use_builtin(&self, name: &str, span: Span) -> Found<()> {
        let (has_value, message, help) = match name {
            builtin::UPSTREAM => (
                self.requires_upstream,
                "`upstream` has a value only where the target has an upstream stub",
                "add `requires: [upstream]` to the scenario",
            ),
            builtin::ITERATION => (
                self.in_journey,
                "`iteration` has a value only in the steps of a journey",
                "use `run` or `uuid` for a value that differs from run to run",
            ),
            builtin::INDEX => (
                self.in_burst,
                "`index` has a value only in the request of a burst",
                "use `iteration` in journeys, `uuid` elsewhere",
            ),
            _ => return Ok(()),
        };
        if has_value {
            return Ok(());
        }
        let error = Diagnostic::error("no-value-here", message, span);
        Err(error.with_help(help).with_focus(name).into())
    }

    fn use_subject(&mut self, name: &str, span: Span) -> Found<()> {
        let index = self.user(name, span)?;
        if self.users[index].minted {
            return Ok(());
        }
        let message =
            format!("the subject of `{name}` is not known: their token is taken as it is");
        Err(Diagnostic::error("no-value-here", message, span)
            .with_help("capture it from a response, such as that of `/me`")
            .with_focus(name)
            .into())
    }

    fn unknown_name(&self, name: &str, span: Span) -> Diagnostic {
        let message = format!("unknown variable `{}`", clip(name));
        let error = Diagnostic::error("unknown-variable", message, span).with_focus(name);
        let subjects: Vec<_> = self
            .users
            .iter()
            .filter(|user| user.minted)
            .map(|user| builtin::user_subject(&user.name))
            .collect();
        let visible = self.visible.keys().map(String::as_str);
        let builtins = builtin::ALL.into_iter().filter(|name| self.use_builtin(name, span).is_ok());
        let known = visible.chain(builtins).chain(subjects.iter().map(String::as_str));
        suggest(error, name, known, "known here")
    }

    /// Warnings about definitions and users that nothing uses.
    pub(super) fn unused(&self) -> Vec<Diagnostic> {
        let definitions = self.definitions.iter().filter(|definition| !definition.used);
        let users = self.users.iter().filter(|user| !user.used);
        let definitions = definitions.map(|Definition { name, span, is_var, .. }| {
            let (code, what) =
                if *is_var { ("unused-var", "variable") } else { ("unused-capture", "capture") };
            Diagnostic::warning(code, format!("the {what} `{name}` is never used"), *span)
        });
        let users = users.map(|User { name, span, .. }| {
            Diagnostic::warning("unused-user", format!("the user `{name}` is never used"), *span)
        });
        definitions.chain(users).map(|warning| warning.with_help("remove it, or use it")).collect()
    }
}

/// Adds "did you mean", and the list of what there is.
pub(super) fn suggest<'n>(
    mut error: Diagnostic,
    found: &str,
    known: impl Iterator<Item = &'n str>,
    what: &str,
) -> Diagnostic {
    let mut names: Vec<_> = known.collect();
    names.sort_unstable();
    names.dedup();
    if let Some(name) = closest(found, names.iter().copied()) {
        error.message += &did_you_mean(name);
    }
    if names.is_empty() {
        return error;
    }
    error.with_help(format!("{what}: {}", listed(names.into_iter())))
}
