//! The detection matrix for people.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::matrix::{Area, Detection, DetectionMatrix, Outcome, RuleDetections};
use crate::judge::{Failed, Verdict};

/// At a terminal.
pub fn matrix_text(matrix: &DetectionMatrix) -> String {
    let mut text = String::new();
    for defect in &matrix.defects {
        let Detection { id, says, outcome, .. } = defect;
        let _ = writeln!(text, "{:<14} {id:<8} {says}{}", outcome.name(), told(defect));
    }
    text + "\n" + &summary(matrix)
}

/// As a page of the repository.
pub fn matrix_markdown(matrix: &DetectionMatrix) -> String {
    let mut text = String::from("# Detection matrix\n\n");
    text += "Made by `workway prove`; the same as JSON is beside it.\n\n```\n";
    text += &summary(matrix);
    text += "```\n";
    for (area, defects) in by_area(matrix) {
        let _ = write!(
            text,
            "\n## {}\n\n| defect | what is wrong | outcome | seen by |\n|---|---|---|---|\n",
            area.name()
        );
        for defect in defects {
            let _ = writeln!(text, "| {} |", row(defect).map(|text| cell(&text)).join(" | "));
        }
    }
    text + &rules(matrix)
}

/// Each rule, what it saw, and what nothing else would have seen.
fn rules(matrix: &DetectionMatrix) -> String {
    let mut text = String::from(
        "\n## Rules\n\n| rule | what must hold | held | defects seen | seen by nothing else |\n\
         |---|---|---|---|---|\n",
    );
    for rule in &matrix.rules {
        let RuleDetections { id, says, held, kills } = rule;
        let only = matrix.seen_only_by(rule).join(", ");
        let _ = writeln!(text, "| {id} | {} | {held} | {} | {only} |", cell(says), kills.len());
    }
    for rule in crate::edge::RULES {
        let _ = writeln!(text, "| {} | {} | elsewhere | | |", rule.id, cell(rule.demand));
    }
    text + "\nThe rules of a domain's edge are tested in harness/tests/edge.rs, each on a server that breaks \
            it and no other.\n"
}

/// The defects of each area.
pub(super) fn by_area(matrix: &DetectionMatrix) -> BTreeMap<Area, Vec<&Detection>> {
    let mut areas = BTreeMap::<_, Vec<_>>::new();
    for defect in &matrix.defects {
        areas.entry(defect.area).or_default().push(defect);
    }
    areas
}

/// A defect, what is wrong, what became of it, and what saw it; why not, where nothing did.
pub(super) fn row(defect: &Detection) -> [String; 4] {
    let seen = seen_by(defect);
    let seen = if seen.is_empty() { defect.why.clone().unwrap_or_default() } else { seen };
    [defect.id.clone(), defect.says.clone(), defect.outcome.name().to_owned(), seen]
}

/// A `|` would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The rules, then the scenarios in which something without a rule failed.
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
    rules.into_iter().chain(others).collect::<Vec<_>>().join(", ")
}

fn told(defect: &Detection) -> String {
    let seen = seen_by(defect);
    match (&defect.why, seen.is_empty()) {
        (Some(why), _) => format!(" ({why})"),
        (None, false) => format!(" ({seen})"),
        (None, true) => format!(" (expected: {})", defect.expected.join(", ")),
    }
}

/// The counts.
pub(super) fn summary(matrix: &DetectionMatrix) -> String {
    let of = |outcome| matrix.count(outcome);
    let (killed, survived, errors) =
        (of(Outcome::Killed), of(Outcome::Survived), of(Outcome::Error));
    let made = killed + survived + errors;
    let mut text = format!(
        "defects: {made} made, {killed} killed, {survived} survived, {errors} errors; {} not applicable, \
         {} tested elsewhere\n",
        of(Outcome::NotApplicable),
        of(Outcome::Elsewhere)
    );
    let clean = &matrix.clean;
    let _ = writeln!(
        text,
        "clean runs: {}, scenarios in each: {}, with a false alarm: {} (at most {:.1} % of runs, 95 %)",
        clean.runs,
        clean.scenarios,
        clean.alarmed,
        clean.bound * 100.0
    );
    for alarm in &clean.false_alarms {
        let rule = alarm.rule.as_deref().unwrap_or("no rule");
        let _ = writeln!(text, "  false alarm: {}: {} ({rule})", alarm.scenario, alarm.step);
    }
    for scenario in &clean.inconclusive {
        let _ = writeln!(text, "  inconclusive: {scenario}");
    }
    let others: Vec<_> = matrix.seen_by_others().map(|defect| defect.id.as_str()).collect();
    let _ = writeln!(text, "killed by other rules than expected: {}", listed(&others));
    let _ = writeln!(text, "rules that saw no defect: {}", ids(matrix.idle_rules()));
    let _ = writeln!(text, "rules that nothing exercised: {}", ids(matrix.unexercised_rules()));
    let _ = writeln!(text, "rules that no defect needs alone: {}", ids(matrix.dispensable_rules()));
    let edge = crate::edge::RULES.iter().map(|rule| rule.id).collect::<Vec<_>>();
    let _ = writeln!(text, "rules tested elsewhere (harness/tests/edge.rs): {}", listed(&edge));
    let _ = writeln!(text, "{:.0} s", matrix.duration_s);
    text
}

fn ids<'a>(rules: impl Iterator<Item = &'a RuleDetections>) -> String {
    let ids: Vec<_> = rules.map(|rule| rule.id.as_str()).collect();
    listed(&ids)
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
