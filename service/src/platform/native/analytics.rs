//! Analytics Engine's stand-in.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Value, json};

use super::counted;
use crate::ports::{Analytics, Event, Meter, Metered, ONE_POINT, PortResult, Usage};

/// Points that can still be looked at. All are counted.
const MAX_POINTS: usize = 1_000;

/// Counts events, and keeps the last ones for the control socket.
#[derive(Clone, Debug, Default)]
pub struct NativeAnalytics {
    points: Arc<Mutex<VecDeque<Value>>>,
    total: Meter,
}

impl NativeAnalytics {
    /// Returns what all events used.
    pub(super) fn usage(&self) -> Usage {
        self.total.usage()
    }

    /// Returns the last points, oldest first.
    pub(super) fn points(&self) -> Vec<Value> {
        self.points.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Analytics for NativeAnalytics {
    fn write(&self, event: &Event<'_>) -> PortResult<()> {
        let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        if points.len() == MAX_POINTS {
            points.pop_front();
        }
        points.push_back(json!(event.point()));
        counted(&self.total, Ok(Metered { value: (), usage: ONE_POINT }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_last_ones_kept() {
        let analytics = NativeAnalytics::default();
        for duration in 0..=1_000 {
            let (kind, method, route, status) = ("request", "GET", "/runs", "200");
            let usage = ONE_POINT;
            let event = Event { kind, tenant: "ann", method, route, status, duration, usage };
            analytics.write(&event).unwrap();
        }
        assert_eq!(analytics.usage().analytics_points, 1_001);
        let points = analytics.points();
        assert_eq!((points.len(), &points[0]["doubles"][0]), (MAX_POINTS, &json!(1.0)));
        assert_eq!(points[0]["index"], "ann");
    }
}
