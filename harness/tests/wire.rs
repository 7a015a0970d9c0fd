//! What a run reports is what happened on the wire.
//!
//! One table of servers that behave badly, over HTTP/1.1 and HTTP/2. Each server writes down what it
//! received and what became of it. Single steps and a load are run against it, and both must report
//! exactly what the server wrote down: what was answered, what failed and how, what was sent twice.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use rustix::net::{Shutdown, shutdown};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::TlsAcceptor;

use crate::differential::{
    behaviour::Protocol,
    frames::{
        ACK, CANCEL, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, INTERNAL_ERROR, NO_ERROR,
        PROTOCOL_ERROR, REFUSED_STREAM, SETTINGS, data, frame, go_away, head, rst,
    },
};
use workway::{http::MAX_RESENDS, judge::Verdict, model::ErrorKind, report::RunReport};

/// Operations of each run.
const REQUESTS: u64 = 10;

/// How long a step waits for an answer.
const TIMEOUT: &str = "800ms";

/// What becomes of one request, as the server knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is answered completely.
    Answered,
    /// It is not, and the client must say so.
    Failed(ErrorKind),
    /// The server proves that it did not process it, so it comes again.
    Refused,
}

/// How a connection goes on after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Keep,
    Close,
    Reset,
    /// Nothing more is said for longer than anybody waits.
    Stall,
    /// It ends after some work.
    WorkAndClose,
    /// It stays open, but another request on it would be a mistake.
    Last,
}

/// What the server does with one request.
struct Act {
    says: Vec<u8>,
    then: Then,
    fate: Fate,
}

/// Decides what is done with request `number` of a server, whose stream is `id` in HTTP/2.
type Behaviour = fn(number: u64, id: u32) -> Act;

/// What a server received, and what became of it.
#[derive(Debug, Default)]
struct Ledger {
    received: u64,
    answered: u64,
    refused: u64,
    failed: BTreeMap<ErrorKind, u64>,
}

struct Server {
    address: SocketAddr,
    ledger: Arc<Mutex<Ledger>>,
    /// The root that its certificate stands on; empty without TLS.
    roots: String,
    _runtime: Runtime,
}

impl Server {
    fn start(protocol: Protocol, behaviour: Behaviour) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let ledger = Arc::<Mutex<Ledger>>::default();
        let (acceptor, roots) = acceptor(protocol);
        let noted = Arc::clone(&ledger);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, ledger) = (acceptor.clone(), Arc::clone(&noted));
                tokio::spawn(async move {
                    let _ended = serve(protocol, acceptor, stream, &ledger, behaviour).await;
                });
            }
        });
        Self { address, ledger, roots, _runtime: runtime }
    }

    fn url(&self, protocol: Protocol) -> String {
        let scheme = if protocol == Protocol::Http1 { "http" } else { "https" };
        format!("{scheme}://localhost:{}", self.address.port())
    }
}

fn acceptor(protocol: Protocol) -> (TlsAcceptor, String) {
    let keys = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(keys.signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![keys.cert.der().clone()], key)
        .unwrap();
    let name = if protocol == Protocol::Http2 { "h2" } else { "http/1.1" };
    config.alpn_protocols = vec![name.as_bytes().to_vec()];
    (TlsAcceptor::from(Arc::new(config)), keys.cert.pem())
}

async fn serve(
    protocol: Protocol,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    ledger: &Mutex<Ledger>,
    behaviour: Behaviour,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    if protocol == Protocol::Http1 {
        let mut stream = stream;
        let then = http1(&mut stream, ledger, behaviour).await?;
        if then == Then::Reset {
            return stream.set_zero_linger();
        }
        shutdown(&stream, Shutdown::Write)?;
        return drain(&mut stream).await;
    }
    let mut stream = acceptor.accept(stream).await?;
    let then = match protocol {
        Protocol::Http2 => http2(&mut stream, ledger, behaviour).await?,
        _ => http1(&mut stream, ledger, behaviour).await?,
    };
    if then == Then::Reset {
        return stream.get_ref().0.set_zero_linger();
    }
    shutdown(stream.get_ref().0, Shutdown::Write)?;
    drain(&mut stream).await
}

/// Reads what still comes on a connection that ended: left unread, it would turn the end into a reset.
async fn drain(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    tokio::io::copy(stream, &mut tokio::io::sink()).await.map(drop)
}

impl Ledger {
    fn note(&mut self, fate: Fate) {
        match fate {
            Fate::Answered => self.answered += 1,
            Fate::Refused => self.refused += 1,
            Fate::Failed(kind) => *self.failed.entry(kind).or_default() += 1,
        }
    }
}

/// Decides about one request and notes it.
fn decide(ledger: &Mutex<Ledger>, behaviour: Behaviour, id: u32) -> Act {
    let mut ledger = ledger.lock().unwrap();
    let act = behaviour(ledger.received, id);
    ledger.received += 1;
    ledger.note(act.fate);
    act
}

/// Serves a connection of HTTP/1.1 until it should end, and says how.
async fn http1(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ledger: &Mutex<Ledger>,
    behaviour: Behaviour,
) -> std::io::Result<Then> {
    let mut request = [0; 4096];
    loop {
        let read = stream.read(&mut request).await?;
        if read == 0 {
            return Ok(Then::Close);
        }
        if !request.starts_with(b"GET /wire ") {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await?;
            continue;
        }
        let Act { says, then, .. } = decide(ledger, behaviour, 0);
        stream.write_all(&says).await?;
        stream.flush().await?;
        match then {
            Then::Keep => {}
            Then::Last => {
                // Whoever asks again gets no answer, and nothing in the ledger.
                let _again = stream.read(&mut request).await?;
                return Ok(Then::Close);
            }
            Then::WorkAndClose => {
                tokio::time::sleep(Duration::from_millis(250)).await;
                return Ok(Then::Close);
            }
            Then::Stall => tokio::time::sleep(Duration::from_mins(1)).await,
            Then::Close | Then::Reset => {
                if then == Then::Reset && !says.is_empty() {
                    // A reset overtakes what was said before.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                return Ok(then);
            }
        }
    }
}

/// Serves a connection of HTTP/2 until it should end, and says how. Requests are HEADERS alone.
async fn http2(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ledger: &Mutex<Ledger>,
    behaviour: Behaviour,
) -> std::io::Result<Then> {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    loop {
        let mut start = [0; 9];
        if stream.read_exact(&mut start).await.is_err() {
            return Ok(Then::Close);
        }
        let length = u32::from_be_bytes([0, start[0], start[1], start[2]]);
        let id = u32::from_be_bytes([start[5], start[6], start[7], start[8]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await?;
        match (start[3], start[4]) {
            (SETTINGS, flags) if flags & ACK == 0 => {
                stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await?;
            }
            (HEADERS, _) => {
                let Act { says, then, .. } = decide(ledger, behaviour, id);
                stream.write_all(&says).await?;
                stream.flush().await?;
                if then != Then::Keep {
                    return Ok(then);
                }
            }
            _ => {}
        }
    }
}

/// What the report of a run says.
#[derive(Debug, PartialEq, Eq)]
struct Reported {
    scheduled: u64,
    ok: u64,
    failed: u64,
    resent: u64,
    errors: BTreeMap<ErrorKind, u64>,
}

const REQUEST: &str = "request: { get: /wire, timeout: TIMEOUT, may_be_lost: true }";

fn steps() -> String {
    format!(
        "scenario: wire/steps\nsteps: [{{ repeat: {{ times: {REQUESTS}, \
         steps: [{{ {REQUEST} }}, {{ wait: 20ms }}] }} }}]\n"
    )
}

fn load(connections: &str) -> String {
    format!(
        "scenario: wire/load-{connections}\nload:\n  profile: {{ users: {{ count: 1, iterations: \
         {REQUESTS}, think: 20ms }} }}\n  connections: {connections}\n  journeys: {{ a: {{ steps: \
         [{{ {REQUEST} }}] }} }}\n"
    )
}

fn report(server: &Server, protocol: Protocol, scenario: &str) -> RunReport {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    std::fs::write(&file, scenario.replace("TIMEOUT", TIMEOUT)).unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, &server.roots).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_workway"))
        .arg("run")
        .arg(&file)
        .args(["--target", &server.url(protocol), "--format", "json"])
        .env("SSL_CERT_FILE", &roots)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn reported(report: &RunReport) -> Reported {
    let step = report.scenarios[0].steps.iter().find(|step| step.scheduled > 0).unwrap();
    Reported {
        scheduled: step.scheduled,
        ok: step.ok,
        failed: step.failed,
        resent: step.resent,
        errors: step.errors.clone(),
    }
}

/// Runs steps, and loads that hold connections in each way, against servers with this behaviour: the
/// reports agree with their ledgers, and with each other.
fn assert_agrees(name: &str, protocol: Protocol, behaviour: Behaviour) {
    let scenarios = [steps(), load("reuse"), load("per-user"), load("per-operation")];
    std::thread::scope(|scope| {
        for scenario in scenarios {
            scope.spawn(move || assert_scenario_agrees(name, protocol, behaviour, &scenario));
        }
    });
}

fn assert_scenario_agrees(name: &str, protocol: Protocol, behaviour: Behaviour, scenario: &str) {
    let server = Server::start(protocol, behaviour);
    let report = report(&server, protocol, scenario);
    let ledger = server.ledger.lock().unwrap();
    let failed: u64 = ledger.failed.values().sum();
    let expected = Reported {
        scheduled: REQUESTS,
        ok: ledger.answered,
        failed,
        resent: ledger.refused,
        errors: ledger.failed.clone(),
    };
    let name = format!("{name}, {}", report.scenarios[0].name);
    assert_eq!(reported(&report), expected, "{name}: {ledger:?}");
    assert_eq!(ledger.received, REQUESTS + ledger.refused, "{name}: {ledger:?}");
    assert_eq!(ledger.answered + failed, REQUESTS, "{name}: {ledger:?}");
}

fn act(says: impl Into<Vec<u8>>, then: Then, fate: Fate) -> Act {
    Act { says: says.into(), then, fate }
}

fn failed(says: &str, then: Then, kind: ErrorKind) -> Act {
    act(says, then, Fate::Failed(kind))
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

fn answer() -> Act {
    act(OK, Then::Keep, Fate::Answered)
}

/// Every fifth request.
fn fifth(number: u64) -> bool {
    number % 5 == 4
}

/// Behaviours of HTTP/1.1 that TLS does not change.
const HTTP1: &[(&str, Behaviour)] = &[
    ("answers", |_, _| answer()),
    ("answers and closes", |_, _| act(OK, Then::Close, Fate::Answered)),
    ("answers until it closes, by the head", |_, _| {
        let says = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi";
        act(says, Then::Close, Fate::Answered)
    }),
    ("an interim answer first", |_, _| {
        let says = format!("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n{OK}");
        act(says, Then::Keep, Fate::Answered)
    }),
    ("an interim answer only", |_, _| {
        failed("HTTP/1.1 100 Continue\r\n\r\n", Then::Close, ErrorKind::Closed)
    }),
    ("closes every fifth without an answer", |number, _| {
        if fifth(number) { failed("", Then::Close, ErrorKind::Closed) } else { answer() }
    }),
    ("closes after 250 ms of work", |number, _| {
        if fifth(number) { failed("", Then::WorkAndClose, ErrorKind::Closed) } else { answer() }
    }),
    ("HTTP/1.0 with chunks, whose connection must not be used again", |_, _| {
        let says = "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n\
                    2\r\nhi\r\n0\r\n\r\n";
        act(says, Then::Last, Fate::Answered)
    }),
    ("closes all without an answer", |_, _| failed("", Then::Close, ErrorKind::Closed)),
    ("closes within the head", |_, _| {
        failed("HTTP/1.1 200 OK\r\nserver", Then::Close, ErrorKind::Truncated)
    }),
    ("closes after the head", |_, _| {
        failed("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", Then::Close, ErrorKind::Truncated)
    }),
    ("closes within the body", |_, _| {
        let says = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
        failed(says, Then::Close, ErrorKind::Truncated)
    }),
    ("closes within a chunk", |_, _| {
        failed(&format!("{CHUNKED}9\r\nhalf"), Then::Close, ErrorKind::Truncated)
    }),
    ("closes between chunks", |_, _| {
        failed(&format!("{CHUNKED}4\r\nhalf\r\n"), Then::Close, ErrorKind::Truncated)
    }),
    ("two answers", |_, _| failed(&format!("{OK}{OK}"), Then::Keep, ErrorKind::Malformed)),
    ("a body longer than stated", |_, _| {
        failed(&format!("{OK}!"), Then::Keep, ErrorKind::Malformed)
    }),
    ("is silent", |number, _| {
        if fifth(number) { failed("", Then::Stall, ErrorKind::Timeout) } else { answer() }
    }),
    ("a body without end", |number, _| {
        let says = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n";
        if fifth(number) { failed(says, Then::Stall, ErrorKind::BodyTimeout) } else { answer() }
    }),
];

#[test]
fn http1_as_a_table() {
    for (name, behaviour) in HTTP1 {
        assert_agrees(name, Protocol::Http1, *behaviour);
    }
}

#[test]
fn http1_through_tls_as_a_table() {
    for (name, behaviour) in HTTP1 {
        assert_agrees(name, Protocol::SecureHttp1, *behaviour);
    }
}

/// A reset is one of TCP.
#[test]
fn resets_of_the_connection_as_a_table() {
    let table: [(&str, Behaviour); 3] = [
        ("resets before the head", |number, _| {
            if fifth(number) { failed("", Then::Reset, ErrorKind::Reset) } else { answer() }
        }),
        ("resets after the head", |_, _| {
            let says = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
            failed(says, Then::Reset, ErrorKind::Reset)
        }),
        ("answers and resets", |_, _| act(OK, Then::Reset, Fate::Answered)),
    ];
    for (name, behaviour) in table {
        assert_agrees(name, Protocol::Http1, behaviour);
    }
}

/// A body that ends with the connection needs an end that nobody can forge: through TLS, that is a
/// message of TLS.
#[test]
fn a_body_until_the_end_of_the_connection() {
    const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\r\n\r\nhi";
    assert_agrees("until the end", Protocol::Http1, |_, _| {
        act(UNTIL_CLOSE, Then::Close, Fate::Answered)
    });
    assert_agrees("until the end, without a word of TLS", Protocol::SecureHttp1, |_, _| {
        failed(UNTIL_CLOSE, Then::Close, ErrorKind::Truncated)
    });
}

fn hi(id: u32) -> Act {
    act([head(id, 0, Some("2")), data(id, END_STREAM, "hi")].concat(), Then::Keep, Fate::Answered)
}

fn stream_fails(says: Vec<u8>, kind: ErrorKind) -> Act {
    act(says, Then::Keep, Fate::Failed(kind))
}

const HTTP2: &[(&str, Behaviour)] = &[
    ("answers", |_, id| hi(id)),
    ("INTERNAL_ERROR for every fifth", |number, id| {
        if fifth(number) {
            stream_fails(rst(id, INTERNAL_ERROR), ErrorKind::StreamReset)
        } else {
            hi(id)
        }
    }),
    ("NO_ERROR before the head", |_, id| stream_fails(rst(id, NO_ERROR), ErrorKind::StreamReset)),
    ("CANCEL before the head", |_, id| stream_fails(rst(id, CANCEL), ErrorKind::StreamReset)),
    ("PROTOCOL_ERROR before the head", |_, id| {
        stream_fails(rst(id, PROTOCOL_ERROR), ErrorKind::StreamReset)
    }),
    ("ENHANCE_YOUR_CALM before the head", |_, id| {
        stream_fails(rst(id, ENHANCE_YOUR_CALM), ErrorKind::StreamReset)
    }),
    ("NO_ERROR after 11 of 100 bytes", |_, id| {
        let says = [head(id, 0, Some("100")), data(id, 0, "eleven byte"), rst(id, NO_ERROR)];
        stream_fails(says.concat(), ErrorKind::Truncated)
    }),
    ("NO_ERROR within a body of any length", |_, id| {
        let says = [head(id, 0, None), data(id, 0, "half"), rst(id, NO_ERROR)];
        stream_fails(says.concat(), ErrorKind::Truncated)
    }),
    ("NO_ERROR after all bytes, without the end of the stream", |_, id| {
        let says = [head(id, 0, Some("2")), data(id, 0, "hi"), rst(id, NO_ERROR)];
        stream_fails(says.concat(), ErrorKind::Truncated)
    }),
    (
        "GOAWAY below the stream, NO_ERROR, after all bytes without the end of the stream",
        |_, id| {
            let says = [
                head(id, 0, Some("2")),
                data(id, 0, "hi"),
                go_away(id.saturating_sub(2), NO_ERROR),
            ];
            act(says.concat(), Then::Close, Fate::Failed(ErrorKind::Truncated))
        },
    ),
    ("GOAWAY below the stream, INTERNAL_ERROR, within the body", |_, id| {
        let says = [
            head(id, 0, Some("9")),
            data(id, 0, "half"),
            go_away(id.saturating_sub(2), INTERNAL_ERROR),
        ];
        act(says.concat(), Then::Close, Fate::Failed(ErrorKind::Truncated))
    }),
    ("closes within a frame before the head", |_, id| {
        let says = head(id, 0, None)[..7].to_vec();
        act(says, Then::Close, Fate::Failed(ErrorKind::Closed))
    }),
    ("closes within a frame of the body", |_, id| {
        let says = [head(id, 0, Some("4")), data(id, 0, "half")[..11].to_vec()].concat();
        act(says, Then::Close, Fate::Failed(ErrorKind::Truncated))
    }),
    ("a length that is too large", |_, id| {
        stream_fails(
            [head(id, 0, Some("3")), data(id, END_STREAM, "hi")].concat(),
            ErrorKind::Malformed,
        )
    }),
    ("a length that is too small", |_, id| {
        stream_fails(
            [head(id, 0, Some("1")), data(id, END_STREAM, "hi")].concat(),
            ErrorKind::Malformed,
        )
    }),
    ("two answers", |_, id| {
        let says =
            [head(id, 0, None), data(id, 0, "hi"), head(id, 0, None), data(id, END_STREAM, "hi")];
        stream_fails(says.concat(), ErrorKind::Malformed)
    }),
    ("a head without a status", |_, id| {
        stream_fails(frame(HEADERS, END_HEADERS | END_STREAM, id, &[]), ErrorKind::Malformed)
    }),
    ("INTERNAL_ERROR within the body", |_, id| {
        let says = [head(id, 0, Some("100")), data(id, 0, "half"), rst(id, INTERNAL_ERROR)];
        stream_fails(says.concat(), ErrorKind::Truncated)
    }),
    ("NO_ERROR after the whole answer", |_, id| {
        let says = [head(id, 0, Some("2")), data(id, END_STREAM, "hi"), rst(id, NO_ERROR)];
        act(says.concat(), Then::Keep, Fate::Answered)
    }),
    ("REFUSED_STREAM once, then an answer", |number, id| match number % 2 {
        0 => act(rst(id, REFUSED_STREAM), Then::Keep, Fate::Refused),
        _ => hi(id),
    }),
    ("REFUSED_STREAM always", |number, id| {
        // The last attempt is the one that fails.
        let last = number % u64::from(MAX_RESENDS + 1) == u64::from(MAX_RESENDS);
        let fate = if last { Fate::Failed(ErrorKind::StreamReset) } else { Fate::Refused };
        act(rst(id, REFUSED_STREAM), Then::Keep, fate)
    }),
    ("GOAWAY below the stream", |number, id| match number % 3 {
        1 => act(go_away(id.saturating_sub(2), NO_ERROR), Then::Close, Fate::Refused),
        _ => hi(id),
    }),
    ("GOAWAY above the stream, then the answer", |_, id| {
        let answer = hi(id);
        act([go_away(id, NO_ERROR), answer.says].concat(), Then::Close, Fate::Answered)
    }),
    ("GOAWAY above the stream, without an answer", |_, id| {
        act(go_away(id, NO_ERROR), Then::Close, Fate::Failed(ErrorKind::Closed))
    }),
    ("closes every fifth without an answer", |number, id| {
        if fifth(number) { act("", Then::Close, Fate::Failed(ErrorKind::Closed)) } else { hi(id) }
    }),
    ("closes within the body", |_, id| {
        let says = [head(id, 0, Some("100")), data(id, 0, "half")].concat();
        act(says, Then::Close, Fate::Failed(ErrorKind::Truncated))
    }),
    ("is silent after the head", |number, id| {
        if fifth(number) {
            stream_fails(head(id, 0, Some("100")), ErrorKind::BodyTimeout)
        } else {
            hi(id)
        }
    }),
];

#[test]
fn http2_as_a_table() {
    for (name, behaviour) in HTTP2 {
        assert_agrees(name, Protocol::Http2, *behaviour);
    }
}

/// One step, of which nothing comes after: what the target said too much counts all the same.
#[test]
fn two_answers_to_one_single_step_are_a_failure() {
    for protocol in [Protocol::Http1, Protocol::SecureHttp1] {
        let server = Server::start(protocol, |_, _| {
            failed(&format!("{OK}{OK}"), Then::Keep, ErrorKind::Malformed)
        });
        let scenario = "scenario: a/b\nsteps: [{ request: { get: /wire } }]\n";
        let report = report(&server, protocol, scenario);
        assert_eq!(reported(&report).errors, BTreeMap::from([(ErrorKind::Malformed, 1)]));
        assert!(verdict(&report).starts_with("Fail"), "{}", verdict(&report));
    }
}

fn verdict(report: &RunReport) -> String {
    let scenario = &report.scenarios[0];
    format!("{:?} {:?}", scenario.verdict, scenario.reasons)
}

/// A load without a threshold allows no failure, and one request in five was dropped.
#[test]
fn dropped_requests_are_failures_of_a_load() {
    let server = Server::start(Protocol::Http1, |number, _| {
        if fifth(number) { failed("", Then::Close, ErrorKind::Closed) } else { answer() }
    });
    let report = report(&server, Protocol::Http1, &load("reuse"));
    assert_eq!(report.scenarios[0].total.as_ref().unwrap().failed, REQUESTS / 5);
    // On a busy machine the lag of the generator is a reason of its own.
    let verdict = verdict(&report);
    assert_ne!(report.scenarios[0].verdict, Verdict::Pass, "{verdict}");
    assert!(verdict.contains("2 failed, 0 dropped"), "{verdict}");
}

/// A template that cannot be filled in is a fault of the scenario, and an endless answer is one.
#[test]
fn a_target_is_not_called_silent_if_it_was_not_asked_or_did_answer() {
    let server = Server::start(Protocol::Http1, |_, _| {
        let says = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n";
        failed(says, Then::Stall, ErrorKind::BodyTimeout)
    });
    let endless = "scenario: a/b\nsteps: [{ request: { get: /wire, timeout: 200ms } }]\n";
    let unset = "scenario: a/b\nvars: { line: \"a\\nb\" }\n\
                 steps: [{ request: { get: /wire, headers: { x-a: '${{ line }}' } } }]\n";
    for (scenario, kind) in [(endless, ErrorKind::BodyTimeout), (unset, ErrorKind::NotSent)] {
        let report = report(&server, Protocol::Http1, scenario);
        let verdict = verdict(&report);
        assert!(!verdict.contains("never answered"), "{verdict}");
        let errors = &report.scenarios[0].steps[0].errors;
        assert_eq!(errors, &BTreeMap::from([(kind, 1)]), "{verdict}");
    }
}
