//! Holds the expectations on responses.

use super::{Claim, Span, Subject};
use crate::language::Matcher;

/// One thing that must hold of one response.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The part that is compared.
    pub subject: Subject,
    /// The conditions that it must meet.
    pub matcher: Matcher,
    /// The place in the file.
    pub span: Span,
}

/// Keep a part of a response under a name.
#[derive(Clone, Debug)]
pub struct Capture {
    /// The variable.
    pub name: String,
    /// The part to capture; a response without it fails the step.
    pub subject: Subject,
    /// The place in the file.
    pub span: Span,
}

/// "This many of the responses look like this".
#[derive(Clone, Debug)]
pub struct CountExpectation {
    /// The conditions on a counted response: all of them hold.
    pub matching: Vec<Expectation>,
    /// The condition on the number.
    pub is: Matcher,
    /// The place in the file.
    pub span: Span,
    /// The rule that it represents.
    pub claim: Claim,
}

/// "The responses have this many different values of it".
#[derive(Clone, Debug)]
pub struct DistinctExpectation {
    /// The part whose values are compared; responses without it do not count.
    pub subject: Subject,
    /// The condition on the number.
    pub is: Matcher,
    /// The place in the file.
    pub span: Span,
    /// The rule that it represents.
    pub claim: Claim,
}
