//! The context of a handler.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::app::App;
use crate::domain::id;
use crate::guard::{Caller, ClaimedId, Problem, Scope, ports_of};
use crate::ports::{Platform, PortError, PortFailure, Ports, Random};
use crate::store::{Runs, Workflows};

/// The application and what belongs to this request.
pub struct Context<P> {
    /// The application.
    pub app: App<P>,
    /// The outside world. What its calls use is on the bill of the request.
    pub ports: Ports<P>,
    caller: Option<Caller>,
    claimed_id: Option<ClaimedId>,
}

impl<P: Platform> FromRequestParts<App<P>> for Context<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App<P>) -> Result<Self, Problem> {
        Ok(Self {
            app: app.clone(),
            ports: ports_of(app, &parts.extensions),
            caller: parts.extensions.get().cloned(),
            claimed_id: parts.extensions.get().cloned(),
        })
    }
}

impl<P: Platform> Context<P> {
    /// Returns the caller's identifier, if their token has this scope.
    ///
    /// # Errors
    /// 401 without a caller, 403 without the scope.
    pub fn caller_with(&self, scope: Scope) -> Result<&str, Problem> {
        let caller = self.caller.as_ref().ok_or_else(Problem::unauthorized)?;
        caller.require(scope)?;
        Ok(&caller.subject)
    }

    /// Returns the session of the caller's token, if it belongs to one.
    pub fn session(&self) -> Option<&str> {
        self.caller.as_ref()?.session.as_deref()
    }

    /// Returns the table `workflows`.
    pub fn workflows(&self) -> Workflows<'_, P::Database> {
        Workflows::new(self.ports.database())
    }

    /// Returns the table `workflow_runs`.
    pub fn runs(&self) -> Runs<'_, P::Database> {
        Runs::new(self.ports.database())
    }

    /// Returns the current time.
    pub fn now(&self) -> i64 {
        self.ports.now()
    }

    /// Returns the identifier for what this request makes: a new one, unless the request carries an
    /// Idempotency-Key and an earlier attempt at it may have made that already.
    ///
    /// # Errors
    /// [`PortFailure::Unavailable`] without randomness.
    pub fn new_id(&self) -> Result<String, PortError> {
        if let Some(ClaimedId(id)) = &self.claimed_id {
            return Ok(id.clone());
        }
        let mut entropy = [0; id::ENTROPY];
        self.ports.random().fill(&mut entropy)?;
        Ok(id::new(self.now(), entropy))
    }

    /// Returns whether an earlier attempt at this request made the row already, in which case the insert
    /// is a conflict and there is nothing left to do.
    ///
    /// # Errors
    /// Any other error.
    pub fn made_before(&self, inserted: Result<(), PortError>) -> Result<bool, PortError> {
        match inserted {
            Ok(()) => Ok(false),
            Err(PortError { cause: PortFailure::Conflict(_), .. }) if self.claimed_id.is_some() => {
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }
}
