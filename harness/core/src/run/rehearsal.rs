//! The requests of a load as bytes, without a connection.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::{
    Environment,
    context::RunContext,
    request::{BuildError, RequestBuilder},
    values::{Draws, Scope},
    virtual_users::{VirtualUserError, VirtualUsers},
};
use crate::{
    http::Request,
    model::clock,
    plan::{ScenarioPlan, Step, StepId, Work},
    schedule::Purpose,
};

/// Builds the requests of a load as they would be sent.
#[derive(Debug)]
pub struct Rehearsal {
    context: Arc<RunContext>,
    requests: RequestBuilder,
}

/// Says why a request cannot be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RehearsalError {
    /// The plan has no load, or none with this step.
    #[error("the load has no such request")]
    NoSuchRequest,
    /// A virtual user gets no token.
    #[error("{0}")]
    VirtualUser(String),
    /// A template cannot be filled in.
    #[error("{0}")]
    Build(String),
}

impl From<VirtualUserError> for RehearsalError {
    fn from(error: VirtualUserError) -> Self {
        Self::VirtualUser(error.to_string())
    }
}

impl From<BuildError> for RehearsalError {
    fn from(error: BuildError) -> Self {
        Self::Build(error.to_string())
    }
}

impl Rehearsal {
    /// Prepares at most `virtual_users` virtual users of each user.
    ///
    /// # Errors
    /// If the plan has no load, or a virtual user gets no token.
    pub fn new(
        plan: &ScenarioPlan,
        environment: &Environment,
        virtual_users: usize,
    ) -> Result<Self, RehearsalError> {
        let Work::Load(load) = &plan.work else { return Err(RehearsalError::NoSuchRequest) };
        let virtual_users = VirtualUsers::prepare(plan, &*environment.tokens, virtual_users)?;
        let requests = RequestBuilder::load(&environment.target, load);
        let plan = Arc::new(plan.clone());
        let context = RunContext::new(plan, environment, virtual_users, clock::now());
        Ok(Self { context: Arc::new(context), requests })
    }

    /// Returns the bytes that iteration `number` sends at `step`. Nothing has been captured before.
    ///
    /// # Errors
    /// If the load has no such step, or its templates cannot be filled in.
    pub fn request(&self, step: StepId, number: u64) -> Result<Bytes, RehearsalError> {
        let Work::Load(load) = &self.context.plan.work else {
            return Err(RehearsalError::NoSuchRequest);
        };
        let steps = load.journeys.iter().flat_map(|journey| Step::flat(&journey.steps));
        let mut requests = steps.filter_map(Step::request);
        let plan = requests.find(|request| request.id == step);
        let plan = plan.ok_or(RehearsalError::NoSuchRequest)?;
        let draws = Draws { purpose: Purpose::Iteration, number };
        let base = Arc::new(BTreeMap::new());
        let scope = Scope::new(Arc::clone(&self.context), base, draws, number);
        match self.requests.build(plan, &scope, &scope.at(0))? {
            Request::Encoded(request) => Ok(request.bytes),
            Request::Prepared(_) => Err(RehearsalError::NoSuchRequest),
        }
    }
}
