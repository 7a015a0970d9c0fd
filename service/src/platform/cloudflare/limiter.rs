//! The rate limiting binding.

use worker::{Env, send::SendFuture};

use super::unavailable;
use crate::ports::{Metered, PortResult, RateLimiter};

/// The binding `RATE_LIMITER`: counts by location, is eventually consistent, and costs nothing.
#[derive(Clone, Debug)]
pub struct RateLimiterBinding(Env);

impl RateLimiterBinding {
    pub(super) fn new(env: Env) -> Self {
        Self(env)
    }

    async fn ask(&self, key: &str) -> PortResult<bool> {
        let limiter = self.0.rate_limiter("RATE_LIMITER").map_err(unavailable("rate limiter"))?;
        let outcome = limiter.limit(key.to_owned()).await.map_err(unavailable("rate limiter"))?;
        Ok(Metered::free(outcome.success))
    }
}

impl RateLimiter for RateLimiterBinding {
    fn admit(&self, key: &str) -> impl Future<Output = PortResult<bool>> + Send {
        SendFuture::new(self.ask(key))
    }
}
