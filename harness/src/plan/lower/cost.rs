//! `cost`: names of steps, tiers and books.

use crate::{
    cost::{BOOKS, TIERS, Tiers},
    plan::{CostFigure, CostPlan, CostThreshold, Span},
    scenario::{Diagnostic, ScenarioFile, clip, file::CostFile},
};

use super::{Found, Lowering, scope::suggest};

impl Lowering {
    pub(super) fn cost(&mut self, file: &ScenarioFile) -> Option<CostPlan> {
        let cost = &file.cost.as_ref()?.value;
        let tiers = tier_names();
        let mut ai = Vec::new();
        for name in cost.ai.iter().flatten() {
            let step = self.labels.of_work(&name.0, name.span, "`ai` names");
            ai.extend(self.ok(step));
        }
        let tier = cost.tier.as_ref().and_then(|tier| {
            let found = known_tier(&tier.0, tier.span, &tiers);
            self.ok(found)
        });
        let book = self.book(cost);
        let mut thresholds = Vec::new();
        for threshold in cost.thresholds.iter().flatten() {
            if let CostFigure::Monthly(tier) = &threshold.figure {
                let found = known_tier(tier, threshold.span, &tiers);
                self.ok(found);
            }
            thresholds.push(CostThreshold {
                text: threshold.text.clone(),
                span: threshold.span,
                figure: threshold.figure.clone(),
                comparison: threshold.comparison,
                bound: threshold.bound,
            });
        }
        let audit = cost.audit.unwrap_or(true);
        Some(CostPlan { tier, ai, book: book?, audit, thresholds })
    }

    fn book(&mut self, cost: &CostFile) -> Option<&'static str> {
        let names = || BOOKS.iter().map(|book| book.name);
        let Some(wanted) = &cost.book else { return names().next() };
        let found = names().find(|name| *name == wanted.0);
        if found.is_none() {
            let message = format!("there is no price book `{}`", clip(&wanted.0));
            let error = Diagnostic::error("unknown-book", message, wanted.span);
            self.error(suggest(error, &wanted.0, names(), "price books"));
        }
        found
    }
}

fn known_tier(name: &str, span: Span, tiers: &[String]) -> Found<String> {
    if tiers.iter().any(|tier| tier == name) {
        return Ok(name.to_owned());
    }
    let message = format!("there is no tier `{}`", clip(name));
    let error = Diagnostic::error("unknown-tier", message, span).with_focus(name);
    Err(suggest(error, name, tiers.iter().map(String::as_str), "tiers").into())
}

/// Those that come with the program; a test reads the file.
fn tier_names() -> Vec<String> {
    let tiers = Tiers::parse(TIERS, "of this program").unwrap_or_default();
    tiers.tiers.into_iter().map(|tier| tier.name).collect()
}
