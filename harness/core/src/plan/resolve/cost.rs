//! `cost`: names of steps, tiers and books.

use std::{fmt::Display, sync::Arc};

use crate::{
    cost::{BOOKS, PriceBook, TIERS, Tiers},
    language::{
        Diagnostic, ScenarioFile, Spanned, clip, cost_threshold::CostThresholdText, file::CostFile,
    },
    plan::{CostFigure, CostPlan, CostThreshold, Span},
};

use super::{Found, Resolver, scope::suggest};

/// How the name of a price book ends that is a file.
const BOOK_FILE: &str = ".toml";

impl Resolver {
    pub(super) fn cost(&mut self, file: &ScenarioFile) -> Option<CostPlan> {
        let cost = &file.cost.as_ref()?.value;
        let tiers = self.tiers(cost);
        let mut ai = Vec::new();
        for name in cost.ai.iter().flatten() {
            let step = self.labels.of_work(&name.0, name.span, "`ai` names");
            ai.extend(self.ok(step));
        }
        let tier = cost.tier.as_ref().and_then(|tier| {
            let found = known_tier(&tier.0, tier.span, tiers.as_ref()?);
            self.ok(found)
        });
        let book = self.book(cost);
        let thresholds = cost.thresholds.iter().flatten();
        let thresholds =
            thresholds.map(|threshold| self.cost_threshold(threshold, tiers.as_ref())).collect();
        let audit = cost.audit.unwrap_or(true);
        let (book, tiers) = (Arc::new(book?), Arc::new(tiers?));
        Some(CostPlan { tier, ai, book, tiers, audit, thresholds })
    }

    fn cost_threshold(
        &mut self,
        threshold: &Spanned<CostThresholdText>,
        tiers: Option<&Tiers>,
    ) -> CostThreshold {
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

    fn book(&mut self, cost: &CostFile) -> Option<PriceBook> {
        let Some(wanted) = &cost.book else { return BOOKS[0].open().ok() };
        if wanted.0.ends_with(BOOK_FILE) {
            let text = self.library.text(&wanted.0).map_err(|error| error.to_string());
            let book = text.and_then(|text| {
                PriceBook::parse(&text, &wanted.0).map_err(|error| error.to_string())
            });
            return self.read("bad-book", book, wanted.span);
        }
        let known = BOOKS.iter().find(|book| book.name == wanted.0);
        if known.is_none() {
            let message = format!("there is no price book `{}`", clip(&wanted.0));
            let error = Diagnostic::error("unknown-book", message, wanted.span);
            let names = BOOKS.iter().map(|book| book.name);
            self.error(suggest(error, &wanted.0, names, "price books"));
        }
        known.and_then(|book| book.open().ok())
    }

    fn tiers(&mut self, cost: &CostFile) -> Option<Tiers> {
        // Those of the program can be read: its tests do.
        let Some(path) = &cost.tiers else { return Tiers::parse(TIERS, "of this program").ok() };
        let text = self.library.text(&path.0).map_err(|error| error.to_string());
        let tiers =
            text.and_then(|text| Tiers::parse(&text, &path.0).map_err(|error| error.to_string()));
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

fn known_tier(name: &str, span: Span, tiers: &Tiers) -> Found<String> {
    if tiers.get(name).is_some() {
        return Ok(name.to_owned());
    }
    let message = format!("there is no tier `{}`", clip(name));
    let error = Diagnostic::error("unknown-tier", message, span).with_focus(name);
    let names = tiers.tiers.iter().map(|tier| tier.name.as_str());
    Err(suggest(error, name, names, "tiers").into())
}
