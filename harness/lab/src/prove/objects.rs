//! Defects around the events of objects.

use serde_json::Value;
use workway_service::{
    config::Config,
    define_ports, objects,
    platform::native::{Native, NativeClock, NativeContext, Objects, Work},
    ports::{
        ActorClass, ActorContext, Breaker, Metered, Platform, PortError, PortResult, SingleFlight,
    },
};

use super::{change::Change, ports::Around, seeded::Seeded};

impl Objects for Around<()> {
    fn message<'a>(
        &'a self,
        class: ActorClass,
        context: &'a NativeContext<'a>,
        config: &'a Config,
        message: Value,
    ) -> Work<'a, PortResult<Value>> {
        Box::pin(async move {
            let object = Object::new(class, context, &self.seeded);
            objects::message(class, &object, config, message).await
        })
    }

    fn alarm<'a>(
        &'a self,
        class: ActorClass,
        context: &'a NativeContext<'a>,
        config: &'a Config,
    ) -> Work<'a, Result<(), PortError>> {
        Box::pin(async move {
            let object = Object::new(class, context, &self.seeded);
            if !object.hears_its_alarm().await? {
                return Ok(());
            }
            objects::alarm(class, &object, config).await
        })
    }
}

/// One object, while it handles one event.
struct Object<'a> {
    context: &'a NativeContext<'a>,
    seeded: &'a Seeded,
    /// True for the object of a run: only runs have states with defects.
    is_run: bool,
    single_flight: Option<SingleFlight>,
    database: Around<<Native as Platform>::Database>,
    cache: Around<<Native as Platform>::KeyValue>,
    actors: Around<<Native as Platform>::Actors>,
    http: Around<<Native as Platform>::Http>,
    ai: Option<Around<<Native as Platform>::Ai>>,
}

impl<'a> Object<'a> {
    fn new(class: ActorClass, context: &'a NativeContext<'a>, seeded: &'a Seeded) -> Self {
        let alone = seeded.changes().iter().any(|change| matches!(change, Change::Alone));
        Self {
            is_run: class == ActorClass::WorkflowExecutor,
            single_flight: alone.then(SingleFlight::default),
            database: Around::new(context.database().clone(), seeded),
            cache: Around::new(context.cache().clone(), seeded),
            actors: Around::new(context.actors().clone(), seeded),
            http: Around::new(context.http().clone(), seeded),
            ai: context.ai().map(|ai| Around::new(ai.clone(), seeded)),
            context,
            seeded,
        }
    }

    fn changes(&self) -> &'static [Change] {
        if self.is_run { self.seeded.changes() } else { &[] }
    }

    async fn hears_its_alarm(&self) -> Result<bool, PortError> {
        for change in self.changes() {
            if let Change::Alarm(hears) = change {
                let state = self.context.load().await?.value;
                let state = state.and_then(|text| serde_json::from_str(&text).ok());
                return Ok(hears(self.seeded.memory(), &state.unwrap_or_default()));
            }
        }
        Ok(true)
    }
}

impl ActorContext for Object<'_> {
    define_ports! { self:
        database: Around<<Native as Platform>::Database> = &self.database;
        cache: Around<<Native as Platform>::KeyValue> = &self.cache;
        actors: Around<<Native as Platform>::Actors> = &self.actors;
        http: Around<<Native as Platform>::Http> = &self.http;
        ai: Around<<Native as Platform>::Ai> = self.ai.as_ref();
        breaker: Breaker = self.context.breaker();
        clock: NativeClock = self.context.clock();
        random: <Native as Platform>::Random = self.context.random();
        analytics: <Native as Platform>::Analytics = self.context.analytics();
    }

    type Turn = <NativeContext<'static> as ActorContext>::Turn;

    async fn turn(&self) -> Self::Turn {
        self.context.turn().await
    }

    async fn load(&self) -> PortResult<Option<String>> {
        let loaded = self.context.load().await?;
        let edits = self.changes().iter().filter_map(|change| match change {
            Change::Load(edit) => Some(edit),
            _ => None,
        });
        Ok(loaded.map(|text| {
            let mut text = text;
            for edit in edits {
                let state = text.as_deref().and_then(|text| serde_json::from_str(text).ok());
                let mut state: Value = state.unwrap_or_default();
                edit(self.seeded.memory(), &mut state);
                text = (!state.is_null()).then(|| state.to_string());
            }
            text
        }))
    }

    async fn save(&self, state: &str, mut alarm: Option<i64>) -> PortResult<()> {
        let mut text = state.to_owned();
        for change in self.changes() {
            if let Change::Save(edit) = change {
                let mut state = serde_json::from_str(&text).unwrap_or_default();
                if !edit(self.seeded.memory(), &mut state, &mut alarm) {
                    return Ok(Metered::free(()));
                }
                text = state.to_string();
            }
        }
        self.context.save(&text, alarm).await
    }

    async fn erase(&self) -> PortResult<()> {
        self.context.erase().await
    }

    fn single_flight(&self) -> &SingleFlight {
        self.single_flight.as_ref().unwrap_or_else(|| self.context.single_flight())
    }

    fn log(&self, line: &str) {
        self.context.log(line);
    }
}
