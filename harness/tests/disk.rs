//! A disk that is full, and files that were damaged: what was acknowledged stays, what cannot be kept is
//! refused, and nothing ends the server.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    fs,
    io::{self, BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
};

use reqwest::Url;
use serde_json::{Value, json};

use crate::proof::{Caller, Dice, program};

/// The largest size of a file, in bytes, while the disk is full.
const FULL: &str = "1048576";
/// Requests of one person, who has a limit of a hundred in a minute.
const EACH: usize = 40;

/// The service on a state folder, as a process.
struct Served {
    child: Child,
    caller: Caller,
}

impl Served {
    /// Starts it with files of at most so many bytes.
    fn start(state: &Path, largest: &str) -> Self {
        Self::try_start(state, largest).unwrap_or_else(|refused| panic!("{refused:?}"))
    }

    /// The same, or how it ended if it refused to start.
    fn try_start(state: &Path, largest: &str) -> Result<Self, Output> {
        // The signal is ignored, so that a write fails as on a full disk.
        let command = format!(
            "trap '' XFSZ; exec prlimit --fsize={largest}: '{}' lab serve --port 0 --until-stdin-closes \
             --state '{}'",
            program().display(),
            state.display()
        );
        let mut child = Command::new("sh")
            .args(["-c", &command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            return Err(child.wait_with_output().unwrap());
        }
        // Nobody reads it, and it must not block.
        let mut said = child.stderr.take().unwrap();
        thread::spawn(move || io::copy(&mut said, &mut io::sink()));
        let caller = Caller::at(Url::parse(line.trim()).unwrap());
        Ok(Self { child, caller })
    }

    /// There is room again.
    fn make_room(&self) {
        let pid = self.child.id().to_string();
        let room = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:"]).status();
        assert!(room.unwrap().success());
    }

    /// kill -9.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Twenty kilobytes.
fn workflow(name: &str) -> Value {
    let steps = json!([{"type": "transform", "config": {"value": "x".repeat(20_000)}}]);
    json!({"name": name, "description": "d", "steps": steps})
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_recovered_from() {
    let state = tempfile::tempdir().unwrap();
    let served = Served::start(state.path(), FULL);
    let mut kept = Vec::new();
    let refused = loop {
        let owner = format!("writer-{}", kept.len() / EACH);
        let answer = served.caller.post("/workflows", &owner, &workflow("n")).await.unwrap();
        if answer.status != 201 {
            break answer;
        }
        kept.push((owner, answer.body["id"].as_str().unwrap().to_owned()));
        assert!(kept.len() < 200, "the disk does not fill up");
    };
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(kept.len() > 10, "{} were kept", kept.len());
    // It still answers what it can.
    let (owner, id) = kept[0].clone();
    assert_eq!(served.caller.get(&format!("/workflows/{id}"), &owner).await.unwrap().status, 200);
    let run = served.caller.post(&format!("/workflows/{id}/runs"), &owner, &json!({})).await;
    let run = run.unwrap();
    assert!([202, 503].contains(&run.status), "{run:?}");

    served.make_room();
    let answer = served.caller.post("/workflows", "later", &workflow("n")).await.unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    kept.push(("later".to_owned(), answer.body["id"].as_str().unwrap().to_owned()));
    served.kill();

    let served = Served::start(state.path(), "unlimited");
    for (owner, id) in &kept {
        let found = served.caller.get(&format!("/workflows/{id}"), owner).await.unwrap();
        assert_eq!(found.status, 200, "{id}: {found:?}");
    }
    if run.status == 202 {
        let run = run.body["id"].as_str().unwrap();
        assert_eq!(served.caller.finished(run, &owner).await["status"], "succeeded");
    }
    served.kill();
}

/// The first page, which has the schema, is damaged.
#[test]
fn a_database_that_cannot_be_opened_is_refused() {
    for name in ["database.sqlite", "objects.sqlite"] {
        let state = tempfile::tempdir().unwrap();
        let mut served = Served::start(state.path(), "unlimited");
        drop(served.child.stdin.take());
        assert!(served.child.wait().unwrap().success());
        let path = state.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[100..4096].fill(0x5a);
        fs::write(&path, bytes).unwrap();
        let Err(refused) = Served::try_start(state.path(), "unlimited") else {
            panic!("{name}: it starts")
        };
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains("error: ") && !said.contains("panicked"), "{name}: {said}");
    }
}

/// Pages of a database, wherever they are, hold something else.
#[tokio::test]
async fn a_damaged_database_is_told_and_ends_nothing() {
    for (seed, name) in
        ["database.sqlite", "objects.sqlite", "cache.sqlite"].into_iter().enumerate()
    {
        let state = tempfile::tempdir().unwrap();
        let mut served = Served::start(state.path(), "unlimited");
        let mut ids = Vec::new();
        for number in 0..EACH {
            let owner = format!("writer-{}", number % 4);
            let made = served.caller.post("/workflows", &owner, &workflow("n")).await.unwrap();
            let id = made.body["id"].as_str().unwrap().to_owned();
            let runs = format!("/workflows/{id}/runs");
            assert_eq!(served.caller.post(&runs, &owner, &json!({})).await.unwrap().status, 202);
            ids.push((owner, id));
        }
        // A clean stop, after which the database is whole.
        drop(served.child.stdin.take());
        assert!(served.child.wait().unwrap().success());

        let path = state.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        let mut dice = Dice::new(seed as u64);
        for _ in 0..8 {
            let page = 1 + dice.below((bytes.len() / 4096).max(2) as u64 - 1);
            let page = usize::try_from(page).unwrap() * 4096;
            for byte in bytes.iter_mut().skip(page).take(4096) {
                *byte = u8::try_from(dice.below(256)).unwrap();
            }
        }
        fs::write(&path, bytes).unwrap();

        let mut served = match Served::try_start(state.path(), "unlimited") {
            Ok(served) => served,
            // The damage is where it looks first, and it says so.
            Err(refused) => {
                let said = String::from_utf8_lossy(&refused.stderr);
                assert_eq!(refused.status.code(), Some(2), "{name}: {said}");
                assert!(said.contains("error: "), "{name}: {said}");
                println!("{name}: refused: {said}");
                continue;
            }
        };
        let mut told = 0;
        for (owner, id) in &ids {
            for path in [format!("/workflows/{id}"), format!("/workflows/{id}/runs")] {
                let answer = served.caller.get(&path, owner).await.unwrap();
                assert!([200, 404, 503].contains(&answer.status), "{name}: {answer:?}");
                told += usize::from(answer.status == 503);
            }
        }
        println!("{name}: {told} of {} answers were 503", 2 * ids.len());
        assert!(served.child.try_wait().unwrap().is_none(), "{name}: it ended");
        served.kill();
    }
}
