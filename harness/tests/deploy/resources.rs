//! What the account has beside its Worker: databases, namespaces, buckets, indexes of vectors.

use axum::body::Bytes;
use serde_json::{Value, json};

const DATE: &str = "2026-11-22T00:00:00Z";

/// Ids that new resources get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// Those that service/wrangler.toml has for staging.
    OfTheFile,
    /// Others, as a real account gives.
    Own,
}

/// What there is, by name; databases and namespaces with their ids.
pub(crate) struct Resources {
    ids: Ids,
    databases: Vec<(String, String)>,
    namespaces: Vec<(String, String)>,
    buckets: Vec<String>,
    pub(crate) indexes: Vec<Index>,
}

/// An index of vectors.
#[derive(Clone)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) dimensions: u64,
    pub(crate) metric: String,
    /// What queries can filter by, with its type.
    pub(crate) filters: Vec<(String, String)>,
}

impl Index {
    fn described(&self) -> Value {
        let config = json!({"dimensions": self.dimensions, "metric": self.metric});
        json!({"name": self.name, "config": config, "created_on": DATE, "modified_on": DATE,
            "description": ""})
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

impl Resources {
    pub(crate) fn none(ids: Ids) -> Self {
        let (databases, namespaces) = (Vec::new(), Vec::new());
        Self { ids, databases, namespaces, buckets: Vec::new(), indexes: Vec::new() }
    }

    /// Makes one.
    pub(crate) fn create(&mut self, kind: &str, body: &Bytes) -> Value {
        let body: Value = serde_json::from_slice(body).unwrap();
        match kind {
            "database" => {
                let id = match self.ids {
                    Ids::OfTheFile => "00000000-0000-0000-0000-000000000002",
                    Ids::Own => "d1d1d1d1-0000-4000-8000-000000000000",
                };
                self.databases.push((text(&body["name"]), id.to_owned()));
                json!({"uuid": id, "name": body["name"], "version": "production"})
            }
            "namespaces" => {
                let id = self.namespace_id(&text(&body["title"]));
                self.namespaces.push((text(&body["title"]), id.clone()));
                json!({"id": id, "title": body["title"]})
            }
            "indexes" => {
                let config = &body["config"];
                let index = Index {
                    name: text(&body["name"]),
                    dimensions: config["dimensions"].as_u64().unwrap(),
                    metric: text(&config["metric"]),
                    filters: Vec::new(),
                };
                let described = index.described();
                self.indexes.push(index);
                described
            }
            _ => {
                self.buckets.push(text(&body["name"]));
                json!({"name": body["name"]})
            }
        }
    }

    fn namespace_id(&self, title: &str) -> String {
        match self.ids {
            Ids::OfTheFile if title.ends_with("SESSIONS") => format!("{:032}", 12),
            Ids::OfTheFile => format!("{:032}", 2),
            Ids::Own => format!("{:032x}", 0xabc0_0000 + self.namespaces.len()),
        }
    }

    pub(crate) fn list(&self, kind: &str) -> Value {
        let named = |(name, id): &(String, String)| match kind {
            "database" => json!({"name": name, "uuid": id, "version": "production"}),
            _ => json!({"title": name, "id": id}),
        };
        match kind {
            "database" => self.databases.iter().map(named).collect(),
            "namespaces" => self.namespaces.iter().map(named).collect(),
            _ => {
                let all = self.buckets.iter();
                let all = all.map(|name| json!({"name": name, "creation_date": DATE}));
                json!({"buckets": all.collect::<Vec<_>>()})
            }
        }
    }

    /// What is asked of one index, by the rest of the path: itself, or what it filters by.
    pub(crate) fn index(&mut self, path: &str, body: &Bytes) -> Option<Value> {
        let (name, rest) = path.split_once('/').unwrap_or((path, ""));
        let index = self.indexes.iter_mut().find(|index| index.name == name)?;
        match rest {
            "" => Some(index.described()),
            "metadata_index/list" => {
                let filters = index.filters.iter();
                let filters =
                    filters.map(|(name, kind)| json!({"propertyName": name, "indexType": kind}));
                Some(json!({"metadataIndexes": filters.collect::<Vec<_>>()}))
            }
            "metadata_index/create" => {
                let body: Value = serde_json::from_slice(body).unwrap();
                index.filters.push((text(&body["propertyName"]), text(&body["indexType"])));
                Some(json!({"mutationId": "m"}))
            }
            _ => None,
        }
    }

    /// Whether this is the id of a database; one that was always there has that of the file.
    pub(crate) fn has_database(&self, id: &str) -> bool {
        self.ids == Ids::OfTheFile || self.databases.iter().any(|(_, known)| known == id)
    }
}
