//! The catalogue of defects, by area. What a suite for such an API must catch, each with the rules
//! that should see it; and what of that our API has no place for.

mod auth;
mod caching;
mod edit;
mod money;
mod rate_limit;
mod validation;
mod workflows;

use std::sync::LazyLock;

use super::{Area, Change, Defect, Status};

static ALL: LazyLock<Vec<Defect>> = LazyLock::new(|| {
    let lists = [
        rate_limit::DEFECTS,
        validation::DEFECTS,
        caching::DEFECTS,
        workflows::DEFECTS,
        money::DEFECTS,
        auth::DEFECTS,
    ];
    lists.concat()
});

/// Returns all of them, area by area.
pub fn all() -> &'static [Defect] {
    &ALL
}

/// Returns a defect that is made.
const fn made(
    area: Area,
    (id, says): (&'static str, &'static str),
    seen_by: &'static [&'static str],
    changes: &'static [Change],
) -> Defect {
    Defect { id, area, says, status: Status::Made { seen_by, changes } }
}

/// Returns a defect that the API has no place for.
const fn none(area: Area, (id, says): (&'static str, &'static str), why: &'static str) -> Defect {
    Defect { id, area, says, status: Status::NotApplicable(why) }
}

/// Returns a defect that no scenario can see.
const fn elsewhere(
    area: Area,
    (id, says): (&'static str, &'static str),
    test: &'static str,
) -> Defect {
    Defect { id, area, says, status: Status::Elsewhere(test) }
}
