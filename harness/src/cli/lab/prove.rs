//! `workway lab prove`

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    num::NonZeroUsize,
    path::PathBuf,
    sync::Arc,
    thread::available_parallelism,
    time::Duration,
};

use clap::Args;
use futures_util::stream::{self, StreamExt};

use super::mutation_run::{MutationResult, MutationRun};
use crate::{
    cli::{
        output::{self, Format},
        rendering, selection,
        signals::Signals,
    },
    exit::{self, Exit},
    judge::Verdict,
    model::clock,
    plan::{Rule, ScenarioPlan},
    prove::{Area, Defect, Status, all, find},
    report::host::{self, Host},
    report::{
        CleanRuns, Detection, DetectionMatrix, Kill, MATRIX_SCHEMA_VERSION, Outcome,
        RuleDetections, RuleElsewhere, Timestamp,
    },
    target::{SelfCheck, TargetOptions, TargetSpec},
};

/// The scenarios that are run on every defect, whatever rules they name.
const SMOKE: &str = "smoke";
/// More are a mistake: a run takes seconds.
const MAX_CLEAN_RUNS: u64 = 1_000;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Only these defects; all by default.
    #[arg(long = "defect", value_name = "ID")]
    defects: Vec<String>,
    /// Only the defects of these areas.
    #[arg(long = "area", value_enum)]
    areas: Vec<Area>,
    /// Number of runs of the scenarios on the service without a defect.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=MAX_CLEAN_RUNS))]
    clean_runs: u64,
    /// Number of defects at once; by default as many as there are cores.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Print the catalogue, and run nothing.
    #[arg(long)]
    list: bool,
    /// Format of the result on stdout.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also write the matrix into this folder, as JSON, Markdown and HTML.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seed of the random choices of scenarios.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(in crate::cli) async fn prove(arguments: &Arguments) -> Exit {
    let defects = match chosen(arguments) {
        Ok(defects) => defects,
        Err(exit) => return exit,
    };
    if arguments.list {
        return output::result_or_fail(&catalogue(&defects));
    }
    if let Err(exit) = output::check_out(arguments.out.as_deref()) {
        return exit;
    }
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return output::fail(Exit::Internal, &format!("signals: {error}")),
    };
    tokio::select! {
        exit = work(arguments, &defects) => exit,
        exit = signals.next() => exit,
    }
}

fn chosen(arguments: &Arguments) -> Result<Vec<&'static Defect>, Exit> {
    let named: Result<Vec<_>, _> = arguments.defects.iter().map(|id| find(id)).collect();
    let named = named.map_err(|error| output::fail(Exit::Usage, &error.to_string()))?;
    let of_area =
        |defect: &&Defect| arguments.areas.is_empty() || arguments.areas.contains(&defect.area);
    let all = if named.is_empty() { all().iter().collect() } else { named };
    let chosen: Vec<_> = all.into_iter().filter(of_area).collect();
    if chosen.is_empty() {
        return Err(output::fail(Exit::NothingSelected, "none of these defects is of that area"));
    }
    Ok(chosen)
}

fn catalogue(defects: &[&Defect]) -> String {
    defects.iter().fold(String::new(), |mut text, defect| {
        let Defect { id, area, says, status } = defect;
        let status = match status {
            Status::Made { seen_by, .. } => seen_by.join(", "),
            Status::NotApplicable(why) => format!("not applicable: {why}"),
            Status::Elsewhere(test) => format!("tested elsewhere: {test}"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{id:<7} {:<11} {says} ({status})", area.name());
        text
    })
}

async fn work(arguments: &Arguments, defects: &[&'static Defect]) -> Exit {
    let plans = match selection::select(&[], "scenarios") {
        Ok(plans) => plans,
        Err(exit) => return exit,
    };
    let started_at = Timestamp::now();
    let started = clock::now();
    let families: Vec<_> = defects.iter().map(|defect| (*defect, family(defect, &plans))).collect();
    let used: Vec<&ScenarioPlan> = plans
        .iter()
        .filter(|plan| {
            families.iter().any(|(_, family)| family.iter().any(|p| p.name == plan.name))
        })
        .collect();
    let made = families.iter().filter(|(_, family)| !family.is_empty()).count();
    let runs = arguments.clean_runs;
    output::say(&format!("plan: defects {made}, clean runs {runs}, scenarios {}", used.len()));
    let check = match clean_facts(&used).await {
        Ok(check) => check,
        Err(exit) => return exit,
    };
    let clean = clean(arguments, &used, &check).await;
    let detections = detections(arguments, &families, &check).await;
    let (clean, held) = clean;
    // Of a part of the catalogue the others were not meant to be looked at.
    let is_whole = arguments.defects.is_empty() && arguments.areas.is_empty();
    let known = if is_whole { workway_lab::rules::all() } else { &[] };
    let rules = rules_of(known, &used, &held, &detections);
    let mut matrix = DetectionMatrix {
        schema_version: MATRIX_SCHEMA_VERSION,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: host::commit(),
        suite: suite(&plans),
        host: Host::here(),
        started_at,
        duration_s: seconds(clock::now().saturating_duration_since(started)),
        defects: detections,
        clean,
        rules,
        elsewhere: elsewhere(),
        verdict: Verdict::Pass,
        exit: None,
    };
    matrix.verdict = matrix.verdict();
    matrix.exit = Some(exit::code(matrix.verdict));
    publish(arguments, &matrix)
}

/// Returns the digest of the scenarios and the catalogue; nothing if a file is gone meanwhile.
fn suite(plans: &[ScenarioPlan]) -> String {
    let files: Vec<PathBuf> = plans.iter().map(|plan| PathBuf::from(&*plan.file)).collect();
    crate::prove::suite(&files).unwrap_or_default()
}

/// Returns the rules of a domain's edge, which have tests of their own.
fn elsewhere() -> Vec<RuleElsewhere> {
    let rule = |rule: &crate::edge::Rule| RuleElsewhere {
        id: rule.id.to_owned(),
        says: rule.demand.to_owned(),
    };
    crate::edge::RULES.iter().map(rule).collect()
}

/// A tenth is exact enough.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

/// Returns the scenarios that should see a defect: those that name its rules, those that it names,
/// and the smoke suite. It returns none for a defect that is not made.
fn family<'p>(defect: &Defect, plans: &'p [ScenarioPlan]) -> Vec<&'p ScenarioPlan> {
    let Status::Made { seen_by, .. } = defect.status else { return Vec::new() };
    let is_of_it = |plan: &&ScenarioPlan| {
        let claims = plan.claims();
        let mut rules = claims.iter().filter_map(|claim| claim.rule.as_ref());
        plan.tags.iter().any(|tag| tag == SMOKE)
            || seen_by.contains(&plan.name.as_str())
            || rules.any(|rule| seen_by.contains(&rule.id.as_str()))
    };
    plans.iter().filter(is_of_it).collect()
}

/// Probes the capabilities of the service once, of the one without a defect.
async fn clean_facts(plans: &[&ScenarioPlan]) -> Result<SelfCheck, Exit> {
    let asked = plans.iter().flat_map(|plan| &plan.requires).map(|capability| capability.name());
    let mut target = TargetSpec::Embedded
        .start(&TargetOptions::default())
        .await
        .map_err(|error| output::fail(Exit::from(&error), &error.to_string()))?;
    let check = target.self_check(&asked.collect()).await;
    target.kill().await;
    Ok(check)
}

/// Counts how often each rule held.
type Held = BTreeMap<String, u64>;

async fn clean(
    arguments: &Arguments,
    plans: &[&ScenarioPlan],
    check: &SelfCheck,
) -> (CleanRuns, Held) {
    let (mut runs, mut inconclusive, mut held) = (Vec::new(), BTreeSet::new(), Held::new());
    let runs_to_do = (0..arguments.clean_runs).map(|number| MutationRun {
        name: format!("clean{number}"),
        defect: None,
        plans: plans.to_vec(),
        check,
        seed: arguments.seed.wrapping_add(number),
    });
    let mut results =
        stream::iter(runs_to_do).map(async |run| run.run().await).buffer_unordered(jobs(arguments));
    while let Some(result) = results.next().await {
        let mut kills = result.detections();
        if let Some(error) = &result.error {
            let (scenario, verdict) = ("-".to_owned(), Verdict::Unreachable);
            kills.push(Kill { rule: None, scenario, step: error.clone(), verdict });
        }
        for report in &result.reports {
            if report.verdict == Verdict::Inconclusive {
                inconclusive.insert(format!("{}: {}", report.name, report.reasons_text()));
            }
            for rule in &report.rules {
                *held.entry(rule.id.clone()).or_default() += rule.held;
            }
        }
        runs.push(kills);
        output::say(&format!("clean run {}: {}", runs.len(), alarms(&runs)));
    }
    (CleanRuns::new(plans.len() as u64, runs, inconclusive.into_iter().collect()), held)
}

fn alarms(runs: &[Vec<Kill>]) -> String {
    let last = runs.last().map_or(0, Vec::len);
    if last == 0 { "quiet".to_owned() } else { format!("{last} false alarms") }
}

async fn detections(
    arguments: &Arguments,
    families: &[(&'static Defect, Vec<&ScenarioPlan>)],
    check: &SelfCheck,
) -> Vec<Detection> {
    let result = stream::iter(families)
        .map(async |(defect, family)| detection(arguments, defect, family, check).await)
        // In their order, so that two matrices can be compared line by line.
        .buffered(jobs(arguments));
    result.collect().await
}

fn jobs(arguments: &Arguments) -> usize {
    let cores = || available_parallelism().unwrap_or(NonZeroUsize::MIN);
    arguments.jobs.unwrap_or_else(cores).get()
}

async fn detection(
    arguments: &Arguments,
    defect: &Defect,
    family: &[&ScenarioPlan],
    check: &SelfCheck,
) -> Detection {
    let started = clock::now();
    let (expected, result) = match defect.status {
        Status::NotApplicable(why) => return untried(defect, Outcome::NotApplicable, why),
        Status::Elsewhere(test) => return untried(defect, Outcome::Elsewhere, test),
        Status::Made { seen_by, .. } => {
            let name = format!("prove{}", defect.id.replace('-', "").to_lowercase());
            let plans = family.to_vec();
            let (defect, seed) = (Some(defect.id), arguments.seed);
            (seen_by, MutationRun { name, defect, plans, check, seed }.run().await)
        }
    };
    let killed_by = result.detections();
    let outcome = match (&result.error, killed_by.is_empty()) {
        (Some(_), _) => Outcome::Error,
        (None, true) => Outcome::Survived,
        (None, false) => Outcome::Killed,
    };
    output::say(&format!("{:<8} {}", defect.id, outcome.name()));
    Detection {
        outcome,
        expected: expected.iter().map(|&rule| rule.to_owned()).collect(),
        scenarios: ran(&result),
        duration_s: seconds(clock::now().saturating_duration_since(started)),
        why: result.error.clone(),
        killed_by,
        ..untried(defect, outcome, "")
    }
}

/// Scenarios that were applicable.
fn ran(result: &MutationResult) -> Vec<String> {
    let applicable = result.reports.iter().filter(|r| r.verdict != Verdict::NotApplicable);
    applicable.map(|report| report.name.clone()).collect()
}

fn untried(defect: &Defect, outcome: Outcome, why: &str) -> Detection {
    Detection {
        id: defect.id.to_owned(),
        area: defect.area,
        says: defect.says.to_owned(),
        outcome,
        why: Some(why.to_owned()),
        expected: Vec::new(),
        killed_by: Vec::new(),
        scenarios: Vec::new(),
        duration_s: 0.0,
    }
}

/// Collects the observations of each rule: of those that are known, and those of the scenarios.
fn rules_of(
    known: &[Arc<Rule>],
    plans: &[&ScenarioPlan],
    held: &Held,
    detections: &[Detection],
) -> Vec<RuleDetections> {
    let mut rules = BTreeMap::new();
    let claims = plans.iter().flat_map(|plan| plan.claims());
    for rule in known.iter().chain(claims.filter_map(|claim| claim.rule.as_ref())) {
        rules.entry(rule.id.clone()).or_insert_with(|| rule.says.clone());
    }
    let saw = |id: &str, defect: &&Detection| {
        defect.killed_by.iter().any(|kill| kill.rule.as_deref() == Some(id))
    };
    let rule = |(id, says): (String, String)| RuleDetections {
        says,
        held: held.get(&id).copied().unwrap_or(0),
        kills: detections.iter().filter(|d| saw(&id, d)).map(|d| d.id.clone()).collect(),
        id,
    };
    rules.into_iter().map(rule).collect()
}

fn publish(arguments: &Arguments, matrix: &DetectionMatrix) -> Exit {
    let published = rendering::publish(matrix, arguments.format.into(), arguments.out.as_deref());
    published.map_or_else(|failed| failed, |()| Exit::from(matrix.verdict))
}
