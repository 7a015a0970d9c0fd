//! What a scenario says about cost, resolved.

use std::sync::Arc;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Comparison, Span, StepId};
use crate::cost::{BOOKS, BuiltIn, PriceBook, Resource, TIERS, Tiers};

/// Usage is measured, and a month is projected from it.
#[derive(Clone, Debug, PartialEq)]
pub struct CostPlan {
    /// The tier that the mix of journeys stands for; any if absent.
    pub tier: Option<String>,
    /// Steps whose requests are the AI operations of a tier.
    pub ai: Vec<StepId>,
    /// The price book of the thresholds.
    pub book: Arc<PriceBook>,
    /// The tiers, and what they assume.
    pub tiers: Arc<Tiers>,
    /// Whether the service's own total is asked afterwards, and held against the answers.
    pub audit: bool,
    /// What the cost must satisfy.
    pub thresholds: Vec<CostThreshold>,
}

impl CostPlan {
    /// Whether the book or the tiers are not those of the program.
    pub fn own_prices(&self) -> bool {
        let of_program = |book: &BuiltIn| book.open().is_ok_and(|book| book == *self.book);
        let tiers = Tiers::parse(TIERS, "of this program");
        !BOOKS.iter().any(of_program) || tiers.is_ok_and(|tiers| tiers != *self.tiers)
    }
}

/// `monthly(scale) < 500 USD`.
#[derive(Clone, Debug, PartialEq)]
pub struct CostThreshold {
    /// As the author wrote it.
    pub text: String,
    /// In the file.
    pub span: Span,
    /// What is compared.
    pub figure: CostFigure,
    /// How.
    pub comparison: Comparison,
    /// With what: dollars, or units of a resource.
    pub bound: Decimal,
}

/// A figure of cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CostFigure {
    /// Dollars for the month of a tier.
    Monthly(String),
    /// Dollars for a thousand requests of the mix at list price.
    Per1000Requests,
    /// Units of a resource for each request of the mix.
    PerRequest(#[schemars(with = "String")] Resource),
    /// Units of a resource that an answer of this step says it used, on average.
    PerRequestOf(#[schemars(with = "String")] Resource, String),
    /// Units of a resource that a durable run used after its answer, on average.
    PerRun(#[schemars(with = "String")] Resource),
}

impl CostFigure {
    /// Returns whether the figure is in US dollars rather than in units of a resource.
    pub const fn is_in_dollars(&self) -> bool {
        matches!(self, Self::Monthly(_) | Self::Per1000Requests)
    }

    /// Returns the resource that the figure is about; dollars are about all of them.
    pub const fn resource(&self) -> Option<Resource> {
        match self {
            Self::PerRequest(resource)
            | Self::PerRequestOf(resource, _)
            | Self::PerRun(resource) => Some(*resource),
            Self::Monthly(_) | Self::Per1000Requests => None,
        }
    }
}
