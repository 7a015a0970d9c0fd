//! [`ScenarioFile`](crate::scenario) to [`ScenarioPlan`](super::ScenarioPlan).
