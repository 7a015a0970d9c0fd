//! Thresholds on cost: those of our scenarios, and figures that lack a part.

use std::{collections::BTreeMap, fs, path::Path};

use workway_core::{
    judge::{CostResult, ThresholdStatus, on_usage as evaluate},
    model::usage::{RunUsage, StepUsage, Tally},
    plan::{ScenarioPlan, load},
};

use crate::catalog;

fn plans(folder: &str) -> Vec<ScenarioPlan> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios").join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    let plan = |path: std::path::PathBuf| {
        load(&path.display().to_string(), &fs::read(&path).unwrap(), &catalog()).unwrap().0
    };
    files.map(plan).collect()
}

fn tally(count: u64, each: &[(&str, u64)]) -> Tally {
    let sum = |(name, amount): &(&str, u64)| ((*name).to_owned(), count * amount);
    Tally { count, usage: each.iter().map(sum).collect::<BTreeMap<_, _>>() }
}

/// Returns the usage of the routes of a healthy service, a hundred requests of each: D1's own
/// counts say the same (`harness/tests/workerd.rs`).
fn healthy(plan: &ScenarioPlan) -> RunUsage {
    let asked = [
        ("kv_reads", 1),
        ("kv_writes", 1),
        ("rows_read", 2),
        ("rows_written", 1),
        ("ai_input_tokens", 45),
        ("ai_output_tokens", 14),
        ("ai_millineurons", 674),
    ];
    let metered = |name: &str, count, each: &[(&str, u64)]| {
        let mut step = StepUsage { name: name.to_owned(), ..StepUsage::default() };
        step.used.without_model = tally(count, each);
        step
    };
    let with_model = |name: &str, count| {
        let mut step = StepUsage { name: name.to_owned(), ai: true, ..StepUsage::default() };
        step.used.with_model = tally(count, &asked);
        step
    };
    let steps = plan.labels.iter().map(|label| match label.name.as_str() {
        name @ "list" => {
            let mut list = metered(name, 1000, &[]);
            // As few as were seen in seven runs: people make the more, the smaller the tier is.
            let rows = match plan.cost.as_ref().and_then(|cost| cost.tier.as_deref()) {
                Some("startup") => 1775,
                Some("growth") => 1550,
                Some("scale") => 1284,
                _ => 1126,
            };
            list.used.without_model.usage.insert("rows_read".to_owned(), rows);
            list
        }
        name @ ("create" | "create to run") => metered(name, 30, &[("rows_written", 5)]),
        name @ "start run" => metered(name, 30, &[("rows_read", 4), ("rows_written", 10)]),
        name => with_model(name, 50),
    });
    let runs = tally(30, &[("rows_read", 5), ("rows_written", 9)]);
    RunUsage { steps: steps.collect(), runs, conserved: true, ..RunUsage::default() }
}

fn missed(plan: &ScenarioPlan, usage: &RunUsage) -> Vec<String> {
    let results = evaluate(plan.cost.as_ref().unwrap(), usage);
    let missed = results.into_iter().filter(|result| result.status != ThresholdStatus::Passed);
    missed.map(|result| result.threshold.text).collect()
}

/// One row more, read or written, on any route of any mix, or in its runs.
#[test]
fn one_query_more_on_any_route_of_a_tier_is_one_too_many() {
    let mut mixes: Vec<_> = plans("cost").into_iter().collect();
    mixes.retain(|plan| plan.cost.as_ref().unwrap().tier.is_some());
    let mut tiers: Vec<_> = mixes.iter().filter_map(|p| p.cost.as_ref()?.tier.clone()).collect();
    tiers.sort();
    assert_eq!(tiers, ["enterprise", "growth", "scale", "startup"], "one mix for each tier");
    for plan in &mixes {
        let healthy = healthy(plan);
        assert_eq!(missed(plan, &healthy), Vec::<String>::new(), "{}", plan.name);
        for resource in ["rows_read", "rows_written"] {
            for index in 0..healthy.steps.len() {
                let mut dearer = healthy.clone();
                let StepUsage { name, used, .. } = &mut dearer.steps[index];
                let tally = if used.with_model.count > 0 {
                    &mut used.with_model
                } else {
                    &mut used.without_model
                };
                *tally.usage.entry(resource.to_owned()).or_default() += tally.count;
                let expected = format!("per_request({resource}, {name}) ");
                let missed = missed(plan, &dearer);
                assert!(
                    missed.iter().any(|text| text.starts_with(&expected)),
                    "{expected}: {missed:?}"
                );
            }
            let mut dearer = healthy.clone();
            *dearer.runs.usage.get_mut(resource).unwrap() += dearer.runs.count;
            let expected = format!("per_run({resource}) ");
            let missed = missed(plan, &dearer);
            assert!(
                missed.iter().any(|text| text.starts_with(&expected)),
                "{expected}: {missed:?}"
            );
        }
    }
}

/// Returns the result of a threshold on costs for a scenario that has only `cost` and one step.
fn judged(usage: &RunUsage, text: &str) -> CostResult {
    let scenario = format!(
        "scenario: a/b\nsteps: [{{ request: {{ name: one, get: / }} }}]\ncost:\n  thresholds:\n    \
         - {text}\n"
    );
    let (plan, _) = load("a.yaml", scenario.as_bytes(), &catalog()).unwrap();
    evaluate(plan.cost.as_ref().unwrap(), usage).remove(0)
}

#[test]
fn a_sum_that_lacks_a_part_decides_only_what_the_part_cannot_change() {
    let mut one = StepUsage { name: "one".to_owned(), ..StepUsage::default() };
    one.used.without_model = tally(10, &[("rows_read", 2)]);
    let plain = RunUsage { steps: vec![one], ..RunUsage::default() };
    let mut whole = plain.clone();
    whole.steps.push(StepUsage { ai: true, ..plain.steps[0].clone() });
    for (usage, text, expected) in [
        (&whole, "monthly(scale) < 500 USD", ThresholdStatus::Passed),
        (&plain, "monthly(scale) < 500 USD", ThresholdStatus::NoData),
        (&plain, "monthly(scale) <= 1 USD", ThresholdStatus::Failed),
        (&plain, "monthly(scale) >= 1 USD", ThresholdStatus::Passed),
        (&plain, "monthly(scale) > 500 USD", ThresholdStatus::NoData),
        (&plain, "per_request(rows_read) <= 2", ThresholdStatus::Passed),
        (&plain, "per_request(rows_read) < 2", ThresholdStatus::Failed),
        (&plain, "per_request(rows_read, one) <= 2", ThresholdStatus::Passed),
        (&plain, "per_run(rows_read) <= 2", ThresholdStatus::NoData),
        (&RunUsage::default(), "per_request(rows_read) <= 2", ThresholdStatus::NoData),
        (&RunUsage::default(), "per_request(rows_read, one) <= 2", ThresholdStatus::NoData),
    ] {
        assert_eq!(judged(usage, text).status, expected, "{text}");
    }
    let why = judged(&plain, "monthly(scale) < 500 USD").why;
    assert!(why.contains("1000000 AI operations: the run had none"), "{why}");
    let why = judged(&plain, "per_run(rows_read) <= 2").why;
    assert!(why.contains("no durable run was started"), "{why}");
}

#[test]
fn answers_that_say_nothing_leave_an_upper_bound_undecided() {
    let mut one = StepUsage { name: "one".to_owned(), ..StepUsage::default() };
    one.used.without_model = tally(10, &[("rows_read", 2)]);
    one.used.unmetered = 1;
    let usage = RunUsage { steps: vec![one], ..RunUsage::default() };
    for text in ["per_request(rows_read) <= 2", "per_request(rows_read, one) <= 2"] {
        let result = judged(&usage, text);
        assert_eq!(result.status, ThresholdStatus::NoData, "{text}");
        assert!(result.why.contains("1 answers did not say"), "{}", result.why);
    }
    let lower = judged(&usage, "per_request(rows_read, one) >= 2");
    assert_eq!(lower.status, ThresholdStatus::Passed);
}

/// The price books know every resource that the service meters.
#[cfg(feature = "service")]
#[test]
fn every_resource_that_the_service_meters_is_known() {
    for name in workway_service::ports::Usage::NAMES {
        assert!(name.parse::<crate::cost::Resource>().is_ok(), "{name}");
    }
}
