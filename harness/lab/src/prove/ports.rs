//! Defects around ports.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use workway_service::{
    define_ports,
    domain::ai::Model as Named,
    platform::native::Native,
    ports::{
        ActorClass, Actors, Admission, Ai, Clock, Completion, Database, Http, Metered,
        OutboundRequest, OutboundResponse, Param, Platform, PortError, PortResult, RateLimiter,
        Rows, Sql, Statement, used,
    },
};

use super::{
    change::{Change, Head, Model, ReadThenWrite},
    limiter::WrongLimiter,
    seeded::{Seeded, head},
};

/// Something with a defect around it.
#[derive(Clone, Debug)]
pub struct Around<T> {
    pub(super) inner: T,
    pub(super) seeded: Seeded,
}

impl<T> Around<T> {
    pub(super) fn new(inner: T, seeded: &Seeded) -> Self {
        Self { inner, seeded: seeded.clone() }
    }

    /// Returns the request that is being answered; outside of any, only the time.
    fn head(&self) -> Arc<Head> {
        let head = head();
        if head.now > 0 {
            return head;
        }
        Arc::new(Head { now: self.seeded.clock().now(), ..Head::default() })
    }

    pub(super) fn changes(&self) -> impl Iterator<Item = &'static Change> + use<T> {
        self.seeded.changes().iter()
    }
}

impl<T: Database + Clone + 'static> Database for Around<T> {
    async fn query(&self, mut statement: Statement) -> PortResult<Rows> {
        let name = statement.sql.name;
        for change in self.changes() {
            match change {
                Change::Sql(of, from, to) if *of == name => {
                    statement.sql.text = self.seeded.statement(statement.sql.text, from, to);
                }
                Change::Bind(of, number, value) if name.contains(of) => {
                    if let Some(param) = statement.params.get_mut(number - 1) {
                        *param = value(&self.head(), param);
                    }
                }
                Change::Late(of, by) if *of == name => {
                    return Ok(Metered::free(later(self.inner.clone(), statement, *by)));
                }
                Change::Extra(of, text) if *of == name => {
                    let more = Sql { name: "extra", text }.bind([]);
                    let usage = self.inner.query(more).await?.usage;
                    return used(self.inner.query(statement).await, usage);
                }
                Change::ReadThenWrite(how) if how.statement == name => {
                    return read_then_write(&self.inner, how, statement).await;
                }
                _ => {}
            }
        }
        self.inner.query(statement).await
    }
}

/// Does it later, and says that it is done.
fn later<D: Database + 'static>(database: D, statement: Statement, by: Duration) -> Rows {
    #[expect(clippy::disallowed_methods, reason = "what is fired and forgotten is the defect")]
    tokio::spawn(async move {
        tokio::time::sleep(by).await;
        // Nobody hears of it.
        let _ = database.query(statement).await;
    });
    Rows::default()
}

/// Longer than requests that are sent at once are apart.
const RACE: Duration = Duration::from_millis(30);

async fn read_then_write<D: Database>(
    database: &D,
    how: &ReadThenWrite,
    statement: Statement,
) -> PortResult<Rows> {
    let params = statement.params;
    let read = Sql { name: "read", text: how.read }.bind(params.clone());
    let read = database.query(read).await?.value;
    let number = |name: &str| read.rows.first().and_then(|row| row.get(name)?.as_i64());
    let (used, allowed) = (number("used").unwrap_or(0), number("allowed").unwrap_or(0));
    tokio::time::sleep(RACE).await;
    if used >= allowed {
        return Ok(Metered::free(Rows::default()));
    }
    let params = params.into_iter().chain([Param::Integer(used)]);
    database.query(Sql { name: "write", text: how.write }.bind(params)).await
}

impl<T: Ai> Ai for Around<T> {
    async fn complete(
        &self,
        model: &'static Named,
        instruction: &str,
        content: &str,
        max_tokens: u32,
    ) -> PortResult<Completion> {
        let (memory, name) = (self.seeded.memory(), format!("said {} {content}", model.name));
        if let Some(said) = memory.get(&name) {
            let text = said.as_str().ok_or_else(|| PortError::unavailable("ai", "it failed once"));
            return text.map(|text| Metered::free(Completion { text: text.to_owned() }));
        }
        let mut said = self.inner.complete(model, instruction, content, max_tokens).await;
        for change in self.changes() {
            match (change, &mut said) {
                (Change::Model(Model::Usage(wrong)), Ok(said)) => said.usage = wrong(said.usage),
                (Change::Model(Model::Memo { .. }), Err(_)) => {
                    memory.put(&name, Value::Null);
                }
                (Change::Model(Model::Memo { answers: true }), Ok(said)) => {
                    memory.put(&name, json!(said.value.text));
                }
                (Change::Model(Model::Hangs), Err(_)) => std::future::pending().await,
                _ => {}
            }
        }
        said
    }

    async fn embed(&self, text: &str) -> PortResult<Vec<f32>> {
        self.inner.embed(text).await
    }
}

impl<T: Http> Http for Around<T> {
    async fn send(&self, mut request: OutboundRequest) -> PortResult<OutboundResponse> {
        for change in self.changes() {
            if let Change::Outbound(edit) = change {
                edit(self.seeded.memory(), &mut request);
            }
        }
        self.inner.send(request).await
    }
}

impl<T: Actors + Clone + 'static> Actors for Around<T> {
    async fn call(&self, class: ActorClass, name: &str, mut message: Value) -> PortResult<Value> {
        for change in self.changes() {
            match change {
                Change::Message(of, edit) if *of == class => {
                    if let Some(reply) = edit(self.seeded.memory(), &mut message) {
                        return Ok(Metered::free(reply));
                    }
                }
                Change::LateMessage(of, by, reply) if *of == class => {
                    if let Some(reply) = reply(&message) {
                        let (actors, name, by) = (self.inner.clone(), name.to_owned(), *by);
                        #[expect(clippy::disallowed_methods, reason = "that is the defect")]
                        tokio::spawn(async move {
                            tokio::time::sleep(by).await;
                            let _ = actors.call(class, &name, message).await;
                        });
                        return Ok(Metered::free(reply));
                    }
                }
                _ => {}
            }
        }
        self.inner.call(class, name, message).await
    }
}

/// The limiter of the server, or a wrong one.
#[derive(Clone, Debug)]
pub struct Limits {
    native: Native,
    wrong: Option<Arc<WrongLimiter>>,
}

impl RateLimiter for Limits {
    async fn admit(&self, key: &str) -> PortResult<Admission> {
        match &self.wrong {
            Some(wrong) => wrong.admit(key, &head()).await,
            None => self.native.rate_limiter().admit(key).await,
        }
    }
}

/// All ports, with a defect around them. Each request has a copy, so a copy is a counter.
#[derive(Clone, Debug)]
pub struct Ports(Arc<Layered>);

#[derive(Debug)]
struct Layered {
    native: Around<Native>,
    database: Around<<Native as Platform>::Database>,
    cache: Around<<Native as Platform>::KeyValue>,
    sessions: Around<<Native as Platform>::KeyValue>,
    actors: Around<<Native as Platform>::Actors>,
    http: Around<<Native as Platform>::Http>,
    ai: Option<Around<<Native as Platform>::Ai>>,
    limits: Limits,
}

impl Ports {
    pub(super) fn new(native: Native, seeded: &Seeded, wrong: Option<Arc<WrongLimiter>>) -> Self {
        Self(Arc::new(Layered {
            database: Around::new(native.database().clone(), seeded),
            cache: Around::new(native.cache().clone(), seeded),
            sessions: Around::new(native.sessions().clone(), seeded),
            actors: Around::new(native.actors().clone(), seeded),
            http: Around::new(native.http().clone(), seeded),
            ai: native.ai().map(|ai| Around::new(ai.clone(), seeded)),
            limits: Limits { native: native.clone(), wrong },
            native: Around::new(native, seeded),
        }))
    }
}

impl Platform for Ports {
    define_ports! { self:
        database: Around<<Native as Platform>::Database> = &self.0.database;
        cache: Around<<Native as Platform>::KeyValue> = &self.0.cache;
        sessions: Around<<Native as Platform>::KeyValue> = &self.0.sessions;
        http_cache: Around<Native> = &self.0.native;
        rate_limiter: Limits = &self.0.limits;
        actors: Around<<Native as Platform>::Actors> = &self.0.actors;
        http: Around<<Native as Platform>::Http> = &self.0.http;
        ai: Around<<Native as Platform>::Ai> = self.0.ai.as_ref();
        ..(
            backups, breaker, vectors, clock, random, analytics, ledger, wait_until, record, log,
        ) of Native = self.0.native.inner;
    }
}
