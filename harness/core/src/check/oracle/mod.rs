//! What a target must do, computed from what was sent: models of its parts. Pure.
//!
//! An observation is an interval: the target decided at some instant between sending and receiving,
//! and nobody knows at which. A model reports a violation only if it is one for every placement of
//! the instants in their intervals; what depends on the placement is undecided, and no pass.

pub mod cache;
pub mod history;
pub mod rate_limit;

/// What a model says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Everything is as the model has it, wherever the instants fall.
    Holds,
    /// Something is not, wherever they fall.
    Violated {
        /// What should have been.
        expected: String,
        /// What was.
        actual: String,
        /// Line by line.
        differences: Vec<String>,
    },
    /// That depends on where they fall, and how.
    Undecided(String),
}
