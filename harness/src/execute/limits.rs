//! What the system allows this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not connections of a load: files, the target if it runs in this process,
/// timers and pollers of threads.
pub const RESERVED_DESCRIPTORS: u64 = 64;

/// Makes room for this many connections. The limit is raised as far as the system lets it.
///
/// # Errors
/// If there is not enough of it, and what to do.
pub(super) fn descriptors(connections: usize) -> Result<(), String> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let needed = needed(connections);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let allowed = if raised.is_ok() { maximum } else { current };
    match allowed {
        Some(allowed) if allowed < needed => Err(format!(
            "{connections} connections need {needed} descriptors, and the limit is {allowed}; \
             raise it (`ulimit -n {needed}`), or lower `max_in_flight` or the number of users"
        )),
        _ => Ok(()),
    }
}

fn needed(connections: usize) -> u64 {
    (connections as u64).saturating_add(RESERVED_DESCRIPTORS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_and_one_past_it() {
        // Tests share the process, so the limit is only read here: the soft one may be raised.
        let Some(maximum) = getrlimit(Resource::Nofile).maximum else { return };
        let most = usize::try_from(maximum - RESERVED_DESCRIPTORS).unwrap();
        assert_eq!(descriptors(most), Ok(()));
        assert!(descriptors(most + 1).unwrap_err().contains("ulimit -n"));
    }
}
