//! The harness's own questions to a stub.

use std::{str::FromStr, time::Duration};

use futures_util::future::BoxFuture;
use reqwest::{Method, Url};

use super::ARRIVALS_PATH;
use crate::http::question::{self, AnswerError};
use crate::model::stub::{Arrivals, FAULTS_PATH, Stub, StubError};

/// The stub answers from memory.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// A stub at a URL.
#[derive(Clone, Debug)]
pub struct RemoteStub(pub Url);

/// Says why a stub did not do what it was asked.
#[derive(Debug, thiserror::Error)]
enum ClientError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error(transparent)]
    Url(<Url as FromStr>::Err),
    #[error("{ARRIVALS_PATH}: {0}")]
    Arrivals(#[from] serde_json::Error),
}

impl From<ClientError> for StubError {
    fn from(error: ClientError) -> Self {
        Self(error.to_string())
    }
}

impl RemoteStub {
    async fn ask(&self, method: Method, path: &str) -> Result<String, ClientError> {
        let client = question::client().timeout(ANSWERS_WITHIN).build()?;
        let response =
            client.request(method, self.0.join(path).map_err(ClientError::Url)?).send().await?;
        Ok(question::read_text(response.error_for_status()?).await?)
    }
}

impl Stub for RemoteStub {
    fn arrivals(&self) -> BoxFuture<'_, Result<Arrivals, StubError>> {
        Box::pin(async {
            let text = self.ask(Method::GET, ARRIVALS_PATH).await?;
            Ok(serde_json::from_str(&text).map_err(ClientError::from)?)
        })
    }

    fn clear_faults(&self) -> BoxFuture<'_, Result<(), StubError>> {
        Box::pin(async { Ok(self.ask(Method::DELETE, FAULTS_PATH).await.map(drop)?) })
    }
}
