use std::{
    io::{Read as _, Write as _},
    sync::{Arc, atomic::Ordering::SeqCst},
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, Method, Version};
use rustls::{ClientConfig as TlsConfig, RootCertStore};
use tokio::runtime::LocalOptions;

use super::*;
use crate::http::{Phases, Prepared};

#[path = "../../../../tests/common/secure.rs"]
mod server;

use server::Secure;

const LONG: Duration = Duration::from_secs(10);
const HTTP2: &[&str] = &["h2", "http/1.1"];
const HTTP1: &[&str] = &["http/1.1"];

fn run<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build_local(LocalOptions::default()).unwrap().block_on(test)
}

/// A client that trusts `target`, if it should.
fn client(target: &Secure, reuse: bool, trusts: bool) -> Client {
    tls::install();
    let mut roots = RootCertStore::empty();
    if trusts {
        roots.add(target.certificate.der().clone()).unwrap();
    }
    let mut config = TlsConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    let url = format!("https://localhost:{}/", target.address.port()).parse().unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let config = ClientConfig { reuse, idle: 8, open: None, budget: Budget::of_one(1) };
    Client::with(Some(connector), &url, config).unwrap()
}

fn request(target: &Secure, method: Method, path: &str) -> Request {
    let url = format!("https://localhost:{}{path}", target.address.port());
    Request::Prepared(Prepared {
        method,
        url: url.parse().unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    })
}

fn get(target: &Secure, path: &str) -> Request {
    request(target, Method::GET, path)
}

fn is_hi(exchange: &Exchange) -> bool {
    exchange.outcome.as_ref().is_ok_and(|response| {
        response.status == 200 && response.body == "hi" && response.headers["x-a"] == "b"
    })
}

async fn kind(client: &Client, request: &Request, timeout: Duration) -> ErrorKind {
    client.send(request, timeout, |_| Wanted::ALL).await.outcome.unwrap_err().kind
}

#[test]
fn requests_share_one_connection_of_http2() {
    let target = Secure::start(HTTP2, LONG);
    let client = client(&target, true, true);
    run(async {
        assert!(!client.origin.shares_one_connection());
        for _ in 0..2 {
            let asked = get(&target, "/a?b");
            let all = join_all((0..20).map(|_| client.send(&asked, LONG, |_| Wanted::ALL))).await;
            assert!(all.iter().all(is_hi), "{all:?}");
            for exchange in all {
                let Phases { connected, secured, first_byte, .. } = exchange.phases;
                assert_eq!(connected.is_some(), secured.is_some());
                assert!(secured >= connected && first_byte > secured);
                assert!(exchange.sent < first_byte.unwrap());
            }
        }
        assert!(client.origin.shares_one_connection());
    });
    assert_eq!((target.connections(), target.versions()), (1, vec![Version::HTTP_2]));
    let host = format!("localhost:{}", target.address.port());
    let requests = target.seen.requests.lock().unwrap();
    assert!(requests.iter().all(|(_, line)| *line == format!("GET /a {host}")), "{requests:?}");
}

#[test]
fn only_who_makes_a_connection_waits_for_it() {
    let target = Secure::start(HTTP2, LONG);
    let client = client(&target, true, true);
    let asked = get(&target, "/");
    let all = run(join_all((0..20).map(|_| client.send(&asked, LONG, |_| Wanted::ALL))));
    let made = all.iter().filter(|exchange| exchange.phases.secured.is_some()).count();
    let joined = all.iter().filter(|exchange| exchange.phases.joined.is_some()).count();
    assert_eq!((made, joined), (1, 19));
}

#[test]
fn requests_of_http1_have_connections_of_their_own() {
    let target = Secure::start(HTTP1, LONG);
    let client = client(&target, true, true);
    run(async {
        let asked = get(&target, "/a?b");
        for (at_once, connections) in [(1, 1), (1, 1), (5, 5), (5, 5)] {
            let all =
                join_all((0..at_once).map(|_| client.send(&asked, LONG, |_| Wanted::ALL))).await;
            assert!(all.iter().all(is_hi), "{all:?}");
            assert_eq!(target.connections(), connections);
        }
        assert!(!client.origin.shares_one_connection());
    });
    assert_eq!(target.versions(), [Version::HTTP_11]);
    let host = format!("localhost:{}", target.address.port());
    let requests = target.seen.requests.lock().unwrap();
    assert!(requests.iter().all(|(_, line)| *line == format!("GET /a {host}")), "{requests:?}");
}

#[test]
fn connections_are_new_where_that_is_asked_for() {
    for protocols in [HTTP1, HTTP2] {
        let target = Secure::start(protocols, LONG);
        run(async {
            let never = client(&target, false, true);
            for _ in 0..3 {
                let exchange = never.send(&get(&target, "/"), LONG, |_| Wanted::ALL).await;
                assert!(is_hi(&exchange) && exchange.phases.secured.is_some(), "{exchange:?}");
            }
            assert_eq!(target.connections(), 3);
            let users = client(&target, true, true);
            for user in [users.for_one_user(), users.for_one_user()] {
                for _ in 0..2 {
                    assert!(is_hi(&user.send(&get(&target, "/"), LONG, |_| Wanted::ALL).await));
                }
            }
            assert_eq!(target.connections(), 5);
        });
        assert_eq!(target.seen.resumed.load(SeqCst), 0);
    }
}

#[test]
fn a_connection_that_the_target_ended_is_replaced() {
    for protocols in [HTTP1, HTTP2] {
        let target = Secure::start(protocols, Duration::from_secs(1));
        let client = client(&target, true, true);
        run(async {
            let ask = async |method| {
                let asked = request(&target, method, "/");
                assert!(is_hi(&client.send(&asked, LONG, |_| Wanted::ALL).await));
            };
            ask(Method::GET).await;
            tokio::time::sleep(Duration::from_millis(1500)).await;
            ask(Method::POST).await;
        });
        assert_eq!(target.connections(), 2, "{protocols:?}");
    }
}

#[test]
fn bodies_that_nobody_wants_are_counted_only() {
    let target = Secure::start(HTTP2, LONG);
    let client = client(&target, true, true);
    let asked = get(&target, "/");
    run(async {
        let response = client.send(&asked, LONG, |_| Wanted::default()).await.outcome.unwrap();
        assert!(response.headers.is_empty() && response.body.is_empty());
        let body = |status| Wanted { headers: false, body: status == 200 };
        let response = client.send(&asked, LONG, body).await.outcome.unwrap();
        assert_eq!(response.body, "hi");
    });
}

#[test]
fn failures_have_their_kind() {
    for (protocols, broken) in [(HTTP1, ErrorKind::Closed), (HTTP2, ErrorKind::StreamReset)] {
        let target = Secure::start(protocols, LONG);
        let stranger = client(&target, true, false);
        let client = client(&target, true, true);
        run(async {
            let path = |path| get(&target, path);
            assert_eq!(kind(&stranger, &path("/"), LONG).await, ErrorKind::Tls);
            assert_eq!(kind(&client, &path("/big"), LONG).await, ErrorKind::TooLarge);
            assert_eq!(kind(&client, &path("/break"), LONG).await, broken);
            let short = Duration::from_millis(50);
            assert_eq!(kind(&client, &path("/never"), short).await, ErrorKind::Timeout);
            // None of that is in the way of others.
            assert!(is_hi(&client.send(&path("/"), LONG, |_| Wanted::ALL).await));
        });
    }
}

/// A port where something else than TLS is spoken.
fn plain(answer: &'static [u8]) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _hello = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(answer).unwrap();
    });
    address
}

#[test]
fn what_is_not_tls_has_its_kind() {
    for (answer, expected) in
        [(b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(), ErrorKind::Tls), (b"", ErrorKind::Closed)]
    {
        let mut elsewhere = Secure::start(HTTP2, LONG);
        elsewhere.address = plain(answer);
        let client = client(&elsewhere, true, true);
        let found = run(kind(&client, &get(&elsewhere, "/"), LONG));
        assert_eq!(found, expected);
    }
}
