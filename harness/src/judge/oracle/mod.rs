//! What a target must do, computed from what was sent: models of its parts. Pure.
//!
//! An observation is an interval: the target decided at some instant between sending and receiving,
//! and nobody knows at which. A model reports a violation only if it is one for every placement of
//! the instants in their intervals; what depends on the placement is undecided, and no pass.

pub mod rate_limit;
