//! The launch checklist, each item with its evidence. An item is proven by commands that anyone can
//! repeat; what they said is kept with its date and its commit. What no command here can prove takes a
//! run against a deployment or a person's signature, which are committed, and until then says so.

mod evidence;
mod external;
mod items;
mod page;
#[cfg(test)]
mod tests;

pub use evidence::{Commit, Evidence, EvidenceError, load, prove};
pub use external::{Attested, ExternalEvidenceError, ImportError, attested, import};
pub use items::{ChecklistItem, ExternalEvidence, ITEMS, PROOFS, Phase, Proof};
pub use page::{html, links, text};
use serde::{Deserialize, Serialize};

/// The version of the format of the report.
pub const LAUNCH_SCHEMA_VERSION: u32 = 1;

/// Names the state of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Each proof succeeded, on this commit without changes, and so did what is beyond.
    Proven,
    /// A proof failed.
    Failed,
    /// A proof was not run on this commit, or could not decide, or something is beyond what can be
    /// proven here.
    NotProvenHere,
    /// There is nothing to do, for the reason given.
    NotApplicable,
}

/// An item with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The phase in which it is due.
    pub phase: Phase,
    /// The title, as the checklist names it.
    pub title: String,
    /// The state of the item.
    pub state: State,
    /// The results of the proofs.
    pub evidence: Vec<Evidence>,
    /// The evidence from beyond this machine; evidence of other commits is included, but proves
    /// nothing.
    pub attested: Vec<Attested>,
    /// Commands that would prove the rest.
    pub to_prove: Vec<String>,
    /// A note on the part that is beyond this machine, or the reason that there is nothing to do.
    pub note: Option<String>,
}

/// The whole checklist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checklist {
    /// [`LAUNCH_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The commit that it is about.
    pub commit: Commit,
    /// The items in order.
    pub items: Vec<Item>,
}

/// Judges every item by the evidence that is there.
pub fn checklist(commit: Commit, evidence: &[Evidence], attested: &[Attested]) -> Checklist {
    let items = ITEMS.iter().map(|one| item(one, &commit, evidence, attested)).collect();
    Checklist { schema_version: LAUNCH_SCHEMA_VERSION, commit, items }
}

fn item(
    one: &ChecklistItem,
    commit: &Commit,
    evidence: &[Evidence],
    attested: &[Attested],
) -> Item {
    let of = |name: &&str| {
        let found = evidence.iter().find(|evidence| evidence.proof == **name);
        // What another commit showed proves nothing of this one; what files showed that are no commit
        // proves nothing of whatever they are now.
        found.filter(|evidence| evidence.commit == *commit && commit.clean).cloned()
    };
    let found: Vec<_> = one.proofs.iter().filter_map(of).collect();
    let missing = one.proofs.iter().filter(|name| of(name).is_none_or(|found| found.undecided()));
    let mut to_prove: Vec<_> =
        missing.map(|name| format!("workway lab launch --prove {name}")).collect();
    let attested: Vec<_> =
        attested.iter().filter_map(|known| known.on(one.title, one.external_evidence)).collect();
    // The last word: a deployment that failed may pass later, and the other way round.
    let last = attested.iter().rfind(|known| known.of_this_code && commit.clean);
    let external = if one.external_evidence == ExternalEvidence::Nothing {
        Some(true)
    } else {
        last.and_then(|known| known.succeeded)
    };
    if external != Some(true) {
        to_prove.extend(one.external_command.map(str::to_owned));
    }
    let failed = |evidence: &Evidence| !evidence.succeeded() && !evidence.undecided();
    let state = if one.not_applicable {
        State::NotApplicable
    } else if found.iter().any(failed) || external == Some(false) {
        State::Failed
    } else if to_prove.is_empty() && external == Some(true) {
        State::Proven
    } else {
        State::NotProvenHere
    };
    let note = one.note.filter(|_| external != Some(true) || one.not_applicable);
    let note = note.map(|note| match one.external_evidence {
        ExternalEvidence::Person => format!("{note}; signed in {}/signed.toml", external::FOLDER),
        _ => note.to_owned(),
    });
    Item {
        phase: one.phase,
        title: one.title.to_owned(),
        state,
        evidence: found,
        attested,
        to_prove,
        note,
    }
}

impl Checklist {
    /// Counts the items in this state.
    pub fn count(&self, state: State) -> usize {
        self.items.iter().filter(|item| item.state == state).count()
    }
}
