//! The native server with a defect around it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use axum::Router;
use workway_service::{
    config::Config,
    platform::native::{Layers, Native, NativeClock, Objects},
    ports::Platform,
};

use super::{
    Defect, DefectError, Status,
    change::{Change, Head},
    front,
    limiter::WrongLimiter,
    memory::Memory,
    ports::{Around, Ports},
};
use crate::model::Secret;

tokio::task_local! {
    /// The request that is being answered, for ports whose defect depends on it.
    static HEAD: Arc<Head>;
}

/// Returns the request that is being answered; an empty one outside of any.
pub(super) fn head() -> Arc<Head> {
    HEAD.try_with(Arc::clone).unwrap_or_default()
}

/// Does work as a part of answering a request.
pub(super) async fn answering<T>(head: Arc<Head>, work: impl Future<Output = T>) -> T {
    HEAD.scope(head, work).await
}

/// Puts the changes of one defect around the server, and holds the values that they remember.
#[derive(Clone)]
pub struct Seeded(Arc<Inner>);

struct Inner {
    changes: &'static [Change],
    secret: Secret,
    memory: Memory,
    /// The server's, once there is one.
    clock: OnceLock<NativeClock>,
    /// Texts of statements, made once.
    statements: Mutex<HashMap<&'static str, &'static str>>,
}

impl Seeded {
    /// Returns the layers of a defect, for a server whose tokens this secret signs.
    ///
    /// # Errors
    /// [`DefectError::NotMade`].
    pub fn new(defect: &Defect, secret: Secret) -> Result<Self, DefectError> {
        let changes = match defect.status {
            Status::Made { changes, .. } => changes,
            Status::NotApplicable(why) | Status::Elsewhere(why) => {
                return Err(DefectError::NotMade { id: defect.id, why });
            }
        };
        Ok(Self::with(changes, secret))
    }

    /// Returns layers that change nothing. The program has the service in these layers alone:
    /// without them it would have each route twice.
    pub fn without_defect(secret: Secret) -> Self {
        Self::with(&[], secret)
    }

    fn with(changes: &'static [Change], secret: Secret) -> Self {
        Self(Arc::new(Inner {
            changes,
            secret,
            memory: Memory::default(),
            clock: OnceLock::new(),
            statements: Mutex::default(),
        }))
    }

    /// Makes what is wrong with the configuration.
    pub fn configure(&self, config: &mut Config) {
        for change in self.changes() {
            if let Change::Config(edit) = change {
                edit(config);
            }
        }
    }

    pub(super) fn changes(&self) -> &'static [Change] {
        self.0.changes
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.0.secret
    }

    /// Returns the server's clock.
    pub(super) fn clock(&self) -> NativeClock {
        self.0.clock.get().cloned().unwrap_or_default()
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.0.memory
    }

    /// Returns the text of a statement with one of its parts changed. It is made once and never
    /// freed: a statement's text is for ever, and there are a handful.
    pub(super) fn statement(&self, text: &'static str, from: &str, to: &str) -> &'static str {
        if !text.contains(from) {
            // The statement has changed, and this defect with it: it must neither count as seen nor
            // as missed. A target that dies is an error of the proof.
            std::process::abort();
        }
        let mut statements = self.0.statements.lock().unwrap_or_else(PoisonError::into_inner);
        statements.entry(text).or_insert_with(|| Box::leak(text.replace(from, to).into_boxed_str()))
    }
}

impl fmt::Debug for Seeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seeded").field(&self.0.changes).finish()
    }
}

impl Layers for Seeded {
    type Platform = Ports;

    fn platform(&self, native: Native) -> Ports {
        let clock = self.0.clock.get_or_init(|| native.clock().clone()).clone();
        let around = |change: &Change| match change {
            Change::Limiter(how) => Some(WrongLimiter::new(*how, clock.clone())),
            _ => None,
        };
        let limiter = self.changes().iter().find_map(around).map(Arc::new);
        Ports::new(native, self, limiter)
    }

    fn router(&self, router: Router) -> Router {
        front::around(router, self)
    }

    fn objects(&self) -> Arc<dyn Objects> {
        Arc::new(Around::new((), self))
    }
}
