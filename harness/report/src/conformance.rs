//! Rules, and what broke them.

use std::{collections::BTreeMap, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    plan::{Claim, Phase, Rule, ScenarioPlan, Severity},
    record::{Failure, ScenarioRecord, Tally},
};

/// A rule by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RuleName {
    /// Its id.
    pub id: String,
    /// What must hold.
    pub says: String,
    /// Where that is written.
    pub source: String,
}

/// What became of a rule. One that was looked at zero times is not exercised, and never a pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RuleReport {
    /// Its id.
    pub id: String,
    /// What must hold.
    pub says: String,
    /// Where that is written.
    pub source: String,
    /// How bad it is when it does not.
    pub severity: Severity,
    /// How often it held.
    pub held: u64,
    /// How often it did not.
    pub broken: u64,
}

/// One operation that did not go as expected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FailureReport {
    /// The step.
    pub step: String,
    /// Where it belongs.
    pub phase: Phase,
    /// Its file, if it is not the scenario's own.
    #[serde(default)]
    pub file: Option<String>,
    /// The rule that the expectation stands for.
    #[serde(default)]
    pub rule: Option<RuleName>,
    /// How bad it is.
    #[serde(default)]
    pub severity: Severity,
    /// The items of the loops around it, outermost first.
    #[serde(default)]
    pub items: Vec<String>,
    /// Line of the expectation in the file.
    pub line: usize,
    /// Its column.
    pub column: usize,
    /// Seconds after the start of the scenario.
    pub at_s: f64,
    /// What should have been.
    pub expected: String,
    /// What was.
    pub actual: String,
    /// Where the two differ, part by part.
    #[serde(default)]
    pub differences: Vec<String>,
    /// The request as a command line; secrets are shell variables.
    pub curl: String,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// The beginning of the body, if there was one.
    pub body: Option<String>,
}

impl FailureReport {
    pub(super) fn new(failure: &Failure) -> Self {
        let rule = |rule: &Arc<Rule>| {
            let Rule { id, says, source } = Rule::clone(rule);
            RuleName { id, says, source }
        };
        Self {
            step: failure.step.clone(),
            phase: failure.phase,
            file: failure.file.as_ref().map(ToString::to_string),
            rule: failure.claim.rule.as_ref().map(rule),
            severity: failure.claim.severity,
            items: failure.items.clone(),
            line: failure.span.line,
            column: failure.span.column,
            at_s: failure.at.as_secs_f64(),
            expected: failure.expected.clone(),
            actual: failure.actual.clone(),
            differences: failure.differences.clone(),
            curl: failure.curl.clone(),
            status: failure.status,
            body: failure.body.clone(),
        }
    }
}

/// Of every rule that the plan names, by id and severity.
pub(super) fn rules(plan: &ScenarioPlan, record: &ScenarioRecord) -> Vec<RuleReport> {
    let mut all: BTreeMap<_, Tally> = BTreeMap::new();
    for Claim { rule, severity } in plan.claims() {
        if let Some(rule) = rule {
            all.entry((Arc::clone(rule), *severity)).or_default();
        }
    }
    all.extend(record.claims.iter().map(|(claim, tally)| (claim.clone(), *tally)));
    let report = |((rule, severity), tally): ((Arc<Rule>, Severity), Tally)| RuleReport {
        id: rule.id.clone(),
        says: rule.says.clone(),
        source: rule.source.clone(),
        severity,
        held: tally.held,
        broken: tally.broken,
    };
    all.into_iter().map(report).collect()
}
