//! What a load would send and how it reads answers, without a connection.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::{
    super::{
        Environment, Response, SendError, clock,
        values::{Draws, Scope, World},
        virtual_users::VirtualUsers,
    },
    answer::{Answer, Wanted},
    site::Sites,
};
use crate::{
    plan::{ScenarioPlan, StepId, Work},
    schedule::Purpose,
};

/// The requests of a load.
#[derive(Debug)]
pub struct Rehearsal {
    world: Arc<World>,
    sites: Sites,
}

impl Rehearsal {
    /// Of at most `people` people of each user.
    ///
    /// # Errors
    /// If the plan has no load, or a person gets no token.
    pub fn new(
        plan: &ScenarioPlan,
        environment: &Environment,
        people: usize,
    ) -> Result<Self, String> {
        let Work::Load(load) = &plan.work else { return Err("the plan has no load".to_owned()) };
        let people = VirtualUsers::prepare(plan, &*environment.tokens, people)?;
        let world = Arc::new(World::new(environment, people, clock::now()));
        Ok(Self { world, sites: Sites::new(&environment.target, load) })
    }

    /// The bytes that iteration `number` sends at `step`. Nothing has been captured before.
    ///
    /// # Errors
    /// Why the request cannot be built.
    pub fn request(&self, step: StepId, number: u64) -> Result<Bytes, String> {
        let draws = Draws { purpose: Purpose::Iteration, number };
        let base = Arc::new(BTreeMap::new());
        let scope = Scope::new(Arc::clone(&self.world), base, draws, number);
        Ok(self.sites.fill(step, &scope, &scope.at(0))?.bytes)
    }
}

/// The answer at the front of `bytes` and its length, if it is complete. Its headers and its body
/// are kept if `keeps`.
///
/// # Errors
/// If this is not an answer, or one that is too large.
pub fn read_answer(bytes: &[u8], keeps: bool) -> Result<Option<(Response, usize)>, SendError> {
    let mut answer = Answer::new(false);
    let used = answer.take(bytes, &|_| Wanted { headers: keeps, body: keeps })?;
    Ok(answer.is_done().then(|| (answer.into_response(), used)))
}
