//! `workway edge`

use std::path::PathBuf;

use clap::Args;
use reqwest::Url;

use super::output::{self, Format};
use crate::{
    edge::{Domain, EdgeError, Finding, Outcome, judge, probe},
    exit::Exit,
    target::is_loopback,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The deployment: `https://api.example.com`.
    #[arg(value_name = "URL")]
    url: Url,
    /// URL at which it listens without TLS; the same host on port 80 by default.
    #[arg(long, value_name = "URL")]
    http: Option<Url>,
    /// PEM certificate of an authority to trust in place of the system's.
    #[arg(long, value_name = "FILE")]
    authority: Option<PathBuf>,
    /// The URL is not on loopback, and you may send requests to it.
    #[arg(long)]
    allow_remote: bool,
    /// Format of the result on stdout.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) async fn edge(arguments: Arguments) -> Exit {
    let domain = match domain(&arguments) {
        Ok(domain) => domain,
        Err(error) => return output::fail(Exit::Usage, &error.to_string()),
    };
    let facts = match probe(&domain).await {
        Ok(facts) => facts,
        Err(error @ EdgeError::Unreachable { .. }) => {
            return output::fail(Exit::Unreachable, &error.to_string());
        }
        Err(error) => return output::fail(Exit::Usage, &error.to_string()),
    };
    let findings = judge(&facts);
    match output::show(arguments.format, &findings, |all| all.iter().map(line).collect()) {
        Exit::Pass => exit(&findings),
        failed => failed,
    }
}

fn exit(findings: &[Finding]) -> Exit {
    let any = |outcome| findings.iter().any(|finding| finding.outcome == outcome);
    if any(Outcome::Violated) {
        Exit::Conformance
    } else if any(Outcome::Unknown) {
        Exit::Inconclusive
    } else {
        Exit::Pass
    }
}

fn line(finding: &Finding) -> String {
    let Finding { id, rule, source, outcome, seen } = finding;
    let mark = match outcome {
        Outcome::Holds => "✓",
        Outcome::Violated => "✗",
        Outcome::Unknown => "?",
    };
    format!("{mark} {id} {rule}\n    {seen}  ({source})\n")
}

/// A URL that cannot be looked at.
#[derive(Debug, thiserror::Error)]
enum DomainError {
    #[error("{0}: give the URL of a deployment, with https://")]
    NotHttps(Url),
    #[error("{0} is not a loopback address; add --allow-remote if you may send requests to it")]
    Remote(Url),
}

fn domain(arguments: &Arguments) -> Result<Domain, DomainError> {
    let mut https = arguments.url.clone();
    if https.scheme() != "https" || https.host_str().is_none() {
        return Err(DomainError::NotHttps(https));
    }
    if !is_loopback(&https) && !arguments.allow_remote {
        return Err(DomainError::Remote(https));
    }
    https.set_path("/");
    let mut http = https.clone();
    // Both are URLs with a host: neither can fail.
    let _ = (http.set_port(None), http.set_scheme("http"));
    let http = arguments.http.clone().unwrap_or(http);
    Ok(Domain { https, http, authority: arguments.authority.clone() })
}
