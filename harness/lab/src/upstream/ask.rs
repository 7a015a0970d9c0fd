//! What the harness asks of a stub.

use std::time::Duration;

use reqwest::Url;

use super::{ARRIVALS_PATH, Arrivals, FAULTS_PATH};

/// The stub answers from memory.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Removes all faults of the stub at `url`.
///
/// # Errors
/// Why they remain.
pub async fn clear_faults(url: &Url) -> Result<(), String> {
    let url = url.join(FAULTS_PATH).map_err(|error| error.to_string())?;
    let response = client()?.delete(url).send().await.map_err(|error| error.to_string())?;
    response.error_for_status().map(|_| ()).map_err(|error| error.to_string())
}

/// How many calls the stub at `url` has seen.
///
/// # Errors
/// Why nobody knows: it does not answer, or is another version.
pub async fn arrivals(url: &Url) -> Result<Arrivals, String> {
    let url = url.join(ARRIVALS_PATH).map_err(|error| error.to_string())?;
    let asked = client()?.get(url).send().await.and_then(reqwest::Response::error_for_status);
    let text = asked.map_err(|error| error.to_string())?.text().await;
    serde_json::from_str(&text.map_err(|error| error.to_string())?)
        .map_err(|error| format!("{ARRIVALS_PATH}: {error}"))
}

fn client() -> Result<reqwest::Client, String> {
    crate::http::tls::install();
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWERS_WITHIN).build();
    client.map_err(|error| error.to_string())
}
