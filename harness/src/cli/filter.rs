//! Expressions that choose scenarios: `tag:rate-limit and not name:*burst*`.

use std::{iter::Peekable, vec::IntoIter};

use crate::{model::glob, plan::ScenarioPlan};

/// Limits how deep parentheses nest: an argument past it is no expression that anybody wrote.
const MAX_DEPTH: usize = 32;

/// An expression over the tags, the name and the rules of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// A tag is described by the pattern.
    Tag(String),
    /// The name is.
    Name(String),
    /// The id of a rule that it names is.
    Rule(String),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

/// Says why an argument is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FilterError {
    #[error("`{0}` has no place there; {HELP}")]
    Misplaced(String),
    #[error("the expression is more than {MAX_DEPTH} deep")]
    TooDeep,
    #[error("the expression ends early; {HELP}")]
    Incomplete,
    #[error("a `(` is never closed; {HELP}")]
    Unclosed,
    #[error("`{0}` has no pattern; {HELP}")]
    NoPattern(String),
    #[error("`{0}` is neither `tag:…`, `name:…` nor `rule:…`; {HELP}")]
    Unknown(String),
}

impl Filter {
    /// Returns whether an argument is meant as an expression rather than as a path.
    pub(super) fn is_meant(text: &str) -> bool {
        let word = text.split([' ', '(']).find(|word| !word.is_empty()).unwrap_or_default();
        word == "not" || ["tag:", "name:", "rule:"].iter().any(|prefix| word.starts_with(prefix))
    }

    /// # Errors
    /// [`FilterError`].
    pub(super) fn parse(text: &str) -> Result<Self, FilterError> {
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        let words: Vec<_> = spaced.split_whitespace().map(str::to_owned).collect();
        let mut parser = Parser { words: words.into_iter().peekable(), depth: 0 };
        let filter = parser.any()?;
        match parser.words.next() {
            None => Ok(filter),
            Some(word) => Err(FilterError::Misplaced(word)),
        }
    }

    pub(super) fn matches(&self, plan: &ScenarioPlan) -> bool {
        match self {
            Self::Tag(pattern) => plan.tags.iter().any(|tag| glob::matches(pattern, tag)),
            Self::Name(pattern) => glob::matches(pattern, &plan.name),
            Self::Rule(pattern) => plan
                .claims()
                .iter()
                .filter_map(|claim| claim.rule.as_ref())
                .any(|rule| glob::matches(pattern, &rule.id)),
            Self::Not(inner) => !inner.matches(plan),
            Self::All(all) => all.iter().all(|filter| filter.matches(plan)),
            Self::Any(any) => any.iter().any(|filter| filter.matches(plan)),
        }
    }
}

const HELP: &str = "write for example `tag:rate-limit and not name:*burst*`";

struct Parser {
    words: Peekable<IntoIter<String>>,
    depth: usize,
}

impl Parser {
    fn any(&mut self) -> Result<Filter, FilterError> {
        self.list("or", Self::all, Filter::Any)
    }

    fn all(&mut self) -> Result<Filter, FilterError> {
        self.list("and", Self::one, Filter::All)
    }

    fn list(
        &mut self,
        word: &str,
        part: fn(&mut Self) -> Result<Filter, FilterError>,
        join: fn(Vec<Filter>) -> Filter,
    ) -> Result<Filter, FilterError> {
        let first = part(self)?;
        let mut parts = Vec::new();
        while self.words.next_if(|next| next == word).is_some() {
            parts.push(part(self)?);
        }
        if parts.is_empty() {
            return Ok(first);
        }
        parts.insert(0, first);
        Ok(join(parts))
    }

    fn one(&mut self) -> Result<Filter, FilterError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(FilterError::TooDeep);
        }
        let filter = self.atom();
        self.depth -= 1;
        filter
    }

    fn atom(&mut self) -> Result<Filter, FilterError> {
        let word = self.words.next().ok_or(FilterError::Incomplete)?;
        if word == "not" {
            return Ok(Filter::Not(Box::new(self.one()?)));
        }
        if word == "(" {
            let inner = self.any()?;
            let closed = self.words.next_if(|next| next == ")").is_some();
            return if closed { Ok(inner) } else { Err(FilterError::Unclosed) };
        }
        match word.split_once(':') {
            Some((_, "")) => Err(FilterError::NoPattern(word)),
            Some(("tag", pattern)) => Ok(Filter::Tag(pattern.to_owned())),
            Some(("name", pattern)) => Ok(Filter::Name(pattern.to_owned())),
            Some(("rule", pattern)) => Ok(Filter::Rule(pattern.to_owned())),
            _ => Err(FilterError::Unknown(word)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> ScenarioPlan {
        let text = "scenario: rate-limit/burst\ntags: [slow, rate-limit]\nsteps:\n\
                    - request: { get: /, expect: { rule: RL1, status: 200 } }\n";
        crate::plan::load("a.yaml", text.as_bytes(), &workway_lab::catalog()).unwrap().0
    }

    #[test]
    fn expressions_as_a_table() {
        for (text, expected) in [
            ("tag:slow", true),
            ("tag:slo", false),
            ("tag:slo*", true),
            ("name:*burst*", true),
            ("name:burst", false),
            ("rule:RL*", true),
            ("rule:RL2", false),
            ("not tag:slow", false),
            ("not not tag:slow", true),
            ("tag:rate-limit and not name:*burst*", false),
            ("tag:no and tag:no or tag:slow", true),
            ("tag:no and (tag:no or tag:slow)", false),
        ] {
            assert_eq!(Filter::parse(text).unwrap().matches(&plan()), expected, "{text}");
            assert!(Filter::is_meant(text), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, expected) in [
            ("tag:", "no pattern"),
            ("tag:a and", "ends early"),
            ("(tag:a", "never closed"),
            ("tag:a tag:b", "no place"),
            ("tag:a or colour:b", "neither"),
        ] {
            let error = Filter::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let deep = |depth: usize| format!("{}tag:a{}", "(".repeat(depth), ")".repeat(depth));
        assert!(Filter::parse(&deep(MAX_DEPTH - 1)).is_ok());
        assert!(Filter::parse(&deep(MAX_DEPTH)) == Err(FilterError::TooDeep));
        assert!(!Filter::is_meant("scenarios/smoke"));
    }
}
