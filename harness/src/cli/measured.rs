//! Reads the usage of recorded runs: from their own answers, or from the analytics of the platform.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use reqwest::Url;

use super::output::Failure;
use crate::{
    analytics::{
        ACCOUNT_VARIABLE, API, Account, AnalyticsError, Deployment, Operations, Span, Spent,
        TOKEN_VARIABLE,
    },
    cost::{Mix, UsageError},
    exit::Exit,
    plan::Phase,
    report::{RunReport, ScenarioReport, read_run},
};

/// Selects the source of usage for a deployed target that does not report it in its answers.
#[derive(Debug, Args)]
pub(super) struct Source {
    /// Take what was used from Cloudflare's GraphQL analytics, for the time of each report: of the
    /// Worker and the bindings that this `wrangler.toml` names.
    #[arg(long, value_name = "WRANGLER_TOML")]
    from_analytics: Option<PathBuf>,
    /// The environment in it; the top level by default.
    #[arg(long, value_name = "NAME", requires = "from_analytics")]
    env: Option<String>,
    /// The account's identifier; `$CLOUDFLARE_ACCOUNT_ID` by default.
    #[arg(long, value_name = "ID", requires = "from_analytics")]
    account: Option<String>,
    /// The environment variable with the token, which needs "Account Analytics: Read".
    #[arg(long, value_name = "VARIABLE", requires = "from_analytics", default_value = TOKEN_VARIABLE)]
    token_env: String,
    /// Base URL of Cloudflare's API.
    #[arg(long, value_name = "URL", requires = "from_analytics", default_value = API)]
    cloudflare_api: Url,
}

/// Names the source of usage: the answers, unless the platform's analytics are asked.
pub(super) struct Measured(Option<(Account, Deployment)>);

/// A recorded run and what its scenarios used.
pub(super) struct Used {
    pub(super) report: RunReport,
    pub(super) mixes: Vec<Mix>,
    pub(super) warnings: Vec<String>,
}

impl Source {
    /// Reads the account and the deployment, as far as they are needed.
    pub(super) fn open(&self) -> Result<Measured, Failure> {
        let Some(path) = &self.from_analytics else { return Ok(Measured(None)) };
        let deployment = Deployment::read(path, self.env.as_deref()).map_err(Failure::usage)?;
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let id = self.account.clone().or_else(|| variable(ACCOUNT_VARIABLE)).ok_or_else(|| {
            Failure::usage(format!("which account? give --account, or set ${ACCOUNT_VARIABLE}"))
        })?;
        let token = variable(&self.token_env).ok_or_else(|| {
            let name = &self.token_env;
            Failure::usage(format!(
                "the token for Cloudflare's API is expected in ${name}, which is not set"
            ))
        })?;
        let api = self.cloudflare_api.clone();
        Ok(Measured(Some((Account { api, id, token }, deployment))))
    }
}

impl Measured {
    /// Returns the usage of the scenarios of a recorded run.
    pub(super) async fn read(&self, path: &Path) -> Result<Used, Failure> {
        let report = read_run(path).map_err(Failure::usage)?;
        match &self.0 {
            None => of_answers(path, report),
            Some((account, deployment)) => of_analytics(path, report, account, deployment).await,
        }
    }
}

fn of_answers(path: &Path, report: RunReport) -> Result<Used, Failure> {
    let mixes = crate::cost::mixes(&report.scenarios);
    if mixes.is_empty() {
        return Err(Failure::usage(UsageError::None(path.display().to_string())));
    }
    let warnings = crate::cost::warnings(std::slice::from_ref(&mixes));
    Ok(Used { report, mixes, warnings })
}

async fn of_analytics(
    path: &Path,
    report: RunReport,
    account: &Account,
    deployment: &Deployment,
) -> Result<Used, Failure> {
    let name = path.display();
    let took = Duration::try_from_secs_f64(report.duration_s).ok();
    let span = took.and_then(|took| Span::of_run(report.started_at.time(), took));
    let span =
        span.ok_or_else(|| Failure::usage(format!("{name} does not say when it was made")))?;
    let operations = operations(&report);
    if operations.all == 0 {
        return Err(Failure::usage(format!("{name}: nothing in it was answered")));
    }
    let spent = account.spent(deployment, &span).await.map_err(|error| {
        let exit = match &error {
            AnalyticsError::Unreachable { .. } => Exit::Unreachable,
            _ => Exit::Usage,
        };
        Failure::new(exit, error)
    })?;
    let tiers = report.scenarios.iter().filter_map(|scenario| scenario.cost.as_ref());
    let mut tiers: Vec<_> = tiers.map(|cost| cost.tier.clone()).collect();
    tiers.dedup();
    let tier = if let [tier] = tiers.as_slice() { tier.clone() } else { None };
    let names: Vec<_> = report.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    let mix = Mix { scenario: names.join(", "), tier, usage: spent.usage(operations) };
    let warnings = warnings(&name.to_string(), &spent, operations, deployment);
    Ok(Used { report, mixes: vec![mix], warnings })
}

/// Counts the operations of a run as a whole, because analytics cannot tell scenarios apart.
fn operations(report: &RunReport) -> Operations {
    let mut operations = Operations::default();
    for scenario in &report.scenarios {
        let work = scenario.steps.iter().filter(|step| step.phase == Phase::Work);
        for step in work {
            let answered: u64 = step.statuses.values().sum();
            operations.all += answered;
            if is_ai(scenario, &step.name) {
                operations.ai += answered;
            }
        }
    }
    operations
}

fn is_ai(scenario: &ScenarioReport, step: &str) -> bool {
    let steps = scenario.cost.iter().flat_map(|cost| &cost.usage.steps);
    steps.into_iter().any(|usage| usage.ai && usage.name == step)
}

/// Returns warnings that a reader should know before believing figures from analytics.
fn warnings(
    report: &str,
    spent: &Spent,
    operations: Operations,
    deployment: &Deployment,
) -> Vec<String> {
    let script = &deployment.script;
    let mut warnings = vec![
        "usage comes from Cloudflare's analytics, which are sampled; analytics points and lines of \
         log are not in them"
            .to_owned(),
    ];
    let (worker, run) = (spent.requests, operations.all);
    if worker.abs_diff(run) * 100 > run {
        warnings.push(format!(
            "{report}: `{script}` had {worker} requests in this time, the run got {run} answers: \
             others used it, too, or the analytics are not complete yet"
        ));
    }
    if deployment.ai {
        warnings.push("what models used is that of the whole account".to_owned());
    }
    warnings
}
