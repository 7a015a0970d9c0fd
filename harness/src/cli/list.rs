//! `workway list`

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use clap::Args;

use super::{output, selection};
use crate::{
    exit::Exit,
    plan::{Rule, ScenarioPlan},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Scenario files, folders of them, and filters such as `tag:slow and not name:*burst*`; the
    /// folder `scenarios` by default.
    #[arg(value_name = "SCENARIO|DIR|FILTER")]
    selection: Vec<String>,
    /// List the rules instead, and how many of the scenarios name each.
    #[arg(long)]
    rules: bool,
}

pub(super) fn list(arguments: &Arguments) -> Exit {
    let plans = match selection::select(&arguments.selection, "scenarios") {
        Ok(plans) => plans,
        Err(exit) => return exit,
    };
    let text = if arguments.rules { rules_of(&plans) } else { scenarios(&plans) };
    output::result_or_fail(&text)
}

fn scenarios(plans: &[ScenarioPlan]) -> String {
    let width = plans.iter().map(|plan| plan.name.chars().count()).max().unwrap_or(0);
    plans.iter().fold(String::new(), |mut text, plan| {
        let tags = plan.tags.join(", ");
        let _ = writeln!(text, "{:width$}  [{tags}]  {}", plan.name, plan.file);
        if let Some(about) = &plan.about {
            let _ = writeln!(text, "{:width$}  {}", "", about.trim());
        }
        if !plan.requires.is_empty() {
            let requires: Vec<_> = plan.requires.iter().map(|it| it.name()).collect();
            let _ = writeln!(text, "{:width$}  requires {}", "", requires.join(", "));
        }
        text
    })
}

fn rules_of(plans: &[ScenarioPlan]) -> String {
    let mut named: BTreeMap<Arc<Rule>, usize> = BTreeMap::new();
    for plan in plans {
        let mut of_plan: Vec<_> =
            plan.claims().into_iter().filter_map(|c| c.rule.clone()).collect();
        of_plan.sort();
        of_plan.dedup();
        for rule in of_plan {
            *named.entry(rule).or_default() += 1;
        }
    }
    // Scenarios of the reference service leave gaps that their authors look for. Those of another
    // API have rules of their own.
    let ours = workway_lab::rules::all();
    if ours.iter().any(|rule| named.contains_key(rule)) {
        for rule in ours {
            named.entry(Arc::clone(rule)).or_default();
        }
    }
    named.iter().fold(String::new(), |mut text, (rule, count)| {
        let Rule { id, says, source } = rule.as_ref();
        let noun = if *count == 1 { "scenario" } else { "scenarios" };
        let _ = writeln!(text, "{id:5} {count:3} {noun:9}  {says}  [{source}]");
        text
    })
}
