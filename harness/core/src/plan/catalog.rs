//! Describes what the caller knows of the product under test.

use std::sync::Arc;

use super::{Pricing, Rule, RunPaths};

/// Holds what scenarios may name without defining it. The core knows no product; an empty catalog
/// is that of anyone's API.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// The rules that scenarios may refer to.
    pub rules: Vec<Arc<Rule>>,
    /// Resources and prices; without them a scenario has no `cost`.
    pub pricing: Option<Arc<dyn Pricing>>,
    /// The paths at which runs are started and shown; without them a scenario has no model of runs.
    pub runs: Option<RunPaths>,
}
