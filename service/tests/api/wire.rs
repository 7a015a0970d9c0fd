//! HTTP by hand, for what no client would send.

use std::time::Duration;

use regex::Regex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::client::Api;

/// Longer than any answer takes on a machine that is busy: no answer by then is a hang.
const PATIENCE: Duration = Duration::from_mins(1);
/// After an answer, how long the connection is watched for another one.
const QUIET: Duration = Duration::from_millis(300);

/// What came back on a connection.
#[derive(Debug)]
pub(crate) struct Heard {
    /// Of each answer, interim ones included.
    pub(crate) statuses: Vec<u16>,
    pub(crate) closed: bool,
    pub(crate) text: String,
}

pub(crate) async fn connect(api: &Api) -> TcpStream {
    TcpStream::connect(api.base.trim_start_matches("http://")).await.unwrap()
}

/// Sends bytes on a connection of their own and listens.
pub(crate) async fn say(api: &Api, bytes: &[u8]) -> Heard {
    let mut stream = connect(api).await;
    // The server may have heard enough before the end.
    let _ = stream.write_all(bytes).await;
    hear(&mut stream).await
}

/// Listens until the server closes the connection, or has answered and says no more.
pub(crate) async fn hear(stream: &mut TcpStream) -> Heard {
    let mut heard = Vec::new();
    let closed = loop {
        let patience = if heard.is_empty() { PATIENCE } else { QUIET };
        let mut piece = [0; 4096];
        let read = tokio::time::timeout(patience, stream.read(&mut piece)).await;
        let Ok(read) = read else {
            assert!(!heard.is_empty(), "no answer after {PATIENCE:?}");
            break false;
        };
        match read {
            Ok(length) if length > 0 => heard.extend_from_slice(&piece[..length]),
            // Also a reset: it had heard enough.
            _ => break true,
        }
    };
    let text = String::from_utf8_lossy(&heard).into_owned();
    let status = Regex::new("HTTP/1.1 ([0-9]{3})").unwrap();
    let statuses = status.captures_iter(&text).map(|found| found[1].parse().unwrap()).collect();
    Heard { statuses, closed, text }
}
