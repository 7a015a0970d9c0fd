use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use super::*;
use crate::http::{MAX_BODY, Prepared};

const LONG: Duration = Duration::from_secs(10);

fn get(url: &str) -> Request {
    Request::Prepared(Prepared {
        method: Method::GET,
        url: url.parse().unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    })
}

async fn send(url: &str, timeout: Duration) -> Exchange {
    let client = Client::new(&url.parse().unwrap(), ClientConfig::for_steps()).unwrap();
    client.send(&get(url), timeout, |_| Wanted::ALL).await
}

async fn kind(url: &str, timeout: Duration) -> ErrorKind {
    let exchange = send(url, timeout).await;
    assert!(exchange.received >= exchange.sent);
    exchange.outcome.expect_err("a failure").kind
}

/// A server that reads a request, sends `bytes` and closes, with a reset if `reset`.
async fn raw(bytes: &'static [u8], reset: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            answer(&mut stream, bytes).await;
            if reset {
                stream.set_zero_linger().unwrap();
            }
        }
    };
    #[expect(clippy::disallowed_methods, reason = "a server of a test")]
    tokio::spawn(serve);
    url(address)
}

async fn answer(stream: &mut TcpStream, bytes: &[u8]) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await.unwrap();
    stream.write_all(bytes).await.unwrap();
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/")
}

#[tokio::test]
async fn an_answer_is_returned_whole_and_redirects_are_answers() {
    let server = MockServer::start().await;
    Mock::given(matchers::path("/here"))
        .respond_with(
            ResponseTemplate::new(302).insert_header("location", "/there").set_body_string("moved"),
        )
        .mount(&server)
        .await;
    let url = format!("{}/here", server.uri());
    let exchange = send(&url, LONG).await;
    let response = exchange.outcome.unwrap();
    assert_eq!(response.status, 302);
    assert_eq!(response.headers["location"], "/there");
    assert_eq!(response.body, "moved");
}

#[tokio::test]
async fn a_slow_answer_times_out() {
    let server = MockServer::start().await;
    Mock::given(matchers::any())
        .respond_with(ResponseTemplate::new(200).set_delay(LONG))
        .mount(&server)
        .await;
    assert_eq!(kind(&server.uri(), Duration::from_millis(50)).await, ErrorKind::Timeout);
}

#[tokio::test]
async fn a_stalled_body_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url(listener.local_addr().unwrap());
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        answer(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
        tokio::time::sleep(LONG).await;
    };
    let kind = tokio::select! {
        kind = kind(&url, Duration::from_millis(50)) => kind,
        () = serve => panic!("the server stopped first"),
    };
    assert_eq!(kind, ErrorKind::BodyTimeout);
}

#[tokio::test]
async fn a_body_at_the_cap_is_read_and_one_byte_more_is_not() {
    let server = MockServer::start().await;
    for (path, size) in [("/at", MAX_BODY), ("/past", MAX_BODY + 1)] {
        Mock::given(matchers::path(path))
            .respond_with(ResponseTemplate::new(200).set_body_bytes(vec![b'x'; size]))
            .mount(&server)
            .await;
    }
    let exchange = send(&format!("{}/at", server.uri()), LONG).await;
    assert_eq!(exchange.outcome.unwrap().body.len(), MAX_BODY);
    assert_eq!(kind(&format!("{}/past", server.uri()), LONG).await, ErrorKind::TooLarge);
}

#[tokio::test]
async fn a_free_port_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url(listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(kind(&url, LONG).await, ErrorKind::Refused);
}

#[tokio::test]
async fn hostile_answers_are_told_apart() {
    for (bytes, reset, expected) in [
        (&b""[..], true, ErrorKind::Reset),
        (b"", false, ErrorKind::Closed),
        (b"HTTP/1.1 200 OK\r\nserver: a", false, ErrorKind::Truncated),
        (b"HTTP/1.1 100 Continue\r\n\r\n", false, ErrorKind::Closed),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", false, ErrorKind::Malformed),
        (b"HTTP/9.9 200 OK\r\n\r\n", false, ErrorKind::Malformed),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", false, ErrorKind::Truncated),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\nhalf\r\n",
            false,
            ErrorKind::Malformed,
        ),
    ] {
        let url = raw(bytes, reset).await;
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(kind(&url, LONG).await, expected, "{text:?}, reset: {reset}");
    }
}

#[tokio::test]
async fn plain_text_is_not_tls() {
    let url = raw(b"HTTP/1.1 200 OK\r\n\r\n", false).await.replace("http:", "https:");
    assert_eq!(kind(&url, LONG).await, ErrorKind::Tls);
}

#[tokio::test]
async fn an_unknown_name_has_no_address() {
    assert_eq!(kind("http://does-not-exist.invalid/", LONG).await, ErrorKind::Dns);
}
