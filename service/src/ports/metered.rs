//! Ports that own a meter: each call adds what it used to the meter, whether or not it succeeded.
//!
//! [`Ports`] belong to one request or one piece of background work, [`ObjectPorts`] to one message or
//! alarm of a single-writer object. Both hand out views of single ports, such as
//! [`MeteredDatabase`], whose methods return plain results. Code that works with these views cannot
//! forget to bill a call.

use std::{future::Future, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    ActorClass, ActorContext, Actors, Admission, Ai, Analytics, Breaker, Cause, Clock as _,
    Completion, Database, Event, Http, HttpCache, KeyValue, Ledger as _, Match, Meter, ObjectStore,
    OutboundRequest, OutboundResponse, Platform, PortError, PortResult, RateLimiter, Rows, Share,
    SingleFlight, Statement, Tally, Usage, Vector, VectorIndex,
};
use crate::domain::{Millis, ai::Model, month::Month};

/// Declares a view of a port: a reference to the port and one to the meter that its calls add to.
macro_rules! view {
    ($view:ident of $port:ident) => {
        #[doc = concat!("A [`", stringify!($port), "`] whose calls add what they use to a meter.")]
        #[derive(Debug)]
        pub struct $view<'a, T> {
            port: &'a T,
            meter: &'a Meter,
        }

        impl<T> Clone for $view<'_, T> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<T> Copy for $view<'_, T> {}

        impl<'a, T: $port> $view<'a, T> {
            /// Makes a view whose calls add what they use to `meter`.
            pub const fn new(port: &'a T, meter: &'a Meter) -> Self {
                Self { port, meter }
            }
        }
    };
}

/// Declares a view of a port, and its methods: those of the port, with plain results.
macro_rules! metered {
    ($($view:ident of $port:ident {
        $(fn $method:ident($($argument:ident: $type:ty),*) -> $value:ty;)*
    })*) => {$(
        view!($view of $port);

        impl<T: $port> $view<'_, T> {
            $(
                #[doc = concat!("Calls [`", stringify!($port), "::", stringify!($method), "`].")]
                ///
                /// # Errors
                /// Those of the port.
                pub async fn $method(self, $($argument: $type),*) -> Result<$value, PortError> {
                    self.meter.charge(self.port.$method($($argument),*).await)
                }
            )*
        }
    )*};
}

metered! {
    MeteredDatabase of Database {
        fn query(statement: Statement) -> Rows;
    }
    MeteredKeyValue of KeyValue {
        fn get(key: &str) -> Option<String>;
        fn put(key: &str, value: &str, ttl: Duration) -> ();
        fn delete(key: &str) -> ();
    }
    MeteredHttpCache of HttpCache {
        fn get(key: &str) -> Option<String>;
        fn put(key: &str, body: &str, ttl: Duration) -> ();
    }
    MeteredRateLimiter of RateLimiter {
        fn admit(key: &str) -> Admission;
    }
    MeteredObjectStore of ObjectStore {
        fn get(key: &str) -> Option<Vec<u8>>;
        fn put(key: &str, body: Vec<u8>) -> ();
        fn folders(folder: &str) -> Vec<String>;
        fn objects(folder: &str) -> Vec<String>;
        fn delete(keys: Vec<String>) -> ();
    }
    MeteredHttp of Http {
        fn send(request: OutboundRequest) -> OutboundResponse;
    }
    MeteredAi of Ai {
        fn complete(
            model: &'static Model,
            instruction: &str,
            content: &str,
            max_tokens: u32
        ) -> Completion;
        fn embed(text: &str) -> Vec<f32>;
    }
    MeteredVectorIndex of VectorIndex {
        fn upsert(vector: Vector) -> ();
        fn delete(id: &str) -> ();
        fn query(values: Vec<f32>, readers: Vec<String>, limit: usize) -> Vec<Match>;
    }
}

view!(MeteredAnalytics of Analytics);

impl<T: Analytics> MeteredAnalytics<'_, T> {
    /// Calls [`Analytics::write`].
    ///
    /// # Errors
    /// Those of the port.
    pub fn write(self, event: &Event<'_>) -> Result<(), PortError> {
        self.meter.charge(self.port.write(event))
    }
}

view!(MeteredActors of Actors);

impl<T: Actors> MeteredActors<'_, T> {
    /// Calls [`Actors::call`] with a typed message and a typed reply.
    ///
    /// # Errors
    /// Those of the port, and [`super::PortFailure::Unavailable`] when the reply has another form.
    pub async fn call<M: Serialize + Sync, R: DeserializeOwned>(
        self,
        class: ActorClass,
        name: &str,
        message: &M,
    ) -> Result<R, PortError> {
        let unavailable = |error: serde_json::Error| PortError::unavailable("actor", error);
        let message = serde_json::to_value(message).map_err(unavailable)?;
        let reply: Value = self.meter.charge(self.port.call(class, name, message).await)?;
        serde_json::from_value(reply).map_err(unavailable)
    }
}

/// Declares the accessors that [`Ports`] and [`ObjectPorts`] have in common, and those given.
macro_rules! accessors {
    ($($(#[$doc:meta])* fn $port:ident() -> $view:ident<$type:ident>;)*) => {
        accessors! { @ $($(#[$doc])* fn $port() -> $view<$type>;)*
            /// Returns the database.
            fn database() -> MeteredDatabase<Database>;
            /// Returns the KV namespace `CACHE`.
            fn cache() -> MeteredKeyValue<KeyValue>;
            /// Returns the single-writer objects.
            fn actors() -> MeteredActors<Actors>;
            /// Returns the client for outbound requests.
            fn http() -> MeteredHttp<Http>;
            /// Returns the sink of events for analysis.
            fn analytics() -> MeteredAnalytics<Analytics>;
        }

        /// Returns the models, if this deployment has any.
        pub fn ai(&self) -> Option<MeteredAi<'_, P::Ai>> {
            Some(MeteredAi::new(self.raw.ai()?, &self.meter))
        }

        /// Returns the circuit breaker of the models.
        pub fn breaker(&self) -> &Breaker {
            self.raw.breaker()
        }

        /// Returns the clock.
        pub fn clock(&self) -> &P::Clock {
            self.raw.clock()
        }

        /// Returns the current time.
        pub fn now(&self) -> Millis {
            self.raw.clock().now()
        }

        /// Returns the source of randomness.
        pub fn random(&self) -> &P::Random {
            self.raw.random()
        }

        /// Writes a line about a problem to the log of the deployment.
        pub fn log(&self, line: &str) {
            self.raw.log(line);
        }

        /// Returns the meter that all calls add to.
        pub const fn meter(&self) -> &Meter {
            &self.meter
        }

        /// Returns what all calls used so far.
        pub fn usage(&self) -> Usage {
            self.meter.usage()
        }
    };
    (@ $($(#[$doc:meta])* fn $port:ident() -> $view:ident<$type:ident>;)*) => {$(
        $(#[$doc])*
        pub fn $port(&self) -> $view<'_, P::$type> {
            $view::new(self.raw.$port(), &self.meter)
        }
    )*};
}

/// The ports of one request or one piece of background work, and the meter that their calls add to.
/// Clones share the meter.
#[derive(Clone, Debug)]
pub struct Ports<P> {
    raw: P,
    meter: Meter,
}

impl<P: Platform> Ports<P> {
    /// Makes the ports of a new request, with a meter at zero.
    pub fn new(platform: P) -> Self {
        Self { raw: platform, meter: Meter::default() }
    }

    accessors! {
        /// Returns the KV namespace `SESSIONS`.
        fn sessions() -> MeteredKeyValue<KeyValue>;
        /// Returns the cache of public answers.
        fn http_cache() -> MeteredHttpCache<HttpCache>;
        /// Returns the limiter for API requests.
        fn rate_limiter() -> MeteredRateLimiter<RateLimiter>;
        /// Returns the bucket `BACKUPS`.
        fn backups() -> MeteredObjectStore<ObjectStore>;
    }

    /// Returns the index of the vectors of workflows, if this deployment has one.
    pub fn vectors(&self) -> Option<MeteredVectorIndex<'_, P::VectorIndex>> {
        Some(MeteredVectorIndex::new(self.raw.vectors()?, &self.meter))
    }

    /// Returns the usage that is not in the database yet. The ledger counts its own statements, so
    /// its calls are on no meter.
    pub fn ledger(&self) -> &P::Ledger {
        self.raw.ledger()
    }

    /// Writes a line about ordinary work to the log of the deployment.
    pub fn record(&self, line: &str) {
        self.raw.record(line);
    }

    /// Adds what was used so far to the ledger, at the expense of `account`.
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    pub async fn bill(&self, account: &str, cause: Cause) -> Result<(), PortError> {
        let tally = Tally { count: 1, usage: self.usage() };
        let (account, month) = (account.to_owned(), Month::of(self.now()));
        self.raw.ledger().add(Share { account, month, cause, tally }).await
    }
}

/// The ports of a single-writer object while it handles one message or alarm, and the meter that
/// their calls add to.
#[derive(Debug)]
pub struct ObjectPorts<'a, P> {
    raw: &'a P,
    meter: Meter,
}

impl<'a, P: ActorContext> ObjectPorts<'a, P> {
    /// Makes the ports for one message or alarm, with a meter at zero.
    pub fn new(context: &'a P) -> Self {
        Self { raw: context, meter: Meter::default() }
    }

    accessors! {}

    /// Calls [`ActorContext::turn`].
    pub fn turn(&self) -> impl Future<Output = P::Turn> + Send {
        self.raw.turn()
    }

    /// Calls [`ActorContext::load`].
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    pub async fn load(&self) -> Result<Option<String>, PortError> {
        self.meter.charge(self.raw.load().await)
    }

    /// Calls [`ActorContext::save`].
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    pub async fn save(&self, state: &str, alarm: Option<Millis>) -> Result<(), PortError> {
        self.meter.charge(self.raw.save(state, alarm).await)
    }

    /// Calls [`ActorContext::erase`].
    ///
    /// # Errors
    /// [`super::PortFailure::Unavailable`].
    pub async fn erase(&self) -> Result<(), PortError> {
        self.meter.charge(self.raw.erase().await)
    }

    /// Calls [`ActorContext::single_flight`].
    pub fn single_flight(&self) -> &SingleFlight {
        self.raw.single_flight()
    }

    /// Calls [`Meter::metered`] for the reply to a message, which the caller of the object pays.
    ///
    /// # Errors
    /// That of `outcome`.
    pub fn metered<T>(&self, outcome: Result<T, PortError>) -> PortResult<T> {
        self.meter.metered(outcome)
    }
}
