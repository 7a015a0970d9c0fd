//! Checks the effects of each run that reached the stub.

use std::collections::BTreeMap;

use super::{History, Status};

/// An effect, as the stub took note of it. Deliveries are numbered in the order of their arrival,
/// over all effects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The key that it came with: that of a run's is `run:step`.
    pub key: Option<String>,
    /// Method and path.
    pub target: String,
    /// Number of its first delivery.
    pub first: u64,
    /// Number of its last.
    pub last: u64,
}

impl Effect {
    /// The run that it is of.
    pub fn run(&self) -> Option<&str> {
        let (run, _) = self.key.as_deref()?.rsplit_once(':')?;
        Some(run)
    }
}

/// Each step of a run has its effect once: a run that succeeded has `each` of them, any other at
/// most as many, and nobody else has one.
///
/// # Errors
/// The first run of which that is not true, and why.
pub fn once(
    histories: &[History],
    effects: &[Effect],
    each: usize,
    lost_starts: usize,
) -> Result<(), (String, String)> {
    let mut by_run: BTreeMap<&str, Vec<&Effect>> = BTreeMap::new();
    for effect in effects {
        let Some(run) = effect.run() else {
            let key = effect.key.as_deref().unwrap_or("none");
            let what = format!("{} came with a key of no run: {key}", effect.target);
            return Err((String::new(), what));
        };
        by_run.entry(run).or_default().push(effect);
    }
    let known = |run: &str| histories.iter().any(|history| history.run == run);
    let strangers: Vec<&str> = by_run.keys().copied().filter(|run| !known(run)).collect();
    if strangers.len() > lost_starts {
        let run = strangers[0].to_owned();
        return Err((run, "it has effects, and nobody was told that it was started".to_owned()));
    }
    for history in histories {
        let mine = by_run.get(history.run.as_str()).map(Vec::as_slice).unwrap_or_default();
        if let Some(what) = of_one(history, mine, each) {
            return Err((history.run.clone(), what));
        }
    }
    Ok(())
}

/// Returns what is wrong with the effects of one run.
fn of_one(history: &History, mine: &[&Effect], each: usize) -> Option<String> {
    let mut targets: Vec<&str> = mine.iter().map(|effect| effect.target.as_str()).collect();
    targets.sort_unstable();
    if let Some([twice, _]) = targets.array_windows().find(|[one, other]| one == other) {
        return Some(format!("{twice} took effect twice, under two keys"));
    }
    let count = mine.len();
    let succeeded = history.last().is_some_and(|last| last.status == Status::Succeeded);
    match (succeeded, count) {
        (true, count) if count != each => {
            Some(format!("it succeeded, and had {count} effects of {each}"))
        }
        (false, count) if count > each => Some(format!("it had {count} effects of {each}")),
        _ => None,
    }
}

/// Checks that the first delivery of a later step is not followed by a delivery of an earlier one:
/// the run went on from where it was.
///
/// # Errors
/// The first run of which that is not true, and why.
pub fn resumed(histories: &[History], effects: &[Effect]) -> Result<(), (String, String)> {
    for history in histories {
        let mut mine: Vec<&Effect> =
            effects.iter().filter(|effect| effect.run() == Some(&history.run)).collect();
        mine.sort_by_key(|effect| effect.first);
        for pair in mine.windows(2) {
            if pair[0].last > pair[1].first {
                let (earlier, later) = (&pair[0].target, &pair[1].target);
                let what = format!("{earlier} was delivered again after {later}");
                return Err((history.run.clone(), what));
            }
        }
    }
    Ok(())
}
