//! After a scenario that measures usage: what its durable runs used, and whether the service's own
//! total agrees with what its answers said, and with what the stub saw.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header::AUTHORIZATION};
use serde::{Deserialize, de::DeserializeOwned};

use super::{context::RunContext, virtual_users::VirtualUser};
use crate::{
    cost::{Counts, RunUsage, StepUsage, Tallies, Tally, USAGE_HEADER},
    http::{Client, ClientConfig, Prepared, Request, Wanted},
    model::clock,
    plan::{CostPlan, Phase, ScenarioPlan, StepId},
    record::ScenarioRecord,
    upstream::{self, Arrivals},
};

/// Runs that are not over by then are not waited for: those of a scenario take seconds.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at a person's runs.
const PAUSE: Duration = Duration::from_millis(250);
/// What goes on after an answer, such as making a workflow findable, takes some calls of models.
const SETTLES_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks at everybody's month: a request of each person, whose budget is limited.
const SETTLING: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(10);

/// `GET /usage`: what the service says of a person's month.
#[derive(Deserialize)]
struct Month {
    requests: Sum,
    runs: Sum,
    #[serde(default)]
    background: BTreeMap<String, Sum>,
}

#[derive(Deserialize)]
struct Sum {
    count: u64,
    #[serde(flatten)]
    usage: Counts,
}

/// A page of `GET /runs`.
#[derive(Deserialize)]
struct Page {
    runs: Vec<Run>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Run {
    finished_at: Option<i64>,
}

/// Gathers what a scenario used. Nothing here fails the scenario by itself: where the service
/// cannot be asked, or says otherwise than its answers or the stub, the record says so. `before` is
/// what the stub had seen when the scenario began.
pub(super) async fn settle(
    plan: &ScenarioPlan,
    cost: &CostPlan,
    record: &ScenarioRecord,
    world: &RunContext,
    before: Option<Arrivals>,
) -> RunUsage {
    let mut usage = RunUsage { steps: steps(plan, cost, record), ..RunUsage::default() };
    let metered = record.used.all().count > 0 || record.used.unmetered == 0;
    // A target that does not meter has no total of its own either; its platform may know.
    if !cost.audit || !metered {
        return usage;
    }
    let audited = match Auditor::new(world, record.used.clone()) {
        Ok(auditor) => auditor.audit(before).await,
        Err(why) => Err(why),
    };
    match audited {
        Ok((total, disagreements)) => {
            (usage.runs, usage.background) = (total.runs, total.background);
            usage.disagreements = disagreements;
        }
        Err(why) => usage.disagreements.push(why),
    }
    usage.conserved = usage.disagreements.is_empty();
    usage
}

fn steps(plan: &ScenarioPlan, cost: &CostPlan, record: &ScenarioRecord) -> Vec<StepUsage> {
    let labels = plan.labels.iter().zip(&record.steps).enumerate();
    let of_work = labels.filter(|(_, (label, _))| label.phase == Phase::Work);
    let step =
        |(index, (label, step)): (usize, (&crate::plan::StepLabel, &crate::record::StepRecord))| {
            StepUsage {
                name: label.name.clone(),
                ai: cost.ai.contains(&StepId(index)),
                used: step.used.clone(),
            }
        };
    of_work.map(step).collect()
}

/// What the answers said beside what the service counted, by resource.
fn differences(said: &Tallies, counted: &Tally) -> Vec<String> {
    if said.unmetered > 0 {
        let unmetered = said.unmetered;
        return vec![format!(
            "{unmetered} answers did not say what they used, so the service's total was not checked"
        )];
    }
    let said = said.all();
    let names: BTreeSet<_> = said.usage.keys().chain(counted.usage.keys()).collect();
    let amount = |tally: &Tally, name: &String| tally.usage.get(name).copied().unwrap_or_default();
    names
        .into_iter()
        .filter(|name| amount(&said, name) != amount(counted, name))
        .map(|name| {
            let (said, counted) = (amount(&said, name), amount(counted, name));
            format!("{name}: answers said {said}, the service counted {counted}")
        })
        .collect()
}

/// The outbound calls that the service counted beside those that the stub saw.
fn outbound(total: &Total, saw: Arrivals) -> Option<String> {
    let counted = total.outbound();
    let Arrivals { all, unowned, .. } = saw;
    let slack = match unowned {
        0 => String::new(),
        some => format!(", of which {some} may be nobody's"),
    };
    let text =
        format!("outbound_requests: the service counted {counted}, the stub saw {all}{slack}");
    (!saw.fits(counted)).then_some(text)
}

impl From<Sum> for Tally {
    fn from(sum: Sum) -> Self {
        Self { count: sum.count, usage: sum.usage }
    }
}

/// What the service says of everybody, together.
#[derive(Default)]
struct Total {
    requests: Tally,
    runs: Tally,
    background: Tally,
}

impl Total {
    fn add(&mut self, month: Month) {
        self.requests.add(&month.requests.into());
        self.runs.add(&month.runs.into());
        for (_, part) in month.background {
            self.background.add(&part.into());
        }
    }

    fn outbound(&self) -> u64 {
        let of = |tally: &Tally| tally.usage.get("outbound_requests").copied().unwrap_or_default();
        [&self.requests, &self.runs, &self.background].map(of).iter().sum()
    }
}

/// Asks the service, in the name of the scenario's people.
struct Auditor<'a> {
    client: Client,
    world: &'a RunContext,
    deadline: Instant,
    /// What all answers said, those to the questions themselves included: they are counted, too.
    said: Tallies,
    /// What answers said that count from the next question on.
    to_be_counted: Tallies,
}

impl<'a> Auditor<'a> {
    fn new(world: &'a RunContext, said: Tallies) -> Result<Self, String> {
        let client = Client::new(&world.url, ClientConfig::for_steps())
            .map_err(|error| error.to_string())?;
        let deadline = clock::after(clock::now(), PATIENCE);
        Ok(Self { client, world, deadline, said, to_be_counted: Tallies::default() })
    }

    /// The totals when everything that the scenario started is over, and who says otherwise.
    async fn audit(mut self, before: Option<Arrivals>) -> Result<(Total, Vec<String>), String> {
        for person in self.world.virtual_users.everyone() {
            self.runs_are_over(person).await?;
        }
        let give_up = clock::after(clock::now(), SETTLES_WITHIN);
        loop {
            let first = self.arrived(before).await?;
            let total = self.total().await?;
            let then = self.arrived(before).await?;
            let mut disagreements = differences(&self.said, &total.requests);
            disagreements.extend(then.and_then(|saw| outbound(&total, saw)));
            // What the service moves into its database while it is asked is missing that once.
            let settled = first == then && disagreements.is_empty();
            if settled || clock::now() >= give_up {
                return Ok((total, disagreements));
            }
            clock::sleep_until(clock::after(clock::now(), SETTLING)).await;
            self.said.add(&std::mem::take(&mut self.to_be_counted));
        }
    }

    /// The calls that the stub saw since the scenario began, if it can be asked.
    async fn arrived(&self, before: Option<Arrivals>) -> Result<Option<Arrivals>, String> {
        let (Some(before), Some(stub)) = (before, &self.world.upstream) else { return Ok(None) };
        let stub = stub.parse().map_err(|_| "the stub has no URL".to_owned())?;
        let now = upstream::arrivals(&stub).await;
        now.map(|now| Some(now.since(before))).map_err(|why| format!("the stub's count: {why}"))
    }

    async fn total(&mut self) -> Result<Total, String> {
        let mut total = Total::default();
        for person in self.world.virtual_users.everyone() {
            let (month, header) = self.get(person, "/usage").await?;
            self.to_be_counted.count(header.as_deref());
            total.add(month);
        }
        Ok(total)
    }

    async fn runs_are_over(&mut self, person: &VirtualUser) -> Result<(), String> {
        while self.has_open_runs(person).await? {
            if clock::now() >= self.deadline {
                let patience = PATIENCE.as_secs();
                return Err(format!("runs were not over {patience} s after the scenario"));
            }
            clock::sleep_until(clock::after(clock::now(), PAUSE)).await;
        }
        Ok(())
    }

    async fn has_open_runs(&mut self, person: &VirtualUser) -> Result<bool, String> {
        let mut path = "/runs?limit=100".to_owned();
        loop {
            let (page, header): (Page, _) = self.get(person, &path).await?;
            self.said.count(header.as_deref());
            if page.runs.iter().any(|run| run.finished_at.is_none()) {
                return Ok(true);
            }
            let Some(next) = page.next else { return Ok(false) };
            path = format!("/runs?limit=100&cursor={next}");
        }
    }

    /// The answer, and what it says that it used.
    async fn get<T: DeserializeOwned>(
        &self,
        person: &VirtualUser,
        path: &str,
    ) -> Result<(T, Option<String>), String> {
        let asked = |why: String| format!("GET {path} for the service's own total: {why}");
        let url = format!("{}{path}", self.world.target);
        let url = url.parse().map_err(|_| asked("no URL".to_owned()))?;
        let headers = HeaderMap::from_iter([(AUTHORIZATION, person.authorization.clone())]);
        let request = Prepared { method: Method::GET, url, headers, body: Bytes::new() };
        let request = Request::Prepared(request);
        let exchange = self.client.send(&request, TIMEOUT, |_| Wanted::ALL).await;
        let response = exchange.outcome.map_err(|error| asked(error.to_string()))?;
        if response.status != StatusCode::OK {
            return Err(asked(format!("status {}", response.status)));
        }
        let header = response.headers.get(USAGE_HEADER);
        let header = header.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body =
            serde_json::from_slice(&response.body).map_err(|error| asked(error.to_string()))?;
        Ok((body, header))
    }
}
