//! The application: what lives as long as the process or isolate, and is shared by all requests.

mod billing;
pub(crate) mod health;

use std::sync::Arc;

pub use billing::{FLUSH_DELAY, FlushTimer, WRITE_DEADLINE, bill};
pub use health::HealthMemo;

use crate::config::Config;

/// Everything that requests share.
#[derive(Clone, Debug)]
pub struct App<P> {
    /// The outside world. Its calls are on no meter: requests use [`crate::ports::Ports`].
    pub platform: P,
    /// The configuration of the deployment.
    pub config: Arc<Config>,
    /// The last health report. Lives as long as the process or isolate.
    pub health: Arc<HealthMemo>,
    /// Decides when usage moves to the database. Lives as long as the process or isolate.
    pub flushes: Arc<FlushTimer>,
}
