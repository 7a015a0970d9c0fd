//! Names the capabilities that only some targets offer.

/// Something that only some targets offer.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// The harness knows the upstream stub that the target calls, and may read its ledger.
    Upstream,
    /// The harness moves the clock of the target.
    Clock,
    /// The harness fires the cron of the target.
    Cron,
    /// The harness can kill the target and start it again.
    Restart,
    /// The harness knows the secret that the target verifies tokens with.
    SigningKey,
    /// The harness knows the secret that the target verifies webhooks with.
    WebhookSecret,
    /// The harness knows an origin whose pages may read answers of the target.
    PageOrigin,
    /// The target counts requests exactly, so that no request too many passes a limit.
    ExactLimiter,
    /// The limit of the target holds for any period, not only for windows with fixed ends.
    SlidingLimiter,
    /// What was written is there after a crash; shown by a probe.
    DurableStorage,
    /// Alarms that were set ring after a crash; shown by a probe.
    DurableAlarms,
    /// No cache answers in place of the target; shown by a probe.
    NoCacheInFront,
    /// The target is on the public network, behind TLS.
    Deployed,
}

impl Capability {
    /// Returns the name as it is written in `requires`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Clock => "clock",
            Self::Cron => "cron",
            Self::Restart => "restart",
            Self::SigningKey => "signing-key",
            Self::WebhookSecret => "webhook-secret",
            Self::PageOrigin => "page-origin",
            Self::ExactLimiter => "exact-limiter",
            Self::SlidingLimiter => "sliding-limiter",
            Self::DurableStorage => "durable-storage",
            Self::DurableAlarms => "durable-alarms",
            Self::NoCacheInFront => "no-cache-in-front",
            Self::Deployed => "deployed",
        }
    }
}
