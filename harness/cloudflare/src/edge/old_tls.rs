//! Finds out whether a server still speaks TLS 1.0 or 1.1. No maintained library speaks them, so
//! the greeting of such a client is written out here; its answer is enough, the handshake goes no
//! further.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The time limit for the whole exchange of two messages.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The record that carries handshake messages, and the message that a server agrees with.
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
/// TLS 1.1 and 1.0, newest first.
const VERSIONS: [(u8, &str); 2] = [(2, "TLS 1.1"), (1, "TLS 1.0")];
/// The cipher suites that clients of that time offered: ECDHE and RSA with AES and 3DES, by CBC and
/// SHA-1.
const SUITES: [u16; 8] = [0xc013, 0xc014, 0xc009, 0xc00a, 0x002f, 0x0035, 0x000a, 0x0033];

/// Says why it is unknown whether a server speaks an old version.
#[derive(Debug, thiserror::Error)]
pub enum OldTlsError {
    /// The server cannot be reached.
    #[error(transparent)]
    Unreachable(#[from] io::Error),
    /// The server says nothing.
    #[error("no answer to {version} within {} s", within.as_secs())]
    Silent {
        /// The version that it was offered.
        version: &'static str,
        /// The time limit.
        within: Duration,
    },
}

/// Returns the newest of the old versions that the server agrees to, if it does to any.
///
/// # Errors
/// [`OldTlsError`]: a server that says nothing does not refuse.
pub(super) async fn accepted(
    host: &str,
    port: u16,
    answer_within: Duration,
) -> Result<Option<&'static str>, OldTlsError> {
    for (minor, version) in VERSIONS {
        let answer = tokio::time::timeout(answer_within, greet(host, port, minor)).await;
        let silent = |_| OldTlsError::Silent { version, within: answer_within };
        if answer.map_err(silent)?? {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// Returns whether the answer to the greeting agrees to its version.
async fn greet(host: &str, port: u16, minor: u8) -> io::Result<bool> {
    let mut stream = TcpStream::connect((host, port)).await?;
    stream.write_all(&hello(host, minor)).await?;
    let mut answer = [0; 11];
    // An alert is shorter; a server that hangs up refuses, too.
    if stream.read_exact(&mut answer).await.is_err() {
        return Ok(false);
    }
    let [kind, _, _, _, _, message, _, _, _, major, chosen] = answer;
    Ok(kind == HANDSHAKE && message == SERVER_HELLO && (major, chosen) == (3, minor))
}

/// Returns a `ClientHello` (RFC 4346 §7.4.1.2) in its record.
fn hello(host: &str, minor: u8) -> Vec<u8> {
    let suites: Vec<u8> = SUITES.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    let name = with_length_16(&[&[0][..], &with_length_16(host.as_bytes())].concat());
    let extensions = [
        extension(0, &name),
        // P-256, P-384 and P-521; uncompressed points.
        extension(10, &with_length_16(&[0, 23, 0, 24, 0, 25])),
        extension(11, &[1, 0]),
    ]
    .concat();
    let body = [
        &[3, minor][..],
        // The random part; nothing is ever encrypted with it.
        &[7; 32],
        // No session, the suites, no compression.
        &[0],
        &with_length_16(&suites),
        &[1, 0],
        &with_length_16(&extensions),
    ]
    .concat();
    let length = u32::try_from(body.len()).unwrap_or_default().to_be_bytes();
    let [_, high, middle, low] = length;
    let message = [&[1, high, middle, low][..], &body].concat();
    [&[HANDSHAKE, 3, 1][..], &with_length_16(&message)].concat()
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &with_length_16(content)].concat()
}

fn with_length_16(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn who_hangs_up_refuses_and_who_says_nothing_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let within = Duration::from_millis(100);
        // The system accepts the connection; nobody ever reads from it.
        let error = accepted("127.0.0.1", port, within).await.unwrap_err();
        assert!(error.to_string().contains("no answer to TLS 1.1"), "{error}");
        let hanging_up = async {
            loop {
                drop(listener.accept().await);
            }
        };
        tokio::select! {
            refused = accepted("127.0.0.1", port, ANSWER_WITHIN) => {
                assert!(matches!(refused, Ok(None)), "{refused:?}");
            }
            () = hanging_up => {}
        }
    }
}
