//! The answer, as amounts of resources.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Deployment, query::MOST_GROUPS};
use crate::cost::{Counts, Resource, RunUsage, Source, StepUsage, Tallies, Tally};

/// Holds the usage of a deployment in some time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spent {
    /// Requests to the Worker.
    pub requests: u64,
    /// The usage of the whole deployment, by resource.
    pub amounts: BTreeMap<Resource, f64>,
}

/// Counts the operations of a run, which share the usage among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// All of them.
    pub all: u64,
    /// The AI operations of a tier among them.
    pub ai: u64,
}

/// A group of a dataset.
#[derive(Deserialize)]
struct Group {
    sum: BTreeMap<String, f64>,
    dimensions: BTreeMap<String, String>,
}

impl Group {
    fn sum(&self, name: &str) -> f64 {
        self.sum.get(name).copied().unwrap_or_default()
    }

    fn is(&self, dimension: &str, one_of: &[String]) -> bool {
        self.dimensions.get(dimension).is_some_and(|found| one_of.contains(found))
    }

    fn action(&self) -> &str {
        self.dimensions.get("actionType").map_or("", String::as_str)
    }
}

/// Says why the groups of a dataset are of no use.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// They are not as documented.
    #[error("{dataset}: {error}")]
    Shape {
        /// The dataset.
        dataset: &'static str,
        /// The difference.
        error: serde_json::Error,
    },
    /// They are as many as the API gives at most.
    #[error("{0} has {MOST_GROUPS} groups or more, so some are missing")]
    Incomplete(&'static str),
}

/// Returns the groups of a dataset; none if it was not asked for.
fn groups(account: &Value, dataset: &'static str) -> Result<Vec<Group>, DatasetError> {
    let Some(found) = account.get(dataset) else { return Ok(Vec::new()) };
    let groups: Vec<Group> =
        Vec::deserialize(found).map_err(|error| DatasetError::Shape { dataset, error })?;
    if groups.len() >= MOST_GROUPS {
        return Err(DatasetError::Incomplete(dataset));
    }
    Ok(groups)
}

/// Operations of R2's class A, and of its class B; the rest is free.
/// Source: <https://developers.cloudflare.com/r2/pricing/>
const CLASS_A: [&str; 15] = [
    "ListBuckets",
    "PutBucket",
    "ListObjects",
    "PutObject",
    "CopyObject",
    "CompleteMultipartUpload",
    "CreateMultipartUpload",
    "LifecycleStorageTierTransition",
    "ListMultipartUploads",
    "UploadPart",
    "UploadPartCopy",
    "ListParts",
    "PutBucketEncryption",
    "PutBucketCors",
    "PutBucketLifecycleConfiguration",
];
const CLASS_B: [&str; 8] = [
    "HeadBucket",
    "HeadObject",
    "GetObject",
    "UsageSummary",
    "GetBucketEncryption",
    "GetBucketLocation",
    "GetBucketCors",
    "GetBucketLifecycleConfiguration",
];

impl Spent {
    /// Reads `viewer.accounts[0]`.
    ///
    /// # Errors
    /// [`DatasetError`].
    pub(super) fn read(account: &Value, deployment: &Deployment) -> Result<Self, DatasetError> {
        let mut spent = Self::default();
        for group in groups(account, "workersInvocationsAdaptive")? {
            spent.requests += whole(group.sum("requests"));
            spent.add(Resource::CpuMs, group.sum("cpuTimeUs") / 1e3);
        }
        for group in groups(account, "d1AnalyticsAdaptiveGroups")? {
            if group.is("databaseId", &deployment.databases) {
                spent.rows(&group);
            }
        }
        for group in groups(account, "kvOperationsAdaptiveGroups")? {
            if group.is("namespaceId", &deployment.namespaces) {
                spent.of_kv(&group);
            }
        }
        for group in groups(account, "r2OperationsAdaptiveGroups")? {
            if group.is("bucketName", &deployment.buckets) {
                spent.of_r2(&group);
            }
        }
        spent.of_objects(account)?;
        for group in groups(account, "aiInferenceAdaptiveGroups")? {
            spent.add(Resource::AiMillineurons, group.sum("totalNeurons") * 1e3);
            spent.add(Resource::AiInputTokens, group.sum("totalInputTokens"));
            spent.add(Resource::AiOutputTokens, group.sum("totalOutputTokens"));
        }
        for group in groups(account, "vectorizeV2QueriesAdaptiveGroups")? {
            if group.is("indexName", &deployment.indexes) {
                let dimensions = group.sum("queriedVectorDimensions");
                spent.add(Resource::VectorDimensionsQueried, dimensions);
            }
        }
        Ok(spent)
    }

    fn add(&mut self, resource: Resource, amount: f64) {
        *self.amounts.entry(resource).or_default() += amount;
    }

    fn rows(&mut self, group: &Group) {
        self.add(Resource::RowsRead, group.sum("rowsRead"));
        self.add(Resource::RowsWritten, group.sum("rowsWritten"));
    }

    fn of_kv(&mut self, group: &Group) {
        let resource = match group.action() {
            "read" => Resource::KvReads,
            "delete" => Resource::KvDeletes,
            "list" => Resource::KvLists,
            // What is not known is taken for the dearest.
            _ => Resource::KvWrites,
        };
        self.add(resource, group.sum("requests"));
    }

    fn of_r2(&mut self, group: &Group) {
        let resource = match group.action() {
            action if CLASS_A.contains(&action) => Resource::ObjectWrites,
            action if CLASS_B.contains(&action) => Resource::ObjectReads,
            _ => return,
        };
        self.add(resource, group.sum("requests"));
    }

    /// Adds the objects of the namespaces that the Worker called.
    fn of_objects(&mut self, account: &Value) -> Result<(), DatasetError> {
        let mut namespaces = Vec::new();
        for group in groups(account, "durableObjectsInvocationsAdaptiveGroups")? {
            self.add(Resource::ActorRequests, group.sum("requests"));
            namespaces.extend(group.dimensions.get("namespaceId").cloned());
        }
        for group in groups(account, "durableObjectsPeriodicGroups")? {
            if group.is("namespaceId", &namespaces) {
                self.rows(&group);
                self.add(Resource::ActorGbS, group.sum("duration"));
            }
        }
        Ok(())
    }

    /// Returns the usage of a run that did these operations. Usage of models belongs to the AI
    /// operations; nothing else can be told apart, so every request gets the same part of it.
    pub fn usage(&self, operations: Operations) -> RunUsage {
        let share = float(operations.ai) / float(operations.all.max(1));
        let ai = whole(float(self.requests) * share);
        let plain = self.requests.saturating_sub(ai);
        let part = |count: u64, of_models: f64| {
            let even = float(count) / float(self.requests.max(1));
            let amount = |(resource, amount): (&Resource, &f64)| {
                let part = if is_of_models(*resource) { of_models } else { even };
                (resource.name().to_owned(), whole(amount * part))
            };
            Tally { count, usage: self.amounts.iter().map(amount).collect::<Counts>() }
        };
        let step = |name: &str, ai, with_model: Tally, without_model: Tally| {
            let used = Tallies { with_model, without_model, unmetered: 0 };
            StepUsage { name: name.to_owned(), ai, used }
        };
        let none = Tally::default;
        let mut steps = Vec::new();
        if plain > 0 {
            let of_models = f64::from(u8::from(ai == 0));
            steps.push(step("requests", false, none(), part(plain, of_models)));
        }
        if ai > 0 {
            steps.push(step("AI operations", true, part(ai, 1.0), none()));
        }
        RunUsage { source: Source::Analytics, steps, ..RunUsage::default() }
    }
}

fn is_of_models(resource: Resource) -> bool {
    let of_models = [Resource::AiInputTokens, Resource::AiOutputTokens, Resource::AiMillineurons];
    of_models.contains(&resource)
}

#[expect(clippy::cast_precision_loss, reason = "analytics are sampled; counts below 2^53")]
const fn float(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "amounts are not negative, and below 2^53"
)]
fn whole(amount: f64) -> u64 {
    amount.round() as u64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment() -> Deployment {
        let own = || vec!["own".to_owned()];
        Deployment {
            script: "w".to_owned(),
            databases: own(),
            namespaces: own(),
            buckets: own(),
            indexes: own(),
            objects: true,
            ai: true,
        }
    }

    #[test]
    fn each_dataset_is_read_and_what_is_others_is_left_out() {
        let group = |sum: Value, dimensions: Value| json!({"sum": sum, "dimensions": dimensions});
        let account = json!({
            "workersInvocationsAdaptive": [group(json!({"requests": 100, "cpuTimeUs": 250_000}), json!({"scriptName": "w"}))],
            "d1AnalyticsAdaptiveGroups": [
                group(json!({"rowsRead": 300, "rowsWritten": 50}), json!({"databaseId": "own"})),
                group(json!({"rowsRead": 9, "rowsWritten": 9}), json!({"databaseId": "other"})),
            ],
            "kvOperationsAdaptiveGroups": [
                group(json!({"requests": 7}), json!({"namespaceId": "own", "actionType": "read"})),
                group(json!({"requests": 2}), json!({"namespaceId": "own", "actionType": "write"})),
                group(json!({"requests": 1}), json!({"namespaceId": "own", "actionType": "list"})),
                group(json!({"requests": 4}), json!({"namespaceId": "own", "actionType": "delete"})),
            ],
            "r2OperationsAdaptiveGroups": [
                group(json!({"requests": 3}), json!({"bucketName": "own", "actionType": "PutObject"})),
                group(json!({"requests": 5}), json!({"bucketName": "own", "actionType": "GetObject"})),
                group(json!({"requests": 6}), json!({"bucketName": "own", "actionType": "DeleteObject"})),
            ],
            "durableObjectsInvocationsAdaptiveGroups": [group(json!({"requests": 20}), json!({"namespaceId": "n"}))],
            "durableObjectsPeriodicGroups": [
                group(json!({"duration": 2.5, "rowsRead": 10, "rowsWritten": 5}), json!({"namespaceId": "n"})),
                group(json!({"duration": 9, "rowsRead": 9, "rowsWritten": 9}), json!({"namespaceId": "other"})),
            ],
            "aiInferenceAdaptiveGroups": [group(
                json!({"totalNeurons": 1.5, "totalInputTokens": 40, "totalOutputTokens": 8}),
                json!({"modelId": "m"}),
            )],
            "vectorizeV2QueriesAdaptiveGroups": [group(json!({"queriedVectorDimensions": 768}), json!({"indexName": "own"}))],
        });
        let spent = Spent::read(&account, &deployment()).unwrap();
        let amounts: Vec<_> = spent.amounts.iter().map(|(r, a)| (r.name(), whole(*a))).collect();
        let expected = [
            ("cpu_ms", 250),
            ("rows_read", 310),
            ("rows_written", 55),
            ("kv_reads", 7),
            ("kv_writes", 2),
            ("kv_deletes", 4),
            ("actor_requests", 20),
            ("actor_gb_s", 3),
            ("ai_input_tokens", 40),
            ("ai_output_tokens", 8),
            ("ai_millineurons", 1500),
            ("vector_dimensions_queried", 768),
            ("object_writes", 3),
            ("object_reads", 5),
            ("kv_lists", 1),
        ];
        assert_eq!((spent.requests, amounts.as_slice()), (100, expected.as_slice()));
    }

    #[test]
    fn models_are_the_ai_operations_and_the_rest_is_everybodys() {
        let amounts =
            BTreeMap::from([(Resource::RowsRead, 200.0), (Resource::AiInputTokens, 50.0)]);
        let spent = Spent { requests: 100, amounts };
        let usage = spent.usage(Operations { all: 10, ai: 1 });
        let of = |n: usize| usage.steps[n].used.all();
        assert_eq!((of(0).count, of(1).count), (90, 10));
        assert_eq!((of(0).usage["rows_read"], of(1).usage["rows_read"]), (180, 20));
        assert_eq!((of(0).usage["ai_input_tokens"], of(1).usage["ai_input_tokens"]), (0, 50));
        let usage = spent.usage(Operations { all: 10, ai: 0 });
        assert_eq!(usage.steps[0].used.all().usage["ai_input_tokens"], 50);
    }

    #[test]
    fn what_is_not_documented_is_refused() {
        let odd =
            json!({"d1AnalyticsAdaptiveGroups": [{"sum": {"rowsRead": "many"}, "dimensions": {}}]});
        let error = Spent::read(&odd, &deployment()).unwrap_err();
        assert!(error.to_string().contains("d1AnalyticsAdaptiveGroups"), "{error}");
        let group = json!({"sum": {"requests": 1}, "dimensions": {}});
        let most = |n| json!({"workersInvocationsAdaptive": vec![group.clone(); n]});
        assert_eq!(Spent::read(&most(MOST_GROUPS - 1), &deployment()).unwrap().requests, 9_999);
        let error = Spent::read(&most(MOST_GROUPS), &deployment()).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
    }
}
