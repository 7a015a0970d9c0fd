//! `workway load`: a load on one URL, said in one line.
//!
//! It writes the scenario that this line means, and runs it as `workway run` runs any other.

use std::{fmt::Write as _, fs, io::Write as _, path::PathBuf, time::Duration};

use clap::Args;

use super::{
    gate,
    output::{self, Failure},
    run::{self, Conditions},
};
use crate::{
    exit::Exit,
    http::is_secret,
    language,
    model::files::{self, MAX_SETTINGS_BYTES},
    plan::{self, ScenarioPlan},
    target::TargetSpec,
};

/// The name of the scenario, and of its place in messages.
const NAME: &str = "load/url";
const PLACE: &str = "the scenario of this line";
/// The methods that the language has.
const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];
/// What is judged when nothing else is asked for.
const THRESHOLD: &str = "error_rate < 1%";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What is requested: `http://127.0.0.1:8787/health`. A part of it may be a variable, such as `${{ uuid }}` or
    /// `${{ iteration }}`, as in scenarios; put it in single quotes then.
    #[arg(value_name = "URL")]
    url: String,
    /// Connections, each of which sends its next request when it has the answer to the last one. With --rate:
    /// the most connections that are open at once.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    connections: Option<u32>,
    /// Requests a second, sent on time whatever the answers take, in place of connections that wait for them.
    #[arg(short, long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// The rate at the beginning, from which it rises steadily to --rate.
    #[arg(long, value_name = "N", value_parser = rate, requires = "rate")]
    from: Option<f64>,
    /// How long requests are sent.
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = gate::duration)]
    duration: Duration,
    /// The number of requests, in place of a duration.
    #[arg(short = 'n', long, value_name = "N", requires = "rate", conflicts_with_all = ["duration", "from"],
          value_parser = clap::value_parser!(u32).range(1..))]
    requests: Option<u32>,
    /// The method; GET, or POST where there is a body.
    #[arg(short = 'X', long, value_name = "METHOD", ignore_case = true, value_parser = METHODS)]
    method: Option<String>,
    /// A header, as `NAME: VALUE`; as often as needed.
    #[arg(short = 'H', long, value_name = "HEADER")]
    header: Vec<String>,
    /// The variable of the environment that holds a token, which is sent as `Authorization: Bearer …`. No report
    /// shows it.
    #[arg(long, value_name = "VARIABLE")]
    token_env: Option<String>,
    /// The body, as text.
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// The body, as JSON; sets its content type.
    #[arg(long, value_name = "JSON", conflicts_with = "body")]
    json: Option<String>,
    /// A file of text that is the body.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["body", "json"])]
    body_file: Option<PathBuf>,
    /// The longest that an answer may take.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = gate::duration)]
    timeout: Duration,
    /// What must hold, such as `p95 < 200 ms` or `rate > 90/s`; as often as needed. By default `error_rate < 1%`,
    /// where an answer of 400 and above is an error, and so is none.
    #[arg(short, long, value_name = "THRESHOLD")]
    threshold: Vec<String>,
    /// Write the scenario into this file, too, which `workway run` takes. A file that is there is never replaced.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    #[command(flatten)]
    conditions: Conditions,
}

/// An option that is wrong.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("it must be a number above 0, such as 50 or 0.5, and at most {MAX_RATE}")]
    Rate,
    #[error("`{0}`: write the whole URL, such as http://{0}")]
    NoScheme(String),
    #[error(transparent)]
    Target(#[from] crate::target::BadTarget),
    #[error("-H `{0}`: write it as `NAME: VALUE`")]
    Header(String),
    #[error(
        "-H `Authorization: Bearer …`: others on this machine see what a command line says; put the token into \
         the environment, and name the variable with --token-env"
    )]
    Token,
    #[error("--json: it is no JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("--body-file {}: {error}", path.display())]
    Body { path: PathBuf, error: std::io::Error },
    #[error("--save {}: {error}; nothing was sent", path.display())]
    Save { path: PathBuf, error: std::io::Error },
    #[error("{PLACE} is not valid; nothing was sent")]
    Scenario,
}

/// The highest rate that may be asked for, in requests a second.
const MAX_RATE: f64 = 10_000_000.0;

fn rate(text: &str) -> Result<f64, LoadError> {
    let number = text.trim().trim_end_matches("/s").parse::<f64>().map_err(|_| LoadError::Rate)?;
    if number > 0.0 && number <= MAX_RATE { Ok(number) } else { Err(LoadError::Rate) }
}

pub(super) async fn load(arguments: Arguments) -> Exit {
    let (plan, target) = match planned(&arguments) {
        Ok(planned) => planned,
        Err(failure) => return failure.show(),
    };
    run::run_plans(&arguments.conditions, &target, &[plan]).await
}

/// Returns the plan of what the line means, and its target, once it is saved where that was asked for.
fn planned(arguments: &Arguments) -> Result<(ScenarioPlan, TargetSpec), Failure> {
    let (target, path) = split(&arguments.url).map_err(Failure::usage)?;
    let yaml = scenario(arguments, &path, false).map_err(Failure::usage)?;
    let (plan, _) =
        plan::load(PLACE, yaml.as_bytes(), &workway_lab::catalog()).map_err(|wrong| {
            output::say(&language::render(&wrong, PLACE, &yaml, output::color_on_stderr()));
            Failure::new(Exit::Scenario, LoadError::Scenario)
        })?;
    if let Some(save) = &arguments.save {
        let saved = scenario(arguments, &path, true).and_then(|yaml| {
            let file = fs::File::create_new(save);
            file.and_then(|mut file| file.write_all(yaml.as_bytes()))
                .map_err(|error| LoadError::Save { path: save.clone(), error })
        });
        saved.map_err(Failure::usage)?;
    }
    Ok((plan, target))
}

/// Splits a URL into the target, and the path with its query. Only the target is parsed: the path may have
/// variables.
fn split(url: &str) -> Result<(TargetSpec, String), LoadError> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(LoadError::NoScheme(url.to_owned()));
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let target = TargetSpec::parse(&format!("{scheme}://{authority}"))?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok((target, format!("{slash}{path}")))
}

/// Writes the scenario. In one that is `saved`, a header that is a secret comes from the environment.
fn scenario(arguments: &Arguments, path: &str, saved: bool) -> Result<String, LoadError> {
    let (mut headers, mut secrets) = (Vec::new(), Vec::new());
    for header in &arguments.header {
        let wrong = || LoadError::Header(header.clone());
        let (name, value) = header.split_once(':').ok_or_else(wrong)?;
        let (name, value) = (name.trim(), value.trim());
        let parsed = name.parse::<http::HeaderName>().map_err(|_| wrong())?;
        if parsed == http::header::AUTHORIZATION && value.to_lowercase().starts_with("bearer ") {
            return Err(LoadError::Token);
        }
        if saved && is_secret(&parsed) {
            let variable = format!("WORKWAY_{}", parsed.as_str().to_uppercase().replace('-', "_"));
            let local = format!("secret {}", secrets.len() + 1);
            headers.push(format!("{}: {}", quoted(name), quoted(&format!("${{{{ {local} }}}}"))));
            secrets.push(format!("  {local}: {{ secret: {{ env: {variable} }} }}"));
        } else {
            headers.push(format!("{}: {}", quoted(name), quoted(value)));
        }
    }
    let body = body(arguments, &mut headers)?;
    let method = arguments.method.as_deref().unwrap_or(if body.is_some() { "post" } else { "get" });
    let mut request = vec![format!("{}: {}", method.to_lowercase(), quoted(path))];
    if !headers.is_empty() {
        request.push(format!("headers: {{ {} }}", headers.join(", ")));
    }
    request.extend(arguments.token_env.as_ref().map(|_| "auth: me".to_owned()));
    request.extend(body.map(|body| format!("body: {}", quoted(&body))));
    request.push(format!("timeout: {}", time(arguments.timeout)));

    let mut yaml = format!("scenario: {NAME}\n");
    if !secrets.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(yaml, "vars:\n{}", secrets.join("\n"));
    }
    if let Some(variable) = &arguments.token_env {
        let _ = writeln!(yaml, "users: {{ me: {{ token: {{ env: {} }} }} }}", quoted(variable));
    }
    let _ = writeln!(yaml, "load:\n  profile: {}", profile(arguments));
    if let (Some(most), Some(_)) = (arguments.connections, arguments.rate) {
        let _ = writeln!(yaml, "  max_connections: {most}");
    }
    let _ = writeln!(yaml, "  journeys:\n    one:\n      steps:\n        - request:");
    for line in request {
        let _ = writeln!(yaml, "            {line}");
    }
    let _ = writeln!(yaml, "thresholds:");
    let asked = arguments.threshold.iter().map(String::as_str);
    let default = arguments.threshold.is_empty().then_some(THRESHOLD);
    for threshold in asked.chain(default) {
        let _ = writeln!(yaml, "  - {}", quoted(threshold));
    }
    Ok(yaml)
}

/// Returns the body, and adds its content type to `headers`.
fn body(arguments: &Arguments, headers: &mut Vec<String>) -> Result<Option<String>, LoadError> {
    if let Some(json) = &arguments.json {
        // Variables stand in strings, so that it is JSON with them, too.
        serde_json::from_str::<serde::de::IgnoredAny>(json)?;
        headers.push("\"content-type\": \"application/json\"".to_owned());
        return Ok(Some(json.clone()));
    }
    let Some(path) = &arguments.body_file else { return Ok(arguments.body.clone()) };
    let text = files::read_text(path, MAX_SETTINGS_BYTES);
    text.map(Some).map_err(|error| LoadError::Body { path: path.clone(), error })
}

fn profile(arguments: &Arguments) -> String {
    let Arguments { rate, from, duration, requests, connections, .. } = arguments;
    let lasts = time(*duration);
    match (rate, from, requests) {
        (None, ..) => {
            format!("{{ users: {{ count: {}, for: {lasts} }} }}", connections.unwrap_or(10))
        }
        (Some(rate), None, None) => format!("{{ constant: {{ rate: {rate}/s, for: {lasts} }} }}"),
        (Some(rate), None, Some(requests)) => {
            let lasts = time(Duration::from_secs_f64(f64::from(*requests) / rate));
            format!("{{ constant: {{ rate: {rate}/s, for: {lasts} }} }}")
        }
        (Some(rate), Some(from), _) => {
            format!("{{ ramp: {{ from: {from}/s, to: {rate}/s, for: {lasts} }} }}")
        }
    }
}

/// Writes a time as the language does.
fn time(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// Writes a text so that YAML takes it for that text: a string of JSON is one of YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_target_and_a_path() {
        for (url, target, path) in [
            ("http://127.0.0.1:8787", "http://127.0.0.1:8787/", "/"),
            ("http://localhost:1/a/b?c=d#e", "http://localhost:1/", "/a/b?c=d"),
            ("https://a.example?x=${{ uuid }}", "https://a.example/", "/?x=${{ uuid }}"),
        ] {
            let (found, rest) = split(url).unwrap();
            let TargetSpec::Url(found) = found else { panic!("{url}") };
            assert_eq!((found.as_str(), rest.as_str()), (target, path));
        }
        for url in ["localhost:8787/x", "ftp://a/", "http://u:p@a/", "http:///x", "http://a:0/"] {
            assert!(split(url).is_err(), "{url}");
        }
    }
}
