//! Reads the limits that the system sets for this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::plan::{Connections, LoadPlan, Step};

/// Descriptors that are not connections of a load: files, the target if it runs in this process,
/// timers and pollers of threads.
pub const RESERVED_DESCRIPTORS: u64 = 64;

/// The system allows too few descriptors for a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{connections} connections need {needed} descriptors, and the limit is {allowed}; raise it \
     (`ulimit -n {needed}`), or lower `max_in_flight`, the number of users or the `concurrency` of \
     bursts, or set `max_connections`"
)]
pub(super) struct DescriptorError {
    connections: usize,
    needed: u64,
    allowed: u64,
}

/// Returns the most connections that `load` can have open at once: every request of every iteration in
/// flight may need one.
pub(super) fn connections(load: &LoadPlan) -> usize {
    let widths = load.journeys.iter().map(|journey| Step::widest(&journey.steps));
    let widest = widths.max().unwrap_or(1);
    let all = load.max_in_flight.saturating_mul(widest);
    // Users with connections of their own keep them between requests.
    match load.max_connections {
        Some(most) if load.connections != Connections::PerUser => all.min(most),
        _ => all,
    }
}

/// Makes room for this many connections. The limit is raised as far as the system lets it.
///
/// # Errors
/// If there is not enough of it, and what to do.
pub(super) fn descriptors(connections: usize) -> Result<(), DescriptorError> {
    let Rlimit { current, .. } = getrlimit(Resource::Nofile);
    let needed = needed(connections);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    match raise_descriptors() {
        Some(allowed) if allowed < needed => Err(DescriptorError { connections, needed, allowed }),
        _ => Ok(()),
    }
}

/// Lets this process have as many descriptors as the system allows it, and returns how many; `None` is
/// without a limit.
pub fn raise_descriptors() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    if raised.is_ok() { maximum } else { current }
}

fn needed(connections: usize) -> u64 {
    (connections as u64).saturating_add(RESERVED_DESCRIPTORS)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Method;

    use super::*;
    use crate::plan::{
        Body, BurstPlan, Claim, Destination, Journey, Profile, RequestPlan, Span, StepId, Template,
    };

    fn load(burst: (usize, usize)) -> LoadPlan {
        let request = RequestPlan {
            to: Destination::Target,
            claim: Claim::default(),
            also: Vec::new(),
            may_be_lost: false,
            id: StepId(0),
            span: Span::default(),
            method: Method::GET,
            path: Template::parse("/").unwrap(),
            headers: Vec::new(),
            body: Body::Empty,
            auth: None,
            timeout: Duration::from_secs(1),
            expect: Vec::new(),
            capture: Vec::new(),
        };
        let (count, concurrency) = burst;
        let burst = BurstPlan {
            request: request.clone(),
            count,
            concurrency,
            counts: vec![],
            distinct: vec![],
        };
        let steps = vec![Step::Request(Box::new(request)), Step::Burst(Box::new(burst))];
        let journeys = vec![Journey { name: "a".into(), weight: 1, steps }];
        let profile = Profile::constant(1.0, Duration::from_secs(1));
        LoadPlan { max_in_flight: 30, ..LoadPlan::new(profile, journeys) }
    }

    #[test]
    fn connections_as_a_table() {
        use Connections::{PerOperation, PerUser, Reuse};
        for (burst, connections, max_connections, expected) in [
            ((0, 0), Reuse, None, 30),
            ((200, 10), Reuse, None, 300),
            ((5, 10), PerOperation, None, 150),
            ((200, 10), Reuse, Some(64), 64),
            ((200, 10), PerOperation, Some(400), 300),
            ((200, 10), PerUser, Some(64), 300),
        ] {
            let plan = LoadPlan { connections, max_connections, ..load(burst) };
            assert_eq!(super::connections(&plan), expected, "{burst:?} {connections:?}");
        }
    }

    #[test]
    fn the_limit_and_one_past_it() {
        // Tests share the process, so the limit is only read here: the soft one may be raised.
        let Some(maximum) = getrlimit(Resource::Nofile).maximum else { return };
        let most = usize::try_from(maximum - RESERVED_DESCRIPTORS).unwrap();
        assert_eq!(descriptors(most), Ok(()));
        assert!(descriptors(most + 1).unwrap_err().to_string().contains("ulimit -n"));
    }
}
