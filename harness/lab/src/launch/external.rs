//! Reads the evidence from beyond this machine: runs against a deployment, and the signatures of
//! people. Both are files of the repository, so that whoever has it sees what a launch rested on.

use std::{collections::BTreeMap, fs, io, path::Path};

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::{Commit, EvidenceError, ExternalEvidence, ITEMS};
use crate::{
    judge::Verdict,
    report::{ReadError, RunReport, TargetKind, read_run, write},
    target::is_loopback,
};

/// The folder in the repository that holds this evidence.
pub(super) const FOLDER: &str = "reports/launch";
/// The file in it that people sign, with a table `[[signed]]` for each signature.
const SIGNED: &str = "signed.toml";
/// The shortest abbreviation of a commit that is taken: git's own for a repository of this size.
const ABBREVIATED: usize = 7;

/// A file of `reports/launch` that is no evidence.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct ExternalEvidenceError {
    /// The path of the file.
    pub file: String,
    /// The description of the error, and of what would be right.
    pub problem: String,
}

/// Something that a person signs for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    item: String,
    by: String,
    on: String,
    commit: String,
    seen: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signatures {
    #[serde(default)]
    signed: Vec<Signature>,
}

/// Holds the results of a run against a deployment.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeployedRun {
    run_id: String,
    target: String,
    started_at: String,
    commit: String,
    scenarios: BTreeMap<String, RunScenario>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunScenario {
    verdict: Verdict,
    /// Thresholds with what was measured.
    figures: Vec<String>,
}

/// Says which item a piece of evidence is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum About {
    /// An item, by its title.
    Item(String),
    /// Scenarios, and how they came out.
    Scenarios(Vec<(String, Verdict)>),
}

/// Evidence from beyond this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attested {
    /// The path of its file in the repository.
    pub file: String,
    /// A person's role, or the address of a deployment.
    pub by: String,
    /// A date, or an instant in RFC 3339.
    pub on: String,
    /// The commit of the repository, as it was written down.
    pub commit: String,
    /// True if that commit has the code of the commit that the checklist is about.
    pub of_this_code: bool,
    /// The observation.
    pub seen: String,
    /// The outcome: `None` says neither good nor bad.
    pub succeeded: Option<bool>,
    #[serde(skip)]
    about: Option<About>,
}

impl Attested {
    /// Returns the evidence if it is about this item and of the kind that completes it.
    pub(super) fn on(&self, title: &str, kind: ExternalEvidence) -> Option<Self> {
        match (self.about.as_ref()?, kind) {
            (About::Item(of), ExternalEvidence::Person) => (of == title).then(|| self.clone()),
            (About::Scenarios(ran), ExternalEvidence::Run(names)) => {
                let verdict = |name: &&str| Some(ran.iter().find(|(one, _)| one == name)?.1);
                let verdicts: Option<Vec<_>> = names.iter().map(verdict).collect();
                Some(Self { succeeded: outcome(&verdicts?), ..self.clone() })
            }
            _ => None,
        }
    }
}

fn outcome(verdicts: &[Verdict]) -> Option<bool> {
    let bad = |verdict: &Verdict| matches!(verdict, Verdict::Fail(_) | Verdict::Unreachable);
    if verdicts.iter().any(bad) {
        return Some(false);
    }
    verdicts.iter().all(|verdict| *verdict == Verdict::Pass).then_some(true)
}

/// Returns all evidence in the folder, the oldest first.
///
/// # Errors
/// [`ExternalEvidenceError`] for the first file that is not as it should be.
pub fn attested(root: &Path, commit: &Commit) -> Result<Vec<Attested>, ExternalEvidenceError> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(root.join(FOLDER)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(wrong(FOLDER, &error)),
    };
    for entry in entries {
        let name = entry.map_err(|error| wrong(FOLDER, &error))?.file_name();
        let name = name.to_string_lossy();
        let file = format!("{FOLDER}/{name}");
        let text = || fs::read_to_string(root.join(&file)).map_err(|error| wrong(&file, &error));
        if name == SIGNED {
            found.extend(signatures(&file, &text()?, root, commit)?);
        } else if name.ends_with(".json") {
            found.push(run(&file, &text()?, root, commit)?);
        }
    }
    found.sort_by(|one, other| one.on.cmp(&other.on));
    Ok(found)
}

fn wrong(file: &str, problem: &impl ToString) -> ExternalEvidenceError {
    ExternalEvidenceError { file: file.to_owned(), problem: problem.to_string() }
}

fn signatures(
    file: &str,
    text: &str,
    root: &Path,
    commit: &Commit,
) -> Result<Vec<Attested>, ExternalEvidenceError> {
    let parsed: Signatures = toml::from_str(text).map_err(|error| wrong(file, &error))?;
    let one = |signature: Signature| {
        let Signature { item: title, by, on, commit: id, seen } = signature;
        let problem = |problem: String| wrong(file, &format!("{title:?}: {problem}"));
        match ITEMS.iter().find(|known| known.title == title).map(|known| known.external_evidence) {
            Some(ExternalEvidence::Person) => {}
            Some(ExternalEvidence::Run(names)) => {
                let names = names.join(", ");
                return Err(problem(format!("nobody signs for it; it takes a run of {names}")));
            }
            Some(ExternalEvidence::Nothing) => {
                return Err(problem("there is nothing to sign: commands here prove it".to_owned()));
            }
            None => {
                return Err(problem("there is no such item; see `workway lab launch`".to_owned()));
            }
        }
        if humantime::parse_rfc3339(&format!("{on}T00:00:00Z")).is_err() {
            return Err(problem(format!("`on` is {on:?}; write a day such as 2026-11-22")));
        }
        for (name, value) in [("by", &by), ("seen", &seen)] {
            if value.trim().is_empty() {
                return Err(problem(format!("`{name}` is empty")));
            }
        }
        let of_this_code = same(file, root, &id, commit)?;
        let file = file.to_owned();
        let about = Some(About::Item(title));
        Ok(Attested { file, by, on, commit: id, of_this_code, seen, succeeded: Some(true), about })
    };
    parsed.signed.into_iter().map(one).collect()
}

fn run(
    file: &str,
    text: &str,
    root: &Path,
    commit: &Commit,
) -> Result<Attested, ExternalEvidenceError> {
    let run: DeployedRun = serde_json::from_str(text).map_err(|error| wrong(file, &error))?;
    let figures = run.scenarios.iter().map(|(name, scenario)| {
        let verdict = scenario.verdict;
        [&[format!("{name}: {verdict}")], scenario.figures.as_slice()].concat().join(", ")
    });
    let scenarios = run.scenarios.iter().map(|(name, scenario)| (name.clone(), scenario.verdict));
    Ok(Attested {
        of_this_code: same(file, root, &run.commit, commit)?,
        file: file.to_owned(),
        by: run.target,
        on: run.started_at,
        commit: run.commit,
        seen: figures.collect::<Vec<_>>().join("; "),
        succeeded: None,
        about: Some(About::Scenarios(scenarios.collect())),
    })
}

/// Returns whether a commit has the code of another.
fn same(file: &str, root: &Path, id: &str, commit: &Commit) -> Result<bool, ExternalEvidenceError> {
    if id.len() < ABBREVIATED || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong(
            file,
            &format!("{id:?} is no commit: write what `git rev-parse HEAD` says"),
        ));
    }
    Ok(Commit::code(root, id).is_some_and(|code| code == commit.id))
}

/// Says why a report is no evidence, or cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The report cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The report is not about a deployment, or not about a commit.
    #[error(transparent)]
    Unfit(#[from] ExternalEvidenceError),
    /// The report cannot be kept.
    #[error(transparent)]
    Write(#[from] EvidenceError),
}

/// Keeps what a report of `workway run --out` against a deployment came to, in the folder of the
/// repository that is committed; gives the file.
///
/// # Errors
/// [`ImportError`].
pub fn import(root: &Path, report: &Path) -> Result<String, ImportError> {
    let read = read_run(report)?;
    let unfit = |problem: String| wrong(&report.display().to_string(), &problem);
    let url = Url::parse(&read.target).ok().filter(|url| url.host_str().is_some());
    if read.target_kind != TargetKind::Url || url.is_none_or(|url| is_loopback(&url)) {
        let target = &read.target;
        return Err(unfit(format!("it is of {target}, which is no deployment")).into());
    }
    let commit = match &read.commit {
        Some(commit) if !commit.ends_with("-dirty") => commit.clone(),
        Some(_) => {
            let problem =
                "it was made with changes that are in no commit: commit, and run it again";
            return Err(unfit(problem.to_owned()).into());
        }
        None => return Err(unfit("it was made outside of the repository".to_owned()).into()),
    };
    let run = deployed(read, commit);
    let json = serde_json::to_string_pretty(&run).unwrap_or_default() + "\n";
    let name = format!("run-{}.json", run.run_id);
    write(&root.join(FOLDER), &name, json.as_bytes()).map_err(EvidenceError::from)?;
    Ok(format!("{FOLDER}/{name}"))
}

fn deployed(report: RunReport, commit: String) -> DeployedRun {
    let scenarios = report.scenarios.into_iter().map(|scenario| {
        let figures = scenario.thresholds.iter();
        let figures = figures.map(|one| format!("{} ({})", one.text, one.measured_text)).collect();
        (scenario.name, RunScenario { verdict: scenario.verdict, figures })
    });
    DeployedRun {
        run_id: report.run_id,
        target: report.target,
        started_at: report.started_at.to_string(),
        commit,
        scenarios: scenarios.collect(),
    }
}
