//! Gathers what a scenario used, once it is over.

use std::fmt;

use futures_util::future::BoxFuture;
use http::HeaderValue;

use super::{Environment, context::RunContext};
use crate::{
    model::{
        stub::Arrivals,
        usage::{Meter, RunUsage, StepUsage, Tallies, Tally},
    },
    plan::{CostPlan, Phase, ScenarioPlan, StepId},
    record::ScenarioRecord,
};

/// Asks a target for its own total of what was used, and holds it against what its answers said.
pub trait UsageAudit: fmt::Debug + Send + Sync {
    /// Returns the totals when everything that the scenario started is over, and who says
    /// otherwise.
    ///
    /// # Errors
    /// When the target cannot be asked.
    fn audit<'a>(
        &'a self,
        request: AuditRequest<'a>,
    ) -> BoxFuture<'a, Result<AuditedUsage, AuditError>>;
}

/// Holds what an audit looks at.
#[derive(Debug)]
pub struct AuditRequest<'a> {
    /// The base URL of the target, without a slash at the end.
    pub target: String,
    /// The `Authorization` of everybody who sent requests.
    pub people: Vec<HeaderValue>,
    /// The usage that all answers reported.
    pub said: Tallies,
    /// Reads what the answers to the audit itself used.
    pub meter: &'a dyn Meter,
    /// The arrivals at the stub when the scenario began, if it can be asked.
    pub before: Option<Arrivals>,
}

/// Holds what an audit found.
#[derive(Clone, Debug, Default)]
pub struct AuditedUsage {
    /// Durable runs that the scenario started, and what they used after the answer.
    pub runs: Tally,
    /// Usage other than that of the answers and runs.
    pub background: Tally,
    /// Descriptions of where the target's own total or the stub says otherwise.
    pub disagreements: Vec<String>,
}

/// The target could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AuditError(pub String);

/// Gathers what a scenario used. Nothing here fails the scenario by itself: where the target
/// cannot be asked, or says otherwise than its answers or the stub, the record says so. `before` is
/// what the stub had seen when the scenario began.
pub(super) async fn gather(
    plan: &ScenarioPlan,
    cost: &CostPlan,
    record: &ScenarioRecord,
    (context, environment): (&RunContext, &Environment),
    before: Option<Arrivals>,
) -> RunUsage {
    let mut usage = RunUsage { steps: steps(plan, cost, record), ..RunUsage::default() };
    let metered = record.used.all().count > 0 || record.used.unmetered == 0;
    // A target that does not meter has no total of its own either; its platform may know.
    let Some(audit) = environment.usage_audit.as_ref().filter(|_| cost.audit && metered) else {
        return usage;
    };
    let request = AuditRequest {
        target: context.target.clone(),
        people: context
            .virtual_users
            .everyone()
            .map(|person| person.authorization.clone())
            .collect(),
        said: record.used.clone(),
        meter: &*cost.meter,
        before,
    };
    match audit.audit(request).await {
        Ok(audited) => {
            (usage.runs, usage.background) = (audited.runs, audited.background);
            usage.disagreements = audited.disagreements;
        }
        Err(why) => usage.disagreements.push(why.to_string()),
    }
    usage.conserved = usage.disagreements.is_empty();
    usage
}

fn steps(plan: &ScenarioPlan, cost: &CostPlan, record: &ScenarioRecord) -> Vec<StepUsage> {
    let labels = plan.labels.iter().zip(&record.steps).enumerate();
    let of_work = labels.filter(|(_, (label, _))| label.phase == Phase::Work);
    let step =
        |(index, (label, step)): (usize, (&crate::plan::StepLabel, &crate::record::StepRecord))| {
            StepUsage {
                name: label.name.clone(),
                ai: cost.ai.contains(&StepId(index)),
                used: step.used.clone(),
            }
        };
    of_work.map(step).collect()
}
