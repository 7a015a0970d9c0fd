//! The layers that can be put around the native server from outside: around its ports, its objects
//! and its routes. A test that wants a service with a defect wraps it here; the service itself
//! knows none.

use std::{fmt, pin::Pin, sync::Arc};

use axum::Router;
use serde_json::Value;

use super::{Native, NativeContext};
use crate::config::Config;
use crate::domain::Millis;
use crate::objects;
use crate::ports::{ActorClass, Platform, PortError, PortResult};
use crate::scheduled::{self, Failures};

/// The work of an [`Objects`], or of the scheduled tasks.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The layers around a server.
pub trait Layers {
    /// The ports that requests and the cron are given.
    type Platform: Platform;

    /// Wraps the ports.
    fn platform(&self, native: Native) -> Self::Platform;
    /// Wraps the routes.
    fn router(&self, router: Router) -> Router;
    /// Returns the handler of the events of objects.
    fn objects(&self) -> Arc<dyn Objects>;
}

/// A handler of the events of objects.
pub trait Objects: fmt::Debug + Send + Sync {
    /// Handles a message, as [`objects::message`] does.
    fn message<'a>(
        &'a self,
        class: ActorClass,
        context: &'a NativeContext<'a>,
        config: &'a Config,
        message: Value,
    ) -> Work<'a, PortResult<Value>>;

    /// Handles an alarm, as [`objects::alarm`] does.
    fn alarm<'a>(
        &'a self,
        class: ActorClass,
        context: &'a NativeContext<'a>,
        config: &'a Config,
    ) -> Work<'a, Result<(), PortError>>;
}

/// The layers of a server with nothing around it.
#[derive(Clone, Copy, Debug)]
pub struct Bare;

impl Layers for Bare {
    type Platform = Native;

    fn platform(&self, native: Native) -> Native {
        native
    }

    fn router(&self, router: Router) -> Router {
        router
    }

    fn objects(&self) -> Arc<dyn Objects> {
        Arc::new(Self)
    }
}

impl Objects for Bare {
    fn message<'a>(
        &'a self,
        class: ActorClass,
        context: &'a NativeContext<'a>,
        config: &'a Config,
        message: Value,
    ) -> Work<'a, PortResult<Value>> {
        Box::pin(objects::message(class, context, config, message))
    }

    fn alarm<'a>(
        &'a self,
        class: ActorClass,
        context: &'a NativeContext<'a>,
        config: &'a Config,
    ) -> Work<'a, Result<(), PortError>> {
        Box::pin(objects::alarm(class, context, config))
    }
}

/// The scheduled tasks, whatever the ports are.
#[derive(Clone)]
pub(super) struct Scheduled(
    Arc<dyn Fn(Millis) -> Work<'static, Result<usize, Failures>> + Send + Sync>,
);

impl Scheduled {
    pub(super) fn new<P: Platform>(platform: P, config: Arc<Config>) -> Self {
        Self(Arc::new(move |due| {
            let (platform, config) = (platform.clone(), Arc::clone(&config));
            Box::pin(async move { scheduled::every_minute_reported(&platform, &config, due).await })
        }))
    }

    /// Runs the tasks, as [`scheduled::every_minute_reported`] does.
    pub(super) async fn every_minute(&self, due: Millis) -> Result<usize, Failures> {
        (self.0)(due).await
    }
}

impl fmt::Debug for Scheduled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scheduled")
    }
}
