//! What a run does: resolved, checked, with no options left to interpret.
//!
//! [`crate::scenario`] holds what the author wrote; [`lower()`] turns it into these types and is
//! the only place that does. The stages after it never look at the file again, except to point
//! at a line of it: every step and expectation carries its [`Span`].

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::{HeaderName, Method};
use serde_json::Value;

pub mod builtin;
mod cost;
mod load;
mod lower;
mod template;
mod threshold;

pub use cost::{CostFigure, CostPlan, CostThreshold};
pub use load::{
    Connections, EXACT_UP_TO, Journey, LoadPlan, MAX_RATES, Pacing, Profile, Raise, Search,
    Stretch, Until, Users,
};
pub use lower::{DEFAULT_SCOPE, lower};
pub(crate) use template::percent_encode;
pub use template::{Bindings, JsonTemplate, Segment, Template, TemplateError};
pub use threshold::{Clock, Comparison, Metric, Quantity, Threshold};

/// A place in a scenario file, for diagnostics and failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Line of `start`, from 1.
    pub line: usize,
    /// Column of `start` in characters, from 1.
    pub column: usize,
}

/// One scenario, ready to run.
#[derive(Clone, Debug)]
pub struct ScenarioPlan {
    /// The file it came from, as the user named it.
    pub file: Arc<str>,
    /// `family/name`, unique in a run.
    pub name: String,
    /// One sentence for the reader of a report.
    pub about: Option<String>,
    /// Words to select it by.
    pub tags: Vec<String>,
    /// What the target must offer; without it the scenario is not applicable.
    pub requires: Vec<Capability>,
    /// Who sends requests. [`UserId`] indexes it.
    pub users: Vec<UserPlan>,
    /// Values computed once, in order, before `setup`.
    pub vars: Vec<(String, JsonTemplate)>,
    /// Every place that sends requests. [`StepId`] indexes it; recorders have one entry for each.
    pub labels: Vec<StepLabel>,
    /// Steps before the work; a failure here skips the work.
    pub setup: Vec<Step>,
    /// The work itself.
    pub work: Work,
    /// Steps after the work, run whatever happened before.
    pub teardown: Vec<Step>,
    /// What the numbers must satisfy.
    pub thresholds: Vec<Threshold>,
    /// Whether usage is measured, and what it may cost.
    pub cost: Option<CostPlan>,
}

/// Something that only some targets offer.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// The harness knows the upstream stub that the target calls, and may read its ledger.
    Upstream,
}

/// Index into [`ScenarioPlan::users`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserId(pub usize);

/// Index into [`ScenarioPlan::labels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StepId(pub usize);

/// How one request site appears in reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepLabel {
    /// `create`, or `POST /workflows` when the author gave no name; unique in the scenario.
    pub name: String,
    /// Setup and teardown are shown apart and never judged by thresholds.
    pub phase: Phase,
}

/// Which part of a scenario a step belongs to.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Before the work.
    Setup,
    /// What is judged.
    Work,
    /// After the work, always.
    Teardown,
}

/// A person, or a feed of people, that requests are sent as.
#[derive(Clone, Debug)]
pub struct UserPlan {
    /// The name that `auth:` uses.
    pub name: String,
    /// Where the tokens come from.
    pub credentials: Credentials,
}

/// Where the tokens of a user come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// `count` fresh subjects, signed by the harness with the local secret. Each iteration of a
    /// journey takes the next one; outside a load profile the first is used.
    Minted {
        /// How many different people.
        count: usize,
        /// The `scope` claim, space separated.
        scope: String,
    },
    /// A token taken from this environment variable, for deployments whose secret we do not hold.
    Environment(String),
}

/// What happens between setup and teardown.
#[derive(Clone, Debug)]
pub enum Work {
    /// The steps once, in order; the first failed step ends them.
    Once(Vec<Step>),
    /// Iterations of journeys, many at once.
    Load(LoadPlan),
}

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Step {
    /// One request.
    Request(Box<RequestPlan>),
    /// The same request many times, at a bounded concurrency.
    Burst(Box<BurstPlan>),
    /// One request repeated until its expectations hold.
    Until(Box<UntilPlan>),
    /// Do nothing for this long.
    Wait(Duration),
}

impl Step {
    /// The request that the step sends, if it sends one.
    pub fn request(&self) -> Option<&RequestPlan> {
        match self {
            Self::Request(request) => Some(request),
            Self::Burst(burst) => Some(&burst.request),
            Self::Until(until) => Some(&until.request),
            Self::Wait(_) => None,
        }
    }
}

/// One request and what its response must be.
#[derive(Clone, Debug)]
pub struct RequestPlan {
    /// Where it is counted.
    pub id: StepId,
    /// The step in the file.
    pub span: Span,
    /// HTTP method.
    pub method: Method,
    /// Path and query, starting with `/`; templates in it are percent-encoded as they are filled.
    pub path: Template,
    /// Headers, in order.
    pub headers: Vec<(HeaderName, Template)>,
    /// The body.
    pub body: Body,
    /// Whose token goes into `Authorization`, if anyone's.
    pub auth: Option<UserId>,
    /// From the first byte sent to the last byte received.
    pub timeout: Duration,
    /// What must hold; without an expectation on the status, one below 400 is expected.
    pub expect: Vec<Expectation>,
    /// Values kept for later steps.
    pub capture: Vec<Capture>,
}

/// A request body.
#[derive(Clone, Debug)]
pub enum Body {
    /// No body, no `Content-Type`.
    Empty,
    /// JSON with templates in its strings; sent as `application/json`.
    Json(JsonTemplate),
    /// Bytes as written; the author sets the `Content-Type`.
    Text(Template),
}

/// A burst: `count` requests, at most `concurrency` in flight.
#[derive(Clone, Debug)]
pub struct BurstPlan {
    /// The request.
    pub request: RequestPlan,
    /// How many, ≥ 1.
    pub count: usize,
    /// How many at once, ≥ 1.
    pub concurrency: usize,
    /// What must hold over all responses. (`request.expect` holds for each of them.)
    pub counts: Vec<CountExpectation>,
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
}

/// Poll until the expectations hold.
#[derive(Clone, Debug)]
pub struct UntilPlan {
    /// The request; its expectations are the condition.
    pub request: RequestPlan,
    /// Give up, and fail, after this long.
    pub within: Duration,
    /// Pause between a response and the next request.
    pub every: Duration,
}

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

/// A part of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The status code, a number.
    Status,
    /// A header's value, a string; several values are joined with `, `.
    Header(HeaderName),
    /// What an RFC 9535 query selects from the JSON body: nothing, one value, or an array of the
    /// values if there are several.
    Json(String),
    /// The body as text.
    Text,
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

/// The values of one iteration: variables, captures, and what the harness provides.
pub type Values = BTreeMap<String, Value>;

impl Bindings for Values {
    fn lookup(&self, name: &str) -> Option<Value> {
        self.get(name).cloned()
    }
}
