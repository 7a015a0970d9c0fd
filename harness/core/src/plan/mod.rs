//! Describes a run: resolved, checked, with no options left to interpret.
//!
//! [`crate::language`] holds what the author wrote; [`resolve()`] turns it into these types and is
//! the only place that does. The stages after it never look at the file again, except to point
//! at a line of it: every step and expectation carries its [`Span`].

use std::{sync::Arc, time::Duration};

use crate::model::Value;
use http::{HeaderName, Method};

use crate::{
    language::{self, Diagnostic, Source},
    model::Capability,
};

pub use crate::language::Matcher;

pub mod builtin;
mod catalog;
mod claim;
mod cost;
mod expect;
mod flow;
mod generate;
mod load;
mod model;
mod resolve;
mod threshold;
mod value;
pub(crate) mod written;

pub(crate) use crate::model::percent_encode;
pub use crate::model::{
    Bindings, Clock, Comparison, Connections, CostFigure, Encoding, InstantFormat, JsonSchemaOf,
    JsonTemplate, KeyPart, Metric, Order, Pacing, Quantity, Segment, Severity, Span, Spoil,
    Subject, Template, TemplateError, Values,
};
pub use catalog::Catalog;
pub use claim::{Claim, Rule};
pub use cost::{
    Book, CostPlan, CostThreshold, PricedFigure, Prices, Pricing, PricingError, RequestUsage, Tiers,
};
pub use expect::{Capture, CountExpectation, DistinctExpectation, Expectation};
pub use flow::{
    Branch, CallPlan, CallVar, CheckPlan, ControlAction, ControlStep, ForEachPlan, JwtPlan,
    RepeatPlan,
};
pub use generate::{GeneratePlan, Outcome};
pub use load::{
    EXACT_UP_TO, Journey, LoadPlan, MAX_RATES, Profile, Raise, Search, Stretch, Until, Users,
};
pub use model::{
    CachePlan, EffectsPlan, Limiter, ModelOf, ModelPlan, RateLimitPlan, RunPaths, RunsCheck,
    RunsPlan, THE_RUN,
};
pub use resolve::{DEFAULT_SCOPE, MAX_BRANCHES, resolve};
pub use threshold::Threshold;
pub use value::{Key, ValuePlan};

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
    /// The capabilities that the target must offer; without them the scenario is not applicable.
    pub requires: Vec<Capability>,
    /// The users who send requests. A [`UserId`] is an index into this list.
    pub users: Vec<UserPlan>,
    /// Lists read from files, by name.
    pub feeds: Vec<(String, Arc<Vec<Value>>)>,
    /// Values given or computed once, in order, before `setup`.
    pub vars: Vec<(String, ValuePlan)>,
    /// Every place that sends requests. [`StepId`] indexes it; recorders have one entry for each.
    pub labels: Vec<StepLabel>,
    /// Steps before the work; a failure here skips the work.
    pub setup: Vec<Step>,
    /// The work itself.
    pub work: Work,
    /// Checks over the whole run, after the work; each is made, whatever became of the others.
    pub audit: Vec<Step>,
    /// Steps after the work, run whatever happened before.
    pub teardown: Vec<Step>,
    /// The conditions on the numbers of the run.
    pub thresholds: Vec<Threshold>,
    /// The cost that is measured and its bounds, if usage is measured.
    pub cost: Option<CostPlan>,
}

/// Index into [`ScenarioPlan::users`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserId(pub usize);

/// Index into [`ScenarioPlan::labels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StepId(pub usize);

/// The name of one request template in reports.
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
    /// Checks over the whole run.
    Audit,
    /// After the work, always.
    Teardown,
}

/// A person, or a feed of people, that requests are sent as.
#[derive(Clone, Debug)]
pub struct UserPlan {
    /// The name that `auth:` uses.
    pub name: String,
    /// The source of the tokens.
    pub credentials: Credentials,
}

/// The source of the tokens of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// `count` fresh subjects, signed by the harness with the local secret. Each iteration of a
    /// journey takes the next one; outside a load profile the first is used.
    Minted {
        /// The number of different people.
        count: usize,
        /// The `scope` claim, space separated.
        scope: String,
    },
    /// A token taken from this environment variable, for deployments whose secret we do not hold.
    Environment(String),
}

/// The work between setup and teardown.
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
    /// Sends the same request many times, at a bounded concurrency.
    Burst(Box<BurstPlan>),
    /// One request repeated until its expectations hold.
    Until(Box<UntilPlan>),
    /// Sends the same request with bodies made from a JSON Schema.
    Generate(Box<GeneratePlan>),
    /// Sleep for this long.
    Wait(Duration),
    /// Several lists of steps at once.
    Parallel(Vec<Branch>),
    /// Steps several times.
    Repeat(Box<RepeatPlan>),
    /// Steps for each item of a list.
    ForEach(Box<ForEachPlan>),
    /// Variables, given or computed now, in order.
    Vars(Vec<(String, ValuePlan)>),
    /// Checks values.
    Check(Box<CheckPlan>),
    /// Something done to the target.
    Control(ControlStep),
    /// Compares the observed requests with a model.
    Model(Box<ModelPlan>),
    /// Another scenario.
    Call(Box<CallPlan>),
}

/// One request and what its response must be.
#[derive(Clone, Debug)]
pub struct RequestPlan {
    /// The step under which it is counted.
    pub id: StepId,
    /// The step in the file.
    pub span: Span,
    /// The destination.
    pub to: Destination,
    /// HTTP method.
    pub method: Method,
    /// Path and query, starting with `/`; templates in it are percent-encoded as they are filled.
    pub path: Template,
    /// Headers, in order.
    pub headers: Vec<(HeaderName, Template)>,
    /// The body.
    pub body: Body,
    /// The user whose token goes into `Authorization`, if any.
    pub auth: Option<UserId>,
    /// The timeout from when a connection may be used, with the time to make one, to the last byte
    /// received. Waiting for a connection to be free is no part of it.
    pub timeout: Duration,
    /// The expectations; without one on the status, one below 400 is expected.
    pub expect: Vec<Expectation>,
    /// The rule that `expect` represents.
    pub claim: Claim,
    /// The further expectations, each with its own rule.
    pub also: Vec<Also>,
    /// Set if the request may stay without an answer: the target is killed meanwhile.
    pub may_be_lost: bool,
    /// Values kept for later steps.
    pub capture: Vec<Capture>,
}

/// The destination of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Destination {
    /// The target of the test.
    #[default]
    Target,
    /// The stub of the services that the target calls.
    Upstream,
}

/// Expectations with a claim of their own.
#[derive(Clone, Debug)]
pub struct Also {
    /// The expectations.
    pub expect: Vec<Expectation>,
    /// The rule that the expectations represent.
    pub claim: Claim,
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
    /// The number of requests, ≥ 1.
    pub count: usize,
    /// The number of requests at once, ≥ 1.
    pub concurrency: usize,
    /// The conditions on the numbers of responses that match. (`request.expect` holds for each
    /// response.)
    pub counts: Vec<CountExpectation>,
    /// The conditions on the numbers of different values in the responses.
    pub distinct: Vec<DistinctExpectation>,
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

/// Reads a scenario file and gives it its meaning: the plan, and warnings about parts of it that
/// have no effect. `file_name` is how the user knows the file, `catalog` what it may name without
/// defining it.
///
/// # Errors
/// Everything that is wrong with its bytes; or with its shape; or with its meaning.
pub fn load(
    file_name: &str,
    bytes: &[u8],
    catalog: &Catalog,
) -> Result<(ScenarioPlan, Vec<Diagnostic>), Vec<Diagnostic>> {
    let text = language::text_of(bytes).map_err(|diagnostic| vec![*diagnostic])?;
    let file = language::parse(text)?;
    let source = Source::new(text);
    match resolve(file_name, &file, catalog) {
        Ok((plan, mut warnings)) => {
            warnings.extend(language::lint_secrets(&source));
            Ok((plan, language::in_order(warnings, &source)))
        }
        Err(errors) => Err(language::in_order(errors, &source)),
    }
}
