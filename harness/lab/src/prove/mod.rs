//! Deliberate defects, and whether the scenarios see them.
//!
//! A defect is a line of the `catalogue`: what is wrong, which rules should see it, and the
//! [`Change`]s that make it. Changes are decorators: around the ports of the native server
//! (`ports`), around the events of its objects (`objects`), around its routes (`front`).
//! The service itself knows of none.

mod caches;
mod catalogue;
mod change;
mod front;
mod limiter;
mod memory;
mod objects;
mod ports;
mod seeded;
mod token;

pub use catalogue::all;
pub use change::Change;
pub use seeded::Seeded;

pub use crate::report::Area;

/// A line of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Defect {
    /// Its name, such as `RL-1`.
    pub id: &'static str,
    /// The area that it is about.
    pub area: Area,
    /// The description of the defect.
    pub says: &'static str,
    /// The treatment of the defect here.
    pub fate: Fate,
}

/// Says how a defect is treated.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// The defect is made here, and scenarios must see it.
    Made {
        /// The rules of which at least one should be broken: the scenarios that name them are run.
        seen_by: &'static [&'static str],
        /// The changes that make the defect.
        changes: &'static [Change],
    },
    /// The API has nothing that could be wrong like this.
    NotApplicable(&'static str),
    /// The defect applies, and no scenario can see it; the named test does.
    Elsewhere(&'static str),
}

/// Returns the defect of this name.
///
/// # Errors
/// A message for whoever named it, with a name that is near.
pub fn find(id: &str) -> Result<&'static Defect, String> {
    let same = |defect: &&Defect| defect.id.eq_ignore_ascii_case(id);
    all().iter().find(same).ok_or_else(|| {
        let near = near(id);
        let near = if near.is_empty() { String::new() } else { format!("; near it are {near}") };
        format!("no defect is called `{id}`{near}; `workway lab prove --list` shows all")
    })
}

/// Names that look like this one.
fn near(id: &str) -> String {
    let wanted = id.to_uppercase();
    let mut known: Vec<_> = all()
        .iter()
        .map(|defect| (strsim::damerau_levenshtein(&wanted, defect.id), defect.id))
        .filter(|(distance, _)| *distance <= MAX_SLIPS)
        .collect();
    known.sort_unstable();
    let known: Vec<_> = known.into_iter().take(MAX_NEAR).map(|(_, id)| format!("`{id}`")).collect();
    known.join(", ")
}

/// Names that differ in more are no slips of this one.
const MAX_SLIPS: usize = 2;
/// A reader looks for one of them.
const MAX_NEAR: usize = 4;

#[cfg(test)]
mod tests;
