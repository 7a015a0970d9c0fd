//! Computes the required behavior of a target from the requests that were sent, by models of its
//! parts, as pure functions.
//!
//! An observation is an interval: the target decided at some instant between sending and receiving,
//! and nobody knows at which. A model reports a violation only if it is one for every placement of
//! the instants in their intervals; what depends on the placement is undecided, and no pass.

pub mod cache;
pub mod history;
pub mod rate_limit;

/// The finding of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Everything is as the model has it, wherever the instants fall.
    Holds,
    /// Something is not, wherever they fall.
    Violated {
        /// The expected behavior.
        expected: String,
        /// The actual behavior.
        actual: String,
        /// Line by line.
        differences: Vec<String>,
    },
    /// The finding depends on where the instants fall; the text says how.
    Undecided(String),
}
