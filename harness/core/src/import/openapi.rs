//! Imports an OpenAPI 3 document: each operation is called once, in the simplest way that its
//! description allows, and once without a token where it needs one.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Body, Draft, ImportError, MAX_REQUESTS, Starting, TOKEN_VARIABLE, slug};

const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];
/// The largest number of scenarios that are made of a document: each is a file.
const MAX_SCENARIOS: usize = 1_000;
/// Schemas may refer to themselves; examples end here.
const MAX_DEPTH: usize = 8;
/// A stand-in for an identifier without an example: of the usual form, and naming nothing.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// A scenario for each first part of a path.
///
/// # Errors
/// [`ImportError`].
pub fn from_openapi(bytes: &[u8]) -> Result<Vec<Starting>, ImportError> {
    let document: Value = serde_json::from_slice(bytes)?;
    let version = document["openapi"].as_str().unwrap_or_default();
    let Some(paths) = document["paths"].as_object().filter(|_| version.starts_with("3.")) else {
        let message = "it is no OpenAPI 3 document in JSON: it needs `openapi: 3.…` and `paths`";
        return Err(ImportError::Kind(message.to_owned()));
    };
    let title = document["info"]["title"].as_str().unwrap_or("the API");
    let mut scenarios = BTreeMap::<String, Starting>::new();
    for (path, item) in paths {
        if scenarios.len() > MAX_SCENARIOS {
            return Err(ImportError::Kind(format!(
                "its paths begin in more than {MAX_SCENARIOS} ways, and each would be a file"
            )));
        }
        let family = slug(path.split('/').find(|part| !part.is_empty()).unwrap_or_default());
        let scenario = scenarios.entry(family.clone()).or_insert_with(|| Starting {
            name: format!("imported/{family}"),
            about: format!("A beginning, from the OpenAPI document of {title}."),
            ..Starting::default()
        });
        for method in METHODS {
            let Some(described) = item.get(method) else { continue };
            if described.is_object() {
                add(scenario, &Operation { document: &document, item, described }, method, path);
            } else {
                scenario.note(format!("{method} {path} was left out: it is no object"));
            }
        }
    }
    scenarios.retain(|_, scenario| !scenario.requests.is_empty());
    if scenarios.is_empty() {
        return Err(ImportError::Kind("it describes no operation".to_owned()));
    }
    Ok(scenarios.into_values().collect())
}

struct Operation<'a> {
    document: &'a Value,
    item: &'a Value,
    described: &'a Value,
}

fn add(scenario: &mut Starting, operation: &Operation<'_>, method: &str, path: &str) {
    if scenario.requests.len() + 2 > MAX_REQUESTS {
        return scenario.note(format!("only {MAX_REQUESTS} requests are here"));
    }
    let Some(body) = operation.body() else {
        return scenario.note(format!("{method} {path} was left out: its body is not JSON"));
    };
    let (path, guessed) = operation.path(path);
    let auth = operation.needs_token();
    let statuses = operation.statuses();
    // With an invented identifier or body any documented refusal is right, too.
    let certain = !guessed && body == Body::Empty;
    let status = if certain {
        statuses.iter().copied().find(|status| (200..400).contains(status)).into_iter().collect()
    } else {
        statuses.iter().copied().filter(|status| *status < 500).collect::<Vec<_>>()
    };
    let status = if status.is_empty() { vec![200] } else { status };
    let name = |suffix: &str| {
        let room = 80 - suffix.len();
        format!("{method} {path}").chars().take(room).collect::<String>() + suffix
    };
    let method = method.to_owned();
    if auth {
        scenario.note(format!("set {TOKEN_VARIABLE} to a token"));
        if statuses.contains(&401) {
            scenario.requests.push(Draft {
                name: name(" without a token"),
                method: method.clone(),
                path: path.clone(),
                status: vec![401],
                ..Draft::default()
            });
        }
    }
    let name = name("");
    scenario.requests.push(Draft { name, method, path, auth, body, status, headers: Vec::new() });
}

impl Operation<'_> {
    fn needs_token(&self) -> bool {
        let security = self.described.get("security").or_else(|| self.document.get("security"));
        // An empty requirement means that none is needed.
        let required = security.and_then(Value::as_array);
        required.is_some_and(|all| {
            !all.is_empty() && !all.iter().any(|one| one.as_object().is_some_and(Map::is_empty))
        })
    }

    /// Documented, in order.
    fn statuses(&self) -> Vec<u16> {
        let responses = self.described["responses"].as_object();
        let codes = responses.into_iter().flatten().filter_map(|(code, _)| code.parse().ok());
        let mut codes: Vec<u16> = codes.collect();
        codes.sort_unstable();
        codes
    }

    /// The path with its parameters filled in; whether any had to be invented.
    fn path(&self, template: &str) -> (String, bool) {
        let (mut path, mut query, mut guessed) = (template.to_owned(), Vec::new(), false);
        let both = [&self.item["parameters"], &self.described["parameters"]];
        for parameter in both.into_iter().filter_map(Value::as_array).flatten() {
            let parameter = self.resolved(parameter);
            let name = parameter["name"].as_str().unwrap_or_default();
            let given = parameter.get("example").or_else(|| parameter["schema"].get("example"));
            let value = given.cloned().unwrap_or_else(|| self.example(&parameter["schema"], 0));
            match parameter["in"].as_str() {
                Some("path") => {
                    guessed |= given.is_none();
                    let invented = value.as_str().is_none_or(str::is_empty) && !value.is_number();
                    let text = if invented { NOBODY.to_owned() } else { text(&value) };
                    path = path.replace(&format!("{{{name}}}"), &encoded(&text));
                }
                Some("query") if parameter["required"] == true => {
                    guessed |= given.is_none();
                    query.push(format!("{}={}", encoded(name), encoded(&text(&value))));
                }
                // It is not sent: what a browser was given cannot be made up.
                Some("cookie") => guessed = true,
                _ => {}
            }
        }
        // A parameter that is described nowhere.
        while let Some((before, after)) =
            path.split_once('{').and_then(|(a, rest)| Some((a, rest.split_once('}')?.1)))
        {
            guessed = true;
            path = format!("{before}{NOBODY}{after}");
        }
        if query.is_empty() {
            (path, guessed)
        } else {
            (format!("{path}?{}", query.join("&")), guessed)
        }
    }

    /// Nothing, or the simplest JSON that is described; none if only something else is.
    fn body(&self) -> Option<Body> {
        let body = self.resolved(&self.described["requestBody"]);
        let Some(content) = body["content"].as_object() else { return Some(Body::Empty) };
        let json = content.iter().find(|(kind, _)| kind.contains("json"));
        match json {
            Some((_, media)) => {
                let given = media.get("example").cloned();
                Some(Body::Json(given.unwrap_or_else(|| self.example(&media["schema"], 0))))
            }
            None if body["required"] == true => None,
            None => Some(Body::Empty),
        }
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let reference = value["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
        reference.and_then(|pointer| self.document.pointer(pointer)).unwrap_or(value)
    }

    /// The simplest value that a schema describes.
    fn example(&self, schema: &Value, depth: usize) -> Value {
        let schema = self.resolved(schema);
        let first = |name: &str| schema[name].as_array().and_then(|all| all.first());
        let given = ["example", "default", "const"].iter().find_map(|name| schema.get(*name));
        if let Some(given) = given.or_else(|| first("examples")).or_else(|| first("enum")) {
            return given.clone();
        }
        if depth >= MAX_DEPTH {
            return Value::Null;
        }
        if let Some(one) = ["oneOf", "anyOf", "allOf"].iter().find_map(|name| first(name)) {
            return self.example(one, depth + 1);
        }
        let kind = schema["type"].as_str().or_else(|| first("type")?.as_str());
        match kind {
            Some("object") => {
                let required = schema["required"].as_array().into_iter().flatten();
                let members = required.filter_map(Value::as_str).map(|name| {
                    (name.to_owned(), self.example(&schema["properties"][name], depth + 1))
                });
                Value::Object(members.collect())
            }
            Some("array") => {
                let least = schema["minItems"].as_u64().unwrap_or(0).min(4);
                (0..least).map(|_| self.example(&schema["items"], depth + 1)).collect()
            }
            Some("string") => {
                let least = usize::try_from(schema["minLength"].as_u64().unwrap_or(0));
                json!("x".repeat(least.unwrap_or(0).min(1000)))
            }
            Some("integer") => json!(schema["minimum"].as_i64().unwrap_or(1)),
            Some("number") => json!(schema["minimum"].as_f64().unwrap_or(1.0)),
            Some("boolean") => json!(false),
            _ => Value::Null,
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Percent-encoded (RFC 3986 §2.3).
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}
