//! The harness's own questions to a stub.

use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::Url;

use super::ARRIVALS_PATH;
use crate::model::stub::{Arrivals, FAULTS_PATH, Stub, StubError};

/// The stub answers from memory.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// A stub at a URL.
#[derive(Clone, Debug)]
pub struct RemoteStub(pub Url);

impl Stub for RemoteStub {
    fn arrivals(&self) -> BoxFuture<'_, Result<Arrivals, StubError>> {
        Box::pin(async {
            let url = self.0.join(ARRIVALS_PATH).map_err(error)?;
            let asked =
                client()?.get(url).send().await.and_then(reqwest::Response::error_for_status);
            let text = asked.map_err(error)?.text().await.map_err(error)?;
            serde_json::from_str(&text)
                .map_err(|error| StubError(format!("{ARRIVALS_PATH}: {error}")))
        })
    }

    fn clear_faults(&self) -> BoxFuture<'_, Result<(), StubError>> {
        Box::pin(async {
            let url = self.0.join(FAULTS_PATH).map_err(error)?;
            let response = client()?.delete(url).send().await.map_err(error)?;
            response.error_for_status().map(|_| ()).map_err(error)
        })
    }
}

fn error(error: impl std::error::Error) -> StubError {
    StubError(error.to_string())
}

fn client() -> Result<reqwest::Client, StubError> {
    crate::http::tls::install();
    reqwest::Client::builder().no_proxy().timeout(ANSWERS_WITHIN).build().map_err(error)
}
