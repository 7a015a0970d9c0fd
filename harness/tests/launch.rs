//! From a checklist with open items to one that is signed off, in a repository of its own.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use workway::launch::{ExternalEvidence, ITEMS, PROOFS};

const DEPLOYMENT: &str = "https://api.example.com/";

struct Repository(TempDir);

impl Repository {
    /// With one commit. What runs leave is ignored.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("scenarios")).unwrap();
        let repository = Self(folder);
        repository.git(&["init", "--quiet"]);
        repository.write("scenarios/.keep", "");
        repository.write(".gitignore", "/target/\n/run/\n");
        repository.commit();
        repository
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@t.test", "-c", "commit.gpgsign=false"]);
        let output = git.arg("-C").arg(self.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits everything; its id.
    fn commit(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "m"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn launch(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
        command.current_dir(self.path()).args(["lab", "launch"]).args(arguments).output().unwrap()
    }

    /// Exit code and items.
    fn list(&self) -> (Option<i32>, Vec<Value>) {
        let output = self.launch(&["--format", "json"]);
        let said = String::from_utf8_lossy(&output.stderr);
        let list: Value = serde_json::from_slice(&output.stdout).expect(&said);
        (output.status.code(), list["items"].as_array().unwrap().clone())
    }

    /// Every proof of this machine succeeded on this commit.
    fn prove_all(&self, id: &str) {
        for proof in PROOFS {
            let evidence = json!({"proof": proof.name, "command": proof.command, "seconds": 1,
                "commit": {"id": id, "clean": true}, "exit": 0, "figure": "fine",
                "finished_at": "2026-11-22T12:00:00Z"});
            self.write(&format!("target/launch/{}.json", proof.name), &evidence.to_string());
        }
    }

    /// A report of a run against a deployment in which these scenarios came out so.
    fn report(&self, commit: &str, names: &[&str], verdict: &str) {
        let run = self.path().join("run");
        let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/smoke/health.yaml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
        let output = command.args(["run", scenario, "--out"]).arg(&run).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = fs::read_to_string(run.join("report.json")).unwrap();
        let mut report: Value = serde_json::from_str(&text).unwrap();
        let one = report["scenarios"][0].clone();
        report["scenarios"] = names
            .iter()
            .map(|name| {
                let mut one = one.clone();
                (one["name"], one["verdict"]) = (json!(name), json!(verdict));
                if verdict == "fail" {
                    one["by"] = json!("conformance");
                } else {
                    one.as_object_mut().unwrap().remove("by");
                }
                one
            })
            .collect();
        report["target_kind"] = json!("url");
        report["target"] = json!(DEPLOYMENT);
        report["commit"] = json!(commit);
        // In the order in which they are kept.
        let kept = fs::read_dir(self.path().join("reports/launch")).map_or(0, Iterator::count);
        report["started_at"] = json!(format!("2026-11-22T12:00:0{kept}Z"));
        self.write("run/report.json", &report.to_string());
    }

    fn sign(&self, commit: &str) {
        let signed = ITEMS
            .iter()
            .filter(|one| one.external_evidence == ExternalEvidence::Person)
            .map(|one| {
                let title = one.title;
                format!(
                    "[[signed]]\nitem = {title:?}\nby = \"operator\"\non = \"2026-11-22\"\n\
                     commit = {commit:?}\nseen = \"all well\"\n"
                )
            });
        self.write("reports/launch/signed.toml", &signed.collect::<String>());
    }
}

/// Every scenario that an item asks a deployment for.
fn asked() -> Vec<&'static str> {
    let of = |one: &workway::launch::ChecklistItem| match one.external_evidence {
        ExternalEvidence::Run(names) => names,
        _ => &[],
    };
    let mut names: Vec<_> = ITEMS.iter().flat_map(of).copied().collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn a_launch_is_signed_off_on_one_commit_and_not_on_the_next() {
    let repository = Repository::new();
    let id = repository.git(&["rev-parse", "HEAD"]);
    assert_eq!(repository.list().0, Some(8), "nothing is proven");
    repository.prove_all(&id);
    repository.report(&id, &asked(), "pass");
    let imported = repository.launch(&["--evidence", "run"]);
    assert_eq!(imported.status.code(), Some(8), "not committed, and nobody signed");
    repository.sign(&id);
    assert_eq!(repository.list().0, Some(8), "not committed");
    repository.commit();
    let (code, items) = repository.list();
    let open: Vec<_> = items
        .iter()
        .filter(|item| !["proven", "not-applicable"].contains(&item["state"].as_str().unwrap()))
        .collect();
    assert_eq!((code, open.as_slice()), (Some(0), [].as_slice()));

    // The page has the evidence beside it.
    let out = tempfile::tempdir().unwrap();
    let paged = repository.launch(&["--out", out.path().to_str().unwrap()]);
    assert_eq!(paged.status.code(), Some(0));
    let page = fs::read_to_string(out.path().join("launch.html")).unwrap();
    let links: Vec<_> =
        page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(links.contains(&"evidence/signed.toml"), "{links:?}");
    for link in links {
        assert!(out.path().join(link).is_file(), "{link}");
    }

    repository.write("scenarios/.keep", "changed");
    repository.commit();
    let (code, items) = repository.list();
    assert_eq!(code, Some(8));
    let errors = items.iter().find(|item| item["title"] == "Monitor error rates").unwrap();
    assert_eq!(errors["state"], "not-proven-here");
    assert_eq!(errors["attested"][0]["of_this_code"], false);
    let text = String::from_utf8(repository.launch(&[]).stdout).unwrap();
    assert!(text.contains("which has other code: it proves nothing of this one"), "{text}");
}

#[test]
fn a_deployment_that_fails_fails_its_box_until_a_later_run_passes() {
    let repository = Repository::new();
    let id = repository.git(&["rev-parse", "HEAD"]);
    repository.prove_all(&id);
    let state = || {
        let (code, items) = repository.list();
        let item = items.into_iter().find(|item| item["title"] == "Verify health checks").unwrap();
        (code, item["state"].as_str().unwrap().to_owned())
    };
    for (verdict, code, expected) in
        [("fail", 1, "failed"), ("inconclusive", 8, "not-proven-here"), ("pass", 8, "proven")]
    {
        repository.report(&id, &["ops/uptime"], verdict);
        repository.launch(&["--evidence", "run"]);
        repository.commit();
        assert_eq!(state(), (Some(code), expected.to_owned()), "{verdict}");
    }
}

#[test]
fn what_is_no_evidence_is_refused_by_name() {
    let repository = Repository::new();
    let id = repository.git(&["rev-parse", "HEAD"]);
    let refused = |arguments: &[&str], says: &str| {
        let output = repository.launch(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{says}: {said}");
    };
    repository.report(&format!("{id}-dirty"), &["ops/uptime"], "pass");
    refused(&["--evidence", "run"], "made with changes that are in no commit");
    let text = fs::read_to_string(repository.path().join("run/report.json")).unwrap();
    repository.write("run/report.json", &text.replace(DEPLOYMENT, "http://127.0.0.1:8787/"));
    refused(&["--evidence", "run"], "which is no deployment");
    refused(&["--evidence", "nowhere"], "nowhere");

    let signature = |name: &str, on: &str, commit: &str| {
        format!(
            "[[signed]]\nitem = {name:?}\nby = \"operator\"\non = {on:?}\ncommit = {commit:?}\nseen = \"x\"\n"
        )
    };
    let good = "Monitor error rates";
    for (text, says) in [
        (signature("Monitor the weather", "2026-11-22", &id), "there is no such item"),
        (signature("Verify health checks", "2026-11-22", &id), "a run of ops/uptime"),
        (signature("Documentation updated", "2026-11-22", &id), "nothing to sign"),
        (signature(good, "yesterday", &id), "a day such as 2026-11-22"),
        (signature(good, "2026-11-22", "HEAD"), "git rev-parse HEAD"),
        (signature(good, "2026-11-22", &id).replace("operator", " "), "`by` is empty"),
        (signature(good, "2026-11-22", &id) + "mood = \"fine\"\n", "unknown field `mood`"),
    ] {
        repository.write("reports/launch/signed.toml", &text);
        refused(&[], says);
        refused(&[], "reports/launch/signed.toml");
    }
}
