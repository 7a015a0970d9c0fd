//! Carries out the `http` step.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{failure::Failure, machine::ATTEMPT_TIMEOUT};
use crate::domain::{
    outbound::{AllowList, HttpCall},
    output::MAX_OUTPUT_BYTES,
    workflow::Step,
};
use crate::ports::{Http, MeteredHttp, OutboundRequest, OutboundResponse, PortError, PortFailure};

/// The largest number of bytes of a response that a step reads. A response of plain text fits into
/// an output with its quotes and its status; one with many escapes may not.
const MAX_RESPONSE_BYTES: usize = 32_000;
const _: () = assert!(MAX_RESPONSE_BYTES < MAX_OUTPUT_BYTES);

/// Sends the request of a step. `key` is the same for every attempt, so that the receiver can drop
/// repetitions.
pub(super) async fn attempt<H: Http>(
    http: MeteredHttp<'_, H>,
    allowed: &AllowList,
    step: &Step,
    key: &str,
) -> Result<Value, Failure> {
    let call = HttpCall::from_config(&step.config, allowed)?;
    let response = http.send(request(call, key)).await.map_err(port_failure)?;
    output(&response)
}

fn request(call: HttpCall, key: &str) -> OutboundRequest {
    let mut headers = BTreeMap::from([
        // The draft of the Idempotency-Key header demands a string of RFC 8941, with its quotes.
        ("idempotency-key", format!("\"{key}\"")),
        ("user-agent", concat!("workway/", env!("CARGO_PKG_VERSION")).to_owned()),
    ]);
    if call.body.is_some() {
        headers.insert("content-type", "application/json".to_owned());
    }
    OutboundRequest {
        method: call.method,
        url: call.url,
        headers,
        body: call.body.map(|body| body.to_string().into_bytes()),
        timeout: Duration::from_millis(ATTEMPT_TIMEOUT.unsigned_abs()),
        max_body_bytes: MAX_RESPONSE_BYTES,
    }
}

fn port_failure(error: PortError) -> Failure {
    match error.cause {
        PortFailure::Timeout(_) => Failure::Timeout,
        PortFailure::Refused(_) => Failure::RequestRefused,
        PortFailure::Conflict(message) | PortFailure::Unavailable { message, .. } => {
            Failure::Unreachable(message)
        }
    }
}

fn output(response: &OutboundResponse) -> Result<Value, Failure> {
    let OutboundResponse { status, body } = response;
    if !(200..300).contains(status) {
        let retry = *status >= 500 || [408, 425, 429].contains(status);
        return Err(Failure::Status { status: *status, retry });
    }
    // A body that is not JSON is kept as text, so that a step can call any server.
    let body = serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()));
    Ok(json!({ "status": status, "body": body }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_statuses_are_worth_another_attempt() {
        let answer = |status| output(&OutboundResponse { status, body: b"[1]".to_vec() });
        assert_eq!(answer(201).unwrap(), json!({"status": 201, "body": [1]}));
        for status in [408, 425, 429, 500, 503] {
            assert!(answer(status).unwrap_err().is_retryable(), "{status}");
        }
        for status in [301, 400, 401, 404, 409, 422] {
            assert!(!answer(status).unwrap_err().is_retryable(), "{status}");
        }
    }
}
