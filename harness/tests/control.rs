//! What a test can do to the embedded target besides asking it.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::{
    io::{BufRead, BufReader, ErrorKind},
    net::TcpListener,
    process::{Command, Stdio},
    time::Duration,
};

use crate::proof::{Caller, Host, program};
use serde_json::json;
use workway::target::TargetSpec;

async fn statuses(caller: &Caller, requests: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..requests {
        statuses.push(caller.get("/workflows", "ann").await.unwrap().status);
    }
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_of_the_limiter_takes_no_time() {
    let mut host = Host::new(TargetSpec::Embedded, None);
    host.start().await;
    let (caller, control) = (host.caller(), host.target().control.clone().unwrap());
    let clock = control.freeze(true).await.unwrap();
    assert!(clock.frozen);
    assert_eq!(statuses(&caller, 101).await.iter().filter(|s| **s == 200).count(), 100);
    let later = control.advance(Duration::from_mins(2)).await.unwrap();
    assert_eq!(later.now - clock.now, 120_000);
    assert_eq!(statuses(&caller, 1).await, [200]);
    host.cron().await;
    let counters = control.counters().await.unwrap();
    // The schedule follows the clock: two minutes were a reason for one of its own.
    assert!((1..=2).contains(&counters.sweeps), "{counters:?}");
    assert!(counters.requests >= 102, "{counters:?}");
    assert!(control.rest().await.unwrap().quiet);
    host.stop().await;
}

/// Variables that name a proxy must not lead outbound requests past the judgement of addresses.
#[tokio::test(flavor = "multi_thread")]
async fn no_proxy_of_the_environment_is_used() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let mut command = Command::new(program());
    command.args(["lab", "serve", "--port", "0", "--until-stdin-closes"]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        command.env(name, &url);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let base = reqwest::Url::parse(line.trim()).unwrap();
    let stub = format!("http://127.0.0.1:{}/effect", base.port().unwrap() + 1);

    let caller = Caller::at(base);
    let step = json!({"type": "http", "config": {"url": stub, "method": "POST"}});
    let workflow = json!({"name": "n", "description": "d", "steps": [step]});
    let workflow = caller.post("/workflows", "ann", &workflow).await.unwrap().body;
    let path = format!("/workflows/{}/runs", workflow["id"].as_str().unwrap());
    let run = caller.post(&path, "ann", &json!({})).await.unwrap().body;
    let run = caller.finished(run["id"].as_str().unwrap(), "ann").await;
    assert_eq!(run["status"], "succeeded", "{run}");
    assert!(proxy.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
    drop(child.stdin.take());
    child.wait().unwrap();
}
