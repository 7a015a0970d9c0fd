use std::{
    io,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::LocalSet,
};

use super::*;

const LONG: Duration = Duration::from_secs(10);

/// One connection of a target, by its number.
type Served = std::pin::Pin<Box<dyn Future<Output = ()>>>;

/// What a target does with a connection.
type Serve = fn(TcpStream, usize) -> Served;

struct Lab {
    url: Url,
    connections: Arc<AtomicUsize>,
}

/// Runs `test` against a target that serves each connection with `serve`.
fn with<F: Future<Output = ()>>(serve: Serve, test: impl FnOnce(Lab) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counted.fetch_add(1, SeqCst);
                tokio::task::spawn_local(serve(stream, number));
            }
        });
        test(Lab { url, connections }).await;
    });
}

impl Lab {
    fn client(&self, reuse: bool) -> Client {
        let config = ClientConfig { reuse, idle: 4, open: None, budget: Budget::of_one(1) };
        Client::new(&self.url, config).unwrap()
    }

    fn reusing(&self) -> Client {
        self.client(true)
    }

    fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

fn request(text: &str) -> Request {
    Request::Encoded(EncodedRequest {
        bytes: Bytes::copy_from_slice(text.as_bytes()),
        head_only: text.starts_with("HEAD"),
        ours: 0,
        length_stated: false,
    })
}

async fn send(client: &Client, request: &Request) -> Result<(u16, Bytes), ErrorKind> {
    let exchange = client.send(request, LONG, |_| Wanted::ALL).await;
    assert_eq!(exchange.resent, 0);
    assert!(exchange.sent <= exchange.received);
    let response = exchange.outcome.map_err(|error| error.kind)?;
    Ok((response.status.as_u16(), response.body))
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";

/// Reads a request; `false` when the client is gone.
async fn asked(stream: &mut TcpStream) -> bool {
    let mut request = [0; 4096];
    stream.read(&mut request).await.is_ok_and(|read| read > 0)
}

async fn say(stream: &mut TcpStream, text: &str) {
    let _ = stream.write_all(text.as_bytes()).await;
}

#[test]
fn a_connection_is_used_again() {
    let serve: Serve = |mut stream, _| {
        Box::pin(async move {
            while asked(&mut stream).await {
                say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
            }
        })
    };
    with(serve, async |lab| {
        let client = lab.reusing();
        for _ in 0..3 {
            assert_eq!(send(&client, &request(GET)).await, Ok((200, "hi".into())));
        }
        assert_eq!(lab.connections(), 1);
        let phases = client.send(&request(GET), LONG, |_| Wanted::ALL).await.phases;
        assert!(phases.connected.is_none() && phases.first_byte.is_some());
        let alone = client.for_one_user();
        for _ in 0..2 {
            assert!(send(&alone, &request(GET)).await.is_ok());
        }
        assert_eq!(lab.connections(), 2);
        let never = lab.client(false);
        for _ in 0..2 {
            assert!(send(&never, &request(GET)).await.is_ok());
        }
        assert_eq!(lab.connections(), 4);
        assert!(Rc::strong_count(&client.pool) == 1);
    });
}

#[test]
fn a_connection_that_is_announced_to_close_is_not_used_again() {
    let serve: Serve = |mut stream, _| {
        Box::pin(async move {
            while asked(&mut stream).await {
                say(
                    &mut stream,
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
                )
                .await;
            }
        })
    };
    with(serve, async |lab| {
        let client = lab.reusing();
        for _ in 0..3 {
            assert_eq!(send(&client, &request(POST)).await, Ok((200, "".into())));
        }
        assert_eq!(lab.connections(), 3);
    });
}

/// The first connection answers once, reads a second request and closes without a word: that request
/// may have been processed, whatever its method.
#[test]
fn a_request_that_was_read_is_not_sent_again() {
    let serve: Serve = |mut stream, _| {
        Box::pin(async move {
            asked(&mut stream).await;
            say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1").await;
            asked(&mut stream).await;
        })
    };
    with(serve, async |lab| {
        let client = lab.reusing();
        for (number, text) in [GET, POST].into_iter().enumerate() {
            assert!(send(&client, &request(text)).await.is_ok());
            assert_eq!(send(&client, &request(text)).await, Err(ErrorKind::Closed));
            assert_eq!(lab.connections(), number + 1);
        }
    });
}

#[test]
fn a_fresh_connection_that_closes_is_an_error() {
    let serve: Serve = |mut stream, _| {
        Box::pin(async move {
            asked(&mut stream).await;
        })
    };
    with(serve, async |lab| {
        assert_eq!(send(&lab.reusing(), &request(GET)).await, Err(ErrorKind::Closed));
        assert_eq!(lab.connections(), 1);
    });
}

#[test]
fn an_answer_before_the_end_of_the_request_is_the_answer() {
    let serve: Serve = |mut stream, number| {
        Box::pin(async move {
            asked(&mut stream).await;
            say(&mut stream, "HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno").await;
            if number == 0 {
                // Goes on without reading.
                tokio::time::sleep(LONG).await;
            }
        })
    };
    with(serve, async |lab| {
        let client = lab.reusing();
        let length = 32 << 20;
        let body = "x".repeat(length);
        let encoded = request(&format!(
            "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
        assert_eq!(send(&client, &encoded).await, Ok((413, "no".into())));
        assert!(client.pool.idle.borrow().is_empty());
        // The second connection is closed, and with unread bytes that is a reset, which may
        // overtake the answer.
        let second = send(&client, &encoded).await;
        assert!(matches!(second, Ok((413, _)) | Err(ErrorKind::Reset)), "{second:?}");
    });
}

#[test]
fn a_silent_target_times_out() {
    let serve: Serve = |stream, _| {
        Box::pin(async move {
            tokio::time::sleep(LONG).await;
            drop(stream);
        })
    };
    with(serve, async |lab| {
        let exchange =
            lab.reusing().send(&request(GET), Duration::from_millis(30), |_| Wanted::ALL).await;
        assert_eq!(exchange.outcome.unwrap_err().kind, ErrorKind::Timeout);
        assert!(exchange.phases.connected.is_some() && exchange.phases.first_byte.is_none());
    });
}

#[test]
fn bodies_that_nobody_wants_are_counted_only() {
    let serve: Serve = |mut stream, _| {
        Box::pin(async move {
            while asked(&mut stream).await {
                say(&mut stream, "HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 2\r\n\r\nhi").await;
            }
        })
    };
    with(serve, async |lab| {
        let exchange = lab.reusing().send(&request(GET), LONG, |_| Wanted::default()).await;
        let response = exchange.outcome.unwrap();
        assert!(response.body.is_empty() && response.headers.is_empty());
    });
}

#[test]
fn nobody_and_nowhere() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let kind = |url: &str| {
        let lab = Lab { url: url.parse().unwrap(), connections: Arc::default() };
        let client = lab.reusing();
        runtime.block_on(async { send(&client, &request(GET)).await.unwrap_err() })
    };
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(kind(&format!("http://{free}/")), ErrorKind::Refused);
    assert_eq!(kind("http://no-such-name.invalid/"), ErrorKind::Dns);
}

/// Answers of every framing, from a server that is not ours.
fn router() -> axum::Router {
    use axum::{Router, body::Body, http::StatusCode, routing::get};
    let chunks = || async {
        let chunks = ["a", "bc", "", "def"].map(|part| Ok::<_, io::Error>(Bytes::from(part)));
        Body::from_stream(futures_util::stream::iter(chunks))
    };
    Router::new()
        .route("/fixed", get(async || "hello"))
        .route("/big", get(async || "x".repeat(300_000)))
        .route("/chunks", get(chunks))
        .route("/empty", get(async || StatusCode::NO_CONTENT))
        .route("/same", get(async || StatusCode::NOT_MODIFIED))
        .route("/moved", get(async || (StatusCode::FOUND, [("location", "/fixed")], "there")))
        .route("/headers", get(async || ([("x-a", "1"), ("x-b", "\u{e4}")], "two")))
        .route("/closing", get(async || ([("connection", "close")], "bye")))
}

/// What a caller sees, without the date.
fn seen(response: &Response) -> (u16, Vec<(String, Vec<u8>)>, Bytes) {
    let mut headers: Vec<_> = response
        .headers
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    headers.sort();
    (response.status.as_u16(), headers, response.body.clone())
}

/// A client that is not ours.
fn independent() -> reqwest::Client {
    tls::install();
    let never = reqwest::redirect::Policy::none();
    reqwest::Client::builder().redirect(never).no_proxy().build().unwrap()
}

#[test]
fn both_clients_see_the_same() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::task::spawn_local(async move { axum::serve(listener, router()).await });
        let lab = Lab { url: base.parse().unwrap(), connections: Arc::default() };
        let (ours, theirs) = (lab.reusing(), independent());
        let paths =
            ["fixed", "big", "chunks", "empty", "same", "moved", "headers", "closing", "none"];
        for (path, method) in paths.into_iter().flat_map(|path| [(path, "GET"), (path, "HEAD")]) {
            let encoded = request(&format!("{method} /{path} HTTP/1.1\r\nhost: a\r\n\r\n"));
            let method: http::Method = method.parse().unwrap();
            let url: Url = format!("{base}/{path}").parse().unwrap();
            for _ in 0..2 {
                let ours = ours.send(&encoded, LONG, |_| Wanted::ALL).await.outcome.unwrap();
                let theirs = theirs.request(method.clone(), url.clone()).send().await.unwrap();
                let (status, headers) = (theirs.status(), theirs.headers().clone());
                let theirs = Response { status, headers, body: theirs.bytes().await.unwrap() };
                assert_eq!(seen(&ours), seen(&theirs), "{method} {path}");
            }
        }
    });
}

/// Answers, and says more after a while.
async fn chat(mut stream: TcpStream, more: &str) {
    while asked(&mut stream).await {
        say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        say(&mut stream, more).await;
    }
}

/// RFC 9112, 9.2: even if it looks like an answer.
#[test]
fn what_comes_unasked_is_an_error_of_the_next_request() {
    let serve: Serve =
        |stream, _| Box::pin(chat(stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    with(serve, async |lab| {
        let client = lab.reusing();
        for text in [GET, POST] {
            assert_eq!(send(&client, &request(text)).await, Ok((200, "".into())));
            tokio::time::sleep(Duration::from_millis(60)).await;
            assert_eq!(send(&client, &request(text)).await, Err(ErrorKind::Malformed));
        }
    });
}

/// RFC 9110, 15.5.9: that is how some servers end a connection that nobody uses.
#[test]
fn an_idle_connection_may_end_with_a_message() {
    let serve: Serve = |stream, _| Box::pin(chat(stream, "HTTP/1.1 408 Request Timeout\r\n\r\n"));
    with(serve, async |lab| {
        let client = lab.reusing();
        for text in [GET, POST] {
            assert_eq!(send(&client, &request(text)).await, Ok((200, "".into())));
            tokio::time::sleep(Duration::from_millis(60)).await;
            assert_eq!(send(&client, &request(text)).await, Ok((200, "".into())));
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    });
}
