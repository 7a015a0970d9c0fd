//! `cost`: names of steps, tiers and books.

use std::{fmt::Display, sync::Arc};

use crate::{
    language::{
        Diagnostic, ScenarioFile, Spanned, clip, cost_threshold::CostThresholdText, file::CostFile,
    },
    plan::{Book, CostFigure, CostPlan, CostThreshold, Pricing, Span, Tiers},
};

use super::{Found, Resolver, scope::suggest};

/// The ending of the name of a price book that is a file.
const BOOK_FILE: &str = ".toml";

impl Resolver {
    pub(super) fn cost(&mut self, file: &ScenarioFile) -> Option<CostPlan> {
        let cost = &file.cost.as_ref()?.value;
        let Some(pricing) = self.pricing.clone() else {
            let message = "nobody knows resources and prices of this target";
            let span = file.cost.as_ref()?.span;
            self.error(Diagnostic::error("no-prices", message, span).with_help("take out `cost`"));
            return None;
        };
        let tiers = self.tiers(&*pricing, cost);
        let mut ai = Vec::new();
        for name in cost.ai.iter().flatten() {
            let step = self.labels.of_work(&name.0, name.span, "`ai` names");
            ai.extend(self.ok(step));
        }
        let tier = cost.tier.as_ref().and_then(|tier| {
            let found = known_tier(&tier.0, tier.span, &**tiers.as_ref()?);
            self.ok(found)
        });
        let book = self.book(&*pricing, cost);
        let thresholds = cost.thresholds.iter().flatten();
        let threshold = |threshold| self.cost_threshold(threshold, &*pricing, tiers.as_deref());
        let thresholds = thresholds.map(threshold).collect();
        let prices = pricing.prices(&book?, &tiers?).map_err(|error| error.to_string());
        Some(CostPlan {
            tier,
            ai,
            meter: pricing.meter(),
            prices: self.read("bad-book", prices, file.cost.as_ref()?.span)?,
            audit: cost.audit.unwrap_or(true),
            thresholds,
        })
    }

    fn cost_threshold(
        &mut self,
        threshold: &Spanned<CostThresholdText>,
        pricing: &dyn Pricing,
        tiers: Option<&dyn Tiers>,
    ) -> CostThreshold {
        if let Some(resource) = threshold.figure.resource()
            && let Err(problem) = pricing.check_resource(resource)
        {
            let message = format!("an item of `thresholds` {problem}");
            self.error(Diagnostic::error("bad-cost-threshold", message, threshold.span));
        }
        match (&threshold.figure, tiers) {
            (CostFigure::Monthly(tier), Some(tiers)) => {
                let found = known_tier(tier.as_str(), threshold.span, tiers);
                self.ok(found);
            }
            (CostFigure::PerRequestOf(_, step), _) => {
                let found =
                    self.labels.of_work(step.as_str(), threshold.span, "the threshold names");
                self.ok(found);
            }
            _ => {}
        }
        CostThreshold {
            text: threshold.text.clone(),
            span: threshold.span,
            figure: threshold.figure.clone(),
            comparison: threshold.comparison,
            bound: threshold.bound,
        }
    }

    fn book(&mut self, pricing: &dyn Pricing, cost: &CostFile) -> Option<Arc<dyn Book>> {
        let Some(wanted) = &cost.book else { return pricing.book(None).ok() };
        if wanted.0.ends_with(BOOK_FILE) {
            let text = self.library.text(&wanted.0).map_err(|error| error.to_string());
            let book = text.and_then(|text| {
                pricing.parse_book(&text, &wanted.0).map_err(|error| error.to_string())
            });
            return self.read("bad-book", book, wanted.span);
        }
        let books = pricing.books();
        if !books.contains(&wanted.0.as_str()) {
            let message = format!("there is no price book `{}`", clip(&wanted.0));
            let error = Diagnostic::error("unknown-book", message, wanted.span);
            self.error(suggest(error, &wanted.0, books.into_iter(), "price books"));
            return None;
        }
        pricing.book(Some(&wanted.0)).ok()
    }

    fn tiers(&mut self, pricing: &dyn Pricing, cost: &CostFile) -> Option<Arc<dyn Tiers>> {
        // Those of the program can be read: its tests do.
        let Some(path) = &cost.tiers else { return pricing.tiers(None).ok() };
        let text = self.library.text(&path.0).map_err(|error| error.to_string());
        let tiers = text.and_then(|text| {
            pricing.tiers(Some((&text, &path.0))).map_err(|error| error.to_string())
        });
        self.read("bad-tiers", tiers, path.span)
    }

    fn read<T>(
        &mut self,
        code: &'static str,
        read: Result<T, impl Display>,
        span: Span,
    ) -> Option<T> {
        match read {
            Ok(read) => Some(read),
            Err(problem) => {
                self.error(Diagnostic::error(code, problem.to_string(), span));
                None
            }
        }
    }
}

fn known_tier(name: &str, span: Span, tiers: &dyn Tiers) -> Found<String> {
    let names = tiers.names();
    if names.contains(&name) {
        return Ok(name.to_owned());
    }
    let message = format!("there is no tier `{}`", clip(name));
    let error = Diagnostic::error("unknown-tier", message, span).with_focus(name);
    Err(suggest(error, name, names.into_iter(), "tiers").into())
}
