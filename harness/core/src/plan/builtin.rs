//! Names that have a value without being defined.

/// A fresh UUID each time it is used.
pub const UUID: &str = "uuid";

/// The id of this run.
pub const RUN: &str = "run";

/// The number of the iteration, from 0; in journeys.
pub const ITERATION: &str = "iteration";

/// The number of the request within its burst, from 0; in bursts.
pub const INDEX: &str = "index";

/// The base URL of the target.
pub const TARGET: &str = "target";

/// The base URL of the upstream stub; a scenario that uses it requires
/// [`super::Capability::Upstream`].
pub const UPSTREAM: &str = "upstream";

/// An origin whose pages may read answers; a scenario that uses it requires
/// [`super::Capability::PageOrigin`].
pub const PAGE_ORIGIN: &str = "page_origin";

/// The beginnings of names with more than one part: `user.<name>.sub`, and `row.<feed>`, the item
/// of a feed that the iteration has.
pub const PREFIXES: [&str; 2] = ["user", "row"];

/// All of them. The subjects of users ([`user_subject`]) come on top.
pub const ALL: [&str; 7] = [UUID, RUN, ITERATION, INDEX, TARGET, UPSTREAM, PAGE_ORIGIN];

/// The name of the subject (the `sub` claim) of the minted user `user`: `user.alice.sub`.
pub fn user_subject(user: &str) -> String {
    format!("user.{user}.sub")
}
