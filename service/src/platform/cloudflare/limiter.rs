//! The rate limiting binding.

use worker::{Env, send::SendFuture};

use super::unavailable;
use crate::ports::{Admission, Metered, PortResult, RateLimiter};

/// The binding `RATE_LIMITER`: counts by location, is eventually consistent, and costs nothing.
#[derive(Clone, Debug)]
pub struct RateLimiterBinding(Env);

impl RateLimiterBinding {
    pub(super) fn new(env: Env) -> Self {
        Self(env)
    }

    async fn ask(&self, key: &str) -> PortResult<Admission> {
        let limiter = self.0.rate_limiter("RATE_LIMITER").map_err(unavailable("rate limiter"))?;
        let outcome = limiter.limit(key.to_owned()).await.map_err(unavailable("rate limiter"))?;
        // The binding does not say when.
        let refused = Admission::Refused { retry_after: None };
        Ok(Metered::free(if outcome.success { Admission::Admitted } else { refused }))
    }
}

impl RateLimiter for RateLimiterBinding {
    fn admit(&self, key: &str) -> impl Future<Output = PortResult<Admission>> + Send {
        SendFuture::new(self.ask(key))
    }
}
