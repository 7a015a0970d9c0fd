//! Requests that a step must not be able to make the server send.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use super::*;

/// Listeners on this host that nobody should connect to, on one port.
struct Canaries {
    port: u16,
    listeners: Vec<TcpListener>,
}

impl Canaries {
    fn new() -> Self {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        // Not every host has IPv6.
        let second = TcpListener::bind((Ipv6Addr::LOCALHOST, port));
        let listeners: Vec<_> = std::iter::once(first).chain(second).collect();
        for listener in &listeners {
            listener.set_nonblocking(true).unwrap();
        }
        Self { port, listeners }
    }

    /// Connections since the last look.
    fn accepted(&self) -> usize {
        self.listeners.iter().map(|l| std::iter::from_fn(|| l.accept().ok()).count()).sum()
    }
}

/// Gives every name the same addresses, and counts how often it is asked.
#[derive(Clone)]
struct Names(Arc<(Vec<IpAddr>, AtomicUsize)>);

impl Names {
    fn new(addresses: &[IpAddr]) -> Self {
        Self(Arc::new((addresses.to_vec(), AtomicUsize::new(0))))
    }
}

impl Resolve for Names {
    fn resolve(&self, _: Name) -> Resolving {
        self.0.1.fetch_add(1, Relaxed);
        let addresses: Vec<_> =
            self.0.0.iter().map(|address| SocketAddr::new(*address, 0)).collect();
        Box::pin(async move { Ok(Box::new(addresses.into_iter()) as Addrs) })
    }
}

const LOCAL: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

fn get(url: &str) -> OutboundRequest {
    OutboundRequest {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: BTreeMap::new(),
        body: None,
        timeout: Duration::from_millis(500),
        max_body_bytes: 10,
    }
}

/// `PORT` is the canaries' port. Each is tried as if the allow-list had let it through.
const SPELLINGS: &[&str] = &[
    "http://127.0.0.1:PORT/",
    "http://127.1:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0x7f.1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://[::]:PORT/",
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::ffff:169.254.169.254]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/",
    "http://[64:ff9b::a9fe:a9fe]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[2002:a9fe:a9fe::]:PORT/",
    "http://[2001:0:7f00:1::]:PORT/",
    "http://[fe80::1]:PORT/",
    "http://[fd00::1]:PORT/",
    "http://10.0.0.1:PORT/",
    "http://172.16.0.1:PORT/",
    "http://192.168.0.1:PORT/",
    "http://100.64.0.1:PORT/",
    "http://169.254.169.254:PORT/",
    "http://224.0.0.1:PORT/",
    "http://255.255.255.255:PORT/",
    "http://localhost:PORT/",
    "http://LOCALHOST:PORT/",
    "http://localhost.:PORT/",
    "http://ok.localhost:PORT/",
    "http://metadata.google.internal:PORT/",
    "http://127.0.0.1.nip.io:PORT/",
    "http://ok@127.0.0.1:PORT/",
    "http://ok:ok@localhost:PORT/",
    "http://ok.test#@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT\\@ok.test/",
    "http://ok.test:PORT\\@127.0.0.1/",
    "http://\t127.0.0.1:PORT/",
    "http://127.0.\r\n0.1:PORT/",
    "http://①②⑦.⓪.⓪.①:PORT/",
    "http://ⓛocalhost:PORT/",
    "http://127。0。0。1:PORT/",
    "http:127.0.0.1:PORT/",
    "http:/\\127.0.0.1:PORT/",
    "https://127.0.0.1:PORT/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:PORT/_x",
    "ftp://127.0.0.1:PORT/",
    "data:text/plain,x",
    "unix:/run/x",
    "//127.0.0.1:PORT/",
    "http://",
    "",
];

#[tokio::test]
async fn no_spelling_of_a_private_address_is_connected_to() {
    let canaries = Canaries::new();
    // The worst names there are: each leads to this host.
    let http = ReqwestHttp::resolving(&AllowList::default(), Names::new(&LOCAL)).unwrap();
    for spelling in SPELLINGS {
        let url = spelling.replace("PORT", &canaries.port.to_string());
        let answer = http.send(get(&url)).await;
        assert!(answer.is_err(), "{url:?}");
        assert_eq!(canaries.accepted(), 0, "{url:?}");
    }
    println!("{} spellings, 0 connections", SPELLINGS.len());
}

/// The canaries do sing: the same connections are made where the list names the address.
#[tokio::test]
async fn an_address_on_the_list_may_be_private_and_its_neighbours_may_not() {
    let canaries = Canaries::new();
    let other = Canaries::new();
    let origin = |host: &str, canaries: &Canaries| format!("http://{host}:{}", canaries.port);
    for host in ["127.0.0.1", "localhost"] {
        let allowed = AllowList::parse(&origin(host, &canaries)).unwrap();
        let http = ReqwestHttp::new(&allowed).unwrap();
        let _ = http.send(get(&origin(host, &canaries))).await;
        assert!(canaries.accepted() > 0, "{host}");
        for url in [origin(host, &other), origin("127.0.0.2", &canaries), origin("[::1]", &other)] {
            assert!(http.send(get(&url)).await.is_err(), "{url}");
        }
        assert_eq!((canaries.accepted(), other.accepted()), (0, 0), "{host}");
    }
}

/// A name on the list is not an address on the list.
#[tokio::test]
async fn a_name_on_the_list_that_leads_here_is_not_followed() {
    let canaries = Canaries::new();
    let origin = format!("http://ok.test:{}", canaries.port);
    let names = Names::new(&LOCAL);
    let http = ReqwestHttp::resolving(&AllowList::parse(&origin).unwrap(), names.clone()).unwrap();
    for _ in 0..100 {
        assert!(http.send(get(&origin)).await.is_err());
    }
    assert_eq!(canaries.accepted(), 0, "in 100 requests");
    assert_eq!(names.0.1.load(Relaxed), 100, "each is judged anew");
}

/// A name that is public when it is first asked for, and private from then on.
struct Rebinding(Mutex<usize>);

impl Resolve for Rebinding {
    fn resolve(&self, name: Name) -> Resolving {
        let mut asked = self.0.lock().unwrap();
        *asked += 1;
        let public = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));
        Names::new(&[if *asked == 1 { public } else { LOCAL[0] }]).resolve(name)
    }
}

#[tokio::test]
async fn what_is_judged_is_what_is_connected_to() {
    let guarded = Guarded(Arc::new(Rebinding(Mutex::new(0))));
    let name = || "rebinding.test".parse::<Name>().unwrap();
    let first: Vec<_> = guarded.resolve(name()).await.unwrap().map(|a| a.ip()).collect();
    assert_eq!(first, [IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8))]);
    for _ in 0..99 {
        assert!(guarded.resolve(name()).await.is_err());
    }
    // A name with both kinds of address has the public ones only.
    let mixed = [LOCAL[0], IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1)), LOCAL[1]];
    let guarded = Guarded(Arc::new(Names::new(&mixed)));
    let left: Vec<_> = guarded.resolve(name()).await.unwrap().map(|a| a.ip()).collect();
    assert_eq!(left, [mixed[1]]);
}

#[tokio::test]
async fn the_owner_learns_no_address() {
    let http = ReqwestHttp::new(&AllowList::default()).unwrap();
    let error = http.send(get("http://10.1.2.3/")).await.unwrap_err();
    assert_eq!(error.to_string(), format!("http failed: {NOT_PUBLIC}"));
    assert_eq!(error.usage.outbound_requests, 1);
}
