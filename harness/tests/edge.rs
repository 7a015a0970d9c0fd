//! `workway edge` against local servers with TLS: one that is as it should be, and for each rule
//! one that violates it, and no other.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Command, Output},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::TlsAcceptor;

const HOUR: Duration = Duration::from_hours(1);

/// How a server differs from a good one.
#[derive(Clone, Default)]
struct Fault {
    /// Header lines of an answer by path, in place of the good ones; with none the header is left out.
    headers: Vec<(&'static str, &'static str, Option<&'static str>)>,
    /// Answer of plain HTTP.
    plain: Option<&'static str>,
    /// Agrees to TLS 1.0.
    old_tls: bool,
    /// Of the certificate.
    host: Option<&'static str>,
    /// Days from now until it ends.
    ends: Option<u32>,
    /// It has ended long ago.
    ended: bool,
    /// Signed by nobody whom the client trusts.
    unknown_authority: bool,
}

struct Edge {
    _runtime: Runtime,
    folder: TempDir,
    https: String,
    http: String,
}

fn good(path: &str) -> (&'static str, BTreeMap<&'static str, &'static str>) {
    let mut headers = BTreeMap::from([
        ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("referrer-policy", "no-referrer"),
    ]);
    let status = match path {
        "/workflows" => {
            headers.insert("cache-control", "private, no-store");
            "401 Unauthorized"
        }
        "/api/workflows" => {
            headers.insert("cache-control", "public, max-age=60, s-maxage=300");
            headers.insert("cdn-cache-control", "max-age=300");
            headers.insert("etag", "\"x\"");
            "200 OK"
        }
        "/health/live" => {
            headers.insert("cache-control", "no-store");
            "200 OK"
        }
        _ => "200 OK",
    };
    (status, headers)
}

async fn answer(fault: &Fault, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
    let mut request = vec![0; 4096];
    let length = stream.read(&mut request).await.ok()?;
    let request = String::from_utf8_lossy(&request[..length]).into_owned();
    let path = request.split(' ').nth(1)?.to_owned();
    let (status, mut headers) = good(&path);
    for (at, name, value) in &fault.headers {
        if *at == path {
            match value {
                Some(value) => headers.insert(name, value),
                None => headers.remove(name),
            };
        }
    }
    let mut text = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 2\r\n");
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text += "\r\n{}";
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

/// A server of twenty years ago agrees to any greeting of TLS 1.0, in a record of its own.
async fn is_old(stream: &TcpStream) -> bool {
    let mut head = [0; 11];
    while stream.peek(&mut head).await.is_ok_and(|length| length < 11) {
        tokio::task::yield_now().await;
    }
    // The version within the greeting; TLS 1.2 and 1.3 both say 3.3 here.
    head[9..11] == [3, 1]
}

async fn tls(fault: Fault, acceptor: TlsAcceptor, mut stream: TcpStream) {
    if fault.old_tls && is_old(&stream).await {
        let body = [&[3, 1][..], &[9; 32], &[0], &[0, 0x2f], &[0]].concat();
        let message = [&[2, 0, 0, u8::try_from(body.len()).unwrap()][..], &body].concat();
        let record = [&[22, 3, 1, 0, u8::try_from(message.len()).unwrap()][..], &message].concat();
        let _ = stream.write_all(&record).await;
        return;
    }
    if let Ok(stream) = acceptor.accept(stream).await {
        answer(&fault, stream).await;
    }
}

async fn plain(answer: String, mut stream: TcpStream) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl Edge {
    fn start(fault: &Fault) -> Self {
        workway::http::tls::install();
        let (signer, trusted) = (authority(), authority());
        let trusted = if fault.unknown_authority { trusted.pem() } else { signer.pem() };
        let names = [fault.host.unwrap_or("localhost").to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = match fault.ends {
            // An hour more: the test takes a while.
            Some(days) => (SystemTime::now() + HOUR + HOUR * 24 * days).into(),
            None => date_time_ymd(if fault.ended { 2021 } else { 4000 }, 1, 1),
        };
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &signer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));

        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("authority.pem"), trusted).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let bind = || runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (secure, open) = (bind(), bind());
        let https = format!("https://localhost:{}", secure.local_addr().unwrap().port());
        let http = format!("http://localhost:{}", open.local_addr().unwrap().port());
        let redirect = format!(
            "HTTP/1.1 308 Permanent Redirect\r\nlocation: {https}/health/live?a=b\r\n\
             connection: close\r\ncontent-length: 0\r\n\r\n"
        );
        let redirect = fault.plain.map_or(redirect, |text| text.replace("{https}", &https));
        let fault = fault.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = secure.accept().await {
                tokio::spawn(tls(fault.clone(), acceptor.clone(), stream));
            }
        });
        runtime.spawn(async move {
            while let Ok((stream, _)) = open.accept().await {
                tokio::spawn(plain(redirect.clone(), stream));
            }
        });
        Self { _runtime: runtime, folder, https, http }
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    fn look(&self) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
        command.args(["edge", &self.https, "--http", &self.http, "--format", "json"]);
        command.arg("--authority").arg(self.authority()).output().unwrap()
    }
}

/// The rules that a server violates, and what was seen.
fn violated(fault: &Fault) -> Vec<(String, String)> {
    let output = Edge::start(fault).look();
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = findings.as_array().unwrap();
    assert_eq!(findings.len(), 8);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of = |outcome: &str| {
        let found = findings.iter().filter(|finding| finding["outcome"] == outcome);
        found.map(|finding| (text(&finding["id"]), text(&finding["seen"]))).collect::<Vec<_>>()
    };
    assert!(of("unknown").is_empty(), "{:?}", of("unknown"));
    let violated = of("violated");
    assert_eq!(output.status.code(), Some(i32::from(!violated.is_empty())));
    violated
}

#[test]
fn a_good_edge_violates_nothing() {
    assert_eq!(violated(&Fault::default()), []);
    assert_eq!(violated(&Fault { ends: Some(15), ..Fault::default() }), []);
}

#[test]
fn each_rule_has_a_server_that_violates_it_alone() {
    let headers = |headers: &[(&'static str, &'static str, Option<&'static str>)]| Fault {
        headers: headers.to_vec(),
        ..Fault::default()
    };
    let live = "/health/live";
    let hsts = |value| headers(&[(live, "strict-transport-security", value)]);
    let plain = |text| Fault { plain: Some(text), ..Fault::default() };
    let control = |path, value| headers(&[(path, "cache-control", Some(value))]);
    let cases = [
        ("EDGE-1", plain("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")),
        (
            "EDGE-1",
            plain(
                "HTTP/1.1 302 Found\r\nlocation: {https}/health/live?a=b\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            ),
        ),
        (
            "EDGE-1",
            plain(
                "HTTP/1.1 301 Moved\r\nlocation: {https}/\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            ),
        ),
        ("EDGE-2", Fault { old_tls: true, ..Fault::default() }),
        ("EDGE-3", Fault { host: Some("other.test"), ..Fault::default() }),
        ("EDGE-3", Fault { ended: true, ..Fault::default() }),
        ("EDGE-3", Fault { ends: Some(13), ..Fault::default() }),
        ("EDGE-3", Fault { unknown_authority: true, ..Fault::default() }),
        ("EDGE-4", hsts(None)),
        ("EDGE-4", hsts(Some("max-age=31535999; includeSubDomains; preload"))),
        ("EDGE-4", hsts(Some("max-age=31536000; preload"))),
        ("EDGE-4", hsts(Some("max-age=31536000; includeSubDomains"))),
        ("EDGE-5", headers(&[(live, "x-content-type-options", None)])),
        ("EDGE-5", headers(&[(live, "content-security-policy", None)])),
        ("EDGE-5", headers(&[(live, "referrer-policy", None)])),
        ("EDGE-6", headers(&[(live, "access-control-allow-origin", Some("*"))])),
        (
            "EDGE-6",
            headers(&[(live, "access-control-allow-origin", Some("https://stranger.invalid"))]),
        ),
        ("EDGE-7", control("/workflows", "public, max-age=60")),
        ("EDGE-7", control("/workflows", "private")),
        ("EDGE-7", headers(&[("/workflows", "cf-cache-status", Some("HIT"))])),
        ("EDGE-8", control("/api/workflows", "private, no-store")),
        (
            "EDGE-8",
            headers(&[
                ("/api/workflows", "cache-control", Some("public, max-age=60")),
                ("/api/workflows", "cdn-cache-control", None),
            ]),
        ),
        ("EDGE-8", headers(&[("/api/workflows", "etag", None)])),
    ];
    println!("{} servers, each with one fault", cases.len());
    for (rule, fault) in &cases {
        let violated = violated(fault);
        let rules: Vec<_> = violated.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(rules, [*rule], "{violated:?}");
        println!("{rule}: {}", violated[0].1);
    }
}

/// `scenarios/edge/headers` against a server with this fault: its exit code, and what it said.
fn scenario(fault: &Fault) -> (Option<i32>, String) {
    let edge = Edge::start(fault);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/edge/headers.yaml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
    command.args(["run", file, "--target", &edge.https]);
    let trusts = command.env("SSL_CERT_FILE", edge.authority()).env_remove("SSL_CERT_DIR");
    let output = trusts.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn the_scenario_of_headers_passes_where_they_are_and_names_the_one_that_is_not() {
    let (code, said) = scenario(&Fault::default());
    assert_eq!(code, Some(0), "{said}");
    for age in ["63072000", "100000000"] {
        let value = format!("max-age={age}; includeSubDomains; preload").leak();
        let headers = vec![("/health/live", "strict-transport-security", Some(&*value))];
        let (code, said) = scenario(&Fault { headers, ..Fault::default() });
        assert_eq!(code, Some(0), "{age}: {said}");
    }
    let (live, one, all) = ("/health/live", "/workflows", "/api/workflows");
    let faults = [
        (live, "strict-transport-security", Some("max-age=60")),
        (live, "strict-transport-security", Some("max-age=31535999; includeSubDomains; preload")),
        (live, "x-content-type-options", None),
        (live, "referrer-policy", Some("unsafe-url")),
        (live, "content-security-policy", None),
        (live, "access-control-allow-origin", Some("*")),
        (live, "cache-control", Some("public")),
        (one, "cache-control", Some("private")),
        (all, "cache-control", Some("private, no-store")),
        (all, "cdn-cache-control", None),
        (all, "etag", None),
    ];
    for fault in faults {
        let (code, said) = scenario(&Fault { headers: vec![fault], ..Fault::default() });
        assert_eq!(code, Some(1), "{fault:?}: {said}");
        assert!(said.contains(fault.1), "{fault:?}: {said}");
    }
    let unknown = Fault { unknown_authority: true, ..Fault::default() };
    let (code, said) = scenario(&unknown);
    assert_ne!(code, Some(0), "nobody vouches for the certificate: {said}");
}

#[test]
fn it_says_what_it_cannot_look_at() {
    let workway = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
        let output = command.arg("edge").args(arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = workway(&["http://localhost:1"]);
    assert!(code == 2 && said.contains("https://"), "{said}");
    let (code, said) = workway(&["https://api.example.com"]);
    assert!(code == 2 && said.contains("--allow-remote"), "{said}");
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, said) = workway(&[&format!("https://{dead}")]);
    assert!(code == 7 && said.contains("cannot be reached"), "{said}");
    let (code, said) = workway(&["https://localhost:1", "--authority", "Cargo.toml"]);
    assert!(code == 2 && said.contains("PEM"), "{said}");
}

#[test]
fn text_names_rule_evidence_and_source() {
    let edge = Edge::start(&Fault { old_tls: true, ..Fault::default() });
    let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
    command.args(["edge", &edge.https, "--http", &edge.http]);
    let output = command.arg("--authority").arg(edge.authority()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("✗ EDGE-2") && text.contains("TLS 1.0  (RFC 8996)"), "{text}");
    assert!(text.contains("✓ EDGE-1"), "{text}");
}
