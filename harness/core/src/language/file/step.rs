//! Steps. A new kind of step is a variant of [`StepFile`], a type for what is in it, and an arm in
//! `plan::resolve::steps`.

use std::borrow::Cow;

use http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::{
    CallFile, CheckFile, ControlFile, Entries, ForEachFile, GenerateFile, Json, Matcher, ModelFile,
    RepeatFile, Spanned, UpstreamCallsFile, ValueFile, WaitFile,
};
use crate::{
    language::{
        quantity::{Time, Whole},
        text::{
            CaptureSource, HeaderText, JsonPath, Name, PathText, RequestHeader, ResponseHeader,
            RuleId, StepName, TemplateText,
        },
    },
    model::Severity,
};

/// One thing to do.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "step", rename_all = "kebab-case")]
pub enum StepFile {
    /// One request.
    Request(Box<RequestFile>),
    /// Sends the same request many times, several at once.
    Burst(Box<BurstFile>),
    /// Sends the same request with bodies made from a JSON Schema.
    Generate(Box<GenerateFile>),
    /// One request, repeated until its expectations hold.
    Until(Box<UntilFile>),
    /// Let time pass.
    Wait(WaitFile),
    /// Several lists of steps at once, each with a name.
    Parallel(Spanned<Entries<Name, Spanned<Vec<Spanned<StepFile>>>>>),
    /// Steps several times.
    Repeat(Box<RepeatFile>),
    /// Steps for each item of a list.
    ForEach(Box<ForEachFile>),
    /// Variables, given or computed now, in order.
    Vars(Entries<Name, Spanned<ValueFile>>),
    /// Checks values that are known already.
    Check(Box<CheckFile>),
    /// Checks the calls that the upstream stub received.
    UpstreamCalls(Box<UpstreamCallsFile>),
    /// Something that is done to the target rather than asked of it.
    Control(Box<ControlFile>),
    /// Compares the requests and answers so far with a model of the target.
    Model(Box<ModelFile>),
    /// Another scenario.
    Call(Box<CallFile>),
}

/// A request, what its response must be, and what is kept of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "request", deny_unknown_fields)]
pub struct RequestFile {
    /// Its name in reports and thresholds; by default the method and path.
    pub name: Option<Spanned<StepName>>,
    /// Send GET to this path.
    pub get: Option<Spanned<PathText>>,
    /// Send POST to this path.
    pub post: Option<Spanned<PathText>>,
    /// Send PUT to this path.
    pub put: Option<Spanned<PathText>>,
    /// Send PATCH to this path.
    pub patch: Option<Spanned<PathText>>,
    /// Send DELETE to this path.
    pub delete: Option<Spanned<PathText>>,
    /// Send HEAD to this path.
    pub head: Option<Spanned<PathText>>,
    /// Send OPTIONS to this path.
    pub options: Option<Spanned<PathText>>,
    /// The user whose token is sent.
    pub auth: Option<Spanned<Name>>,
    /// Further headers.
    pub headers: Option<Entries<RequestHeader, Spanned<HeaderText>>>,
    /// A JSON body.
    pub json: Option<Json>,
    /// A body as text.
    pub body: Option<Spanned<TemplateText>>,
    /// The timeout from the first byte sent to the last byte received; 10s by default.
    pub timeout: Option<Time>,
    /// The conditions on the response: one map, or a list of maps, each with a rule and a severity
    /// of its own. By default the status must be below 400.
    pub expect: Option<Spanned<Expectations>>,
    /// Set if the request may stay without an answer, because the target is killed meanwhile.
    pub may_be_lost: Option<bool>,
    /// Names for parts of the response, for later steps.
    pub capture: Option<Spanned<Entries<Name, Spanned<CaptureSource>>>>,
}

/// The conditions on a response: one map, or a list of them.
#[derive(Clone, Debug)]
pub struct Expectations(pub Vec<Spanned<ExpectFile>>);

/// The two ways to write [`Expectations`]. The deserializer chooses by the shape of the node.
#[derive(Deserialize)]
#[serde(rename = "$workway::ByShape", rename_all = "lowercase")]
enum OneOrList {
    Map(Box<Spanned<ExpectFile>>),
    List(Vec<Spanned<ExpectFile>>),
}

impl<'de> Deserialize<'de> for Expectations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match OneOrList::deserialize(deserializer)? {
            OneOrList::Map(one) => vec![*one],
            OneOrList::List(list) => list,
        }))
    }
}

impl JsonSchema for Expectations {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("expectations")
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<ExpectFile>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

/// The conditions on one response.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "expect", deny_unknown_fields)]
pub struct ExpectFile {
    /// The rule that it stands for.
    pub rule: Option<Spanned<RuleId>>,
    /// The severity of a failure; `required` by default.
    pub severity: Option<Spanned<Severity>>,
    /// The status code.
    pub status: Option<Spanned<Matcher>>,
    /// Headers by name.
    pub headers: Option<Entries<ResponseHeader, Spanned<Matcher>>>,
    /// Parts of the JSON body by JSON path (RFC 9535).
    pub body: Option<Entries<JsonPath, Spanned<Matcher>>>,
    /// The body as text.
    pub text: Option<Spanned<Matcher>>,
}

impl ExpectFile {
    /// Returns whether the scenario fails when it does not hold.
    pub fn is_required(&self) -> bool {
        self.severity.is_none_or(|severity| severity.value == Severity::Required)
    }
}

/// The most requests of one burst: each result is held until the burst is judged.
pub const MAX_BURST: u64 = 100_000;

/// The most requests of a burst at once: below the 1024 descriptors that a shell usually allows
/// only by a little, and above what a rate limiter needs to be tested.
pub const MAX_CONCURRENCY: u64 = 1024;

/// Sends the same request many times.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "burst", deny_unknown_fields)]
pub struct BurstFile {
    /// The number of requests.
    pub count: Spanned<Whole<1, MAX_BURST>>,
    /// The number of requests at once; 8 by default.
    pub concurrency: Option<Whole<1, MAX_CONCURRENCY>>,
    /// The request; what it expects must hold for each response.
    pub request: Box<RequestFile>,
    /// The conditions on all responses together.
    pub expect: Option<Spanned<BurstExpectFile>>,
}

/// The conditions on all responses of a burst together.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "burst-expect", deny_unknown_fields)]
pub struct BurstExpectFile {
    /// The conditions on the number of responses that match.
    pub counts: Option<Vec<Spanned<CountFile>>>,
    /// The conditions on the number of different values.
    pub distinct: Option<Vec<Spanned<DistinctFile>>>,
}

/// A condition on the number of different values in the responses.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "distinct", deny_unknown_fields)]
pub struct DistinctFile {
    /// The source of the values: a JSON path, `header.<name>` or `status`.
    pub of: Spanned<CaptureSource>,
    /// The condition on their number.
    pub is: Spanned<Matcher>,
    /// The rule that it stands for.
    pub rule: Option<Spanned<RuleId>>,
    /// The severity of a failure.
    pub severity: Option<Severity>,
}

/// A condition on the number of responses that match.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "count", deny_unknown_fields)]
pub struct CountFile {
    /// The conditions by which responses are counted.
    #[serde(rename = "where")]
    pub matching: Spanned<ExpectFile>,
    /// The condition on their number.
    pub is: Spanned<Matcher>,
    /// The rule that it stands for.
    pub rule: Option<Spanned<RuleId>>,
    /// The severity of a failure.
    pub severity: Option<Severity>,
}

/// One request, repeated until its expectations hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "until", deny_unknown_fields)]
pub struct UntilFile {
    /// Give up, and fail, after this long.
    pub within: Time,
    /// The pause between a response and the next request; 100ms by default.
    pub every: Option<Time>,
    /// The request; what it expects is what is waited for.
    pub request: Box<RequestFile>,
}

impl StepFile {
    /// The name that the author gave it, in reports.
    pub fn name(&self) -> Option<&Spanned<StepName>> {
        match self {
            Self::Request(request) => request.name.as_ref(),
            Self::Burst(burst) => burst.request.name.as_ref(),
            Self::Until(until) => until.request.name.as_ref(),
            Self::Generate(generate) => generate.request.name.as_ref(),
            Self::UpstreamCalls(calls) => calls.name.as_ref(),
            _ => None,
        }
    }

    /// The lists of steps in it.
    pub fn inner(&self) -> Vec<&[Spanned<Self>]> {
        match self {
            Self::Parallel(branches) => {
                branches.iter().map(|(_, steps)| steps.value.as_slice()).collect()
            }
            Self::Repeat(repeat) => vec![&repeat.steps.value],
            Self::ForEach(each) => vec![&each.steps.value],
            _ => Vec::new(),
        }
    }
}

impl RequestFile {
    /// The methods that are written, each with its path. There should be exactly one.
    pub fn methods(&self) -> Vec<(Method, &Spanned<PathText>)> {
        let all = [
            (Method::GET, &self.get),
            (Method::POST, &self.post),
            (Method::PUT, &self.put),
            (Method::PATCH, &self.patch),
            (Method::DELETE, &self.delete),
            (Method::HEAD, &self.head),
            (Method::OPTIONS, &self.options),
        ];
        all.into_iter().filter_map(|(method, path)| Some((method, path.as_ref()?))).collect()
    }

    /// Returns the conditions that are written about the response, in order.
    pub fn expected(&self) -> &[Spanned<ExpectFile>] {
        self.expect.as_ref().map(|expect| expect.0.as_slice()).unwrap_or_default()
    }

    /// The position of the expectation that decides first: the first that is required, or the
    /// first of all.
    pub fn lead(&self) -> usize {
        self.expected().iter().position(|expect| expect.is_required()).unwrap_or(0)
    }

    /// Returns whether the author says what the status must be. What need not hold does not count
    /// beside what must.
    pub fn expects_status(&self) -> bool {
        let expected = self.expected();
        let needs_required = expected.iter().any(|expect| expect.is_required());
        expected
            .iter()
            .any(|expect| expect.status.is_some() && (expect.is_required() || !needs_required))
    }
}
