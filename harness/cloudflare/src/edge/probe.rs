//! Gathers the facts.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

use reqwest::{Certificate, Client, ClientBuilder, Url, redirect::Policy, tls::TlsInfo};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Domain, old_tls};

/// The time limit for one request.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// An origin that no deployment allows.
const STRANGER: &str = "https://stranger.invalid";
/// Asked for with a redirect in view: path and query must survive it.
const REDIRECTED: &str = "health/live?a=b";

/// An answer, without its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// The headers by name in lower case; the last value where there are several.
    pub headers: BTreeMap<String, String>,
}

impl Page {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// Holds the facts that were gathered about a domain.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The answer over plain HTTP.
    pub plain: Result<Page, String>,
    /// The address to which that must redirect.
    pub redirect_to: String,
    /// The old version of TLS that the server agreed to, if any.
    pub old_tls: Result<Option<&'static str>, String>,
    /// Says that its certificate is trusted and names it, or why not.
    pub trusted: Result<(), String>,
    /// The remaining lifetime of the certificate; zero when it has ended.
    pub certificate_left: Option<Duration>,
    /// The answer of `/health/live` to a page of another origin.
    pub live: Result<Page, String>,
    /// The answer of a route for one person to a request without a token.
    pub private: Result<Page, String>,
    /// The answer of the public catalogue.
    pub catalogue: Result<Page, String>,
}

/// Says why no facts could be gathered.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// The authority's certificate.
    #[error("cannot use {} as an authority: {problem}; give a PEM certificate", path.display())]
    Authority {
        /// The path of the file.
        path: PathBuf,
        /// The error in the file.
        problem: String,
    },
    /// The client cannot be made.
    #[error("no TLS client: {0}")]
    Client(#[source] reqwest::Error),
    /// Nothing answers at the address.
    #[error("{url} cannot be reached: {problem}")]
    Unreachable {
        /// The URL that was requested.
        url: Url,
        /// The reason.
        problem: String,
    },
}

/// Looks at a domain.
///
/// # Errors
/// [`EdgeError`] when there is nothing to look at.
pub async fn probe(domain: &Domain) -> Result<Facts, EdgeError> {
    let strict = authority(domain, base())?.build().map_err(EdgeError::Client)?;
    // What its certificate is worth is a rule of its own; the other rules look past it.
    let lenient = base().tls_danger_accept_invalid_certs(true).tls_info(true);
    let lenient = lenient.build().map_err(EdgeError::Client)?;
    let at = |path: &str| join(&domain.https, path);
    let first = lenient.get(at("health/live")).send().await;
    let first = first.map_err(|error| EdgeError::Unreachable {
        url: domain.https.clone(),
        problem: reason(&error),
    })?;
    let host = domain.https.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = domain.https.port_or_known_default().unwrap_or(443);
    let old = old_tls::accepted(host, port, old_tls::ANSWER_WITHIN).await;
    Ok(Facts {
        plain: page(&strict, join(&domain.http, REDIRECTED), false).await,
        redirect_to: at(REDIRECTED).to_string(),
        old_tls: old.map_err(|error| error.to_string()),
        trusted: strict.get(at("health/live")).send().await.map(drop).map_err(|e| reason(&e)),
        certificate_left: first.extensions().get::<TlsInfo>().and_then(left),
        live: page(&lenient, at("health/live"), true).await,
        private: page(&lenient, at("workflows"), false).await,
        catalogue: page(&lenient, at("api/workflows"), false).await,
    })
}

fn base() -> ClientBuilder {
    Client::builder().no_proxy().redirect(Policy::none()).timeout(ANSWER_WITHIN)
}

fn authority(domain: &Domain, client: ClientBuilder) -> Result<ClientBuilder, EdgeError> {
    let Some(path) = &domain.authority else { return Ok(client) };
    let failed = |problem: String| EdgeError::Authority { path: path.clone(), problem };
    let pem = fs::read(path).map_err(|error| failed(error.to_string()))?;
    let bundle = Certificate::from_pem_bundle(&pem).map_err(|error| failed(error.to_string()))?;
    if bundle.is_empty() {
        return Err(failed("there is none in it".to_owned()));
    }
    Ok(client.tls_certs_only(bundle))
}

fn join(base: &Url, path: &str) -> Url {
    // A base with a host takes every relative path.
    base.join(path).unwrap_or_else(|_| base.clone())
}

async fn page(client: &Client, url: Url, from_a_page: bool) -> Result<Page, String> {
    let mut request = client.get(url);
    if from_a_page {
        request = request.header("origin", STRANGER);
    }
    let answer = request.send().await.map_err(|error| reason(&error))?;
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value)));
    Ok(Page { status: answer.status().as_u16(), headers: headers.collect() })
}

fn left(info: &TlsInfo) -> Option<Duration> {
    let (_, certificate) = X509Certificate::from_der(info.peer_certificate()?).ok()?;
    let end = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    #[expect(clippy::disallowed_methods, reason = "certificates end by the calendar")]
    let now = std::time::SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(end).saturating_sub(now))
}

/// Returns the innermost cause: it names the certificate's fault.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
