//! The question, as GraphQL.

use serde_json::{Value, json};

use super::{Deployment, Span};

/// Most groups that one dataset gives: the most that the API allows.
pub(super) const MOST_GROUPS: usize = 10_000;

/// A dataset: what it adds up, by what, and whether it knows the Worker.
struct Dataset {
    name: &'static str,
    sums: &'static str,
    dimensions: &'static str,
    by_script: bool,
}

const fn dataset(name: &'static str, sums: &'static str, dimensions: &'static str) -> Dataset {
    Dataset { name, sums, dimensions, by_script: false }
}

const WORKER: Dataset = Dataset {
    by_script: true,
    ..dataset("workersInvocationsAdaptive", "requests cpuTimeUs", "scriptName")
};
const D1: Dataset = dataset("d1AnalyticsAdaptiveGroups", "rowsRead rowsWritten", "databaseId");
const KV: Dataset = dataset("kvOperationsAdaptiveGroups", "requests", "namespaceId actionType");
const R2: Dataset = dataset("r2OperationsAdaptiveGroups", "requests", "bucketName actionType");
const CALLS: Dataset = Dataset {
    by_script: true,
    ..dataset("durableObjectsInvocationsAdaptiveGroups", "requests", "namespaceId")
};
/// The dataset of objects does not know the Worker; its namespaces are those that were called.
const OBJECTS: Dataset =
    dataset("durableObjectsPeriodicGroups", "duration rowsRead rowsWritten", "namespaceId");
const AI: Dataset = dataset(
    "aiInferenceAdaptiveGroups",
    "totalNeurons totalInputTokens totalOutputTokens",
    "modelId",
);
const VECTORS: Dataset =
    dataset("vectorizeV2QueriesAdaptiveGroups", "queriedVectorDimensions", "indexName");

impl Dataset {
    fn field(&self) -> String {
        let Self { name, sums, dimensions, by_script } = self;
        let script = if *by_script { "scriptName: $script, " } else { "" };
        format!(
            "{name}(limit: {MOST_GROUPS}, filter: {{{script}datetime_geq: $from, \
             datetime_leq: $to}}) {{ sum {{ {sums} }} dimensions {{ {dimensions} }} }}"
        )
    }
}

/// Returns a query for everything about the products that the deployment has.
pub(super) fn body(account: &str, deployment: &Deployment, span: &Span) -> Value {
    let wanted = [
        (WORKER, true),
        (D1, !deployment.databases.is_empty()),
        (KV, !deployment.namespaces.is_empty()),
        (R2, !deployment.buckets.is_empty()),
        (CALLS, deployment.objects),
        (OBJECTS, deployment.objects),
        (AI, deployment.ai),
        (VECTORS, !deployment.indexes.is_empty()),
    ];
    let fields = wanted.iter().filter(|(_, wanted)| *wanted).map(|(dataset, _)| dataset.field());
    let query = format!(
        "query Usage($account: string!, $script: string!, $from: Time!, $to: Time!) {{ viewer {{ \
         accounts(filter: {{accountTag: $account}}) {{ {} }} }} }}",
        fields.collect::<Vec<_>>().join(" ")
    );
    let variables = json!({
        "account": account, "script": deployment.script, "from": span.from, "to": span.to,
    });
    json!({ "query": query, "variables": variables })
}
