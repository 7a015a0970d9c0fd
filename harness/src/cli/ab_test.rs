//! Two versions of a target on one machine, window by window.

use std::{borrow::Cow, collections::BTreeMap, path::PathBuf, time::Duration};

use http::{HeaderName, HeaderValue};

use super::{
    output::{self, Failure},
    run,
};
use crate::{
    cost::{RunUsage, StepUsage, Tallies, Tally},
    exit::Exit,
    gate::{GATED_PERCENTILE, Pair, Window},
    judge::{Failed, Reason, Verdict, judge, spoiled},
    model::TargetKind,
    plan::{Destination, Profile, RequestPlan, ScenarioPlan, Step, Template, Until, Users, Work},
    run::{Environment, StopFlag},
    target::{self, BadTarget, Counters, Target, TargetError, TargetOptions, TargetSpec},
};

/// The time to wait until usage is complete: longer than every delay with which the service writes
/// it down (10 s).
const USAGE_SETTLES: Duration = Duration::from_secs(30);

/// The number of pairs that may be made again for each that is wanted: a machine on which the
/// generator is slow half of the time cannot say anything about a target.
const REMADE_PER_PAIR: usize = 1;

/// One of the two.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    /// The name that the user gave.
    pub(super) name: String,
    /// The commit, if it is one of this repository.
    pub(super) commit: Option<String>,
    spec: TargetSpec,
    program: Option<PathBuf>,
    /// The header that each request to it carries beside the scenario's own: where one URL has
    /// several versions, it names the one.
    header: Option<Header>,
}

/// A header whose value is no secret: reports show it.
#[derive(Clone, Debug)]
pub(super) struct Header {
    name: HeaderName,
    value: String,
}

/// Holds the parameters of an A/B test.
pub(super) struct AbTest<'a> {
    pub(super) plan: &'a ScenarioPlan,
    pub(super) base: &'a Variant,
    pub(super) head: &'a Variant,
    pub(super) pairs: usize,
    pub(super) seed: u64,
    pub(super) allow_remote: bool,
    pub(super) stop: &'a StopFlag,
}

/// Holds the measurements of an A/B test.
#[derive(Debug, Default)]
pub(super) struct AbResult {
    pub(super) pairs: Vec<Pair>,
    /// The reasons for which pairs were made again.
    pub(super) remade: Vec<String>,
    /// The reason that there are not enough pairs.
    pub(super) ended: Option<AbTestError>,
}

/// Says why two versions cannot be compared.
#[derive(Debug, thiserror::Error)]
pub(super) enum AbTestError {
    /// A version that is none.
    #[error(transparent)]
    BadVariant(BadTarget),
    /// A revision that could not be built.
    #[error(transparent)]
    Build(TargetError),
    /// A version that did not start.
    #[error("{name}: {error}")]
    Start {
        /// The version.
        name: String,
        /// The cause.
        error: TargetError,
    },
    /// A window in which something else than a figure went wrong.
    #[error("{side}: {reason}")]
    Ended {
        /// `base` or `head`.
        side: &'static str,
        /// The reason.
        reason: Reason,
    },
    /// A window whose figures say nothing about the target, so that its pair is made again.
    #[error("{0}")]
    Spoiled(Reason),
    /// There were too many such pairs.
    #[error("the generator was slow in more pairs than were wanted")]
    TooManySpoiled,
}

impl AbTestError {
    /// Returns the verdict on a comparison that ended so.
    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Self::BadVariant(_) => Verdict::NotApplicable,
            Self::Build(_) | Self::Start { .. } => Verdict::Unreachable,
            Self::Ended { reason, .. } => reason.verdict(),
            Self::Spoiled(_) | Self::TooManySpoiled => Verdict::Inconclusive,
        }
    }
}

impl From<&AbTestError> for Exit {
    fn from(error: &AbTestError) -> Self {
        match error {
            AbTestError::BadVariant(_) => Self::Usage,
            AbTestError::Build(error) | AbTestError::Start { error, .. } => Self::from(error),
            _ => Self::from(error.verdict()),
        }
    }
}

impl From<AbTestError> for Failure {
    fn from(error: AbTestError) -> Self {
        Self::new(Exit::from(&error), error)
    }
}

impl Variant {
    /// Reads `embedded`, `wrangler`, a URL, or a revision of this repository, which is built.
    pub(super) async fn prepare(name: &str) -> Result<Self, AbTestError> {
        let (spec, built) = match TargetSpec::parse(name) {
            Ok(spec) => (spec, None),
            // Revisions of git have no such characters in a row.
            Err(error) if name.contains("://") => return Err(AbTestError::BadVariant(error)),
            Err(_) => {
                output::say(&format!("building {name}, unless it is there already"));
                let built = target::build(name).await.map_err(AbTestError::Build)?;
                (TargetSpec::Embedded, Some(built))
            }
        };
        let (commit, program) = built.map(|built| (built.commit, built.program)).unzip();
        Ok(Self { name: name.to_owned(), commit, spec, program, header: None })
    }

    /// Returns the kind of target: `embedded`, `wrangler` or `url`. A revision is embedded.
    pub(super) const fn kind(&self) -> TargetKind {
        self.spec.kind()
    }

    /// Adds this header to every request to the version; the version's name shows it.
    pub(super) fn with_header(self, header: Option<Header>) -> Self {
        let name = match &header {
            Some(header) => format!("{} ({header})", self.name),
            None => self.name,
        };
        Self { name, header, ..self }
    }

    /// Returns the scenario as it is sent to this version.
    fn plan<'a>(&self, plan: &'a ScenarioPlan) -> Cow<'a, ScenarioPlan> {
        let Some(Header { name, value }) = &self.header else { return Cow::Borrowed(plan) };
        let mut plan = plan.clone();
        let mut mark = |request: &mut RequestPlan| {
            if request.to == Destination::Target {
                request.headers.push((name.clone(), Template::literal(value)));
            }
        };
        for steps in [&mut plan.setup, &mut plan.audit, &mut plan.teardown] {
            Step::each_request(steps, &mut mark);
        }
        if let Work::Load(load) = &mut plan.work {
            for journey in &mut load.journeys {
                Step::each_request(&mut journey.steps, &mut mark);
            }
        }
        Cow::Owned(plan)
    }

    async fn start(&self, allow_remote: bool) -> Result<Target, AbTestError> {
        let program = self.program.clone();
        let options = TargetOptions { allow_remote, program, ..TargetOptions::default() };
        let started = self.spec.start(&options).await;
        started.map_err(|error| AbTestError::Start { name: self.name.clone(), error })
    }
}

impl AbTest<'_> {
    /// Runs the pairs in the order ABBA: in every second pair head goes first, so that a drift of
    /// the machine hits both alike. Each pair has fresh targets, if they are ours to start: the
    /// properties that a process gets at its start are chance, too.
    pub(super) async fn run(&self) -> AbResult {
        let mut result = AbResult::default();
        while result.pairs.len() < self.pairs && result.ended.is_none() {
            let number = result.pairs.len() + result.remade.len();
            let head_first = result.pairs.len() % 2 == 1;
            match self.pair(number, head_first).await {
                Ok(pair) => {
                    result.pairs.push(pair);
                    self.say(&result);
                }
                Err(AbTestError::Spoiled(reason)) => {
                    output::say(&format!("  pair made again: {reason}"));
                    result.remade.push(reason.to_string());
                    if result.remade.len() > REMADE_PER_PAIR * self.pairs {
                        result.ended = Some(AbTestError::TooManySpoiled);
                    }
                }
                Err(ended) => result.ended = Some(ended),
            }
        }
        result
    }

    fn say(&self, result: &AbResult) {
        let Some(pair) = result.pairs.last() else { return };
        let ms = |window: &Window| window.percentile(95.0).map_or(f64::NAN, |nanos| nanos / 1e6);
        let (base, head) = (ms(&pair.base), ms(&pair.head));
        let (done, all) = (result.pairs.len(), self.pairs);
        output::say(&format!("  pair {done:>3} of {all}: p95 {base:.2} ms, {head:.2} ms"));
    }

    async fn pair(&self, number: usize, head_first: bool) -> Result<Pair, AbTestError> {
        let mut base = self.base.start(self.allow_remote).await?;
        let mut head = match self.head.start(self.allow_remote).await {
            Ok(head) => head,
            Err(error) => {
                base.stop().await;
                return Err(error);
            }
        };
        let result = self.windows(&mut base, &mut head, number, head_first).await;
        base.stop().await;
        head.stop().await;
        result
    }

    async fn windows(
        &self,
        base: &mut Target,
        head: &mut Target,
        number: usize,
        head_first: bool,
    ) -> Result<Pair, AbTestError> {
        let before = (counters(base).await, counters(head).await);
        let mut pair = Pair::default();
        for is_head in [head_first, !head_first] {
            let (side, target, name) = if is_head {
                (self.head, &mut *head, "head")
            } else {
                (self.base, &mut *base, "base")
            };
            let window = self.window(&side.plan(self.plan), target, number, name).await?;
            *(if is_head { &mut pair.head } else { &mut pair.base }) = window;
        }
        for (window, target, before) in
            [(&mut pair.base, base, before.0), (&mut pair.head, head, before.1)]
        {
            // What answers say is told apart by step; the server's own counters are not.
            if window.usage.as_ref().is_none_or(RunUsage::is_empty) {
                window.usage = usage(target, before).await;
            }
        }
        Ok(pair)
    }

    /// Measures one window; both windows of a pair draw the same choices, so that they do the same
    /// work.
    async fn window(
        &self,
        plan: &ScenarioPlan,
        target: &mut Target,
        number: usize,
        side: &'static str,
    ) -> Result<Window, AbTestError> {
        let environment = Environment {
            seed: self.seed.wrapping_add(number as u64),
            run_id: format!("{number}-{side}"),
            stop: self.stop.clone(),
            ..run::environment_of(target, format!("{number}-{side}")).await
        };
        let record = crate::run::run(plan, &environment).await;
        // Figures are the gate's to judge; everything else ends it.
        let ends = |reason: &Reason| {
            let verdict = reason.verdict();
            verdict == Verdict::Fail(Failed::Conformance) || verdict >= Verdict::Unreachable
        };
        let reasons = judge(plan, &record).reasons.into_iter().filter(ends);
        // The first of those that weigh most.
        if let Some(reason) = reasons.rev().max_by_key(Reason::verdict) {
            return Err(AbTestError::Ended { side, reason });
        }
        match spoiled(plan, &record, GATED_PERCENTILE) {
            Some(reason) => Err(AbTestError::Spoiled(reason)),
            None => Ok(Window::new(plan, &record)),
        }
    }
}

/// Says why a header cannot be sent with each request to a version.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    #[error("write NAME: VALUE")]
    NoColon,
    #[error("the part before `:` is no name of a header")]
    Name,
    #[error("{0} is a secret, and reports show this; use `auth:`")]
    Secret(HeaderName),
    #[error("{0}: control characters")]
    Value(HeaderName),
}

impl Header {
    /// Reads `NAME: VALUE`.
    ///
    /// # Errors
    /// [`HeaderError`], which never shows the value.
    pub(super) fn parse(text: &str) -> Result<Self, HeaderError> {
        let (name, value) = text.split_once(':').ok_or(HeaderError::NoColon)?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| HeaderError::Name)?;
        if crate::http::is_secret(&name) {
            return Err(HeaderError::Secret(name));
        }
        let value = value.trim().to_owned();
        match HeaderValue::from_str(&value) {
            Ok(_) => Ok(Self { name, value }),
            Err(_) => Err(HeaderError::Value(name)),
        }
    }
}

impl std::fmt::Display for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.value)
    }
}

async fn counters(target: &Target) -> Option<Counters> {
    target.control.as_ref()?.counters().await.ok()
}

/// Returns the usage of the target since then, from its own counters; `None` when it has none.
async fn usage(target: &Target, before: Option<Counters>) -> Option<RunUsage> {
    let control = target.control.as_ref()?;
    // The window is over: now its clock may move.
    control.advance(USAGE_SETTLES).await.ok()?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (before, after) = (before?, control.counters().await.ok()?);
    let more = |name: &String, amount: u64| {
        amount.saturating_sub(before.usage.get(name).copied().unwrap_or(0))
    };
    let usage: BTreeMap<_, _> =
        after.usage.iter().map(|(name, amount)| (name.clone(), more(name, *amount))).collect();
    let count = after.requests.saturating_sub(before.requests);
    let used = Tallies { without_model: Tally { count, usage }, ..Tallies::default() };
    let step = StepUsage { name: "all".to_owned(), used, ..StepUsage::default() };
    Some(RunUsage { steps: vec![step], ..RunUsage::default() })
}

/// A scenario that no windows can be made of.
#[derive(Debug, thiserror::Error)]
#[error("{file}: `{name}` {what}; a window needs a load of constant rate or users")]
pub(super) struct WindowError {
    file: String,
    name: String,
    what: &'static str,
}

/// Returns the scenario with a window of this length in place of its own.
pub(super) fn windowed(
    plan: &ScenarioPlan,
    warmup: Duration,
    window: Duration,
) -> Result<ScenarioPlan, WindowError> {
    let refuse = |what| {
        let (file, name) = (plan.file.to_string(), plan.name.clone());
        Err(WindowError { file, name, what })
    };
    let mut plan = plan.clone();
    plan.thresholds.clear();
    let Work::Load(load) = &mut plan.work else { return refuse("has no load") };
    let length = warmup + window;
    match &mut load.profile {
        Profile::Rates(stretches) => match stretches.as_mut_slice() {
            [one] if (one.from - one.to).abs() < f64::EPSILON => one.duration = length,
            _ => return refuse("changes its rate"),
        },
        Profile::Poisson { duration, .. } => *duration = length,
        Profile::Users(Users { until, .. }) => *until = Until::Elapsed(length),
        Profile::Search(_) => return refuse("searches for a rate"),
    }
    load.warmup = warmup;
    load.abort_after = None;
    Ok(plan)
}
