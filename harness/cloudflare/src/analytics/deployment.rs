//! Reads a deployment from its `wrangler.toml`: the Worker's name and its bindings.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use workway_core::model::files::{self, MAX_SETTINGS_BYTES};

/// Names a deployment as analytics know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deployment {
    /// The Worker's name.
    pub script: String,
    /// Identifiers of its D1 databases.
    pub databases: Vec<String>,
    /// Identifiers of its KV namespaces.
    pub namespaces: Vec<String>,
    /// Names of its R2 buckets.
    pub buckets: Vec<String>,
    /// Names of its Vectorize indexes.
    pub indexes: Vec<String>,
    /// The deployment has Durable Objects.
    pub objects: bool,
    /// The deployment uses Workers AI.
    pub ai: bool,
}

/// A `wrangler.toml` that does not say what is deployed.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    /// The file cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// The reason.
        error: std::io::Error,
    },
    /// The file is not TOML, or not wrangler's.
    #[error("{path}:\n{error}")]
    Malformed {
        /// The file.
        path: String,
        /// Line, column and reason.
        error: toml::de::Error,
    },
    /// The file has no such environment.
    #[error("{path} has no environment `{name}`; there are {known}")]
    UnknownEnvironment {
        /// The file.
        path: String,
        /// The name as it was given.
        name: String,
        /// Those that it has.
        known: String,
    },
    /// The Worker has no name.
    #[error("{path}: the Worker has no `name`")]
    Nameless {
        /// The file.
        path: String,
    },
}

/// An environment, as far as it matters here; the top level is one, too.
#[derive(Default, Deserialize)]
struct Environment {
    name: Option<String>,
    #[serde(default)]
    d1_databases: Vec<Database>,
    #[serde(default)]
    kv_namespaces: Vec<Namespace>,
    #[serde(default)]
    r2_buckets: Vec<Bucket>,
    #[serde(default)]
    vectorize: Vec<Index>,
    durable_objects: Option<toml::Value>,
    ai: Option<toml::Value>,
    #[serde(default)]
    env: BTreeMap<String, Environment>,
}

#[derive(Deserialize)]
struct Database {
    database_id: String,
}

#[derive(Deserialize)]
struct Namespace {
    id: String,
}

#[derive(Deserialize)]
struct Bucket {
    bucket_name: String,
}

#[derive(Deserialize)]
struct Index {
    index_name: String,
}

impl Deployment {
    /// Reads an environment of a `wrangler.toml`; the top level without a name.
    ///
    /// # Errors
    /// [`DeploymentError`] names the file.
    pub fn read(path: &Path, environment: Option<&str>) -> Result<Self, DeploymentError> {
        let name = path.display().to_string();
        match files::read_text(path, MAX_SETTINGS_BYTES) {
            Ok(text) => Self::parse(&text, &name, environment),
            Err(error) => Err(DeploymentError::Unreadable { path: name, error }),
        }
    }

    fn parse(text: &str, path: &str, environment: Option<&str>) -> Result<Self, DeploymentError> {
        let path = path.to_owned();
        let mut file: Environment = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => return Err(DeploymentError::Malformed { path, error }),
        };
        let top = file.name.take();
        let Some(name) = environment else { return Self::of(file, top, path) };
        let names: Vec<_> = file.env.keys().cloned().collect();
        let Some(found) = file.env.remove(name) else {
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(DeploymentError::UnknownEnvironment { path, name: name.to_owned(), known });
        };
        // Wrangler's own rule for an environment that has no name.
        Self::of(found, top.map(|top| format!("{top}-{name}")), path)
    }

    fn of(
        file: Environment,
        default: Option<String>,
        path: String,
    ) -> Result<Self, DeploymentError> {
        let script = file.name.or(default).ok_or(DeploymentError::Nameless { path })?;
        Ok(Self {
            script,
            databases: file.d1_databases.into_iter().map(|found| found.database_id).collect(),
            namespaces: file.kv_namespaces.into_iter().map(|found| found.id).collect(),
            buckets: file.r2_buckets.into_iter().map(|found| found.bucket_name).collect(),
            indexes: file.vectorize.into_iter().map(|found| found.index_name).collect(),
            objects: file.durable_objects.is_some(),
            ai: file.ai.is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = include_str!("../../../../service/wrangler.toml");

    #[test]
    fn our_own_environments_are_read() {
        let production = Deployment::parse(OURS, "w", Some("production")).unwrap();
        assert_eq!(production.script, "workway-api-production");
        assert_eq!((production.databases.len(), production.namespaces.len()), (1, 2));
        assert_eq!((production.buckets.len(), production.indexes.len()), (1, 1));
        assert!(production.ai && production.objects);
        let local = Deployment::parse(OURS, "w", None).unwrap();
        assert_eq!((local.script.as_str(), local.ai), ("workway-api", false));
    }

    #[test]
    fn what_is_missing_is_named() {
        let says = |text: &str, environment| {
            Deployment::parse(text, "w.toml", environment).unwrap_err().to_string()
        };
        assert!(says(OURS, Some("prod")).contains("no environment `prod`; there are production"));
        assert_eq!(says("", None), "w.toml: the Worker has no `name`");
        assert!(says("name = 1", None).contains("line 1"));
        let named = Deployment::parse("name = 'a'\n[env.b]", "w", Some("b")).unwrap();
        assert_eq!(named.script, "a-b");
    }
}
