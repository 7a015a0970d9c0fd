//! A run for readers.

use super::{
    Block, Cell, Column, Content, EVERYWHERE, Evidence, Heading, IN_FULL, Medium, Table, Tone,
    View, Word, bill, plots,
};
use crate::{
    judge::{ThresholdStatus, Verdict},
    plan::{Phase, Severity},
    report::{
        FailureReport, LatencyReport, LevelReport, RunReport, ScenarioReport, StepReport, number,
        spark::Sparks,
    },
};

/// Failures that a comment shows of each scenario; the others are in the JSON.
const FEW_FAILURES: usize = 3;
/// Characters of a step's name at a terminal.
const NAME: usize = 26;

/// The view of a run.
pub(crate) fn run(report: &RunReport) -> View {
    let mut blocks = vec![Content::Text(Tone::Dim, byline(report)).on(&[Medium::Page])];
    blocks.push(Content::Table(overview(report)).on(&[Medium::Markdown]));
    for scenario in &report.scenarios {
        blocks.extend(section(scenario));
    }
    blocks.extend(report.cost.iter().flat_map(bill));
    for scenario in &report.scenarios {
        let exit = scenario.exit.map_or(String::new(), |code| format!(" (exit {code})"));
        let text = format!("{}{}{exit}", scenario.name, colon(&scenario.reasons_text()));
        let heading =
            Heading { level: 0, word: Some(word(scenario.verdict)), text, aside: String::new() };
        blocks.push(Content::Heading(heading).on(&[Medium::Terminal]));
    }
    let heading = Heading {
        level: 1,
        word: Some(word(report.verdict)),
        text: format!("Run {}", report.run_id),
        aside: origin(report),
    };
    View { title: "workway: run", heading, blocks }
}

/// What is needed to do it again.
fn origin(report: &RunReport) -> String {
    let RunReport { target, seed, .. } = report;
    let commit = report.commit.as_ref().map(|commit| format!(", commit {commit}"));
    let exit = report.exit.map(|code| format!(", exit {code}"));
    let (commit, exit) = (commit.unwrap_or_default(), exit.unwrap_or_default());
    format!("target {target}, seed {seed}, {}{commit}{exit}", seconds(report.duration_s))
}

/// Where and when it was made.
fn byline(report: &RunReport) -> String {
    let RunReport { target_kind, started_at, .. } = report;
    let host = report.host.as_ref();
    let host = host.map(|host| format!(", {}, {} threads", host.cpu, host.cores));
    format!("{target_kind}, {started_at}{}", host.unwrap_or_default())
}

fn colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn seconds(seconds: f64) -> String {
    number::time(seconds * 1e3)
}

fn word(verdict: Verdict) -> Word {
    let (tone, text) = match verdict {
        Verdict::Pass => (Tone::Good, "PASS"),
        Verdict::Fail(_) => (Tone::Bad, "FAIL"),
        Verdict::Unreachable => (Tone::Bad, "UNREACHABLE"),
        Verdict::Defect => (Tone::Bad, "DEFECT"),
        Verdict::Inconclusive => (Tone::Unsure, "INCONCLUSIVE"),
        Verdict::Interrupted(_) => (Tone::Unsure, "INTERRUPTED"),
        Verdict::NotApplicable => (Tone::Dim, "NOT APPLICABLE"),
    };
    Word { tone, text: text.to_owned() }
}

/// A row for each scenario.
fn overview(report: &RunReport) -> Table {
    let titles = ["p50", "p95", "p99", "operations", "failed"];
    let mut columns = vec![Column::text("verdict"), Column::text("scenario")];
    columns.extend(titles.map(Column::number));
    columns.push(Column::text("why"));
    let row = |scenario: &ScenarioReport| {
        let mut row = vec![Cell::from(word(scenario.verdict)), scenario.name.as_str().into()];
        match &scenario.total {
            Some(total) => {
                row.extend(["p50", "p95", "p99"].map(|name| figure(&total.response, name).into()));
                row.extend([total.scheduled, bad(total)].map(|count| number::count(count).into()));
            }
            None => row.extend(titles.map(|_| "-".into())),
        }
        row.push(scenario.reasons_text().into());
        row
    };
    let rows = report.scenarios.iter().map(row).collect();
    Table { caption: "Scenarios".to_owned(), columns, rows }
}

/// Everything about one scenario.
fn section(scenario: &ScenarioReport) -> Vec<Block> {
    let heading = Heading {
        level: 2,
        word: Some(word(scenario.verdict)),
        text: scenario.name.clone(),
        aside: format!("{}, {}", scenario.file, seconds(scenario.duration_s)),
    };
    let reasons: Vec<_> = scenario.reasons.iter().map(ToString::to_string).collect();
    if scenario.verdict == Verdict::NotApplicable {
        // The overview of the other media says all there is to say.
        return vec![
            Content::Heading(heading).on(&[Medium::Page]),
            Content::Notes(reasons).on(&[Medium::Page]),
        ];
    }
    // A comment is about what went wrong.
    let short = if scenario.verdict == Verdict::Pass { IN_FULL } else { EVERYWHERE };
    let mut blocks = vec![
        Content::Heading(heading).on(short),
        Content::Notes(reasons).on(&[Medium::Page]),
        Content::Table(steps(scenario)).on(short),
    ];
    let plots = plots::of_scenario(scenario).into_iter();
    blocks.extend(plots.map(|plot| Content::Plot(plot).on(IN_FULL)));
    blocks.push(Content::Notes(counts(scenario)).on(IN_FULL));
    blocks.push(Content::Table(levels(&scenario.levels)).on(IN_FULL));
    blocks.push(Content::Notes(knee(&scenario.levels).into_iter().collect()).on(IN_FULL));
    blocks.push(Content::Table(checks(scenario)).on(short));
    let causes = scenario.causes.iter().map(|cause| format!("likely cause: {cause}"));
    let notes = causes.chain(scenario.remarks.iter().map(|remark| format!("note: {remark}")));
    blocks.push(Content::Notes(notes.collect()).on(short));
    blocks.push(Content::Table(errors(scenario)).on(&[Medium::Page]));
    blocks.push(Content::Table(rules(scenario, false)).on(&[Medium::Terminal]));
    blocks.push(Content::Table(rules(scenario, true)).on(&[Medium::Page]));
    for (index, alike) in grouped(&scenario.failures).iter().enumerate() {
        let media = if index < FEW_FAILURES { short } else { IN_FULL };
        blocks.push(Content::Evidence(evidence(&scenario.file, alike)).on(media));
    }
    blocks
}

/// Failures that say the same of the same step.
struct Alike<'a> {
    first: &'a FailureReport,
    count: usize,
}

/// Groups failures, in the order of the first of each kind.
fn grouped(failures: &[FailureReport]) -> Vec<Alike<'_>> {
    let said = |one: &FailureReport| FailureReport {
        // These differ from request to request, and say nothing about the kind.
        at_s: 0.0,
        body: None,
        curl: String::new(),
        ..one.clone()
    };
    let mut groups: Vec<(FailureReport, Alike<'_>)> = Vec::new();
    for failure in failures {
        let kind = said(failure);
        match groups.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, alike)) => alike.count += 1,
            None => groups.push((kind, Alike { first: failure, count: 1 })),
        }
    }
    groups.into_iter().map(|(_, alike)| alike).collect()
}

/// Operations that did not end as expected.
const fn bad(step: &StepReport) -> u64 {
    step.failed + step.dropped + step.unfinished
}

fn steps(scenario: &ScenarioReport) -> Table {
    let mut steps: Vec<_> = scenario.steps.iter().filter(|step| step.scheduled > 0).collect();
    if steps.iter().filter(|step| step.phase == Phase::Work).count() > 1 {
        steps.extend(&scenario.total);
    }
    let sparks = Sparks::new(&steps);
    let mut columns = vec![Column { widest: NAME, ..Column::text("step") }];
    columns.extend(["n", "failed", "p50", "p95", "p99", "max"].map(Column::number));
    columns.push(Column::number("service p95").only(Medium::Page));
    columns.push(Column::text(sparks.scale()).only(Medium::Terminal));
    let row = |(index, step): (usize, &&StepReport)| {
        let mut row: Vec<Cell> = vec![step_name(step).into()];
        row.extend([step.scheduled, bad(step)].map(|count| number::count(count).into()));
        row.extend(["p50", "p95", "p99", "max"].map(|name| figure(&step.response, name).into()));
        row.extend([figure(&step.service, "p95").into(), sparks.line(index).into()]);
        row
    };
    let rows = steps.iter().enumerate().map(row).collect();
    Table { caption: "Steps, response time".to_owned(), columns, rows }
}

fn step_name(step: &StepReport) -> String {
    match step.phase {
        Phase::Setup => format!("{} (setup)", step.name),
        Phase::Work => step.name.clone(),
        Phase::Audit => format!("{} (audit)", step.name),
        Phase::Teardown => format!("{} (teardown)", step.name),
    }
}

/// A figure, or its lower bound, by name.
pub(super) fn figure(latency: &LatencyReport, name: &str) -> String {
    let LatencyReport { p50, p95, p99, max, at_least, .. } = latency;
    let known = match name {
        "p50" => p50,
        "p95" => p95,
        "p99" => p99,
        _ => max,
    };
    match (known, at_least.get(name)) {
        (Some(known), _) => number::time(*known),
        (None, Some(bound)) => format!("≥ {}", number::time(*bound)),
        (None, None) => "-".to_owned(),
    }
}

/// What became of all operations.
fn counts(scenario: &ScenarioReport) -> Vec<String> {
    let Some(total) = &scenario.total else { return Vec::new() };
    let StepReport { scheduled, ok, failed, dropped, unfinished, .. } = total;
    let [scheduled, ok, failed, dropped, unfinished] =
        [scheduled, ok, failed, dropped, unfinished].map(|count| number::count(*count));
    let mut notes = vec![format!(
        "scheduled {scheduled} = ok {ok} + failed {failed} + dropped {dropped} + unfinished \
         {unfinished}"
    )];
    let limited = total.share_of_429.filter(|share| *share > 0.0);
    notes.extend(limited.map(|share| format!("429: {} of all answers", number::percent(share))));
    let answers = total.statuses.iter();
    let answers: Vec<_> =
        answers.map(|(status, n)| format!("{status}: {}", number::count(*n))).collect();
    let rate = number::per_second(total.in_window, scenario.window_s);
    let rate = rate.map(|rate| format!("; {rate}")).unwrap_or_default();
    let is_load = scenario.generator.is_some() && !answers.is_empty();
    notes.extend(is_load.then(|| format!("answers {}{rate}", answers.join(", "))));
    let errors: Vec<_> =
        total.errors.iter().map(|(kind, n)| format!("{kind} {}", number::count(*n))).collect();
    notes.extend((!errors.is_empty()).then(|| format!("errors: {}", errors.join(", "))));
    notes
}

/// The rates that a search tried.
fn levels(levels: &[LevelReport]) -> Table {
    let row = |level: &LevelReport| {
        let word = match (level.held, level.generator_bound) {
            (true, _) => "held",
            (false, true) => "the generator could not keep up",
            (false, false) => "fell",
        };
        let p95 = level.p95.map_or("-".to_owned(), number::time);
        vec![format!("{:.1}/s", level.rate).into(), p95.into(), word.into()]
    };
    Table {
        caption: "Rates that the search tried".to_owned(),
        columns: vec![Column::number("rate"), Column::number("p95"), Column::text("result")],
        rows: levels.iter().map(row).collect(),
    }
}

fn knee(levels: &[LevelReport]) -> Option<String> {
    let last = levels.last()?;
    let held = levels.iter().rev().find(|level| level.held);
    Some(match (held, last.held || last.generator_bound) {
        (None, true) => {
            "knee: not found, the generator could not keep up at the first rate".to_owned()
        }
        (None, false) => "knee: below the first rate".to_owned(),
        (Some(held), true) => format!("knee: above {:.1}/s", held.rate),
        (Some(held), false) => format!("knee: between {:.1}/s and {:.1}/s", held.rate, last.rate),
    })
}

fn checks(scenario: &ScenarioReport) -> Table {
    let lines = scenario.threshold_lines();
    let explained = lines.iter().any(|line| !line.why.is_empty());
    let mut columns = vec![
        Column::text(""),
        Column::text("check"),
        Column::number("measured"),
        Column::number("n"),
        Column::text("result"),
    ];
    columns.extend(explained.then(|| Column::text("made of")));
    let row = |line: &crate::report::ThresholdLine<'_>| {
        let (tone, mark, word) = match line.status {
            ThresholdStatus::Passed => (Tone::Good, "✓", "holds"),
            ThresholdStatus::Failed => (Tone::Bad, "✗", "missed"),
            ThresholdStatus::NoData => (Tone::Unsure, "?", "no data"),
        };
        let mark = Cell { text: mark.to_owned(), tone };
        let samples = number::count(line.samples);
        let mut row = vec![mark, line.text.into(), line.measured.as_str().into(), samples.into()];
        row.push(word.into());
        row.extend(explained.then(|| line.why.into()));
        row
    };
    Table { caption: "Checks".to_owned(), columns, rows: lines.iter().map(row).collect() }
}

fn errors(scenario: &ScenarioReport) -> Table {
    /// RFC 9110: 4xx and 5xx are errors.
    const FIRST_ERROR: u16 = 400;
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for step in scenario.steps.iter().filter(|step| step.scheduled > 0) {
        let statuses = step.statuses.iter().filter(|(status, _)| **status >= FIRST_ERROR);
        let kinds = statuses
            .map(|(status, count)| (format!("status {status}"), *count))
            .chain(step.errors.iter().map(|(kind, count)| (kind.to_string(), *count)))
            .chain([
                ("dropped".to_owned(), step.dropped),
                ("unfinished".to_owned(), step.unfinished),
            ]);
        for (kind, count) in kinds.filter(|(_, count)| *count > 0) {
            rows.push(vec![step.name.as_str().into(), kind.into(), number::count(count).into()]);
        }
    }
    let columns = vec![Column::text("step"), Column::text("kind"), Column::number("operations")];
    Table { caption: "Errors by kind, and answers of 400 and above".to_owned(), columns, rows }
}

/// The rules that the scenario names; of a terminal, those that do not hold and those that nothing
/// looked at.
fn rules(scenario: &ScenarioReport, all: bool) -> Table {
    let shown = scenario.rules.iter().filter(|rule| all || rule.broken > 0 || rule.held == 0);
    let rows = shown.map(|rule| {
        let (tone, mark, word) = match (rule.held, rule.broken, rule.severity) {
            (0, 0, _) => (Tone::Unsure, "?", "not exercised"),
            (_, 0, _) => (Tone::Good, "✓", "holds"),
            (_, _, Severity::Required) => (Tone::Bad, "✗", "broken"),
            _ => (Tone::Unsure, "!", "broken"),
        };
        let (held, broken) = (number::count(rule.held), number::count(rule.broken));
        let id = format!("{}{}", rule.id, severity(rule.severity));
        let says = format!("{} [{}]", rule.says, rule.source);
        let mark = Cell { text: mark.to_owned(), tone };
        vec![mark, id.into(), held.into(), broken.into(), word.into(), says.into()]
    });
    let columns = vec![
        Column::text(""),
        Column::text("rule"),
        Column::number("held"),
        Column::number("broken"),
        Column::text("result"),
        Column::text("says"),
    ];
    Table { caption: "Rules".to_owned(), columns, rows: rows.collect() }
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Required => "",
        Severity::Optimal => " (optimal)",
        Severity::Check => " (check)",
    }
}

fn evidence(file: &str, alike: &Alike<'_>) -> Evidence {
    let failure = alike.first;
    let times =
        (alike.count > 1).then(|| format!("{} times, of which this is the first", alike.count));
    let file = failure.file.as_deref().unwrap_or(file);
    let rule = failure.rule.as_ref();
    let rule = rule.map(|rule| format!("{}: {} [{}]", rule.id, rule.says, rule.source));
    let status = failure.status.map(|status| status.to_string());
    let status = status.filter(|status| *status != failure.actual);
    let filled = |text: String| Some(text).filter(|text| !text.is_empty());
    let mut fields = Vec::new();
    fields.extend(failure.differences.iter().map(|difference| ("", difference.clone())));
    let more = [
        ("rule", rule),
        ("with", filled(failure.items.join(", "))),
        ("seen", times),
        ("status", status),
        ("body", failure.body.clone()),
        ("request", filled(failure.curl.clone())),
    ];
    fields.extend(more.into_iter().filter_map(|(name, text)| Some((name, text?))));
    Evidence {
        place: format!("{file}:{}:{}", failure.line, failure.column),
        step: format!("{}{}", failure.step, severity(failure.severity)),
        expected: failure.expected.clone(),
        actual: failure.actual.clone(),
        fields,
    }
}
