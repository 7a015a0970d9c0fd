//! What responses must be.

use super::{Claim, JsonSchemaOf, JsonTemplate, Order, Span, Subject};

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

/// What a value must be. Operands may hold templates.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// Equal as JSON; 1 and 1.0 are equal.
    Eq(JsonTemplate),
    /// Present and not equal.
    Ne(JsonTemplate),
    /// A number below.
    Lt(f64),
    /// A number not above.
    Le(f64),
    /// A number above.
    Gt(f64),
    /// A number not below.
    Ge(f64),
    /// Equal to one of these.
    In(Vec<JsonTemplate>),
    /// A string in which this is found; compiled when the plan is made.
    Matches(regex::Regex),
    /// A string with this in it, or an array with this as an element.
    Contains(JsonTemplate),
    /// Present (`null` counts as present), or absent.
    Exists(bool),
    /// The number of characters, elements or members.
    Length(Box<Matcher>),
    /// The number of different elements of an array.
    Distinct(Box<Matcher>),
    /// Of every element of an array; one that is no array is its own only element.
    Each(Box<Matcher>),
    /// An array whose elements are in order: numbers by value, texts by code point.
    Sorted(Order),
    /// Valid by a JSON Schema.
    Schema(JsonSchemaOf),
    /// All of them hold.
    All(Vec<Matcher>),
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
