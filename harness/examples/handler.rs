//! A target that answers after a fixed time: `handler MILLISECONDS`. It prints its URL, and ends
//! with its standard input. For `scripts/study-gate`.
#![allow(clippy::print_stdout, reason = "a program of its own")]

use std::{error::Error, time::Duration};

use axum::{Router, routing::get};
use tokio::{io::AsyncReadExt as _, net::TcpListener};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let milliseconds = std::env::args().nth(1).ok_or("usage: handler MILLISECONDS")?.parse()?;
    let delay = Duration::from_millis(milliseconds);
    let answer = move || async move {
        tokio::time::sleep(delay).await;
        "ok"
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    let served = axum::serve(listener, Router::new().route("/", get(answer)));
    let mut rest = Vec::new();
    tokio::select! {
        ended = async { served.await } => ended?,
        _ = async { tokio::io::stdin().read_to_end(&mut rest).await } => {}
    }
    Ok(())
}
