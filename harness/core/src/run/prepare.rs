//! From a request in the plan to one that can be sent, and to one that can be shown.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, PROXY_AUTHORIZATION},
};
use reqwest::Url;

use super::{
    Prepared,
    values::{At, Scope},
};
use crate::plan::{Body, Destination, RequestPlan};

/// Bytes of a body that a command line shows; a longer one is named only.
const SHOWN_BODY: usize = 2000;

/// Fills the templates of `request` in.
///
/// # Errors
/// Why the request cannot be built, for a reader.
pub(crate) fn prepare(
    request: &RequestPlan,
    scope: &Scope,
    names: &At<'_>,
) -> Result<Prepared, String> {
    let path = request.path.render_path(names).map_err(|error| format!("path: {error}"))?;
    let base = match request.to {
        Destination::Target => &scope.world().target,
        Destination::Upstream => {
            scope.world().upstream.as_ref().ok_or("no upstream stub is known")?
        }
    };
    let url = format!("{base}{path}");
    let url = Url::parse(&url).map_err(|error| format!("`{url}` is not a URL: {error}"))?;
    let mut headers = headers(request, names)?;
    let body = body(&request.body, &mut headers, names)?;
    if let Some(user) = request.auth
        && !headers.contains_key(AUTHORIZATION)
    {
        let person = scope.world().people.person(user, scope.iteration);
        let person = person.ok_or("nobody to send it as")?;
        headers.insert(AUTHORIZATION, person.authorization.clone());
    }
    Ok(Prepared { method: request.method.clone(), url, headers, body })
}

fn headers(request: &RequestPlan, names: &At<'_>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 2);
    for (name, template) in &request.headers {
        let text = template.render(names).map_err(|error| format!("header {name}: {error}"))?;
        let mut value = HeaderValue::from_bytes(text.as_bytes())
            .map_err(|_| format!("header {name}: control characters in the value"))?;
        value.set_sensitive(is_secret(name));
        headers.append(name, value);
    }
    Ok(headers)
}

fn body(body: &Body, headers: &mut HeaderMap, names: &At<'_>) -> Result<Bytes, String> {
    let problem = |error| format!("body: {error}");
    match body {
        Body::Empty => Ok(Bytes::new()),
        Body::Text(template) => template.render(names).map(Bytes::from).map_err(problem),
        Body::Json(template) => {
            let json = HeaderValue::from_static("application/json");
            headers.entry(CONTENT_TYPE).or_insert(json);
            template.render(names).map(|value| value.to_string().into()).map_err(problem)
        }
    }
}

/// Whether its value is shown to nobody.
pub fn is_secret(name: &HeaderName) -> bool {
    [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(name) || name == "x-api-key"
}

/// The request as a command line for a shell. Secret headers are shell variables.
pub(crate) fn curl(request: &Prepared) -> String {
    let mut words = vec!["curl -sS -i".to_owned()];
    if request.method != Method::GET {
        words.push(format!("-X {}", request.method));
    }
    words.push(quoted(request.url.as_str()));
    for (name, value) in &request.headers {
        let text = String::from_utf8_lossy(value.as_bytes());
        words.push(if !value.is_sensitive() {
            format!("-H {}", quoted(&format!("{name}: {text}")))
        } else if text.starts_with("Bearer ") {
            "-H \"Authorization: Bearer $TOKEN\"".to_owned()
        } else {
            format!("-H \"{name}: $TOKEN\"")
        });
    }
    match request.body.len() {
        0 => {}
        1..=SHOWN_BODY => {
            let body = String::from_utf8_lossy(&request.body);
            words.push(format!("--data-raw {}", quoted(&body)));
        }
        bytes => words.push(format!("--data-binary @body # {bytes} bytes")),
    }
    words.join(" ")
}

/// In single quotes, as a POSIX shell reads them.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
