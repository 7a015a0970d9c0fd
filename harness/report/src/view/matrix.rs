//! The detection matrix for readers.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cell, Column, Content, Heading, Medium, Table, Tone, View, Word};
use crate::{
    judge::{Failed, Verdict},
    report::{Detection, DetectionMatrix, Outcome, RuleDetections, matrix::Area},
};

/// The view of a detection matrix.
pub(crate) fn matrix(matrix: &DetectionMatrix) -> View {
    let tone = match matrix.verdict {
        Verdict::Pass => Tone::Good,
        Verdict::Inconclusive => Tone::Unsure,
        _ => Tone::Bad,
    };
    let word = Word { tone, text: matrix.verdict.to_string() };
    let (aside, level) = (String::new(), 1);
    let text = "Detection matrix".to_owned();
    let heading = Heading { level, word: Some(word), text, aside };
    let mut blocks = vec![
        Content::Text(
            Tone::Dim,
            "Made by `workway lab prove`; the same as JSON is beside it.".to_owned(),
        )
        .on(&[Medium::Markdown]),
    ];
    for (area, defects) in by_area(matrix) {
        let heading =
            Heading { level: 2, word: None, text: area.name().to_owned(), aside: String::new() };
        blocks.push(Content::Heading(heading).everywhere());
        blocks.push(Content::Table(table(area, &defects)).everywhere());
    }
    blocks.push(Content::Table(rules(matrix)).on(&[Medium::Markdown, Medium::Page]));
    let elsewhere = "The rules of a domain's edge are tested in harness/tests/edge.rs, each on a server that \
         breaks it and no other.";
    blocks.push(
        Content::Text(Tone::Plain, elsewhere.to_owned()).on(&[Medium::Markdown, Medium::Page]),
    );
    blocks.push(Content::Notes(counts(matrix)).everywhere());
    let made = format!("{}, {}, {} threads", matrix.started_at, matrix.host.cpu, matrix.host.cores);
    blocks.push(Content::Text(Tone::Dim, made).on(&[Medium::Page]));
    View { title: "workway: detection matrix", heading, blocks }
}

fn by_area(matrix: &DetectionMatrix) -> BTreeMap<Area, Vec<&Detection>> {
    let mut areas = BTreeMap::<_, Vec<_>>::new();
    for defect in &matrix.defects {
        areas.entry(defect.area).or_default().push(defect);
    }
    areas
}

fn table(area: Area, defects: &[&Detection]) -> Table {
    let row = |defect: &&Detection| {
        let tone = match defect.outcome {
            Outcome::Killed => Tone::Good,
            Outcome::Survived | Outcome::Error => Tone::Bad,
            Outcome::NotApplicable | Outcome::Elsewhere => Tone::Dim,
        };
        let outcome = Word { tone, text: defect.outcome.name().to_owned() };
        vec![
            defect.id.as_str().into(),
            outcome.into(),
            defect.says.as_str().into(),
            seen_by(defect).into(),
        ]
    };
    Table {
        caption: area.name().to_owned(),
        columns: ["defect", "outcome", "what is wrong", "seen by"].map(Column::text).into(),
        rows: defects.iter().map(row).collect(),
    }
}

/// The rules that saw a defect, then the scenarios in which something without a rule failed; why
/// nothing did, where nothing did.
fn seen_by(defect: &Detection) -> String {
    let mut rules = BTreeSet::new();
    let mut others = BTreeSet::new();
    for kill in &defect.killed_by {
        match &kill.rule {
            Some(rule) => drop(rules.insert(rule.clone())),
            None if kill.verdict == Verdict::Fail(Failed::Cost) => {
                others.insert(format!("{}: {}", kill.scenario, kill.step));
            }
            None => drop(others.insert(kill.scenario.clone())),
        }
    }
    let seen = rules.into_iter().chain(others).collect::<Vec<_>>().join(", ");
    match (&defect.why, seen.is_empty()) {
        (_, false) => seen,
        (Some(why), true) => why.clone(),
        (None, true) => format!("(expected: {})", defect.expected.join(", ")),
    }
}

/// Each rule, what it saw, and what nothing else would have seen.
fn rules(matrix: &DetectionMatrix) -> Table {
    let row = |rule: &RuleDetections| -> Vec<Cell> {
        let RuleDetections { id, says, held, kills } = rule;
        let only = matrix.seen_only_by(rule).join(", ");
        vec![
            id.as_str().into(),
            says.as_str().into(),
            held.to_string().into(),
            kills.len().to_string().into(),
            only.into(),
        ]
    };
    let elsewhere = matrix.elsewhere.iter().map(|rule| {
        [&rule.id, &rule.says, "elsewhere", "", ""].map(Cell::from).into_iter().collect()
    });
    let titles = ["rule", "what must hold", "held", "defects seen", "seen by nothing else"];
    Table {
        caption: "Rules".to_owned(),
        columns: titles.map(Column::text).into(),
        rows: matrix.rules.iter().map(row).chain(elsewhere).collect(),
    }
}

/// The counts.
fn counts(matrix: &DetectionMatrix) -> Vec<String> {
    let of = |outcome| matrix.count(outcome);
    let (killed, survived, errors) =
        (of(Outcome::Killed), of(Outcome::Survived), of(Outcome::Error));
    let made = killed + survived + errors;
    let mut notes = vec![format!(
        "defects: {made} made, {killed} killed, {survived} survived, {errors} errors; {} not \
         applicable, {} tested elsewhere",
        of(Outcome::NotApplicable),
        of(Outcome::Elsewhere)
    )];
    let clean = &matrix.clean;
    notes.push(format!(
        "clean runs: {}, scenarios in each: {}, with a false alarm: {} (at most {:.1} % of runs, \
         95 %)",
        clean.runs,
        clean.scenarios,
        clean.alarmed,
        clean.bound * 100.0
    ));
    notes.extend(clean.false_alarms.iter().map(|alarm| {
        let rule = alarm.rule.as_deref().unwrap_or("no rule");
        format!("false alarm: {}: {} ({rule})", alarm.scenario, alarm.step)
    }));
    notes.extend(clean.inconclusive.iter().map(|scenario| format!("inconclusive: {scenario}")));
    let others: Vec<_> = matrix.seen_by_others().map(|defect| defect.id.as_str()).collect();
    let edge: Vec<_> = matrix.elsewhere.iter().map(|rule| rule.id.as_str()).collect();
    notes.extend([
        format!("killed by other rules than expected: {}", listed(&others)),
        format!("rules that saw no defect: {}", ids(matrix.idle_rules())),
        format!("rules that nothing exercised: {}", ids(matrix.unexercised_rules())),
        format!("rules that no defect needs alone: {}", ids(matrix.dispensable_rules())),
        format!("rules tested elsewhere (harness/tests/edge.rs): {}", listed(&edge)),
        format!("{:.0} s", matrix.duration_s),
    ]);
    notes
}

fn ids<'a>(rules: impl Iterator<Item = &'a RuleDetections>) -> String {
    listed(&rules.map(|rule| rule.id.as_str()).collect::<Vec<_>>())
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
