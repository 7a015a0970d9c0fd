//! What is tested when nobody, or somebody, names a target.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

const SCENARIO: &str =
    "scenario: mine/health\nsteps:\n  - request: { get: /health, expect: { status: 204 } }\n";

/// A folder outside of this repository, with a scenario, and a server that answers it.
struct Project {
    folder: tempfile::TempDir,
    server: MockServer,
}

impl Project {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("my.yaml"), SCENARIO).unwrap();
        let server = MockServer::start().await;
        Self { folder, server }.answering(204).await
    }

    async fn answering(self, status: u16) -> Self {
        self.server.reset().await;
        Mock::given(any()).respond_with(ResponseTemplate::new(status)).mount(&self.server).await;
        self
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the command in the folder, with a target in the environment if there is one.
    async fn workway(&self, arguments: &[&str], environment: Option<&str>) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        command.env_remove("WORKWAY_TARGET");
        command.envs(environment.map(|target| ("WORKWAY_TARGET", target)));
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let Output { status, stdout, stderr } = output.await.unwrap();
        let said = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
        (status.code().unwrap(), said.into_owned())
    }

    /// The number of requests that came since the last time.
    async fn asked(&self) -> usize {
        let requests = self.server.received_requests().await.unwrap();
        requests.iter().filter(|request| request.url.path() == "/health").count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_of_this_repository_somebody_must_name_the_target() {
    let project = Project::start().await;
    let (code, said) = project.workway(&["run", "my.yaml"], None).await;
    assert_eq!(code, 2, "{said}");
    for way in ["--target URL", "$WORKWAY_TARGET", "workway.toml"] {
        assert!(said.contains(way), "{said}");
    }
    assert!(!said.contains("PASS"), "{said}");
    assert_eq!(project.asked().await, 0);

    let url = project.server.uri();
    let (code, said) = project.workway(&["run", "my.yaml", "--target", &url], None).await;
    assert_eq!((code, project.asked().await), (0, 1), "{said}");
    let (code, said) = project.workway(&["run", "my.yaml"], Some(&url)).await;
    assert_eq!((code, project.asked().await), (0, 2), "{said}");
    // A file in this folder, and one around it.
    fs::write(project.path("workway.toml"), format!("target = {url:?}\n")).unwrap();
    let (code, said) = project.workway(&["run", "my.yaml"], None).await;
    assert_eq!((code, project.asked().await), (0, 3), "{said}");
    // The environment comes before the file, and the command line before both.
    let dead = "http://127.0.0.1:1";
    let (code, said) = project.workway(&["run", "my.yaml"], Some(dead)).await;
    assert_eq!((code, project.asked().await), (7, 3), "{said}");
    let (code, said) = project.workway(&["run", "my.yaml", "--target", &url], Some(dead)).await;
    assert_eq!((code, project.asked().await), (0, 4), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_be_used_say_where_they_are() {
    let project = Project::start().await;
    for (text, expected) in [
        ("target = \"localhost:8787\"\n", "workway.toml: "),
        ("\ntraget = \"http://127.0.0.1:1\"\n", "line 2, column 1"),
        ("target = 8787\n", "line 1, column 10"),
        ("# nothing\n", "no target: name what to test"),
    ] {
        fs::write(project.path("workway.toml"), text).unwrap();
        let (code, said) = project.workway(&["run", "my.yaml"], None).await;
        assert_eq!(code, 2, "{text}: {said}");
        assert!(said.contains(expected), "{text}: {said}");
    }
    let large = "#".repeat(1 << 20) + "\n";
    fs::write(project.path("workway.toml"), large).unwrap();
    let (code, said) = project.workway(&["run", "my.yaml"], None).await;
    assert!(code == 2 && said.contains("larger than"), "{said}");
    let (code, said) = project.workway(&["run", "my.yaml"], Some("nonsense")).await;
    assert!(code == 2 && said.contains("$WORKWAY_TARGET: "), "{said}");
    assert_eq!(project.asked().await, 0);
}

/// A variable that is set but is not text names no target; it is not as if it were not set.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_is_not_text_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;

    let project = Project::start().await;
    fs::write(project.path("workway.toml"), format!("target = {:?}\n", project.server.uri()))
        .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
    command.args(["run", "my.yaml"]).current_dir(&project.folder);
    command.env("WORKWAY_TARGET", std::ffi::OsStr::from_bytes(b"http://\xff/"));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("WORKWAY_TARGET"), "{said}");
    assert_eq!(project.asked().await, 0);
}

/// What failed against one target is run again against that one, whatever is the default.
#[tokio::test(flavor = "multi_thread")]
async fn a_rerun_asks_the_target_of_the_report() {
    let project = Project::start().await.answering(503).await;
    let url = project.server.uri();
    let first = ["run", "my.yaml", "--target", &url, "--out", "first"];
    let (code, said) = project.workway(&first, None).await;
    assert_eq!((code, project.asked().await), (1, 1), "{said}");
    let project = project.answering(204).await;
    fs::write(project.path("workway.toml"), "target = \"embedded\"\n").unwrap();
    let again = ["run", "--rerun-failed", "first", "--out", "again"];
    let (code, said) = project.workway(&again, Some("http://127.0.0.1:1")).await;
    assert_eq!((code, project.asked().await), (0, 1), "{said}");
    let report = read(&project.path("again/report.json"));
    assert_eq!(report["target_kind"], "url", "{report}");
    // Unless another is named.
    let other = ["run", "--rerun-failed", "first", "--target", "http://127.0.0.1:1"];
    let (code, said) = project.workway(&other, None).await;
    assert_eq!((code, project.asked().await), (7, 1), "{said}");
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
