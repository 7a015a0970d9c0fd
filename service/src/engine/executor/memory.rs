//! Implements the ports of an executor in memory, with faults.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    future::{pending, poll_fn},
    pin::Pin,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{self, Poll},
    time::Duration,
};

use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::domain::{Millis, ai::Model};
use crate::ports::{
    ActorClass, Actors, Ai, Analytics, Breaker, Clock, Completion, Database, Http, KeyValue,
    Metered, OutboundRequest, OutboundResponse, Param, Random, Rows, SingleFlight, Statement,
};

/// Clients of both providers.
pub(super) static OAUTH: LazyLock<OAuthConfig> = LazyLock::new(|| {
    let lookup = |name: &str| match name {
        "JWT_SECRET" => Some("a secret for tests, of at least 32 bytes".to_owned()),
        "PUBLIC_URL" => Some("https://api.test".to_owned()),
        "TOKEN_ENCRYPTION_KEY" => Some("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=".to_owned()),
        "GOOGLE_CLIENT_ID" | "NOTION_CLIENT_ID" => Some("client".to_owned()),
        "GOOGLE_CLIENT_SECRET" | "NOTION_CLIENT_SECRET" => Some("secret".to_owned()),
        _ => None,
    };
    Config::from_lookup(lookup).unwrap().oauth.unwrap()
});

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
    breaker: Breaker,
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
    /// The number of requests that had their effect on the other side, by step: its key for `http`, the
    /// content for a model, the title for a page, and `google` for all questions who the owner is.
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

/// The answer of the other side. The request has had its effect in any case, except that a page which is
/// refused is not created.
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

    /// Asks the other side, where the request has its effect on what `key` names.
    async fn ask(&self, key: String) -> PortResult<Answer> {
        self.call(|inner| {
            let answer = inner.answers.pop_front().unwrap_or_default();
            let is_page = key.starts_with(PAGE);
            if !is_page || !matches!(answer, Answer::Busy | Answer::Refuse) {
                *inner.effects.entry(key).or_default() += 1;
            }
            if let Answer::Late(by) = answer {
                inner.now += by;
            }
            answer
        })
        .await
    }

    /// Answers for the object of a question to a model, which has one for each question.
    async fn model(&self, question: &Value) -> PortResult<Value> {
        let answer = self.ask(question["content"].as_str().unwrap().to_owned()).await?;
        let reply = match answer.value {
            Answer::Ok | Answer::Late(_) => json!({"answer": {"summary": "s", "model": "m"}}),
            Answer::Busy => json!({"failed": "busy"}),
            Answer::Refuse => json!("refused"),
            Answer::Hang => return Err(PortFailure::Timeout("memory").into()),
        };
        Ok(answer.map(|_| json!({"reply": reply, "first": true})))
    }

    /// Answers for the object of the owner, who is asked for a token.
    async fn owner(&self) -> PortResult<Value> {
        let answer = self.call(|inner| inner.answers.pop_front().unwrap_or_default()).await?;
        let reply = match answer.value {
            Answer::Ok | Answer::Late(_) => json!({"token": "t"}),
            Answer::Busy => json!("unavailable"),
            Answer::Refuse => json!("not_connected"),
            Answer::Hang => return Err(PortFailure::Timeout("memory").into()),
        };
        Ok(answer.map(|_| reply))
    }
}

/// The beginning of the title of a page, and of its key among the effects.
pub(super) const PAGE: &str = "page ";

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
        panic!("the object of a question is not in here")
    }

    fn breaker(&self) -> &Breaker {
        &self.breaker
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
        let key = match request.headers.get("idempotency-key") {
            Some(key) => key.clone(),
            None if request.method == "GET" => "google".to_owned(),
            None => {
                let page: Value = serde_json::from_slice(request.body.as_deref().unwrap()).unwrap();
                let title = page.pointer("/properties/title/title/0/text/content").unwrap();
                title.as_str().unwrap().to_owned()
            }
        };
        let answer = self.ask(key).await?;
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
            let executor = Executor::new(self, &allowed, Models::default());
            executor.with_oauth(Some(&OAUTH)).message(message).await
        })
    }
}

impl KeyValue for Memory {
    /// It has nothing: the object of a question is asked each time.
    async fn get(&self, _: &str) -> PortResult<Option<String>> {
        self.call(|_| None).await
    }

    async fn put(&self, _: &str, _: &str, _: Duration) -> PortResult<()> {
        panic!("the object of a question is not in here")
    }

    async fn delete(&self, _: &str) -> PortResult<()> {
        panic!("the object of a question is not in here")
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
        panic!("the object of a question is not in here")
    }

    async fn embed(&self, _: &str) -> PortResult<Vec<f32>> {
        panic!("the object of a question is not in here")
    }
}

impl Actors for Memory {
    async fn call(&self, class: ActorClass, _: &str, message: Value) -> PortResult<Value> {
        match class {
            ActorClass::WorkflowExecutor => self.handle(message).await,
            ActorClass::AiMisses => self.model(&message).await,
            ActorClass::OAuth => self.owner().await,
        }
    }
}
