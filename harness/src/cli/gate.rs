//! `workway gate`

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use uuid::Uuid;

use super::{
    ab_test::{AbResult, AbTest, Header, Variant, windowed},
    cost::PriceError,
    output::{self, Failure, Format},
    rendering, selection,
    signals::Signals,
    state::{Known, Saved, Setting},
};
use crate::{
    cost::{
        CloudflarePrices, CostError, Projection, TIERS, Tiers, UnitUsage, change_report, changes,
        today,
    },
    exit::{self, Exit},
    gate::{self, Decision, Judged, MOST_PAIRS, Rule, Window},
    model::{clock, usage::RunUsage},
    plan::ScenarioPlan,
    report::host::{self, Host},
    report::{self, ChangeReport, GATE_SCHEMA_VERSION, GateReport, SideReport, Timestamp},
    run::{Signal, StopFlag},
};

/// A load in which everybody does something else.
pub(super) const DEFAULT_SCENARIO: &str = "scenarios/load/steady-mix.yaml";
/// Long enough for some two hundred operations of the default scenario.
pub(super) const DEFAULT_WINDOW: &str = "5s";
/// Connections are made, statements prepared and pages read for the first time.
pub(super) const DEFAULT_WARMUP: &str = "1s";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The scenario whose load makes the windows.
    #[arg(value_name = "SCENARIO", default_value = DEFAULT_SCENARIO)]
    scenario: PathBuf,
    /// Version that is known: `embedded` (this program), `wrangler`, a URL, or a revision of this
    /// repository, which is built.
    #[arg(long, value_name = "TARGET|REVISION")]
    base: String,
    /// Version that is judged.
    #[arg(long, value_name = "TARGET|REVISION")]
    head: String,
    /// A header of each request to base, as `NAME: VALUE`: where one URL has several versions, it
    /// names the one. Reports show it.
    #[arg(long, value_name = "HEADER")]
    base_header: Option<String>,
    /// The same of head.
    #[arg(long, value_name = "HEADER")]
    head_header: Option<String>,
    /// Pairs of windows; by default 12, or as many as `workway calibrate` found to be needed.
    #[arg(long, value_parser = pairs)]
    pairs: Option<usize>,
    /// Measured time of a window.
    #[arg(long, default_value = DEFAULT_WINDOW, value_parser = duration)]
    window: Duration,
    /// Time before it that is thrown away.
    #[arg(long, default_value = DEFAULT_WARMUP, value_parser = duration)]
    warmup: Duration,
    /// Allowed rise of p95, such as `5%`; by default that, or what `workway calibrate` found to be
    /// detectable.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    max_p95: Option<f64>,
    /// Allowed rise of the part of operations that fail.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    max_errors: Option<f64>,
    /// Allowed rise of each resource and of the cost for a request.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    max_usage: Option<f64>,
    /// Seed of random choices; a report names the one it used.
    #[arg(long)]
    seed: Option<u64>,
    /// Allow URLs that are not on loopback.
    #[arg(long)]
    allow_remote: bool,
    /// Format of the result on stdout.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also write gate.json, gate.txt, gate.md and gate.html into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Holds the inputs of a gate other than the measurements.
struct Frame {
    rule: Rule,
    rule_from: String,
    pairs: usize,
    seed: u64,
    started_at: Timestamp,
    prices: CloudflarePrices,
}

pub(super) async fn gate(arguments: &Arguments) -> Exit {
    let stop = StopFlag::new();
    match until_signal(Box::pin(gated(arguments, &stop)), &stop).await {
        Ok(report) => {
            let exit = Exit::from(report.verdict);
            let published =
                rendering::publish(&report, arguments.format.into(), arguments.out.as_deref());
            published.map_or_else(|failed| failed, |()| exit)
        }
        Err(failure) => failure.show(),
    }
}

async fn gated(arguments: &Arguments, stop: &StopFlag) -> Result<GateReport, Failure> {
    let plan = scenario(&arguments.scenario)?;
    let plan = windowed(&plan, arguments.warmup, arguments.window).map_err(Failure::usage)?;
    let base_header = header("--base-header", arguments.base_header.as_deref())?;
    let head_header = header("--head-header", arguments.head_header.as_deref())?;
    let base = Variant::prepare(&arguments.base).await?.with_header(base_header);
    let head = Variant::prepare(&arguments.head).await?.with_header(head_header);
    let frame = Frame::new(arguments, &plan, [&base, &head]).map_err(Failure::usage)?;
    let started = clock::now();
    let ab_test = AbTest {
        plan: &plan,
        base: &base,
        head: &head,
        pairs: frame.pairs,
        seed: frame.seed,
        allow_remote: arguments.allow_remote,
        stop,
    };
    output::say(&format!("gate: {} pairs of {:?}", frame.pairs, arguments.window));
    let mut result = ab_test.run().await;
    // What is wrong with the command line leaves nothing to report.
    if let Some(error) = result.ended.take_if(|error| Exit::from(&*error) == Exit::Usage) {
        return Err(error.into());
    }
    let duration = clock::now().saturating_duration_since(started);
    let report = frame.report(arguments, &plan, [&base, &head], result).map_err(Failure::usage)?;
    Ok(GateReport { duration_s: duration.as_secs_f64(), ..report })
}

/// Parses a header here, because clap's message about a bad value would show the value, and
/// somebody may have put a secret there.
fn header(option: &str, text: Option<&str>) -> Result<Option<Header>, Failure> {
    let parsed = text.map(Header::parse).transpose();
    parsed.map_err(|error| Failure::usage(format!("{option}: {error}")))
}

/// Returns the known noise of this gate. It is about both sides, so they must be of one kind.
fn known(arguments: &Arguments, plan: &ScenarioPlan, [base, head]: [&Variant; 2]) -> Known {
    let kind = if base.kind() == head.kind() {
        head.kind().to_string()
    } else {
        format!("{} and {}", base.kind(), head.kind())
    };
    let Arguments { scenario, window, warmup, .. } = arguments;
    let known = Saved::load(&Setting::new(plan, scenario, *window, *warmup, kind));
    if let Known::Other(why) = &known {
        output::say(&format!(
            "no calibration holds for this gate ({why}); `workway calibrate` makes one"
        ));
    }
    known
}

impl Frame {
    fn new(
        arguments: &Arguments,
        plan: &ScenarioPlan,
        variants: [&Variant; 2],
    ) -> Result<Self, PriceError> {
        let known = known(arguments, plan, variants);
        let calibration = match &known {
            Known::Calibrated(saved) => Some(&saved.calibration),
            Known::Other(_) | Known::Nothing => None,
        };
        let defaults = Rule::default();
        // A bound that the noise hides would leave every gate inconclusive.
        let detectable = calibration.and_then(|found| found.suggested_delta).unwrap_or(0.0);
        let rule = Rule {
            latency: arguments.max_p95.unwrap_or(defaults.latency.max(detectable)),
            errors: arguments.max_errors.unwrap_or(defaults.errors),
            usage: arguments.max_usage.unwrap_or(defaults.usage),
            ..defaults
        };
        let suggested = calibration.and_then(|found| found.suggested_pairs).unwrap_or(0);
        let most = 2 * gate::DEFAULT_PAIRS;
        let pairs = suggested.clamp(gate::DEFAULT_PAIRS, most);
        let rule_from = match (&known, arguments.max_p95) {
            (_, Some(_)) => "as given".to_owned(),
            (Known::Calibrated(saved), None) => format!("calibrated {}", saved.made_at),
            (Known::Other(why), None) => format!("defaults; not used: {why}"),
            (Known::Nothing, None) => "defaults; not calibrated".to_owned(),
        };
        Ok(Self {
            rule,
            rule_from,
            pairs: arguments.pairs.unwrap_or(pairs),
            seed: arguments.seed.unwrap_or_else(|| Uuid::new_v4().as_u64_pair().1),
            started_at: Timestamp::now(),
            prices: CloudflarePrices {
                tiers: Arc::new(Tiers::parse(TIERS, "of this program")?),
                book: Arc::new(today()?),
            },
        })
    }

    fn report(
        &self,
        arguments: &Arguments,
        plan: &ScenarioPlan,
        [base, head]: [&Variant; 2],
        result: AbResult,
    ) -> Result<GateReport, PriceError> {
        let judged = gate::judge(&result.pairs, &self.rule, &self.prices)?;
        let mut sums = [Window::default(), Window::default()];
        for pair in &result.pairs {
            sums[0].merge(&pair.base);
            sums[1].merge(&pair.head);
        }
        let Judged { mut decision, findings, shift } = judged;
        let mut verdict = GateReport::verdict(decision, &findings);
        let mut reasons = Vec::new();
        if let Some(error) = result.ended {
            (decision, verdict) = (Decision::Inconclusive, error.verdict());
            reasons.push(error.to_string());
        }
        let side = |variant: &Variant, sum: &Window| {
            SideReport::new(variant.name.clone(), variant.commit.clone(), plan, sum)
        };
        let mut report = GateReport {
            schema_version: GATE_SCHEMA_VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            duration_s: 0.0,
            host: Host::here(),
            seed: self.seed,
            file: plan.file.to_string(),
            scenario: plan.name.clone(),
            config: host::hash_of(&arguments.scenario),
            base: side(base, &sums[0]),
            head: side(head, &sums[1]),
            pairs: result.pairs.len(),
            remade: result.remade,
            window_s: arguments.window.as_secs_f64(),
            warmup_s: arguments.warmup.as_secs_f64(),
            rule: self.rule,
            rule_from: self.rule_from.clone(),
            decision,
            verdict,
            exit: Some(exit::code(verdict)),
            reasons,
            findings,
            shift,
            causes: Vec::new(),
            cost: self.cost(&sums)?,
            reproduce: self.reproduce(arguments),
        };
        if report.decision == Decision::Fail {
            report.causes = report::causes_of_gate(&report);
        }
        Ok(report)
    }

    /// Returns the additional usage and cost of a month, by resource.
    fn cost(&self, [base, head]: &[Window; 2]) -> Result<Vec<ChangeReport>, PriceError> {
        let (Some(base), Some(head)) = (&base.usage, &head.usage) else { return Ok(Vec::new()) };
        let changes = changes(&self.months(base)?, &self.months(head)?);
        Ok(changes.iter().map(change_report).collect())
    }

    fn months(&self, usage: &RunUsage) -> Result<Vec<Projection>, PriceError> {
        let unit = UnitUsage::measured(usage).map_err(CostError::from)?;
        let month = |tier| Projection::new(&unit, tier, &self.prices.tiers, &self.prices.book);
        let months = self.prices.tiers.tiers.iter().map(month);
        Ok(months.collect::<Result<_, _>>().map_err(CostError::from)?)
    }

    fn reproduce(&self, arguments: &Arguments) -> String {
        let Arguments { scenario, base, head, window, warmup, .. } = arguments;
        let Rule { latency, errors, usage, .. } = self.rule;
        let percent = |part: f64| format!("{}%", (part * 1e4).round() / 1e2);
        let remote = if arguments.allow_remote { " --allow-remote" } else { "" };
        let header = |side: &str, header: &Option<String>| {
            header
                .as_ref()
                .map_or_else(String::new, |header| format!(" --{side}-header '{header}'"))
        };
        let headers =
            header("base", &arguments.base_header) + &header("head", &arguments.head_header);
        format!(
            "workway gate {} --base {base} --head {head} --pairs {} --window {} --warmup {} \
             --max-p95 {} --max-errors {} --max-usage {} --seed {}{headers}{remote}",
            scenario.display(),
            self.pairs,
            humantime::format_duration(*window).to_string().replace(' ', ""),
            humantime::format_duration(*warmup).to_string().replace(' ', ""),
            percent(latency),
            percent(errors),
            percent(usage),
            self.seed
        )
    }
}

/// Returns the one scenario at `path`.
pub(super) fn scenario(path: &Path) -> Result<ScenarioPlan, Failure> {
    let several = || {
        let message = format!("{}: a gate compares one scenario; name its file", path.display());
        Failure::usage(message)
    };
    let plans = selection::select(&[path.display().to_string()], DEFAULT_SCENARIO)
        .map_err(|exit| Failure::new(exit, "the scenario cannot be used"))?;
    match <[ScenarioPlan; 1]>::try_from(plans) {
        Ok([plan]) => Ok(plan),
        Err(_) => Err(several()),
    }
}

/// Does `work`; the first signal raises `stop`, the second ends it now.
pub(super) async fn until_signal<T>(
    work: impl Future<Output = Result<T, Failure>>,
    stop: &StopFlag,
) -> Result<T, Failure> {
    let mut signals = Signals::new()
        .map_err(|error| Failure::new(Exit::Internal, format!("signals: {error}")))?;
    let twice = async {
        let first = signals.next().await;
        stop.raise(if first == Exit::Terminated { Signal::Terminate } else { Signal::Interrupt });
        output::say("interrupted: ending in good order; once more to end now");
        signals.next().await
    };
    tokio::select! {
        done = work => done,
        exit = twice => Err(Failure::new(exit, "interrupted twice")),
    }
}

/// Says why a value of an option cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum ArgumentError {
    #[error(
        "give {} to {MOST_PAIRS}: fewer cannot show that anything is not chance",
        gate::FEWEST_PAIRS
    )]
    Pairs,
    #[error(transparent)]
    Duration(#[from] humantime::DurationError),
    #[error("give at least 100ms")]
    TooShort,
    #[error("give a percentage from 0% to 1000%")]
    Percent,
}

pub(super) fn pairs(text: &str) -> Result<usize, ArgumentError> {
    match text.parse() {
        Ok(pairs) if (gate::FEWEST_PAIRS..=MOST_PAIRS).contains(&pairs) => Ok(pairs),
        _ => Err(ArgumentError::Pairs),
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, ArgumentError> {
    let duration = humantime::parse_duration(text)?;
    if duration < Duration::from_millis(100) {
        return Err(ArgumentError::TooShort);
    }
    Ok(duration)
}

fn percent(text: &str) -> Result<f64, ArgumentError> {
    let number = text.trim().trim_end_matches('%').trim_end();
    match number.parse::<f64>() {
        Ok(percent) if (0.0..=1000.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err(ArgumentError::Percent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_the_command_line() {
        assert!(pairs("6").is_err() && pairs("201").is_err());
        assert_eq!((pairs("7"), pairs("200")), (Ok(7), Ok(200)));
        assert!(duration("99ms").is_err());
        assert_eq!(duration("100ms"), Ok(Duration::from_millis(100)));
        assert!(percent("1000.1%").is_err() && percent("-1%").is_err() && percent("x").is_err());
        assert_eq!(percent("5%"), Ok(0.05));
    }
}
