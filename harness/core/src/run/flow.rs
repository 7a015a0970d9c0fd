//! Steps that hold steps, and steps that send nothing.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::model::Value;
use futures_util::future::join_all;

use super::{
    compute::Computer,
    control::{Command, CommandError},
    iteration::{Halt, Iteration},
    values::Scope,
};
use crate::{
    check::{
        clipped,
        expect::{self, Mismatch},
        runs::Happened,
    },
    model::clock,
    plan::{
        Branch, CallPlan, CheckPlan, Claim, ControlAction, ControlStep, ForEachPlan, RepeatPlan,
        Span, Step, ValuePlan, Values,
    },
};

/// Characters of an item that a failure shows.
const SHOWN_ITEM: usize = 120;

/// The margin after the end of a window: clocks differ, and requests take time.
const PAST_THE_EDGE: Duration = Duration::from_millis(50);

impl Iteration {
    /// Runs a step that is no request; see [`Iteration::run`].
    pub(super) async fn other(&self, step: &Step, planned: Instant) -> Result<Instant, Halt> {
        match step {
            Step::Parallel(branches) => self.parallel(branches, planned).await?,
            Step::Repeat(repeat) => self.repeat(repeat, planned).await?,
            Step::ForEach(each) => self.for_each(each, planned).await?,
            Step::Vars(values) => self.compute(values, "vars").await?,
            Step::Check(check) => self.check(check)?,
            Step::Control(control) => self.control(*control).await?,
            Step::Call(call) => self.call(call).await?,
            Step::Model(model) => self.model(model).await?,
            Step::Generate(generate) => return self.generate(generate).await,
            Step::Request(_) | Step::Burst(_) | Step::Until(_) | Step::Wait(_) => {}
        }
        Ok(clock::now())
    }

    /// An iteration like this one with names of its own.
    pub(super) fn with_scope(&self, scope: Scope) -> Self {
        let (worker, clients) = (Rc::clone(&self.worker), self.clients.clone());
        Self { worker, clients, scope, file: self.file.clone(), ..*self }
    }

    /// All branches run to their ends, whatever becomes of the others.
    async fn parallel(&self, branches: &[Branch], planned: Instant) -> Result<(), Halt> {
        // Forked one after another: each draws its own made-up values.
        let forks: Vec<_> = branches.iter().map(|_| self.with_scope(self.scope.fork())).collect();
        let runs =
            forks.iter().zip(branches).map(|(fork, branch)| fork.run(&branch.steps, planned));
        let ends = join_all(runs).await;
        for fork in &forks {
            self.scope.join(&fork.scope);
        }
        worst(ends)
    }

    async fn repeat(&self, repeat: &RepeatPlan, mut planned: Instant) -> Result<(), Halt> {
        for number in 0..repeat.times {
            let run = self.run(&repeat.steps, planned);
            let name = repeat.name.as_deref().unwrap_or_default();
            self.with_item(name, Value::from(number), run).await?;
            planned = clock::now();
        }
        Ok(())
    }

    async fn for_each(&self, each: &ForEachPlan, mut planned: Instant) -> Result<(), Halt> {
        let items = match each.items.render(&self.scope.at(0)) {
            Ok(Value::Array(items)) if !items.is_empty() => items,
            Ok(other) => return self.broken("for-each", "a list with items", &other, each.span),
            Err(error) => {
                return self.broken("for-each", "a list", &error.to_string().into(), each.span);
            }
        };
        let mut ends = Vec::new();
        for item in items {
            let end = self.with_item(&each.name, item, self.run(&each.steps, planned)).await;
            planned = clock::now();
            ends.push(end);
            if end == Err(Halt::Absent) {
                break;
            }
        }
        worst(ends)
    }

    /// Runs steps while a name stands for an item.
    async fn with_item(
        &self,
        name: &str,
        item: Value,
        run: impl Future<Output = Result<(), Halt>>,
    ) -> Result<(), Halt> {
        let hidden = self.scope.captured(name);
        let shown = format!("{name} = {}", clipped(&item, SHOWN_ITEM));
        self.scope.items().borrow_mut().push(shown);
        self.scope.capture(name, item);
        let end = run.await;
        self.scope.restore(name, hidden);
        self.scope.items().borrow_mut().pop();
        end
    }

    /// Computes values, in order, all at the same time of the target.
    async fn compute(&self, values: &[(String, ValuePlan)], what: &str) -> Result<(), Halt> {
        let now = self.time_for(values.iter().map(|(_, plan)| plan), what).await?;
        for (name, plan) in values {
            let value = self.value(name, plan, now, (what, Span::default()))?;
            self.scope.capture(name, value);
        }
        Ok(())
    }

    /// Returns the reading of the target's clock, if one of the values needs it.
    async fn time_for(
        &self,
        mut values: impl Iterator<Item = &ValuePlan>,
        what: &str,
    ) -> Result<i64, Halt> {
        if !values.any(ValuePlan::needs_time) {
            return Ok(0);
        }
        self.worker.context.now().await.map_err(|problem| {
            let problem = problem.to_string();
            self.note_broken(what, "the time", &problem.into(), Span::default());
            Halt::Failed
        })
    }

    /// Computes the value of `name`. A failure is noted under a name, at a place.
    fn value(
        &self,
        name: &str,
        plan: &ValuePlan,
        now: i64,
        (what, span): (&str, Span),
    ) -> Result<Value, Halt> {
        let computer = Computer { plan: &self.worker.context.plan, scope: &self.scope, now };
        computer.compute(plan).map_err(|problem| {
            let problem = problem.to_string();
            self.note_broken(what, &format!("a value for `{name}`"), &problem.into(), span);
            Halt::Failed
        })
    }

    fn check(&self, check: &CheckPlan) -> Result<(), Halt> {
        let names = self.scope.at(0);
        let held = match check.value.render(&names) {
            Ok(value) => expect::check_value(&value, &check.matcher, check.span, &names),
            Err(error) => Err(Mismatch::new("a value", error.to_string(), check.span)),
        };
        self.worker.recorder.borrow_mut().claimed(&check.claim, held.is_ok());
        let Err(mismatch) = held else { return Ok(()) };
        self.note(&check.name, &check.claim, mismatch, check.span);
        if check.claim.is_required() { Err(Halt::Failed) } else { Ok(()) }
    }

    async fn control(&self, step: ControlStep) -> Result<(), Halt> {
        let goes = match step.action {
            ControlAction::Freeze(frozen) => Some(!frozen),
            // A new process shows the system's time, put forward.
            ControlAction::Restart => Some(true),
            ControlAction::Elapse(_)
            | ControlAction::WaitForWindow { .. }
            | ControlAction::Cron
            | ControlAction::Kill => None,
        };
        let action = async {
            match step.action {
                ControlAction::Elapse(time) => self.elapse(time).await,
                ControlAction::WaitForWindow { window, remaining } => {
                    self.align(window, remaining).await
                }
                ControlAction::Freeze(frozen) => self.give(Command::Freeze(frozen)).await,
                ControlAction::Cron => self.give(Command::Cron).await,
                ControlAction::Kill => self.give(Command::Kill).await,
                ControlAction::Restart => self.give(Command::Restart).await,
            }
        };
        let done = self.worker.context.moving(goes, action).await;
        self.worker.context.observer.note(Happened {
            at: self.worker.context.offset(clock::now()),
            what: done_to(step.action),
            is_crash: matches!(step.action, ControlAction::Kill | ControlAction::Restart),
            run: String::new(),
        });
        match done {
            Ok(()) => Ok(()),
            Err(problem) => {
                let expected = match step.action {
                    ControlAction::Elapse(_) | ControlAction::WaitForWindow { .. } => {
                        "that time passes"
                    }
                    ControlAction::Freeze(_) => "that the clock of the target obeys",
                    ControlAction::Cron => "that the cron fires",
                    ControlAction::Kill => "that the target ends",
                    ControlAction::Restart => "that the target starts again",
                };
                self.broken("target", expected, &problem.to_string().into(), step.span)
            }
        }
    }

    async fn give(&self, command: Command) -> Result<(), CommandError> {
        let operator = self.worker.context.operator.as_ref();
        let operator = operator.ok_or(CommandError::NotHeld)?;
        operator.give(command).await.map(|_| ())
    }

    async fn elapse(&self, time: Duration) -> Result<(), CommandError> {
        let operator = self.worker.context.operator.as_ref();
        if operator.is_some_and(|operator| operator.has_clock) {
            return self.give(Command::Advance(time)).await;
        }
        clock::sleep_until(clock::after(clock::now(), time)).await;
        Ok(())
    }

    async fn align(&self, window: Duration, remaining: Duration) -> Result<(), CommandError> {
        let now = self.worker.context.now().await?;
        let length = i64::try_from(window.as_millis()).unwrap_or(i64::MAX).max(1);
        let left = Duration::from_millis((length - now.rem_euclid(length)).unsigned_abs());
        if left >= remaining { Ok(()) } else { self.elapse(left + PAST_THE_EDGE).await }
    }

    /// Runs another scenario with names of its own. Its teardown runs whatever happened before.
    async fn call(&self, call: &CallPlan) -> Result<(), Halt> {
        let scope = self.scope.called(Values::new());
        let called = Self { file: Some(Arc::clone(&call.file)), ..self.with_scope(scope) };
        let mut end = called.given(self, call).await;
        if end.is_ok() {
            end = called.run(&call.steps, clock::now()).await;
        }
        let cleaned = called.run(&call.teardown, clock::now()).await;
        for (mine, theirs) in &call.capture {
            if let Some(value) = called.scope.captured(theirs) {
                self.scope.capture(mine, value);
            }
        }
        end.and(cleaned)
    }

    /// Gives the variables of a called scenario their values: those that the caller gives are
    /// computed with the caller's names.
    async fn given(&self, caller: &Self, call: &CallPlan) -> Result<(), Halt> {
        let now = self.time_for(call.vars.iter().map(|var| &var.value), &call.name).await?;
        for var in &call.vars {
            let of = if var.given { caller } else { self };
            let value = of.value(&var.name, &var.value, now, (&call.name, call.span))?;
            self.scope.capture(&var.name, value);
        }
        Ok(())
    }

    /// Something that should be there is not.
    fn broken(&self, name: &str, expected: &str, found: &Value, span: Span) -> Result<(), Halt> {
        self.note_broken(name, expected, found, span);
        Err(Halt::Failed)
    }

    fn note_broken(&self, name: &str, expected: &str, found: &Value, span: Span) {
        let actual = match found {
            Value::String(text) => text.clone(),
            other => clipped(other, SHOWN_ITEM),
        };
        self.note(name, &Claim::default(), Mismatch::new(expected, actual, span), span);
    }
}

/// Describes an action for a timeline.
fn done_to(action: ControlAction) -> String {
    match action {
        ControlAction::Elapse(time) => {
            format!("time: {:.1} s passed; alarms that were due rang", time.as_secs_f64())
        }
        ControlAction::WaitForWindow { .. } => "time: until the next window, if need be".to_owned(),
        ControlAction::Freeze(true) => "time: the clock was stopped".to_owned(),
        ControlAction::Freeze(false) => "time: the clock goes".to_owned(),
        ControlAction::Cron => "target: its cron fired".to_owned(),
        ControlAction::Kill => "target: killed".to_owned(),
        ControlAction::Restart => "target: started again".to_owned(),
    }
}

/// The worst of several ends: that nobody listens comes before everything else.
fn worst<T>(ends: Vec<Result<T, Halt>>) -> Result<(), Halt> {
    let halts: Vec<_> = ends.into_iter().filter_map(Result::err).collect();
    match halts.iter().find(|halt| **halt == Halt::Absent).or(halts.first()) {
        Some(halt) => Err(*halt),
        None => Ok(()),
    }
}
