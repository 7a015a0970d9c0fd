//! After a scenario that measures usage: what its durable runs used, and whether the service's own
//! total agrees with what its answers said.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header::AUTHORIZATION};
use serde::{Deserialize, de::DeserializeOwned};

use super::{Client, Prepared, clock, people::Person, values::World};
use crate::{
    cost::{Counts, RunUsage, StepUsage, Tallies, Tally, USAGE_HEADER},
    plan::{CostPlan, Phase, ScenarioPlan, StepId},
    record::ScenarioRecord,
};

/// Runs that are not over by then are not waited for: those of a scenario take seconds.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at a person's runs.
const PAUSE: Duration = Duration::from_millis(250);
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
/// cannot be asked, the record says so.
pub(super) async fn settle(
    plan: &ScenarioPlan,
    cost: &CostPlan,
    record: &ScenarioRecord,
    world: &World,
) -> RunUsage {
    let mut usage = RunUsage { steps: steps(plan, cost, record), ..RunUsage::default() };
    if !cost.audit {
        return usage;
    }
    let mut said = record.used.clone();
    let mut total = Tally::default();
    let mut auditor = match Auditor::new(world) {
        Ok(auditor) => auditor,
        Err(why) => {
            usage.disagreements.push(why);
            return usage;
        }
    };
    for person in world.people.everyone() {
        match auditor.month(person).await {
            Ok(month) => {
                total.add(&month.requests.into());
                usage.runs.add(&month.runs.into());
                for (_, part) in month.background {
                    usage.background.add(&part.into());
                }
            }
            Err(why) => {
                usage.disagreements.push(why);
                return usage;
            }
        }
    }
    said.add(&auditor.said);
    usage.disagreements.extend(differences(&said, &total));
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

impl From<Sum> for Tally {
    fn from(sum: Sum) -> Self {
        Self { count: sum.count, usage: sum.usage }
    }
}

/// Asks the service, in the name of the scenario's people.
struct Auditor<'a> {
    client: Client,
    world: &'a World,
    deadline: Instant,
    /// What the answers to the questions themselves used; they are counted, too.
    said: Tallies,
}

impl<'a> Auditor<'a> {
    fn new(world: &'a World) -> Result<Self, String> {
        let client = Client::new(1).map_err(|error| error.to_string())?;
        let deadline = clock::after(clock::now(), PATIENCE);
        Ok(Self { client, world, deadline, said: Tallies::default() })
    }

    /// The month of a person whose runs are over.
    async fn month(&mut self, person: &Person) -> Result<Month, String> {
        while self.has_open_runs(person).await? {
            if clock::now() >= self.deadline {
                let patience = PATIENCE.as_secs();
                return Err(format!("runs were not over {patience} s after the scenario"));
            }
            clock::sleep_until(clock::after(clock::now(), PAUSE)).await;
        }
        let (month, _) = self.get(person, "/usage").await?;
        Ok(month)
    }

    async fn has_open_runs(&mut self, person: &Person) -> Result<bool, String> {
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
        person: &Person,
        path: &str,
    ) -> Result<(T, Option<String>), String> {
        let asked = |why: String| format!("GET {path} for the service's own total: {why}");
        let url = format!("{}{path}", self.world.target);
        let url = url.parse().map_err(|_| asked("no URL".to_owned()))?;
        let headers = HeaderMap::from_iter([(AUTHORIZATION, person.authorization.clone())]);
        let request = Prepared { method: Method::GET, url, headers, body: Bytes::new() };
        let exchange = self.client.send(&request, TIMEOUT).await;
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
