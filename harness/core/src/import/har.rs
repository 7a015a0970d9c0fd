//! Imports a recording of a browser: HTTP Archive 1.2.

use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Body, Draft, ImportError, MAX_REQUESTS, Starting, TOKEN_VARIABLE,
    secret::{is_name, is_value, redact, redact_pairs},
    slug,
};

/// Headers that decide what an API answers. Others are the browser's own affair.
const KEPT_HEADERS: [&str; 4] = ["accept", "accept-language", "content-type", "origin"];
const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

#[derive(Deserialize)]
struct Archive {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    request: Request,
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Header>,
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostData {
    #[serde(default)]
    mime_type: String,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct Response {
    status: u16,
}

/// The requests of a recording to one origin, in order: the one that is named, else that of the
/// first request. Each expects the status that was recorded.
///
/// # Errors
/// [`ImportError`].
pub fn from_har(bytes: &[u8], origin: Option<&Url>) -> Result<Starting, ImportError> {
    let archive: Archive = serde_json::from_slice(bytes).map_err(|error| {
        if error.is_data() {
            ImportError::Kind(format!("it is no HTTP archive (HAR 1.2): {error}"))
        } else {
            error.into()
        }
    })?;
    let parsed = archive.log.entries.iter().filter_map(|entry| Url::parse(&entry.request.url).ok());
    let origin = origin.cloned().or_else(|| parsed.into_iter().next());
    let Some(origin) = origin.map(|url| url.origin()) else {
        return Err(ImportError::Kind("there is no request in it".to_owned()));
    };
    let shown = origin.ascii_serialization();
    let mut scenario = Starting {
        name: format!("imported/{}", slug(shown.split("//").last().unwrap_or_default())),
        about: format!("Recorded against {shown}."),
        ..Starting::default()
    };
    let mut elsewhere = 0;
    for entry in &archive.log.entries {
        match Url::parse(&entry.request.url) {
            Ok(url) if url.origin() == origin => add(&mut scenario, entry, &url),
            _ => elsewhere += 1,
        }
    }
    if elsewhere > 0 {
        scenario.note(format!("{elsewhere} requests to other origins were left out"));
    }
    if scenario.requests.is_empty() {
        return Err(ImportError::Kind(format!("no request to {shown} can be replayed")));
    }
    Ok(scenario)
}

fn add(scenario: &mut Starting, entry: &Entry, url: &Url) {
    let method = entry.request.method.to_ascii_lowercase();
    if !METHODS.contains(&method.as_str()) || !(200..600).contains(&entry.response.status) {
        return scenario.note("requests without an answer, or of other methods, were left out");
    }
    if url.path().starts_with("//") {
        return scenario.note("requests to paths that begin with // were left out");
    }
    if scenario.requests.len() >= MAX_REQUESTS {
        return scenario.note(format!("only the first {MAX_REQUESTS} requests are here"));
    }
    let number = scenario.requests.len() + 1;
    let name: String = format!("{number} {method} {}", url.path()).chars().take(80).collect();
    let mut draft = Draft {
        name: if is_value(&name) { format!("{number} {method}") } else { name },
        method,
        path: path(scenario, url),
        status: vec![entry.response.status],
        ..Draft::default()
    };
    for Header { name, value } in &entry.request.headers {
        let name = name.to_ascii_lowercase();
        if name == "authorization" {
            draft.auth = true;
            scenario.note(format!("set {TOKEN_VARIABLE} to a token: the recorded one is not here"));
        } else if is_name(&name) {
            scenario.note(format!("the header {name} was left out: it looks like a secret"));
        } else if KEPT_HEADERS.contains(&name.as_str()) && is_sendable(value) && !is_value(value) {
            draft.headers.push((name, value.clone()));
        }
    }
    if let Some(data) = &entry.request.post_data {
        draft.body = body(scenario, data);
        // What JSON says of itself.
        if matches!(draft.body, Body::Json(_)) {
            draft.headers.retain(|(name, _)| name != "content-type");
        }
    }
    scenario.requests.push(draft);
}

/// One line of plain text: anything else is no header.
fn is_sendable(value: &str) -> bool {
    value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && value.trim() == value
}

fn path(scenario: &mut Starting, url: &Url) -> String {
    let Some(query) = url.query() else { return url.path().to_owned() };
    let (query, found) = redact_pairs(query);
    if found {
        scenario.note("values in queries that look like secrets are REDACTED");
    }
    format!("{}?{query}", url.path())
}

fn body(scenario: &mut Starting, data: &PostData) -> Body {
    if data.text.is_empty() {
        return Body::Empty;
    }
    if let Ok(mut json) = serde_json::from_str::<Value>(&data.text) {
        if redact(&mut json) {
            scenario.note("values in bodies that look like secrets are REDACTED");
        }
        return Body::Json(json);
    }
    if data.mime_type.contains("x-www-form-urlencoded") {
        let (text, found) = redact_pairs(&data.text);
        if found {
            scenario.note("values in bodies that look like secrets are REDACTED");
        }
        return Body::Text(text);
    }
    scenario.note("bodies that are neither JSON nor forms were left out");
    Body::Empty
}
