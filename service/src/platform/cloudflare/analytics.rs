//! Analytics Engine.

use worker::{AnalyticsEngineDataPointBuilder, Env};

use super::unavailable;
use crate::ports::{Analytics, DataPoint, Event, Metered, ONE_POINT, PortResult};

/// The binding `ANALYTICS`. Writing to it neither waits nor tells.
#[derive(Clone, Debug)]
pub struct AnalyticsEngine(Env);

impl AnalyticsEngine {
    pub(super) fn new(env: Env) -> Self {
        Self(env)
    }
}

impl Analytics for AnalyticsEngine {
    fn write(&self, event: &Event<'_>) -> PortResult<()> {
        let dataset = self.0.analytics_engine("ANALYTICS").map_err(unavailable("analytics"))?;
        let DataPoint { index, blobs, doubles } = event.point();
        let point = AnalyticsEngineDataPointBuilder::new().indexes([index]);
        let written = point.blobs(blobs).doubles(doubles).write_to(&dataset);
        written.map_err(unavailable("analytics"))?;
        Ok(Metered { value: (), usage: ONE_POINT })
    }
}
