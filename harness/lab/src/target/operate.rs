//! Carries out the operations of scenarios on the target other than requests.

use std::{future::pending, time::Duration};

use tokio::sync::mpsc::UnboundedReceiver;

use super::{Control, ControlError, Launch, Target, client, is_loopback};
use crate::{
    model::{Capability, TargetKind, clock::now_millis},
    plan::Limiter,
    process::{Process, ProcessError},
    run::{Command, CommandError, Order},
};

/// A clock this far ahead is what a process that starts shows by itself.
const NOT_AHEAD: i64 = 1000;

/// Clocks that are kept right over a network differ by less than this.
const SKEW: Duration = Duration::from_secs(1);

/// The path at which `wrangler dev` takes the order to fire a cron.
const SCHEDULED: &str = "/cdn-cgi/handler/scheduled?cron=*+*+*+*+*";

/// Says why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// The target has no control socket.
    #[error("the clock of this target cannot be moved")]
    NoClock,
    /// The target fires its cron by itself only.
    #[error("the cron of this target cannot be fired")]
    NoCron,
    /// The target is somebody else's process.
    #[error("this target was not started here, so it can be neither killed nor started again")]
    NotStartedHere,
    /// The control socket did not do it.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The order to fire the cron had no success.
    #[error(transparent)]
    Cron(#[from] reqwest::Error),
    /// The target did not start again.
    #[error(transparent)]
    Restart(#[from] ProcessError),
    /// The target started again, with the time of the system.
    #[error("its clock cannot be put forward again: {0}")]
    ClockLost(ControlError),
}

impl Target {
    /// Returns whether it offers this, as far as its kind tells. The answer is `None` where only a
    /// probe can tell.
    pub fn offers(&self, capability: Capability) -> Option<bool> {
        Some(match capability {
            Capability::Upstream => self.upstream.is_some(),
            Capability::Clock => self.control.is_some(),
            Capability::Cron => self.control.is_some() || self.kind == TargetKind::Wrangler,
            Capability::Restart => self.launch.is_some(),
            Capability::SigningKey => self.secret.is_some(),
            Capability::WebhookSecret => self.webhook.is_some(),
            Capability::PageOrigin => self.page_origin.is_some(),
            Capability::Deployed => self.url.scheme() == "https",
            Capability::ExactLimiter
            | Capability::SlidingLimiter
            | Capability::DurableStorage
            | Capability::DurableAlarms
            | Capability::NoCacheInFront => return None,
        })
    }

    /// Returns the known properties of its limiter: ours are known, and a probe may tell those of a
    /// URL.
    pub fn known_limiter(&self) -> Option<Limiter> {
        match self.kind {
            TargetKind::Embedded => Some(Limiter::Sliding),
            TargetKind::Wrangler => Some(Limiter::Fixed),
            TargetKind::Url => self.limiter,
        }
    }

    /// Returns the bound of the difference between its clock and ours, where its clock cannot be
    /// read.
    pub fn skew(&self) -> Duration {
        let is_here = self.kind != TargetKind::Url || is_loopback(&self.url);
        if is_here { Duration::ZERO } else { SKEW }
    }

    /// Does what it is told, for ever.
    pub async fn operate(&mut self, orders: &mut UnboundedReceiver<Order>) {
        while let Some(order) = orders.recv().await {
            let outcome = self.obey(order.command).await;
            let outcome = outcome.map_err(|error| CommandError::Failed(error.to_string()));
            // Who asked may be gone.
            let _ = order.outcome.send(outcome);
        }
        pending::<()>().await;
    }

    /// Does one thing; returns what the clock shows then, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn obey(&mut self, command: Command) -> Result<i64, OperateError> {
        match command {
            Command::Clock => {}
            Command::Advance(by) => drop(self.control()?.advance(by).await?),
            Command::Freeze(frozen) => drop(self.control()?.freeze(frozen).await?),
            Command::Cron => self.cron().await?,
            Command::Kill => self.crash().await?,
            Command::Restart => self.restart().await?,
            Command::Recover => self.recover().await?,
        }
        self.now().await
    }

    fn control(&self) -> Result<&Control, OperateError> {
        self.control.as_ref().ok_or(OperateError::NoClock)
    }

    async fn now(&mut self) -> Result<i64, OperateError> {
        match (&self.control, &self.service) {
            (Some(control), Some(_)) => Ok(control.clock().await?.now),
            _ => Ok(now_millis() + self.ahead),
        }
    }

    async fn cron(&self) -> Result<(), OperateError> {
        if let Some(control) = &self.control {
            return Ok(control.cron().await?);
        }
        if self.kind != TargetKind::Wrangler {
            return Err(OperateError::NoCron);
        }
        let url = format!("{}{SCHEDULED}", self.url.as_str().trim_end_matches('/'));
        client().get(url).send().await?.error_for_status()?;
        Ok(())
    }

    /// Ends the service as a crash would. The stub stays.
    async fn crash(&mut self) -> Result<(), OperateError> {
        if self.launch.is_none() {
            return Err(OperateError::NotStartedHere);
        }
        // One that does not answer any more is as it was when it last did.
        self.ahead = self.now().await.map_or(self.ahead, |now| now - now_millis());
        if let Some(process) = self.service.take() {
            process.kill().await;
        }
        Ok(())
    }

    async fn restart(&mut self) -> Result<(), OperateError> {
        if self.service.is_some() {
            self.crash().await?;
        }
        let port = self.url.port().unwrap_or_default();
        let (process, _) = match &self.launch {
            Some(Launch::Embedded(launch)) => launch.start(port).await?,
            Some(Launch::Wrangler(launch)) => launch.start(port, &client()).await?,
            None => return Err(OperateError::NotStartedHere),
        };
        self.service = Some(process);
        // A process that starts shows the system's time; ours had moved on.
        if let (Some(control), NOT_AHEAD..) = (&self.control, self.ahead) {
            let by = Duration::from_millis(self.ahead.unsigned_abs());
            control.advance(by).await.map_err(OperateError::ClockLost)?;
        }
        Ok(())
    }

    /// Undoes what outlives a scenario.
    async fn recover(&mut self) -> Result<(), OperateError> {
        if self.launch.is_some() && !self.service.as_mut().is_some_and(Process::is_alive) {
            self.service = None;
            self.restart().await?;
        }
        if let Some(control) = &self.control {
            control.freeze(false).await?;
        }
        Ok(())
    }
}
