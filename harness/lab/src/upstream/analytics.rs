//! Cloudflare's GraphQL analytics: `POST /cloudflare/client/v4/graphql` adds up the groups that were
//! given to `POST /_workway/analytics`. It knows the datasets and fields of [`KNOWN`], and answers
//! everything else as the API does: with an error.

use std::{collections::BTreeMap, sync::LazyLock, time::SystemTime};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Shared, cloudflare, lock};

/// Most groups that are kept: a test gives some dozens.
pub const MAX_GROUPS: usize = 10_000;

/// Datasets with the fields of their sums and their dimensions, as far as they are asked for. Source:
/// the pages "Metrics and analytics" of the products' documentation.
const KNOWN: [(&str, &[&str], &[&str]); 8] = [
    (
        "workersInvocationsAdaptive",
        &["requests", "errors", "subrequests", "cpuTimeUs"],
        &["scriptName"],
    ),
    (
        "d1AnalyticsAdaptiveGroups",
        &["rowsRead", "rowsWritten", "readQueries", "writeQueries"],
        &["databaseId"],
    ),
    ("kvOperationsAdaptiveGroups", &["requests", "objectBytes"], &["namespaceId", "actionType"]),
    (
        "r2OperationsAdaptiveGroups",
        &["requests", "responseObjectSize"],
        &["bucketName", "actionType"],
    ),
    (
        "durableObjectsInvocationsAdaptiveGroups",
        &["requests", "errors", "wallTime"],
        &["scriptName", "namespaceId"],
    ),
    (
        "durableObjectsPeriodicGroups",
        &["activeTime", "cpuTime", "duration", "rowsRead", "rowsWritten"],
        &["namespaceId"],
    ),
    (
        "aiInferenceAdaptiveGroups",
        &["totalNeurons", "totalInputTokens", "totalOutputTokens"],
        &["modelId"],
    ),
    ("vectorizeV2QueriesAdaptiveGroups", &["queriedVectorDimensions"], &["indexName"]),
];

/// Something that happened in an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnalyticsGroup {
    /// The dataset that it belongs to.
    pub dataset: String,
    /// The time of the group, RFC 3339.
    pub datetime: String,
    /// The values by which it is grouped.
    pub dimensions: BTreeMap<String, String>,
    /// The values that are added up.
    pub sum: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Question {
    query: String,
    variables: Variables,
}

#[derive(Deserialize)]
struct Variables {
    account: String,
    script: String,
    from: String,
    to: String,
}

/// A dataset as it is asked for.
struct Asked<'q> {
    name: &'q str,
    by_script: bool,
    sums: Vec<&'q str>,
    dimensions: Vec<&'q str>,
}

pub(super) fn router() -> Router<Shared> {
    Router::new().route("/client/v4/graphql", post(answer))
}

/// Takes groups: a JSON list of [`AnalyticsGroup`].
pub(super) async fn add(
    State(stub): State<Shared>,
    Json(groups): Json<Vec<AnalyticsGroup>>,
) -> Response {
    let kept = &mut lock(&stub).analytics;
    if kept.len() + groups.len() > MAX_GROUPS {
        return (StatusCode::CONFLICT, format!("at most {MAX_GROUPS} groups")).into_response();
    }
    kept.extend(groups);
    StatusCode::NO_CONTENT.into_response()
}

async fn answer(State(stub): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(Question { query, variables }) = serde_json::from_slice(&body) else {
        return (StatusCode::BAD_REQUEST, Json(wrong("the body is no query"))).into_response();
    };
    if !cloudflare::is_ours(&variables.account, &headers) {
        return (StatusCode::FORBIDDEN, Json(wrong("Authentication error"))).into_response();
    }
    let groups = lock(&stub).analytics.clone();
    Json(resolve(&query, &variables, &groups).unwrap_or_else(|error| wrong(&error.to_string())))
        .into_response()
}

fn wrong(message: &str) -> Value {
    json!({"data": null, "errors": [{"message": message, "path": null}]})
}

/// Says why a query is not answered, in the words of the API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum QueryError {
    /// A value is no instant.
    #[error("cannot parse {0:?} as Time")]
    Time(String),
    /// The account has no such dataset.
    #[error("unknown field {0:?}")]
    Dataset(String),
    /// The dataset has no such field.
    #[error("unknown field {field:?} of {dataset:?}")]
    Field {
        /// The dataset.
        dataset: String,
        /// The field.
        field: String,
    },
}

/// Parses an instant as RFC 3339 has it.
fn instant(text: &str) -> Result<SystemTime, QueryError> {
    humantime::parse_rfc3339(text).map_err(|_| QueryError::Time(text.to_owned()))
}

/// A dataset in a query: its name, its filter, its sums and its dimensions.
static FIELD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let field = r"(\w+)\(([^()]*)\)\s*\{\s*sum\s*\{([^}]*)\}\s*dimensions\s*\{([^}]*)\}\s*\}";
    Regex::new(field).ok()
});

fn resolve(
    query: &str,
    variables: &Variables,
    groups: &[AnalyticsGroup],
) -> Result<Value, QueryError> {
    let during = (instant(&variables.from)?, instant(&variables.to)?);
    let mut account = Map::new();
    for asked in asked(query)? {
        let found = asked.groups(variables, during, groups)?;
        account.insert(asked.name.to_owned(), found);
    }
    Ok(json!({"data": {"viewer": {"accounts": [account]}}, "errors": null}))
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn asked(query: &str) -> Result<Vec<Asked<'_>>, QueryError> {
    let fields = FIELD.iter().flat_map(|field| field.captures_iter(query));
    let datasets = fields.map(|captures| {
        let [name, filter, sums, dimensions] = captures.extract().1;
        let (sums, dimensions) = (words(sums), words(dimensions));
        let Some((_, known_sums, known)) = KNOWN.iter().find(|(known, ..)| *known == name) else {
            return Err(QueryError::Dataset(name.to_owned()));
        };
        let odd = sums.iter().find(|sum| !known_sums.contains(sum));
        let odd = odd.or_else(|| dimensions.iter().find(|found| !known.contains(found)));
        if let Some(odd) = odd {
            let (dataset, field) = (name.to_owned(), (*odd).to_owned());
            return Err(QueryError::Field { dataset, field });
        }
        let by_script = filter.contains("scriptName: $script");
        Ok(Asked { name, by_script, sums, dimensions })
    });
    datasets.collect()
}

impl Asked<'_> {
    /// Adds up the values within the time, by the dimensions that are asked for.
    fn groups(
        &self,
        variables: &Variables,
        (from, to): (SystemTime, SystemTime),
        groups: &[AnalyticsGroup],
    ) -> Result<Value, QueryError> {
        let mut added = BTreeMap::<Vec<&str>, Vec<f64>>::new();
        for group in groups.iter().filter(|group| group.dataset == self.name) {
            let at = instant(&group.datetime)?;
            let dimension = |name: &str| group.dimensions.get(name).map_or("", String::as_str);
            let is_meant = !self.by_script || dimension("scriptName") == variables.script;
            if at < from || at > to || !is_meant {
                continue;
            }
            let key = self.dimensions.iter().map(|name| dimension(name)).collect();
            let sums = added.entry(key).or_insert_with(|| vec![0.0; self.sums.len()]);
            for (sum, name) in sums.iter_mut().zip(&self.sums) {
                *sum += group.sum.get(*name).copied().unwrap_or_default();
            }
        }
        let object = |names: &[&str], values: Vec<Value>| -> Map<String, Value> {
            names.iter().map(|name| (*name).to_owned()).zip(values).collect()
        };
        let shown = added.into_iter().map(|(key, sums)| {
            let sums = object(&self.sums, sums.into_iter().map(Value::from).collect());
            let key = object(&self.dimensions, key.into_iter().map(Value::from).collect());
            json!({"sum": sums, "dimensions": key})
        });
        Ok(shown.collect())
    }
}
