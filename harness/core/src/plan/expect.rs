//! What responses must be.

use super::{Claim, Span, Subject};
use crate::language::Matcher;

/// One thing that must hold of one response.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// What is looked at.
    pub subject: Subject,
    /// What it must be.
    pub matcher: Matcher,
    /// In the file.
    pub span: Span,
}

/// Keep a part of a response under a name.
#[derive(Clone, Debug)]
pub struct Capture {
    /// The variable.
    pub name: String,
    /// What it takes; a response without it fails the step.
    pub subject: Subject,
    /// In the file.
    pub span: Span,
}

/// "This many of the responses look like this".
#[derive(Clone, Debug)]
pub struct CountExpectation {
    /// Which responses are counted: those for which all of these hold.
    pub matching: Vec<Expectation>,
    /// What the number must be.
    pub is: Matcher,
    /// In the file.
    pub span: Span,
    /// What it stands for.
    pub claim: Claim,
}

/// "The responses have this many different values of it".
#[derive(Clone, Debug)]
pub struct DistinctExpectation {
    /// Of what; responses without it do not count.
    pub subject: Subject,
    /// What the number must be.
    pub is: Matcher,
    /// In the file.
    pub span: Span,
    /// What it stands for.
    pub claim: Claim,
}
