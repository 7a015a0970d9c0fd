//! The launch checklist, each box with its evidence. A box is proven by commands that anyone can
//! repeat; what they said is kept with its date and its commit. What no command here can prove says so,
//! and names the one that would.

mod boxes;
mod evidence;
mod page;

pub use boxes::{BOXES, LaunchBox, PROOFS, Phase, Proof};
pub use evidence::{Commit, Evidence, EvidenceError, load, prove};
pub use page::{html, text};
use serde::{Deserialize, Serialize};

/// Of the report.
pub const LAUNCH_SCHEMA_VERSION: u32 = 1;

/// How a box stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Each proof succeeded, on this commit without changes, and there is nothing beyond.
    Proven,
    /// A proof failed.
    Failed,
    /// A proof was not run on this commit, or could not decide, or something is beyond what can be
    /// proven here.
    NotProvenHere,
    /// There is nothing to do, for the reason given.
    NotApplicable,
}

/// A box with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// When it is due.
    pub phase: Phase,
    /// As the checklist names it.
    pub title: String,
    /// How it stands.
    pub state: State,
    /// What the proofs said.
    pub evidence: Vec<Evidence>,
    /// Commands that would prove the rest.
    pub to_prove: Vec<String>,
    /// What is beyond this machine, or why there is nothing to do.
    pub note: Option<String>,
}

/// The whole checklist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checklist {
    /// [`LAUNCH_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What it is about.
    pub commit: Commit,
    /// In order.
    pub items: Vec<Item>,
}

/// Judges every box by the evidence that is there.
pub fn checklist(commit: Commit, evidence: &[Evidence]) -> Checklist {
    let items = BOXES.iter().map(|one| item(one, &commit, evidence)).collect();
    Checklist { schema_version: LAUNCH_SCHEMA_VERSION, commit, items }
}

fn item(one: &LaunchBox, commit: &Commit, evidence: &[Evidence]) -> Item {
    let of = |name: &&str| {
        let found = evidence.iter().find(|evidence| evidence.proof == **name);
        // What another commit showed proves nothing of this one; what files showed that are no commit
        // proves nothing of whatever they are now.
        found.filter(|evidence| evidence.commit == *commit && commit.clean).cloned()
    };
    let found: Vec<_> = one.proofs.iter().filter_map(of).collect();
    let missing = one.proofs.iter().filter(|name| of(name).is_none_or(|found| found.undecided()));
    let mut to_prove: Vec<_> =
        missing.map(|name| format!("workway launch --prove {name}")).collect();
    to_prove.extend(one.command_beyond.map(str::to_owned));
    let state = if one.not_applicable {
        State::NotApplicable
    } else if found.iter().any(|evidence| !evidence.succeeded() && !evidence.undecided()) {
        State::Failed
    } else if to_prove.is_empty() && one.note.is_none() {
        State::Proven
    } else {
        State::NotProvenHere
    };
    Item {
        phase: one.phase,
        title: one.title.to_owned(),
        state,
        evidence: found,
        to_prove,
        note: one.note.map(str::to_owned),
    }
}

impl Checklist {
    /// How many boxes stand so.
    pub fn count(&self, state: State) -> usize {
        self.items.iter().filter(|item| item.state == state).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(id: &str) -> Commit {
        Commit { id: id.to_owned(), clean: true }
    }

    fn said(proof: &str, id: &str, exit: i32) -> Evidence {
        Evidence {
            proof: proof.to_owned(),
            command: "x".to_owned(),
            commit: commit(id),
            finished_at: "2026-11-22T12:00:00Z".to_owned(),
            seconds: 1,
            exit: Some(exit),
            figure: "12 <passed>".to_owned(),
        }
    }

    fn state(title: &str, evidence: &[Evidence]) -> State {
        let list = checklist(commit("a"), evidence);
        list.items.into_iter().find(|item| item.title == title).unwrap().state
    }

    #[test]
    fn a_box_is_proven_by_all_its_proofs_on_this_commit_and_nothing_less() {
        let title = "Backup strategy tested";
        assert_eq!(state(title, &[]), State::NotProvenHere);
        assert_eq!(state(title, &[said("backup-drill", "a", 0)]), State::Proven);
        assert_eq!(state(title, &[said("backup-drill", "a", 1)]), State::Failed);
        assert_eq!(state(title, &[said("backup-drill", "b", 0)]), State::NotProvenHere);
        assert_eq!(
            state(title, &[said("backup-drill", "a", 8)]),
            State::NotProvenHere,
            "undecided"
        );
        let dirty = Commit { clean: false, ..commit("a") };
        let changed = Evidence { commit: dirty.clone(), ..said("backup-drill", "a", 0) };
        let list = checklist(dirty, &[changed]);
        assert_eq!(list.count(State::Proven), 0, "files that are no commit");
        let some = [said("secrets", "a", 0)];
        assert_eq!(state("Security audit complete", &some), State::NotProvenHere);
    }

    #[test]
    fn what_needs_an_account_is_never_proven_here() {
        let all: Vec<_> = PROOFS.iter().map(|proof| said(proof.name, "a", 0)).collect();
        for title in ["Deploy to production", "Monitor error rates", "Gather user feedback"] {
            assert_eq!(state(title, &all), State::NotProvenHere, "{title}");
        }
        assert_eq!(state("Enable auto-scaling", &all), State::NotApplicable);
    }

    #[test]
    fn each_proof_is_known_and_used_and_each_box_says_how() {
        for one in BOXES {
            for name in one.proofs {
                assert!(PROOFS.iter().any(|proof| proof.name == *name), "{name}");
            }
            assert!(!one.proofs.is_empty() || one.note.is_some(), "{}", one.title);
        }
        for proof in PROOFS {
            assert!(BOXES.iter().any(|one| one.proofs.contains(&proof.name)), "{}", proof.name);
        }
        assert_eq!(BOXES.len(), 17);
    }

    #[test]
    fn pages_show_evidence_and_escape_it() {
        let list = checklist(commit("a"), &[said("backup-drill", "a", 0)]);
        let undecided = checklist(commit("a"), &[said("load", "a", 8)]);
        assert!(super::text(&undecided).contains("Load testing performed: not proven here"));
        let (text, html) = (text(&list), html(&list));
        assert!(text.contains("12 <passed>") && text.contains("workway launch --prove secrets"));
        assert!(html.contains("12 &lt;passed&gt;") && !html.contains("12 <passed>"));
        assert!(html.starts_with("<!doctype html>"));
        for loads in ["src=", "<link", "@import", "url("] {
            assert!(!html.contains(loads), "{loads}: nothing is loaded");
        }
    }
}
