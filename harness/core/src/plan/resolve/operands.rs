//! Operands that can never match: a status that is compared with text, a header with a number.

use serde_json::Value;

use crate::{
    language::{
        Diagnostic,
        file::{Json, MatcherFile, OperatorsFile},
    },
    plan::{JsonTemplate, Span},
};

use super::Resolver;

/// What the value of a subject is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operand {
    /// A whole number from 100 to 599.
    Status,
    /// A whole number from 0.
    Count,
    /// Text.
    Text,
    /// Any JSON value.
    Any,
}

impl Operand {
    fn accepts(self, value: &Value) -> bool {
        match self {
            Self::Status => value.as_u64().is_some_and(|code| (100..=599).contains(&code)),
            Self::Count => value.as_u64().is_some(),
            Self::Text => value.is_string(),
            Self::Any => true,
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Status => "write a status from 100 to 599 without quotes, such as `201`",
            Self::Count => "write a whole number without quotes, such as `100`",
            Self::Text => "write text in quotes, such as `\"60\"`",
            Self::Any => "",
        }
    }
}

impl Resolver {
    /// Checks a matcher against what it is compared with; `subject` is how that is called.
    pub(super) fn check_operands(&mut self, file: &MatcherFile, kind: Operand, subject: &str) {
        match file {
            MatcherFile::Other(value) => self.check_operand(value, kind, subject),
            MatcherFile::Map(operators) => self.check_operators(operators, kind, subject),
        }
    }

    fn check_operators(&mut self, file: &OperatorsFile, kind: Operand, subject: &str) {
        let compared = file.eq.iter().chain(&file.ne);
        let one_of = file.one_of.iter().flat_map(|values| values.iter());
        for value in compared.chain(one_of) {
            self.check_operand(value, kind, subject);
        }
        if let Some(values) = file.one_of.as_ref().filter(|values| values.is_empty()) {
            let error =
                Diagnostic::error("never-holds", "no value is in an empty list", values.span);
            self.error(error.with_help("list the values that are right"));
        }
        if kind == Operand::Text
            && let Some(part) = &file.contains
        {
            self.check_operand(part, kind, subject);
        }
        if matches!(kind, Operand::Status | Operand::Count) {
            let matches = file.matches.as_ref().map(|pattern| ("matches", pattern.span));
            let contains = file.contains.as_ref().map(|value| ("contains", value.span));
            let length = file.length.as_ref().map(|length| ("length", length.span));
            let distinct = file.distinct.as_ref().map(|distinct| ("distinct", distinct.span));
            let schema = file.schema.as_ref().map(|schema| ("schema", schema.span));
            let all = [matches, contains, length, distinct, schema];
            for (operator, span) in all.into_iter().flatten() {
                self.never_holds(
                    format!("{subject} is a number: `{operator}` never holds"),
                    kind,
                    span,
                );
            }
        }
        if let Some(length) = &file.length {
            self.check_operands(length, Operand::Count, "a length");
        }
        if let Some(distinct) = &file.distinct {
            self.check_operands(distinct, Operand::Count, "a number of items");
        }
    }

    fn check_operand(&mut self, json: &Json, kind: Operand, subject: &str) {
        let JsonTemplate::Constant(value) = &json.template else { return };
        if !kind.accepts(value) {
            self.never_holds(
                format!("{subject} is never equal to {}", shown(value)),
                kind,
                json.span,
            );
        }
    }

    fn never_holds(&mut self, message: String, kind: Operand, span: Span) {
        self.error(Diagnostic::error("never-holds", message, span).with_help(kind.help()));
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("the text `{}`", crate::language::clip(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => format!("`{other}`"),
    }
}
