//! Bills, which somebody else makes: what resources cost is no matter of a report.

use std::sync::Arc;

use super::{CostReport, ScenarioCost, ScenarioReport};
use crate::plan::{Prices, Pricing};

/// Makes bills from what scenarios used.
pub trait Billing {
    /// Returns the month of every tier under every known book; `None` if no scenario measured its
    /// usage.
    fn bill(&self, scenarios: &[ScenarioReport]) -> Option<CostReport>;

    /// Returns the knowledge of resources behind it.
    fn pricing(&self) -> &dyn Pricing;

    /// Returns the prices that the thresholds of a scenario were judged with; `None` if they are
    /// files of its author, which no report holds.
    fn prices(&self, cost: &ScenarioCost) -> Option<Arc<dyn Prices>> {
        if cost.own_prices {
            return None;
        }
        // Reports of older versions do not name the book: it is the default one.
        let book = self.pricing().book(cost.book.as_deref()).ok()?;
        let tiers = self.pricing().tiers(None).ok()?;
        self.pricing().prices(&book, &tiers).ok()
    }
}
