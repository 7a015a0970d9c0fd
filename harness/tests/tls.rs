//! The command under a load over TLS, against a target whose certificate the system trusts, or not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

use std::{
    process::{Command, Output},
    sync::atomic::Ordering::SeqCst,
    time::Duration,
};

use crate::common::secure::Secure;
use http::Version;
use workway::{exit::Exit, model::ErrorKind, report::RunReport};

const REQUESTS: u64 = 60;

/// Runs a load, and says what came of it.
fn run(target: &Secure, trusts: bool, more: &str) -> (Output, RunReport) {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("a.yaml");
    let text = format!(
        "scenario: a/b\nload:\n  profile: {{ constant: {{ rate: 60/s, for: 1s }} }}\n{more}  \
         journeys: {{ a: {{ steps: [{{ request: {{ get: /x, expect: {{ status: 200, text: hi }} }} }}] }} }}\n"
    );
    std::fs::write(&scenario, text).unwrap();
    // Where OpenSSL and others look for the roots of the system, too.
    let roots = folder.path().join("roots.pem");
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert;
    std::fs::write(&roots, if trusts { target.certificate.pem() } else { other.pem() }).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_workway"))
        .arg("run")
        .arg(&scenario)
        .args(["--target", &format!("https://localhost:{}", target.address.port())])
        .args(["--format", "json"])
        .env("SSL_CERT_FILE", &roots)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output, report)
}

#[test]
fn a_load_over_tls_is_measured_part_by_part() {
    for (protocols, version) in
        [(["h2", "http/1.1"], Version::HTTP_2), (["http/1.1", "http/1.0"], Version::HTTP_11)]
    {
        for connections in ["", "  connections: per-operation\n", "  connections: per-user\n"] {
            let target = Secure::start(&protocols, Duration::from_mins(1));
            let (output, report) = run(&target, true, connections);
            let code = output.status.code();
            assert!(code == Some(0) || code == Some(8), "{output:?}");
            let total = report.scenarios[0].total.as_ref().unwrap();
            assert_eq!((total.scheduled, total.ok), (REQUESTS, REQUESTS), "{total:?}");
            assert_eq!(target.seen.requests.lock().unwrap().len() as u64, REQUESTS);
            assert_eq!(target.versions(), [version]);
            let made = target.connections() as u64;
            assert_eq!((total.connect.count, total.tls.count), (made, made), "{connections}");
            assert_eq!((total.first_byte.count, total.body.count), (REQUESTS, REQUESTS));
            match (connections, version) {
                ("", Version::HTTP_2) => assert_eq!(made, 1),
                ("", _) => assert!((1..=REQUESTS).contains(&made), "{made}"),
                _ => assert_eq!(made, REQUESTS),
            }
            assert_eq!(target.seen.resumed.load(SeqCst), 0, "every handshake is a full one");
        }
    }
}

#[test]
fn a_certificate_that_nobody_trusts_is_an_error_of_its_own_kind() {
    let target = Secure::start(&["h2"], Duration::from_mins(1));
    let (output, report) = run(&target, false, "");
    assert_eq!(output.status.code(), Some(i32::from(Exit::Unreachable.code())), "{output:?}");
    let total = report.scenarios[0].total.as_ref().unwrap();
    assert_eq!(total.errors, [(ErrorKind::Tls, REQUESTS)].into(), "{total:?}");
    assert!(target.seen.requests.lock().unwrap().is_empty());
    let failure = &report.scenarios[0].failures[0];
    assert!(failure.actual.contains("certificate"), "{failure:?}");
}
