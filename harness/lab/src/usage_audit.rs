//! Audits the usage of our service: what its durable runs used, and whether its own total agrees
//! with what its answers said, and with what the stub saw.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, StatusCode, header::AUTHORIZATION};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    http::question::{self, AnswerError},
    model::{
        clock,
        stub::{Arrivals, Stub, StubError},
        usage::{Counts, Reading, Tallies, Tally},
    },
    run::{AuditError, AuditRequest, AuditedUsage, UsageAudit},
};

/// Runs that are not over by then are not waited for: those of a scenario take seconds.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at a person's runs.
const PAUSE: Duration = Duration::from_millis(250);
/// The time in which work after an answer settles. Making a workflow findable, for example, takes
/// some calls of models.
const SETTLES_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks at everybody's month: a request of each person, whose budget is limited.
const SETTLING: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(10);

/// Says why the total of the service is not known.
#[derive(Debug, thiserror::Error)]
enum ServiceAuditError {
    /// There is no client to ask with.
    #[error(transparent)]
    Client(reqwest::Error),
    /// The stub does not say what it saw.
    #[error("the stub's count: {0}")]
    Stub(StubError),
    /// Runs take longer than the audit waits.
    #[error("runs were not over {} s after the scenario", PATIENCE.as_secs())]
    OpenRuns,
    /// An answer of the service is of no use.
    #[error("GET {path} for the service's own total: {error}")]
    Read {
        /// The path of the request.
        path: String,
        /// The cause.
        error: ReadError,
    },
}

/// Says why an answer of the service is of no use.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error("status {0}")]
    Status(StatusCode),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl From<ServiceAuditError> for AuditError {
    fn from(error: ServiceAuditError) -> Self {
        Self(error.to_string())
    }
}

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

/// Returns the differences between the usage that the answers report and the usage that the service
/// counted, by resource.
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

/// Compares the outbound calls that the service counted with those that the stub saw.
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

/// Holds the usage of all callers together, as the service reports it.
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

/// Asks our service for its own total, at `/usage` and `/runs`, and the stub for its count.
#[derive(Clone, Debug)]
pub struct ServiceAudit {
    /// The stub of what the service calls, if it can be asked.
    pub stub: Option<Arc<dyn Stub>>,
}

impl UsageAudit for ServiceAudit {
    fn audit<'a>(
        &'a self,
        request: AuditRequest<'a>,
    ) -> BoxFuture<'a, Result<AuditedUsage, AuditError>> {
        Box::pin(async move {
            let auditor = Auditor::new(request, self.stub.as_deref())?;
            let (total, disagreements) = auditor.audit().await?;
            let Total { runs, background, .. } = total;
            Ok(AuditedUsage { runs, background, disagreements })
        })
    }
}

/// Asks the service, in the name of the scenario's people.
struct Auditor<'a> {
    client: reqwest::Client,
    request: AuditRequest<'a>,
    stub: Option<&'a dyn Stub>,
    deadline: Instant,
    /// The usage that all answers reported, those to the audit's own requests included: they are
    /// counted, too.
    said: Tallies,
    /// The usage in answers that counts from the next question on.
    to_be_counted: Tallies,
}

impl<'a> Auditor<'a> {
    fn new(
        request: AuditRequest<'a>,
        stub: Option<&'a dyn Stub>,
    ) -> Result<Self, ServiceAuditError> {
        let client = question::client().timeout(TIMEOUT).build();
        let client = client.map_err(ServiceAuditError::Client)?;
        let deadline = clock::after(clock::now(), PATIENCE);
        let said = request.said.clone();
        Ok(Self { client, request, stub, deadline, said, to_be_counted: Tallies::default() })
    }

    /// Returns the totals when everything that the scenario started is over, and the disagreements.
    async fn audit(mut self) -> Result<(Total, Vec<String>), ServiceAuditError> {
        let people = self.request.people.clone();
        for person in &people {
            self.runs_are_over(person).await?;
        }
        let give_up = clock::after(clock::now(), SETTLES_WITHIN);
        loop {
            let first = self.arrived().await?;
            let total = self.total(&people).await?;
            let then = self.arrived().await?;
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

    /// Returns the calls that the stub saw since the scenario began, if it can be asked.
    async fn arrived(&self) -> Result<Option<Arrivals>, ServiceAuditError> {
        let (Some(before), Some(stub)) = (self.request.before, self.stub) else { return Ok(None) };
        let now = stub.arrivals().await;
        now.map(|now| Some(now.since(before))).map_err(ServiceAuditError::Stub)
    }

    async fn total(&mut self, people: &[HeaderValue]) -> Result<Total, ServiceAuditError> {
        let mut total = Total::default();
        for person in people {
            let (month, reading) = self.get(person, "/usage").await?;
            self.to_be_counted.count(reading);
            total.add(month);
        }
        Ok(total)
    }

    async fn runs_are_over(&mut self, person: &HeaderValue) -> Result<(), ServiceAuditError> {
        while self.has_open_runs(person).await? {
            if clock::now() >= self.deadline {
                return Err(ServiceAuditError::OpenRuns);
            }
            clock::sleep_until(clock::after(clock::now(), PAUSE)).await;
        }
        Ok(())
    }

    async fn has_open_runs(&mut self, person: &HeaderValue) -> Result<bool, ServiceAuditError> {
        let mut path = "/runs?limit=100".to_owned();
        loop {
            let (page, reading): (Page, _) = self.get(person, &path).await?;
            self.said.count(reading);
            if page.runs.iter().any(|run| run.finished_at.is_none()) {
                return Ok(true);
            }
            let Some(next) = page.next else { return Ok(false) };
            path = format!("/runs?limit=100&cursor={next}");
        }
    }

    /// Returns the answer, and what it says that it used.
    async fn get<T: DeserializeOwned>(
        &self,
        person: &HeaderValue,
        path: &str,
    ) -> Result<(T, Option<Reading>), ServiceAuditError> {
        let asked = |error: ReadError| ServiceAuditError::Read { path: path.to_owned(), error };
        let url = format!("{}{path}", self.request.target);
        let headers = HeaderMap::from_iter([(AUTHORIZATION, person.clone())]);
        let response = self.client.get(url).headers(headers).send().await;
        let response = response.map_err(|error| asked(error.into()))?;
        if response.status() != StatusCode::OK {
            return Err(asked(ReadError::Status(response.status())));
        }
        let reading = self.request.meter.read(response.headers());
        let body = question::read(response).await.map_err(|error| asked(error.into()))?;
        let body = serde_json::from_slice(&body).map_err(|error| asked(error.into()))?;
        Ok((body, reading))
    }
}
