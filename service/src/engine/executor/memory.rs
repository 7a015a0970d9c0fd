//! Implements the ports of an executor in memory, with faults.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    future::{pending, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{self, Poll},
    time::Duration,
};

use serde_json::{Value, json};

use super::*;
use crate::domain::{Millis, ai::Model};
use crate::ports::{
    ActorClass, Actors, Ai, Analytics, Breaker, Clock, Completion, Database, Http, KeyValue,
    Metered, OutboundRequest, OutboundResponse, Param, Random, Rows, SingleFlight, Statement,
};

/// A fault at a call: an error or the death of the host, before or after the call took effect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    ErrorBefore,
    ErrorAfter,
    DeathBefore,
    DeathAfter,
}

pub(super) const FAULTS: [Fault; 4] =
    [Fault::ErrorBefore, Fault::ErrorAfter, Fault::DeathBefore, Fault::DeathAfter];

/// The ports of one object, in memory. Nothing waits for time. Unless calls are interleaved, a
/// future is pending only if its host died.
#[derive(Default)]
pub(super) struct Memory {
    inner: Mutex<Inner>,
    taken: Arc<AtomicBool>,
}

/// A turn of the object. Nobody else gets one until it is dropped.
pub(super) struct Turn(Arc<AtomicBool>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) now: Millis,
    pub(super) state: Option<String>,
    pub(super) alarm: Option<Millis>,
    /// The parameters of the row's `INSERT`, kept up to date.
    pub(super) row: Vec<Param>,
    /// The number of requests that the other side got with each key.
    pub(super) effects: BTreeMap<String, u32>,
    pub(super) calls: usize,
    pub(super) faults: HashMap<usize, Fault>,
    /// True if every call first yields, so that other handlers may go on.
    pub(super) interleaved: bool,
    /// True from the death of the host until a test resets it. Until then every call is pending.
    pub(super) died: bool,
    /// The status of each event that says how the run ended.
    pub(super) ends: Vec<String>,
    /// The next answers of the other side. When they are used up, every request succeeds.
    pub(super) answers: VecDeque<Answer>,
}

/// The answer of the other side. The request has had its effect in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Answer {
    #[default]
    Ok,
    /// Succeeds after this time.
    Late(Millis),
    /// Fails with a status that is worth another attempt.
    Busy,
    /// Fails with a status that is not worth another attempt.
    Refuse,
    /// Does not answer in time.
    Hang,
}

impl Memory {
    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Polls a future to its end. Returns `None` if the host died; it is alive again afterwards.
    pub(super) fn drive<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        let mut context = task::Context::from_waker(task::Waker::noop());
        loop {
            let polled = work.as_mut().poll(&mut context);
            if std::mem::take(&mut self.inner().died) {
                return None;
            }
            if let Poll::Ready(value) = polled {
                return Some(value);
            }
        }
    }

    /// Counts a call and returns its fault, if it has one.
    fn count(&self) -> Option<Fault> {
        let mut inner = self.inner();
        inner.calls += 1;
        let fault = inner.faults.get(&inner.calls).copied();
        inner.died |= matches!(fault, Some(Fault::DeathBefore | Fault::DeathAfter));
        fault
    }

    async fn call<T>(&self, act: impl FnOnce(&mut Inner) -> T + Send) -> PortResult<T> {
        if self.inner().interleaved {
            pause().await;
        }
        if self.inner().died {
            pending::<()>().await;
        }
        let fault = self.count();
        let acts = !matches!(fault, Some(Fault::ErrorBefore | Fault::DeathBefore));
        let value = acts.then(|| act(&mut self.inner()));
        if self.inner().died {
            pending::<()>().await;
        }
        let value = value.filter(|_| fault.is_none());
        value.map(Metered::free).ok_or_else(|| PortError::unavailable("memory", "a fault"))
    }
}

/// Yields once.
async fn pause() {
    let mut asked = false;
    poll_fn(|_| if std::mem::replace(&mut asked, true) { Poll::Ready(()) } else { Poll::Pending })
        .await;
}

impl ActorContext for Memory {
    type Database = Self;
    type KeyValue = Self;
    type Actors = Self;
    type Http = Self;
    type Ai = Self;
    type Clock = Self;
    type Random = Self;
    type Analytics = Self;
    type Turn = Turn;

    async fn turn(&self) -> Turn {
        while self.taken.swap(true, SeqCst) {
            pause().await;
        }
        Turn(Arc::clone(&self.taken))
    }

    async fn load(&self) -> PortResult<Option<String>> {
        self.call(|inner| inner.state.clone()).await
    }

    async fn save(&self, state: &str, alarm: Option<Millis>) -> PortResult<()> {
        self.call(|inner| {
            inner.state = Some(state.to_owned());
            inner.alarm = alarm;
        })
        .await
    }

    async fn erase(&self) -> PortResult<()> {
        self.call(|inner| (inner.state, inner.alarm) = (None, None)).await
    }

    fn single_flight(&self) -> &SingleFlight {
        panic!("no step of these runs asks a model")
    }

    fn breaker(&self) -> &Breaker {
        panic!("no step of these runs asks a model")
    }

    fn cache(&self) -> &Self {
        self
    }

    fn actors(&self) -> &Self {
        self
    }

    fn random(&self) -> &Self {
        self
    }

    fn ai(&self) -> Option<&Self> {
        None
    }

    fn database(&self) -> &Self {
        self
    }

    fn http(&self) -> &Self {
        self
    }

    fn clock(&self) -> &Self {
        self
    }

    fn analytics(&self) -> &Self {
        self
    }

    fn log(&self, _: &str) {}
}

/// Implements the statements that an executor needs, on one row.
impl Database for Memory {
    async fn query(&self, statement: Statement) -> PortResult<Rows> {
        let Statement { sql, params } = statement;
        self.call(|inner| match sql.name {
            "insert_run" => {
                inner.row = params;
                Rows::default()
            }
            "project_run" => {
                let [_, status, report, version, due_at] = &params[..] else {
                    panic!("{params:?}")
                };
                if integer(version) > integer(&inner.row[6]) {
                    for (index, value) in [(3, status), (5, report), (6, version), (7, due_at)] {
                        inner.row[index] = value.clone();
                    }
                }
                Rows::default()
            }
            "update_run_usage" => Rows::default(),
            "list_overdue_runs" => {
                let open = ["queued", "running", "waiting"].contains(&text(&inner.row[3]));
                let overdue = open && integer(&inner.row[7]) < integer(&params[0]);
                let row = json!({
                    "id": text(&inner.row[0]),
                    "workflow_id": text(&inner.row[1]),
                    "created_at": integer(&inner.row[8]),
                    "user_id": text(&inner.row[2]),
                    "definition": text(&inner.row[4]),
                    "report": text(&inner.row[5]),
                });
                Rows { rows: overdue.then_some(row).into_iter().collect(), changes: 0 }
            }
            other => panic!("{other}"),
        })
        .await
    }
}

fn integer(param: &Param) -> i64 {
    let Param::Integer(value) = param else { panic!("{param:?}") };
    *value
}

pub(super) fn text(param: &Param) -> &str {
    let Param::Text(value) = param else { panic!("{param:?}") };
    value
}

impl Http for Memory {
    async fn send(&self, request: OutboundRequest) -> PortResult<OutboundResponse> {
        let key = request.headers["idempotency-key"].clone();
        let answer = self
            .call(|inner| {
                *inner.effects.entry(key).or_default() += 1;
                let answer = inner.answers.pop_front().unwrap_or_default();
                if let Answer::Late(by) = answer {
                    inner.now += by;
                }
                answer
            })
            .await?;
        let status = match answer.value {
            Answer::Ok | Answer::Late(_) => 200,
            Answer::Busy => 503,
            Answer::Refuse => 422,
            Answer::Hang => return Err(PortFailure::Timeout("memory").into()),
        };
        Ok(answer.map(|_| OutboundResponse { status, body: b"{}".to_vec() }))
    }
}

impl Random for Memory {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), PortError> {
        bytes.fill(0);
        Ok(())
    }
}

impl Analytics for Memory {
    fn write(&self, event: &ports::Event<'_>) -> PortResult<()> {
        let fault = self.count();
        if !matches!(fault, Some(Fault::ErrorBefore | Fault::DeathBefore)) {
            self.inner().ends.push(event.status.to_owned());
        }
        match fault {
            None => Ok(Metered { value: (), usage: ONE_POINT }),
            Some(_) => Err(PortError::unavailable("memory", "a fault")),
        }
    }
}

impl Clock for Memory {
    fn now(&self) -> Millis {
        self.inner().now
    }

    async fn sleep(&self, _: Duration) {
        pending::<()>().await;
    }
}

impl Memory {
    /// Handles a message. The future is boxed because an object may call objects, so that its type
    /// would contain itself.
    fn handle(
        &self,
        message: Value,
    ) -> Pin<Box<dyn Future<Output = PortResult<Value>> + Send + '_>> {
        Box::pin(async {
            let allowed = AllowList::default();
            Executor::new(self, &allowed, Models::default()).message(message).await
        })
    }
}

impl KeyValue for Memory {
    async fn get(&self, _: &str) -> PortResult<Option<String>> {
        panic!("no step of these runs reads the cache")
    }

    async fn put(&self, _: &str, _: &str, _: Duration) -> PortResult<()> {
        panic!("no step of these runs writes the cache")
    }

    async fn delete(&self, _: &str) -> PortResult<()> {
        panic!("no step of these runs writes the cache")
    }
}

impl Ai for Memory {
    async fn complete(
        &self,
        _: &'static Model,
        _: &str,
        _: &str,
        _: u32,
    ) -> PortResult<Completion> {
        panic!("no step of these runs asks a model")
    }

    async fn embed(&self, _: &str) -> PortResult<Vec<f32>> {
        panic!("no step of these runs asks a model")
    }
}

impl Actors for Memory {
    async fn call(&self, _: ActorClass, _: &str, message: Value) -> PortResult<Value> {
        self.handle(message).await
    }
}
