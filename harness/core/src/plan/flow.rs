//! Steps that hold steps, and steps that send nothing.

use std::{sync::Arc, time::Duration};

use super::{
    Claim, JsonTemplate, Matcher, RequestPlan, ScenarioPlan, Span, Spoil, Step, UserId, ValuePlan,
    Work,
};

/// Steps that run beside others.
#[derive(Clone, Debug)]
pub struct Branch {
    /// The name in failures.
    pub name: String,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// Repeats the same steps several times, one after another.
#[derive(Clone, Debug)]
pub struct RepeatPlan {
    /// The number of repetitions, ≥ 1.
    pub times: usize,
    /// The name that holds the number of the repetition, from 0.
    pub name: Option<String>,
    /// The steps to repeat.
    pub steps: Vec<Step>,
}

/// Runs the same steps for each item of a list. Every item is tried, even if another one fails.
#[derive(Clone, Debug)]
pub struct ForEachPlan {
    /// The name that holds the item.
    pub name: String,
    /// The list.
    pub items: JsonTemplate,
    /// The place of the list in the file.
    pub span: Span,
    /// The steps to run for each item.
    pub steps: Vec<Step>,
}

/// Checks a value that is known already.
#[derive(Clone, Debug)]
pub struct CheckPlan {
    /// The name in failures.
    pub name: String,
    /// The value.
    pub value: JsonTemplate,
    /// The conditions that the value must meet.
    pub matcher: Matcher,
    /// The place in the file.
    pub span: Span,
    /// The rule that it represents.
    pub claim: Claim,
}

/// Another scenario, as a step.
#[derive(Clone, Debug)]
pub struct CallPlan {
    /// Its file, as failures name it.
    pub file: Arc<str>,
    /// Its name.
    pub name: String,
    /// Its variables, in order; those that the caller gives have the caller's template.
    pub vars: Vec<CallVar>,
    /// Its setup and its steps, in order.
    pub steps: Vec<Step>,
    /// Its teardown, run whatever happened before.
    pub teardown: Vec<Step>,
    /// The captures that the caller keeps: the caller's name, and the name in the called scenario.
    pub capture: Vec<(String, String)>,
    /// The place in the caller's file.
    pub span: Span,
}

/// A variable of a called scenario.
#[derive(Clone, Debug)]
pub struct CallVar {
    /// Its name there.
    pub name: String,
    /// Its value.
    pub value: ValuePlan,
    /// Set if the names in it are the caller's.
    pub given: bool,
}

/// Something that is done to the target, or to its time, rather than asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlStep {
    /// The action.
    pub action: ControlAction,
    /// The place in the file.
    pub span: Span,
}

/// An action of a [`ControlStep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlAction {
    /// Time passes for the target: its clock is put forward if it lets us, else we wait.
    Elapse(Duration),
    /// Waits until the current window, counted from 1970, has at least this much left.
    WaitForWindow {
        /// Length of a window.
        window: Duration,
        /// The least time that must be left in the window.
        remaining: Duration,
    },
    /// Its clock stands, or goes on.
    Freeze(bool),
    /// Its cron fires.
    Cron,
    /// It ends as in a crash.
    Kill,
    /// It is killed, unless that was done, and started again on the same state.
    Restart,
}

impl Step {
    /// The request that the step sends itself, if it sends one.
    pub fn request(&self) -> Option<&RequestPlan> {
        match self {
            Self::Request(request) => Some(request),
            Self::Burst(burst) => Some(&burst.request),
            Self::Until(until) => Some(&until.request),
            Self::Generate(generate) => Some(&generate.request),
            _ => None,
        }
    }

    /// The steps and those in them, in order.
    pub fn flat(steps: &[Self]) -> Vec<&Self> {
        let mut all = Vec::new();
        for step in steps {
            all.push(step);
            for inner in step.inner() {
                all.extend(Self::flat(inner));
            }
        }
        all
    }

    /// Does something to each request of the steps.
    pub fn each_request(steps: &mut [Self], change: &mut impl FnMut(&mut RequestPlan)) {
        for step in steps {
            match step {
                Self::Request(request) => change(request),
                Self::Burst(burst) => change(&mut burst.request),
                Self::Until(until) => change(&mut until.request),
                Self::Generate(generate) => {
                    change(&mut generate.request);
                    generate.unchanged.iter_mut().for_each(&mut *change);
                }
                Self::Parallel(branches) => {
                    for branch in branches {
                        Self::each_request(&mut branch.steps, change);
                    }
                }
                Self::Repeat(repeat) => Self::each_request(&mut repeat.steps, change),
                Self::ForEach(each) => Self::each_request(&mut each.steps, change),
                Self::Call(call) => {
                    Self::each_request(&mut call.steps, change);
                    Self::each_request(&mut call.teardown, change);
                }
                Self::Wait(_)
                | Self::Vars(_)
                | Self::Check(_)
                | Self::Control(_)
                | Self::Model(_) => {}
            }
        }
    }

    /// The most requests of the steps that are under way at the same time.
    pub fn widest(steps: &[Self]) -> usize {
        let width = |step: &Self| match step {
            Self::Burst(burst) => burst.concurrency.min(burst.count),
            Self::Parallel(branches) => {
                branches.iter().map(|branch| Self::widest(&branch.steps)).sum()
            }
            other => other.inner().into_iter().map(Self::widest).max().unwrap_or(1),
        };
        steps.iter().map(width).max().unwrap_or(1).max(1)
    }

    fn inner(&self) -> Vec<&[Self]> {
        match self {
            Self::Parallel(branches) => {
                branches.iter().map(|branch| branch.steps.as_slice()).collect()
            }
            Self::Repeat(repeat) => vec![&repeat.steps],
            Self::ForEach(each) => vec![&each.steps],
            Self::Call(call) => vec![&call.steps, &call.teardown],
            _ => Vec::new(),
        }
    }

    /// Returns the least time that it takes where the target's clock cannot be moved.
    pub fn real_time(&self) -> Duration {
        let sum = |steps: &[Self]| steps.iter().map(Self::real_time).sum::<Duration>();
        match self {
            Self::Wait(time)
            | Self::Control(ControlStep { action: ControlAction::Elapse(time), .. }) => *time,
            Self::Parallel(branches) => {
                branches.iter().map(|branch| sum(&branch.steps)).max().unwrap_or_default()
            }
            Self::Repeat(repeat) => {
                sum(&repeat.steps).saturating_mul(u32::try_from(repeat.times).unwrap_or(u32::MAX))
            }
            Self::ForEach(each) => sum(&each.steps),
            Self::Call(call) => sum(&call.steps) + sum(&call.teardown),
            _ => Duration::ZERO,
        }
    }
}

impl ScenarioPlan {
    /// The steps of work that runs once.
    pub fn once(&self) -> &[Step] {
        match &self.work {
            Work::Once(steps) => steps,
            Work::Load(_) => &[],
        }
    }

    /// Every step, those in other steps included.
    pub fn all_steps(&self) -> Vec<&Step> {
        let journeys: Vec<&[Step]> = match &self.work {
            Work::Once(_) => Vec::new(),
            Work::Load(load) => load.journeys.iter().map(|j| j.steps.as_slice()).collect(),
        };
        let lists = [self.setup.as_slice(), self.once(), &self.audit, &self.teardown];
        lists.into_iter().chain(journeys).flat_map(Step::flat).collect()
    }

    /// Lists the environment variables in which it expects secrets, each with the place that needs it:
    /// `vars.key`, or `users.alice`.
    pub fn secrets(&self) -> Vec<(&str, String)> {
        let mut secrets = Vec::new();
        for user in &self.users {
            if let super::Credentials::Environment(name) = &user.credentials {
                secrets.push((name.as_str(), format!("users.{}", user.name)));
            }
        }
        let of_vars = self.vars.iter().map(|(name, value)| (name, value));
        let steps = self.all_steps();
        let of_steps = steps.iter().flat_map(|step| match step {
            Step::Vars(values) => values.iter().map(|(name, value)| (name, value)).collect(),
            Step::Call(call) => call.vars.iter().map(|var| (&var.name, &var.value)).collect(),
            _ => Vec::new(),
        });
        for (name, value) in of_vars.chain(of_steps) {
            secrets.extend(value.secret().map(|secret| (secret, format!("vars.{name}"))));
        }
        secrets
    }

    /// Returns the lag of the generator that decides nothing.
    pub const fn allowed_lag(&self) -> Duration {
        match &self.work {
            Work::Load(load) => load.allowed_lag,
            Work::Once(_) => super::LoadPlan::DEFAULT_ALLOWED_LAG,
        }
    }

    /// Returns the least time that it takes where the target's clock cannot be moved.
    pub fn real_time(&self) -> Duration {
        let lists = [self.setup.as_slice(), self.once(), &self.audit, &self.teardown];
        lists.into_iter().flatten().map(Step::real_time).sum()
    }

    /// Lists the rules that its expectations represent.
    pub fn claims(&self) -> Vec<&Claim> {
        let mut claims = Vec::new();
        for step in self.all_steps() {
            if let Some(request) = step.request() {
                claims.push(&request.claim);
                claims.extend(request.also.iter().map(|also| &also.claim));
            }
            match step {
                Step::Burst(burst) => {
                    claims.extend(burst.counts.iter().map(|count| &count.claim));
                    claims.extend(burst.distinct.iter().map(|distinct| &distinct.claim));
                }
                Step::Check(check) => claims.push(&check.claim),
                Step::Generate(generate) => {
                    claims.extend([&generate.refused.claim, &generate.accepted.claim]);
                }
                Step::Model(model) => claims.extend(model.claims()),
                _ => {}
            }
        }
        claims
    }
}

/// Describes a token to make, and the change that spoils it.
#[derive(Clone, Debug)]
pub struct JwtPlan {
    /// The user whose claims it starts from.
    pub user: Option<UserId>,
    /// Members of the header on top of the usual ones; `null` takes one out.
    pub header: JsonTemplate,
    /// Claims on top of the usual ones; `null` takes one out.
    pub claims: JsonTemplate,
    /// The key that signs it.
    pub key: super::Key,
    /// The change that makes the signed token a bad one.
    pub spoil: Option<Spoil>,
}
