//! What a handler works with.

use axum::{extract::FromRequestParts, http::request::Parts};

use super::App;
use crate::domain::id;
use crate::guard::{Caller, ClaimedId, Problem, Scope};
use crate::ports::{Clock, Meter, Platform, PortError, PortFailure, Random};
use crate::store::{Runs, Workflows};

/// The application and what belongs to this request.
pub struct Context<P> {
    /// The application.
    pub app: App<P>,
    /// Adds up what the request uses.
    pub meter: Meter,
    caller: Option<Caller>,
    claimed_id: Option<ClaimedId>,
}

impl<P: Platform> FromRequestParts<App<P>> for Context<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App<P>) -> Result<Self, Problem> {
        Ok(Self {
            app: app.clone(),
            meter: parts.extensions.get().cloned().unwrap_or_default(),
            caller: parts.extensions.get().cloned(),
            claimed_id: parts.extensions.get().cloned(),
        })
    }
}

impl<P: Platform> Context<P> {
    /// The caller's identifier, if their token has this scope.
    ///
    /// # Errors
    /// 401 without a caller, 403 without the scope.
    pub fn caller_with(&self, scope: Scope) -> Result<&str, Problem> {
        let caller = self.caller.as_ref().ok_or_else(Problem::unauthorized)?;
        caller.require(scope)?;
        Ok(&caller.subject)
    }

    /// The session of the caller's token, if it belongs to one.
    pub fn session(&self) -> Option<&str> {
        self.caller.as_ref()?.session.as_deref()
    }

    /// The table `workflows`.
    pub fn workflows(&self) -> Workflows<'_, P::Database> {
        Workflows::new(self.app.platform.database(), &self.meter)
    }

    /// The table `workflow_runs`.
    pub fn runs(&self) -> Runs<'_, P::Database> {
        Runs::new(self.app.platform.database(), &self.meter)
    }

    /// Now.
    pub fn now(&self) -> i64 {
        self.app.platform.clock().now()
    }

    /// The identifier for what this request makes: a new one, unless the request carries an
    /// Idempotency-Key and an earlier attempt at it may have made that already.
    ///
    /// # Errors
    /// 503 without randomness.
    pub fn new_id(&self) -> Result<String, Problem> {
        if let Some(ClaimedId(id)) = &self.claimed_id {
            return Ok(id.clone());
        }
        let mut entropy = [0; id::ENTROPY];
        self.app.platform.random().fill(&mut entropy).map_err(|error| self.failed(&error))?;
        Ok(id::new(self.now(), entropy))
    }

    /// What an insert says when an earlier attempt at this request made the row already: then it is
    /// done. `false`: it was made just now.
    ///
    /// # Errors
    /// The problem of any other error.
    pub fn made_before(&self, inserted: Result<(), PortError>) -> Result<bool, Problem> {
        match inserted {
            Ok(()) => Ok(false),
            Err(PortError { cause: PortFailure::Conflict(_), .. }) if self.claimed_id.is_some() => {
                Ok(true)
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Logs what a port said, and makes the answer that the client gets instead.
    pub fn failed(&self, error: &PortError) -> Problem {
        self.app.platform.log(&error.to_string());
        Problem::unavailable()
    }
}
