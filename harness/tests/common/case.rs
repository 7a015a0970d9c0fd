//! A scenario in a folder, a target for it, and the command.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use axum::{Router, routing::get};

use super::Target;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The report of the first version of this program that wrote one.
pub(crate) fn first() -> PathBuf {
    root().join("fixtures/reports/run-v2-early.json")
}

pub(crate) fn workway(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
    command.args(arguments).env_remove("GITHUB_ACTIONS");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A target that answers after this long, and says what that used.
pub(crate) fn target(delay: Duration, usage: &'static str) -> Target {
    let handler = async move || {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        ([("workway-usage", usage)], "ok")
    };
    Target::start(Router::new().route("/", get(handler)))
}

pub(crate) struct Case {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) target: Target,
}

/// A second of 200 requests.
pub(crate) const SHORT: &str = "{ constant: { rate: 200/s, for: 1s } }";

impl Case {
    /// A load on a target that answers at once.
    pub(crate) fn new(profile: &str, thresholds: &str) -> Self {
        Self::with(profile, thresholds, "")
    }

    /// The same with more lines in the scenario.
    pub(crate) fn with(profile: &str, thresholds: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "scenario: a/b\nload:\n  profile: {profile}\n  journeys: {{ a: {{ steps: [{{ request: \
             {{ name: step, get: / }} }}] }} }}\nthresholds: [{thresholds}]\n{more}"
        );
        fs::write(folder.path().join("a.yaml"), text).unwrap();
        Self { folder, target: target(Duration::ZERO, "rows_read=2") }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub(crate) fn run(&self, out: &str) -> Command {
        self.run_on(&self.target, out)
    }

    pub(crate) fn run_on(&self, target: &Target, out: &str) -> Command {
        let target = format!("http://{}", target.address);
        let scenario = self.path("a.yaml");
        workway(&["run", &scenario, "--target", &target, "--out", &self.path(out)])
    }
}
