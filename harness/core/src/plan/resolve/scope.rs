//! Tracks which names have a value at each place.

use std::collections::BTreeMap;

use super::Found;
use crate::{
    language::{Diagnostic, clip, closest, did_you_mean, listed},
    plan::{JsonTemplate, Segment, Span, builtin},
};

/// The names that have a value at the place that is being resolved.
pub(super) struct Scope {
    definitions: Vec<Definition>,
    /// The definition that each name has now.
    visible: BTreeMap<String, usize>,
    users: Vec<User>,
    /// The position of each user.
    user_names: BTreeMap<String, usize>,
    pub(super) in_journey: bool,
    pub(super) in_burst: bool,
    /// Set if the steps that follow fall into one window of a limiter, as far as the file can tell.
    pub(super) steady: bool,
    of: Whose,
}

/// The owner of the names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Scenario,
    Called,
}

/// The definition that each name has.
pub(super) type Known = BTreeMap<String, usize>;

struct Definition {
    name: String,
    span: Span,
    kind: Kind,
    used: bool,
    /// The names of its members, where it is an object that the file tells.
    members: Option<Vec<String>>,
    /// The names of the members of its items, where it is a list of such.
    members_of_items: Option<Vec<String>>,
}

/// The kind of thing that a name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Variable,
    Feed,
    StepVariable,
    Capture,
    Item,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Variable | Self::StepVariable => "variable",
            Self::Capture => "capture",
            Self::Item => "item",
        }
    }

    const fn unused(self) -> &'static str {
        match self {
            Self::Feed => "unused-feed",
            Self::Variable | Self::StepVariable => "unused-var",
            Self::Capture => "unused-capture",
            Self::Item => "unused-item",
        }
    }

    /// Returns whether the definition is fixed, so that no other may take its name; the others are
    /// replaced only later.
    const fn is_fixed(self) -> bool {
        matches!(self, Self::Variable | Self::Feed | Self::Item)
    }
}

#[derive(Clone)]
struct User {
    name: String,
    span: Span,
    minted: bool,
    used: bool,
    /// Position in the plan.
    id: usize,
}

impl Scope {
    pub(super) fn new() -> Self {
        Self {
            definitions: Vec::new(),
            visible: BTreeMap::new(),
            users: Vec::new(),
            user_names: BTreeMap::new(),
            in_journey: false,
            in_burst: false,
            steady: false,
            of: Whose::Scenario,
        }
    }

    /// Returns the scope of a scenario that is called from here.
    pub(super) fn called(caller: &Self) -> Self {
        Self { of: Whose::Called, steady: caller.steady, ..Self::new() }
    }

    /// The unused names of a called scenario are its own affair.
    fn is_called(&self) -> bool {
        self.of == Whose::Called
    }

    pub(super) fn add_user(&mut self, name: &str, span: Span, minted: bool, id: usize) {
        self.user_names.insert(name.to_owned(), self.users.len());
        self.users.push(User { name: name.to_owned(), span, minted, used: self.is_called(), id });
    }

    /// The position of a user in the plan, who counts as used from now on.
    pub(super) fn user(&mut self, name: &str, span: Span) -> Found<usize> {
        self.find_user(name, span).map(|index| self.users[index].id)
    }

    /// A user whose tokens the harness signs.
    pub(super) fn minted_user(&mut self, name: &str, span: Span) -> Found<usize> {
        let index = self.find_user(name, span)?;
        if self.users[index].minted {
            return Ok(self.users[index].id);
        }
        let message = format!("the token of `{name}` exists already, so there are no claims of it");
        let error = Diagnostic::error("no-value-here", message, span);
        Err(error.with_help("name a user without `token`, or write all `claims`").into())
    }

    /// A user whose budgets nobody used before.
    pub(super) fn fresh_user(&mut self, name: &str, span: Span) -> Found<usize> {
        let index = self.find_user(name, span)?;
        if self.users[index].minted {
            return Ok(self.users[index].id);
        }
        let message = format!("`{name}` has a token of their own, and may have spent their budget");
        let error = Diagnostic::error("no-value-here", message, span);
        Err(error.with_help("name a user without `token`: each run makes a fresh one").into())
    }

    fn find_user(&mut self, name: &str, span: Span) -> Found<usize> {
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
        self.define(name, span, Kind::Variable)
    }

    pub(super) fn define_feed(&mut self, name: &str, span: Span) -> Found<()> {
        self.define(name, span, Kind::Feed)
    }

    /// A variable of a step: a later one may take its name.
    pub(super) fn define_value(&mut self, name: &str, span: Span) -> Found<()> {
        self.define(name, span, Kind::StepVariable)
    }

    /// The item of a loop; it ends with [`Self::restore`].
    pub(super) fn define_item(&mut self, name: &str, span: Span) -> Found<()> {
        self.define(name, span, Kind::Item)
    }

    /// A later capture may take the name of an earlier one: its value is replaced.
    pub(super) fn define_capture(&mut self, name: &str, span: Span) -> Found<()> {
        self.define(name, span, Kind::Capture)
    }

    fn define(&mut self, name: &str, span: Span, kind: Kind) -> Found<()> {
        let user = self.user_names.get(name).map(|&index| self.users[index].span);
        let earlier = self.visible.get(name).map(|&index| &self.definitions[index]);
        let fixed = earlier.filter(|earlier| earlier.kind.is_fixed());
        let fixed = fixed.map(|earlier| (earlier.kind.name(), earlier.span));
        let taken = if builtin::ALL.contains(&name) || builtin::PREFIXES.contains(&name) {
            Some(format!("`{name}` is a name that always has a value of its own"))
        } else {
            let other = user.map(|span| ("user", span)).or(fixed);
            other.map(|(what, span)| {
                format!("`{name}` is already a {what}, defined at line {}", span.line)
            })
        };
        // Defined in any case, so that its uses are not errors as well.
        self.visible.insert(name.to_owned(), self.definitions.len());
        self.definitions.push(Definition {
            name: name.to_owned(),
            span,
            kind,
            used: self.is_called(),
            members: None,
            members_of_items: None,
        });
        match taken {
            None => Ok(()),
            Some(message) => Err(Diagnostic::error("name-taken", message, span)
                .with_help("choose another name")
                .into()),
        }
    }

    /// Notes what the value of the last definition is, so that slips in the names of its parts are
    /// found. The variables of a called scenario may be given otherwise.
    pub(super) fn describe_last(&mut self, value: &JsonTemplate) {
        let is_given = self.is_called();
        let Some(last) = self.definitions.last_mut() else { return };
        if is_given && last.kind == Kind::Variable {
            return;
        }
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        last.members = value.members().map(owned);
        last.members_of_items = value.members_of_items().map(owned);
    }

    /// Notes that the last definition is an item of `list`.
    pub(super) fn describe_item(&mut self, list: &JsonTemplate) {
        let members = match list {
            JsonTemplate::Text(text) => match text.segments() {
                [Segment::Name(name)] => {
                    let index = self.visible.get(name);
                    index.and_then(|&index| self.definitions[index].members_of_items.clone())
                }
                _ => None,
            },
            list => {
                let names = list.members_of_items();
                names.map(|names| names.into_iter().map(str::to_owned).collect())
            }
        };
        if let Some(last) = self.definitions.last_mut() {
            last.members = members;
        }
    }

    /// Returns whether the name, or what it is a part of, has a value here.
    pub(super) fn knows(&self, name: &str) -> bool {
        let root = name.split('.').next().unwrap_or_default();
        self.visible.contains_key(root) || builtin::ALL.contains(&name)
    }

    /// The names that are known now, for [`Self::forget`].
    pub(super) fn known(&self) -> BTreeMap<String, usize> {
        self.visible.clone()
    }

    /// Ends the definitions made since `known`.
    pub(super) fn forget(&mut self, known: BTreeMap<String, usize>) {
        self.visible = known;
    }

    /// Goes back to `known`, and returns what is known now.
    pub(super) fn replace_known(&mut self, known: BTreeMap<String, usize>) -> Known {
        std::mem::replace(&mut self.visible, known)
    }

    /// Adds what was known elsewhere.
    pub(super) fn learn(&mut self, known: Known) {
        self.visible.extend(known);
    }

    /// Returns the current meaning of a name, for [`Self::restore`].
    pub(super) fn visible(&self, name: &str) -> Option<usize> {
        self.visible.get(name).copied()
    }

    /// Gives a name the meaning that it had.
    pub(super) fn restore(&mut self, name: &str, meaning: Option<usize>) {
        match meaning {
            Some(index) => self.visible.insert(name.to_owned(), index),
            None => self.visible.remove(name),
        };
    }

    /// The names that are known now.
    pub(super) fn names(&self) -> Vec<String> {
        self.visible.keys().cloned().collect()
    }

    /// Checks that `name` has a value here, and counts it as used.
    pub(super) fn use_name(&mut self, name: &str, span: Span) -> Found<()> {
        if builtin::ALL.contains(&name) {
            return self.use_builtin(name, span);
        }
        if let Some(user) = name.strip_prefix("user.").and_then(|rest| rest.strip_suffix(".sub")) {
            return self.use_subject(user, span);
        }
        if let Some(rest) = name.strip_prefix("row.") {
            return self.use_row(rest, name, span);
        }
        let mut parts = name.split('.');
        let root = parts.next().unwrap_or_default();
        match self.visible.get(root) {
            Some(&index) => {
                let definition = &mut self.definitions[index];
                definition.used = true;
                let part = parts.next();
                let of_list = part.filter(|part| part.parse::<usize>().is_err());
                if let (Kind::Feed, Some(column)) = (definition.kind, of_list) {
                    let columns = definition.members_of_items.as_deref();
                    return Err(no_column_of_list(root, column, columns, (name, span)).into());
                }
                let whose = format!("`{}` has no", clip(root));
                check_member(definition.members.as_deref(), part, &whose, (name, span))
            }
            None => Err(self.unknown_name(name, span).into()),
        }
    }

    /// `row.<feed>`, `row.<feed>.<column>`.
    fn use_row(&mut self, rest: &str, name: &str, span: Span) -> Found<()> {
        let mut parts = rest.split('.');
        let feed = parts.next().unwrap_or_default();
        let index = self.visible.get(feed).copied();
        if let Some(index) = index.filter(|&index| self.definitions[index].kind == Kind::Feed) {
            let definition = &mut self.definitions[index];
            definition.used = true;
            let columns = definition.members_of_items.as_deref();
            let whose = format!("the feed `{}` has no", clip(feed));
            return check_member(columns, parts.next(), &whose, (name, span));
        }
        let message = format!("there is no feed `{}`", clip(feed));
        let error = Diagnostic::error("unknown-variable", message, span).with_focus(name);
        Err(error.with_help("declare it: `feeds: { people: people.csv }`").into())
    }

    fn use_builtin(&self, name: &str, span: Span) -> Found<()> {
        let (has_value, message, help) = match name {
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
        let definitions = definitions.map(|Definition { name, span, kind, .. }| {
            let message = format!("the {} `{name}` is never used", kind.name());
            Diagnostic::warning(kind.unused(), message, *span)
        });
        let users = users.map(|User { name, span, .. }| {
            Diagnostic::warning("unused-user", format!("the user `{name}` is never used"), *span)
        });
        definitions.chain(users).map(|warning| warning.with_help("remove it, or use it")).collect()
    }
}

/// A feed is a list; a column is one of the item that an iteration has.
fn no_column_of_list(
    feed: &str,
    column: &str,
    columns: Option<&[String]>,
    (name, span): (&str, Span),
) -> Diagnostic {
    let feed = clip(feed);
    let message = format!("`{feed}` is a list, which has no `{}`", clip(column));
    let error = Diagnostic::error("unknown-variable", message, span).with_focus(name);
    let known = columns.unwrap_or_default();
    let near = known
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(a, column).total_cmp(&strsim::jaro_winkler(b, column)));
    let meant = near.map_or(column, String::as_str);
    error.with_help(format!(
        "`${{{{ row.{feed}.{meant} }}}}` is of the item that an iteration has, `${{{{ {feed}.0.{meant} }}}}` of the first one"
    ))
}

/// Checks that `member` is one of `members`, where they are known. `whose` begins the message.
fn check_member(
    members: Option<&[String]>,
    member: Option<&str>,
    whose: &str,
    (name, span): (&str, Span),
) -> Found<()> {
    let (Some(members), Some(member)) = (members, member) else { return Ok(()) };
    if members.iter().any(|known| known == member) {
        return Ok(());
    }
    let message = format!("{whose} `{}`", clip(member));
    let error = Diagnostic::error("unknown-variable", message, span).with_focus(name);
    Err(suggest(error, member, members.iter().map(String::as_str), "it has").into())
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
