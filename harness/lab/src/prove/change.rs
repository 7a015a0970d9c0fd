//! The decorators that defects are made of, as data.

use std::time::Duration;

use axum::{
    body::Bytes,
    http::{HeaderMap, Method, Request, Response, Uri},
};
use serde_json::Value;
use workway_service::{
    config::Config,
    ports::{ActorClass, OutboundRequest, Param, Usage},
};

use super::{
    memory::Memory,
    token::{Signature, Token},
};

/// One thing that is wrong.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// The configuration.
    Config(fn(&mut Config)),
    /// A request, before the service sees it.
    Request(On, fn(&Head, &mut Request<Bytes>)),
    /// A request with a JSON body, before the service sees it.
    Body(On, fn(&mut Value)),
    /// An answer of the service.
    Answer(On, fn(&Head, &mut Response<Bytes>)),
    /// The JSON body of an answer.
    AnswerBody(On, fn(&mut Value)),
    /// An answer in place of the service's.
    Instead(On, fn(&Head) -> Option<(u16, &'static str)>),
    /// A further request to the service, because of an answer.
    Also(On, fn(&Head, &Response<Bytes>) -> Option<Further>),
    /// A cache in front of the service.
    Front(Front),
    /// Tokens that are taken for good, though they are not.
    Token(fn(&Token) -> bool),
    /// Signatures of Stripe's that are taken for good, though they are not.
    Signature(fn(&Signature<'_>) -> bool),
    /// The rate limiter.
    Limiter(Limiter),
    /// Replaces, in the statement of this name, one text by another.
    Sql(&'static str, &'static str, &'static str),
    /// A parameter, from 1, of the statements whose names have this in them.
    Bind(&'static str, usize, fn(&Head, &Param) -> Param),
    /// The statement of this name, done later than it seems.
    Late(&'static str, Duration),
    /// A statement more, each time one of this name is done.
    Extra(&'static str, &'static str),
    /// Replaces the statement of this name: reads, then, after a while, writes what was read and
    /// decided.
    ReadThenWrite(ReadThenWrite),
    /// The key-value store of answers.
    KeyValue(Cache),
    /// The cache of public answers.
    HttpCache(Cache),
    /// Models.
    Model(Model),
    /// Requests to others.
    Outbound(fn(&Memory, &mut OutboundRequest)),
    /// A message to an object: changed, or answered in its place.
    Message(ActorClass, fn(&Memory, &mut Value) -> Option<Value>),
    /// A message to an object, delivered later than it seems.
    LateMessage(ActorClass, Duration, fn(&Value) -> Option<Value>),
    /// The state of a run, as its object reads it.
    Load(fn(&Memory, &mut Value)),
    /// The state of a run and its alarm, as its object writes them; `false`: not at all.
    Save(fn(&Memory, &mut Value, &mut Option<i64>) -> bool),
    /// Decides whether the alarm of a run with this state is heard.
    Alarm(fn(&Memory, &Value) -> bool),
    /// Objects that coalesce know of nobody else.
    Alone,
}

/// Selects requests by method and path.
#[derive(Clone, Copy, Debug)]
pub struct On {
    /// The method; any method if empty.
    pub method: &'static str,
    /// The path, with `*` for anything.
    pub path: &'static str,
}

/// Requests of this method to this path.
pub(super) const fn on(method: &'static str, path: &'static str) -> On {
    On { method, path }
}

/// Every request.
pub(super) const ANY: On = on("", "*");

impl On {
    /// Returns whether a request is one of them.
    pub fn fits(&self, head: &Head) -> bool {
        (self.method.is_empty() || self.method == head.method)
            && crate::model::glob::matches(self.path, head.uri.path())
    }
}

/// Holds the facts about the request that is being answered. It is empty outside of one.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Bytes,
    /// The service's time, in milliseconds since 1970.
    pub now: i64,
}

impl Head {
    /// Returns a header as text, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Returns the body as JSON, null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Returns the subject of the token, whether or not the token is valid.
    pub fn subject(&self) -> String {
        let token = self.header("authorization").split_once(' ').map_or("", |(_, token)| token);
        let claims = Token::parse(token).map(|token| token.claims).unwrap_or_default();
        claims["sub"].as_str().unwrap_or_default().to_owned()
    }
}

/// A further request.
#[derive(Clone, Debug)]
pub struct Further {
    /// Its method.
    pub method: Method,
    /// Its path.
    pub path: &'static str,
    /// Its body.
    pub json: Value,
    /// True if it carries the token of the request that caused it; if that has none, one of the
    /// service.
    pub signed: bool,
}

/// A cache in front of the service.
#[derive(Clone, Copy, Debug)]
pub struct Front {
    /// The requests that it looks at.
    pub on: On,
    /// Returns the key under which it takes requests for the same.
    pub key: fn(&Head) -> String,
    /// Returns whether it keeps an answer of this status.
    pub keeps: fn(u16) -> bool,
    /// The time for which it keeps an answer.
    pub ttl: Duration,
    /// True if it answers only when the service fails.
    pub only_if_error: bool,
}

/// A rate limiter in place of the service's.
#[derive(Clone, Copy, Debug)]
pub struct Limiter {
    /// Requests that are admitted in a period.
    pub limit: u32,
    /// The length of the period, in seconds.
    pub period: u32,
    /// The method of counting.
    pub counts: Counts,
    /// Returns the key of the budget, from the right key and the request. `None`: not limited.
    pub key: fn(&str, &Head) -> Option<String>,
}

/// Names the method by which a limiter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Counts in a sliding window, like the service.
    Sliding,
    /// Counts in windows with fixed ends.
    Fixed,
    /// Counts refused requests, too, which puts the end of the refusal off.
    Extending,
    /// Reads the count, and writes it back later.
    Racy,
    /// Counts in two places that do not know of each other.
    PerIsolate,
}

/// The right limiter; a defect differs in one of its parts.
pub(super) const RIGHT: Limiter = Limiter {
    limit: workway_service::config::RATE_LIMIT,
    period: workway_service::config::RATE_PERIOD_SECONDS,
    counts: Counts::Sliding,
    key: |key, _| Some(key.to_owned()),
};

/// Names a defect of a cache.
#[derive(Clone, Copy, Debug)]
pub enum Cache {
    /// Replaces the key of an entry, by the request that asks first.
    Key(fn(&Memory, &Head) -> String),
    /// Replaces the lifetime that the cache was told.
    Ttl(fn(Duration) -> Duration),
    /// Keeps the entry as long again at each hit.
    Slides(Duration),
    /// Keeps nothing.
    Loses,
}

/// Names a defect of models.
#[derive(Clone, Copy, Debug)]
pub enum Model {
    /// Replaces the usage that the models report.
    Usage(fn(Usage) -> Usage),
    /// Repeats the first answer to a question, errors included, for ever.
    Memo {
        /// Answers, too, or errors only.
        answers: bool,
    },
    /// Never answers the caller after an error.
    Hangs,
}

/// A count that is read before it is written.
#[derive(Clone, Copy, Debug)]
pub struct ReadThenWrite {
    /// The name of the statement.
    pub statement: &'static str,
    /// Reads `used` and `allowed`, with the parameters of the statement.
    pub read: &'static str,
    /// Writes, with `?4` for what was used.
    pub write: &'static str,
}
