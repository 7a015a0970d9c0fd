//! Compares the observed requests to a cache with a model of that cache. It is pure.

use std::fmt::Write as _;

use super::{
    clipped,
    oracle::{
        Finding,
        cache::{Answer, Request, calls},
    },
};
use crate::{
    model::glob,
    plan::{CachePlan, KeyPart, ScenarioPlan},
    record::Seen,
};

/// Keys that a failure shows one by one.
const SHOWN: usize = 12;

/// Characters of a part of a key that is shown.
const SHOWN_PART: usize = 60;

/// Judges whether the source behind the cache was called as often as the model requires.
pub fn judge(
    plan: &CachePlan,
    scenario: &ScenarioPlan,
    seen: &[Seen],
    skew: i64,
    asked: usize,
) -> Finding {
    let mut requests = Vec::new();
    for seen in seen.iter().filter(|seen| glob::matches(&plan.path, &seen.path)) {
        requests.push(Request {
            key: key(plan, scenario, seen),
            earliest: seen.earliest.saturating_sub(skew),
            latest: seen.latest.saturating_add(skew),
            answer: match seen.status {
                None => Answer::Unknown,
                Some(200..300) => Answer::Good,
                Some(_) => Answer::Bad,
            },
        });
    }
    if requests.is_empty() {
        return Finding::Undecided(format!("no request was sent to `{}`", plan.path));
    }
    let by_key = calls(&requests, plan.ttl);
    let least: usize = by_key.values().map(|calls| calls.least).sum();
    let most: usize = by_key.values().map(|calls| calls.most).sum();
    let range = if least == most { least.to_string() } else { format!("{least} to {most}") };
    if !(least..=most).contains(&asked) {
        let what = if asked > most {
            "something was not reused"
        } else {
            "something was reused that must not be"
        };
        let line = |(key, calls): (&&str, &super::oracle::cache::Calls)| {
            let count = requests.iter().filter(|request| request.key == **key).count();
            format!("{} calls for {count} requests with {key}", calls.most)
        };
        return Finding::Violated {
            expected: format!("{range} calls for {} requests", requests.len()),
            actual: format!("{asked}: {what}"),
            differences: by_key.iter().take(SHOWN).map(line).collect(),
        };
    }
    if least == most {
        return Finding::Holds;
    }
    Finding::Undecided(format!(
        "whether some of {} requests came within the time to live depends on when exactly they did",
        requests.len()
    ))
}

fn key(plan: &CachePlan, scenario: &ScenarioPlan, seen: &Seen) -> String {
    let mut text = String::new();
    for part in &plan.key {
        // Writing to a String cannot fail.
        let _ = match part {
            KeyPart::User => {
                let user = seen.user.and_then(|user| scenario.users.get(user.0));
                write!(text, "user {} ", user.map_or("none", |user| user.name.as_str()))
            }
            KeyPart::Path => write!(text, "path {} ", seen.path),
            KeyPart::Body => {
                let body = seen.asked.clone().unwrap_or_default();
                // Long ones that differ only at the end are told apart by their hash.
                let shown = clipped(&body, SHOWN_PART);
                write!(text, "body {shown} ({}) ", hash(&body.to_string()))
            }
        };
    }
    text.trim_end().to_owned()
}

/// FNV-1a, for telling texts apart.
fn hash(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Method;
    use serde_json::json;

    use super::*;
    use crate::plan::{Catalog, ModelOf, Step, UserId, load};

    const SCENARIO: &str = "scenario: a/b\nusers: { alice: {}, bob: {} }\n\
        steps:\n- request: { post: /ask, auth: alice }\n- request: { post: /ask, auth: bob }\naudit:\n\
        - model:\n    cache: { path: /ask, key: [user, body], ttl: 100ms, calls: \"/source/*\" }\n";

    fn seen(user: usize, body: &str, at: i64, status: Option<u16>) -> Seen {
        Seen {
            step: crate::plan::StepId(0),
            user: Some(UserId(user)),
            method: Method::POST,
            path: "/ask".to_owned(),
            sent: Duration::ZERO,
            received: Duration::ZERO,
            earliest: at,
            latest: at + 5,
            asked: Some(json!({ "text": body })),
            status,
            body: None,
        }
    }

    fn found(seen: &[Seen], asked: usize) -> Finding {
        let (plan, _) = load("a.yaml", SCENARIO.as_bytes(), &Catalog::default()).unwrap();
        let Some(Step::Model(model)) = plan.audit.first() else { panic!() };
        let ModelOf::Cache(cache) = &model.of else { panic!() };
        judge(cache, &plan, seen, 0, asked)
    }

    #[test]
    fn too_many_calls_too_few_and_those_that_depend() {
        let ok = Some(200);
        let all = [
            seen(0, "x", 0, ok),
            seen(0, "x", 50, ok),
            seen(1, "x", 60, ok),
            seen(0, "y", 70, Some(503)),
            seen(0, "x", 200, ok),
        ];
        assert_eq!(found(&all, 3), Finding::Holds);
        for (asked, expected) in
            [(4, "4: something was not reused"), (2, "2: something was reused that must not be")]
        {
            let Finding::Violated { actual, differences, .. } = found(&all, asked) else {
                panic!()
            };
            assert_eq!(actual, expected);
            assert!(differences[0].starts_with("2 calls for 3 requests with user alice body {"));
        }
        let at_the_end = [seen(0, "x", 0, ok), seen(0, "x", 98, ok)];
        assert!(matches!(found(&at_the_end, 1), Finding::Undecided(_)));
        assert!(matches!(found(&at_the_end, 3), Finding::Violated { .. }));
        assert!(matches!(found(&[], 0), Finding::Undecided(_)));
    }
}
