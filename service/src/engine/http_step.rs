//! The `http` step.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::machine::{ATTEMPT_TIMEOUT, Failure};
use crate::domain::{
    outbound::{AllowList, HttpCall},
    workflow::{MAX_STEPS, Step},
};
use crate::ports::{
    Http, MAX_VALUE_BYTES, MeteredHttp, OutboundRequest, OutboundResponse, PortError, PortFailure,
};

/// Longest response that a step keeps, in bytes. All outputs of a run live in one row: a fifth of
/// the row is left for the definition and for escapes.
pub(super) const MAX_RESPONSE_BYTES: usize = MAX_VALUE_BYTES / MAX_STEPS / 5 * 4;

/// Sends the request of a step. `key` is the same for every attempt.
pub(super) async fn attempt<H: Http>(
    http: MeteredHttp<'_, H>,
    allowed: &AllowList,
    step: &Step,
    key: &str,
) -> Result<Value, Failure> {
    let call = HttpCall::from_config(&step.config, allowed)
        .map_err(|message| Failure { message, retry: false })?;
    let response = http.send(request(call, key)).await.map_err(port_failure)?;
    output(&response)
}

fn request(call: HttpCall, key: &str) -> OutboundRequest {
    let mut headers = BTreeMap::from([
        // A structured string, as the Idempotency-Key draft wants it.
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
    let message = match error.cause {
        PortFailure::Timeout(_) => "no answer in time".to_owned(),
        PortFailure::Refused(_) => "the request was refused".to_owned(),
        PortFailure::Conflict(message) | PortFailure::Unavailable { message, .. } => message,
    };
    Failure { message, retry: true }
}

fn output(response: &OutboundResponse) -> Result<Value, Failure> {
    let OutboundResponse { status, body } = response;
    if !(200..300).contains(status) {
        let retry = *status >= 500 || [408, 425, 429].contains(status);
        return Err(Failure { message: format!("answered with status {status}"), retry });
    }
    let body = serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()));
    Ok(json!({ "status": status, "body": body }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_answers_are_worth_another_attempt() {
        let answer = |status| output(&OutboundResponse { status, body: b"[1]".to_vec() });
        assert_eq!(answer(201).unwrap(), json!({"status": 201, "body": [1]}));
        for status in [408, 425, 429, 500, 503] {
            assert!(answer(status).unwrap_err().retry, "{status}");
        }
        for status in [301, 400, 401, 404, 409, 422] {
            assert!(!answer(status).unwrap_err().retry, "{status}");
        }
    }
}
