//! `workway run`

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use reqwest::Url;
use uuid::Uuid;

use super::{
    applicable::applicable,
    credentials::RunTokens,
    output::{self, Format},
    progress, rendering,
    rerun::Failed,
    selection,
    signals::Signals,
};
use crate::{
    ServiceAudit, config,
    exit::{self, Exit},
    judge::{Judgement, judge},
    model::{
        clock::{self, now_millis},
        stub::Stub,
    },
    plan::ScenarioPlan,
    record::ScenarioRecord,
    report::host::{self, Host},
    report::{self, RunInfo, RunReport, ScenarioReport, Timestamp},
    run::{Command, Environment, MIN_SECRET, Operator, Signal, StopFlag},
    target::{SelfCheck, Target, TargetOptions, TargetSpec},
    upstream::RemoteStub,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Scenario files, folders of them, and filters such as `tag:slow and not name:*burst*` (which
    /// alone choose from the folder `scenarios`); the smoke suite by default.
    #[arg(value_name = "SCENARIO|DIR|FILTER")]
    selection: Vec<String>,
    /// Only the scenarios that did not pass in this report of `--out`: a file, or its folder.
    #[arg(long, value_name = "REPORT")]
    rerun_failed: Option<PathBuf>,
    /// `embedded` (the service that comes with the program, natively), `wrangler` (the same as a
    /// Worker under `wrangler dev`), or the URL of something that runs already. By default that of the
    /// report with --rerun-failed, else what the variable `WORKWAY_TARGET` says, else `target` in the nearest
    /// `workway.toml`.
    #[arg(long, value_parser = TargetSpec::parse)]
    target: Option<TargetSpec>,
    /// URL of the upstream stub of a URL target; by default on the port after the target's.
    #[arg(long, value_name = "URL")]
    upstream: Option<Url>,
    #[command(flatten)]
    conditions: Conditions,
}

/// What holds of a run whatever is run.
#[derive(Debug, Args)]
pub(super) struct Conditions {
    /// Allow a URL that is not on loopback.
    #[arg(long)]
    allow_remote: bool,
    /// Format of the result on stdout.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also write the report in every format into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seed of random choices; a report names the one it used.
    #[arg(long)]
    seed: Option<u64>,
}

pub(super) async fn run(arguments: Arguments) -> Exit {
    let Selected { plans, target } = match selected(&arguments) {
        Ok(selected) => selected,
        Err(exit) => return exit,
    };
    let options = TargetOptions { upstream: arguments.upstream, ..TargetOptions::default() };
    run_with(&arguments.conditions, &target, options, &plans).await
}

/// Runs scenarios against a target, and publishes what came of it.
pub(super) async fn run_plans(
    conditions: &Conditions,
    target: &TargetSpec,
    plans: &[ScenarioPlan],
) -> Exit {
    run_with(conditions, target, TargetOptions::default(), plans).await
}

async fn run_with(
    conditions: &Conditions,
    target: &TargetSpec,
    options: TargetOptions,
    plans: &[ScenarioPlan],
) -> Exit {
    let checked = secrets_are_there(plans);
    if let Err(exit) = checked.and_then(|()| output::check_out(conditions.out.as_deref())) {
        return exit;
    }
    let options = TargetOptions { allow_remote: conditions.allow_remote, ..options };
    let signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return output::fail(Exit::Internal, &format!("signals: {error}")),
    };
    let stop = StopFlag::new();
    tokio::select! {
        exit = work(conditions, target, &options, plans, &stop) => exit,
        exit = second_signal(signals, &stop) => exit,
    }
}

/// Checks that every secret that the scenarios expect in the environment is there.
fn secrets_are_there(plans: &[ScenarioPlan]) -> Result<(), Exit> {
    for plan in plans {
        for (variable, place) in plan.secrets() {
            let problem = match std::env::var(variable) {
                Err(_) => "which is not set".to_owned(),
                Ok(value) if value.len() < MIN_SECRET => {
                    format!("which has less than {MIN_SECRET} bytes and is no secret")
                }
                Ok(_) => continue,
            };
            let ScenarioPlan { file, .. } = plan;
            let message =
                format!("{file}: {place}: a secret is expected in ${variable}, {problem}");
            return Err(output::fail(Exit::Usage, &message));
        }
    }
    Ok(())
}

/// Holds what is run, and against what.
struct Selected {
    plans: Vec<ScenarioPlan>,
    target: TargetSpec,
}

fn selected(arguments: &Arguments) -> Result<Selected, Exit> {
    let Some(report) = &arguments.rerun_failed else {
        let plans = selection::select(&arguments.selection, "scenarios/smoke")?;
        let target = match &arguments.target {
            Some(target) => target.clone(),
            None => {
                config::target().map_err(|error| output::fail(Exit::Usage, &error.to_string()))?
            }
        };
        return Ok(Selected { plans, target });
    };
    let failed = Failed::read(report)?;
    let chosen = if arguments.selection.is_empty() { &failed.files } else { &arguments.selection };
    let mut plans = selection::select(chosen, "scenarios")?;
    plans.retain(|plan| failed.has(&plan.name));
    if plans.is_empty() {
        let message = "none of these scenarios failed in that report";
        return Err(output::fail(Exit::NothingSelected, message));
    }
    let target = arguments.target.clone().unwrap_or(failed.target);
    Ok(Selected { plans, target })
}

/// Waits for the second signal: the first ends the run in good order, the second ends it now.
async fn second_signal(mut signals: Signals, stop: &StopFlag) -> Exit {
    let signal = match signals.next().await {
        Exit::Terminated => Signal::Terminate,
        _ => Signal::Interrupt,
    };
    stop.raise(signal);
    output::say("interrupted: finishing what is in flight; once more to end now");
    signals.next().await
}

async fn work(
    conditions: &Conditions,
    target: &TargetSpec,
    options: &TargetOptions,
    plans: &[ScenarioPlan],
    stop: &StopFlag,
) -> Exit {
    announce(target, plans);
    let mut target = match target.start(options).await {
        Ok(target) => target,
        Err(error) => return output::fail(Exit::from(&error), &error.to_string()),
    };
    let report = report_of(conditions, plans, stop, &mut target).await;
    target.stop().await;
    publish(conditions, &report)
}

fn announce(target: &TargetSpec, plans: &[ScenarioPlan]) {
    let count = plans.len();
    let noun = if count == 1 { "scenario" } else { "scenarios" };
    let target = match target {
        TargetSpec::Embedded => "the embedded service".to_owned(),
        TargetSpec::Wrangler => "wrangler dev (building the Worker takes a while)".to_owned(),
        TargetSpec::Url(url) => url.to_string(),
    };
    output::say(&format!("plan: {count} {noun} -> {target}"));
}

async fn report_of(
    conditions: &Conditions,
    plans: &[ScenarioPlan],
    stop: &StopFlag,
    target: &mut Target,
) -> RunReport {
    let id = Uuid::new_v4();
    let run_id: String = id.simple().to_string().chars().take(12).collect();
    let seed = conditions.seed.unwrap_or(id.as_u64_pair().1);
    let started_at = Timestamp::now();
    let started = clock::now();
    let progress = progress::watcher();
    let asked = plans.iter().flat_map(|plan| &plan.requires).map(|capability| capability.name());
    let check = target.self_check(&asked.collect()).await;
    let mut scenarios = Vec::new();
    for (number, plan) in plans.iter().enumerate() {
        let environment = Environment {
            seed,
            run_id: run_id.clone(),
            stop: stop.clone(),
            progress: Arc::clone(&progress),
            server: target.server(),
            out: conditions.out.clone(),
            // Each scenario has people of its own: their budgets and their things are fresh.
            ..environment_of(target, format!("{run_id}-{number}")).await
        };
        scenarios.push(scenario(plan, environment, target, &check).await);
        if stop.raised().is_some() {
            break;
        }
    }
    let info = RunInfo {
        run_id,
        seed,
        target: target.url.to_string(),
        target_kind: target.kind,
        started_at,
        duration: clock::now().saturating_duration_since(started),
    };
    let cost = crate::cost::of_plans(plans, &scenarios);
    RunReport {
        host: Some(Host::here()),
        commit: host::commit(),
        self_check: check.facts,
        cost,
        ..RunReport::new(info, scenarios).with_exit_codes(exit::code)
    }
}

/// Builds the environment of a run, which does not depend on the scenario.
pub(super) async fn environment_of(target: &mut Target, suffix: String) -> Environment {
    let now = target.obey(Command::Clock).await.unwrap_or_else(|_| now_millis());
    let tokens = Arc::new(RunTokens::new(target, suffix, now));
    let stub = target.upstream.clone().map(|url| Arc::new(RemoteStub(url)) as Arc<dyn Stub>);
    Environment {
        upstream: target.upstream.clone(),
        usage_audit: Some(Arc::new(ServiceAudit { stub: stub.clone() })),
        stub,
        signing: target.secret.clone(),
        webhook: target.webhook.clone(),
        page_origin: target.page_origin.clone(),
        limiter: target.known_limiter(),
        skew: target.skew(),
        ..Environment::new(target.url.clone(), tokens)
    }
}

/// One scenario, if it is applicable.
pub(super) async fn scenario(
    plan: &ScenarioPlan,
    environment: Environment,
    target: &mut Target,
    check: &SelfCheck,
) -> ScenarioReport {
    if let Err(why) = applicable(plan, target, check) {
        return ScenarioReport::not_run(plan, &Judgement::not_applicable(why.to_string()));
    }
    let (operator, mut orders) = Operator::new(target.control.is_some());
    let environment = Environment { operator: Some(operator), ..environment };
    let record = tokio::select! {
        record = crate::run::run(plan, &environment) => record,
        () = target.operate(&mut orders) => ScenarioRecord::default(),
    };
    let report = ScenarioReport::new(plan, &record, &judge(plan, &record));
    ScenarioReport {
        causes: report::causes_of_run(&report, &crate::cost::CloudflareBilling),
        ..report
    }
}

/// Writes the report wherever it was asked for; its exit code is the command's.
fn publish(conditions: &Conditions, report: &RunReport) -> Exit {
    match rendering::publish(report, conditions.format.into(), conditions.out.as_deref()) {
        Ok(()) => Exit::from(report.verdict),
        Err(exit) => exit,
    }
}
