//! Asks what the harness wants to know for itself, beside the requests of a scenario: of a stub, of a control
//! socket, of a target before a run, of an API with analytics. Whoever answers may be anybody.

use std::time::Duration;

use reqwest::{ClientBuilder, Response, redirect::Policy};

/// The longest answer that is read, in bytes: a ledger of a long run has some megabytes.
pub const MAX_ANSWER_BYTES: usize = 32 << 20;
/// The longest time that a question takes, its answer included, unless a client says otherwise.
pub const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// An answer that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// It is larger than [`MAX_ANSWER_BYTES`].
    #[error("the answer is larger than {MAX_ANSWER_BYTES} bytes")]
    TooLarge,
    /// It broke off, or did not come in time.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

/// Returns a client's settings: no proxy, no redirects, which may lead to somebody else, and
/// [`ANSWERED_WITHIN`].
pub fn client() -> ClientBuilder {
    super::tls::install();
    reqwest::Client::builder().no_proxy().redirect(Policy::none()).timeout(ANSWERED_WITHIN)
}

/// Reads the body of an answer.
///
/// # Errors
/// [`AnswerError`].
pub async fn read(response: Response) -> Result<Vec<u8>, AnswerError> {
    read_at_most(response, MAX_ANSWER_BYTES).await
}

/// Reads the body of an answer as text. What is no UTF-8 is replaced.
///
/// # Errors
/// [`AnswerError`].
pub async fn read_text(response: Response) -> Result<String, AnswerError> {
    let body = read(response).await?;
    Ok(String::from_utf8(body)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

async fn read_at_most(mut response: Response, most: usize) -> Result<Vec<u8>, AnswerError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > most {
            return Err(AnswerError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

    use super::*;

    #[tokio::test]
    async fn an_answer_is_read_up_to_its_bound() {
        let server = MockServer::start().await;
        let ten = ResponseTemplate::new(200).set_body_string("0123456789");
        Mock::given(any()).respond_with(ten).mount(&server).await;
        let client = client().build().unwrap();
        for (most, is_read) in [(10, true), (9, false)] {
            let answer = client.get(server.uri()).send().await.unwrap();
            let read = read_at_most(answer, most).await;
            assert_eq!(read.is_ok(), is_read, "{read:?}");
        }
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer() {
        let (server, other) = (MockServer::start().await, MockServer::start().await);
        let elsewhere = ResponseTemplate::new(302).insert_header("location", other.uri());
        Mock::given(any()).respond_with(elsewhere).mount(&server).await;
        let answer = client().build().unwrap().get(server.uri()).send().await.unwrap();
        assert_eq!(answer.status(), 302);
        assert!(other.received_requests().await.unwrap().is_empty());
    }
}
