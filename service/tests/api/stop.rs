//! How the server stops.

use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::{
    client::{Api, token},
    wire::{connect, hear},
};

/// Until the request has reached the router.
async fn arrived(api: &Api, requests: u64) {
    while api.counted("/requests").await < requests {
        tokio::task::yield_now().await;
    }
}

/// What is under way is finished; who does not finish in time is cut off, or stopping would take
/// as long as the slowest client likes.
#[tokio::test]
async fn requests_under_way_are_finished_and_those_that_never_end_are_cut_off() {
    let mut api = Api::start().await;
    api.freeze().await;
    let steps = json!([{"type": "transform", "config": {"value": 1}}]);
    let body = json!({"name": "n", "description": "d", "steps": steps}).to_string();
    let mut streams = Vec::new();
    for (number, subject) in ["finishes", "never"].into_iter().enumerate() {
        let mut stream = connect(&api).await;
        let head = format!(
            "POST /workflows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            token(subject),
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        arrived(&api, number as u64 + 1).await;
        streams.push(stream);
    }
    let stopped = api.stop();
    let finished = async {
        streams[0].write_all(body.as_bytes()).await.unwrap();
        hear(&mut streams[0]).await
    };
    let ((), heard) = futures_util::future::join(stopped, finished).await;
    assert_eq!(heard.statuses, [201], "{heard:?}");
    assert!(heard.closed);
    api.boot().await;
    assert_eq!(
        api.get("/workflows", &token("finishes")).await.1["workflows"].as_array().unwrap().len(),
        1
    );
}
