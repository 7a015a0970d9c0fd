//! Decides whether a target can carry out a scenario.

use std::time::Duration;

use crate::{
    model::Capability,
    plan::ScenarioPlan,
    target::{SelfCheck, Target},
};

/// Limits the time that a scenario may wait in real time where the target's clock cannot be moved;
/// a scenario that takes longer is not applicable rather than slow.
pub(super) const MAX_REAL_TIME: Duration = Duration::from_mins(2);

/// Says why a scenario is not applicable to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotApplicable {
    /// The target does not offer something.
    #[error("{}", missing(*.0))]
    Missing(Capability),
    /// The scenario would have to wait in real time.
    #[error(
        "it would take {} s in real time, more than {} s, and the clock of this target cannot be \
         moved",
        .0.as_secs(),
        MAX_REAL_TIME.as_secs()
    )]
    TooLong(Duration),
}

/// # Errors
/// Why the scenario is not applicable to the target.
pub(super) fn applicable(
    plan: &ScenarioPlan,
    target: &Target,
    check: &SelfCheck,
) -> Result<(), NotApplicable> {
    for capability in &plan.requires {
        if !target.offers(*capability).unwrap_or_else(|| check.offers(*capability)) {
            return Err(NotApplicable::Missing(*capability));
        }
    }
    let real_time = plan.real_time();
    if target.control.is_none() && real_time > MAX_REAL_TIME {
        return Err(NotApplicable::TooLong(real_time));
    }
    Ok(())
}

fn missing(capability: Capability) -> &'static str {
    match capability {
        Capability::Upstream => {
            "no upstream stub of this target is known; name it with --upstream URL"
        }
        Capability::Clock => "the clock of this target cannot be moved; the embedded one's can",
        Capability::Cron => "the cron of this target cannot be fired from here",
        Capability::Restart => {
            "this target was not started here, so it cannot be killed and started again"
        }
        Capability::SigningKey => {
            "the secret that this target verifies tokens with is not known; set WORKWAY_JWT_SECRET"
        }
        Capability::WebhookSecret => {
            "the secret that this target verifies webhooks with is not known; set \
             WORKWAY_WEBHOOK_SECRET"
        }
        Capability::PageOrigin => {
            "no origin is known whose pages may read answers of this target; set \
             WORKWAY_PAGE_ORIGIN"
        }
        Capability::ExactLimiter => "the limiter of this target does not count exactly",
        Capability::SlidingLimiter => "the limiter of this target has windows with fixed ends",
        Capability::DurableStorage => "what was written to this target was gone after a crash",
        Capability::DurableAlarms => "an alarm of this target was lost in a crash",
        Capability::NoCacheInFront => "a cache answers in place of this target",
        Capability::Deployed => "this target is not on the public network behind TLS",
    }
}
