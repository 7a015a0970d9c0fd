//! Holds the part of a scenario about cost, resolved. Only the caller knows the resources and their
//! prices, which it gives as a [`Pricing`].

use std::{any::Any, fmt, sync::Arc};

use rust_decimal::Decimal;

use super::{Comparison, Span, StepId};
use crate::model::{
    CostFigure,
    usage::{Meter, RunUsage},
};

/// Knows resources and price books.
pub trait Pricing: fmt::Debug + Send + Sync {
    /// Returns the reader of what answers say that they used.
    fn meter(&self) -> Arc<dyn Meter>;

    /// Checks the name of a resource that a threshold counts.
    ///
    /// # Errors
    /// Why the name cannot stand there, as a predicate: `must name a resource: …`.
    fn check_resource(&self, name: &str) -> Result<(), PricingError>;

    /// Lists the price books that can be named.
    fn books(&self) -> Vec<&str>;

    /// Opens a price book that can be named, or the default one.
    ///
    /// # Errors
    /// When there is no such book.
    fn book(&self, name: Option<&str>) -> Result<Arc<dyn Book>, PricingError>;

    /// Reads a price book from the text of a file.
    ///
    /// # Errors
    /// When the text is no price book.
    fn parse_book(&self, text: &str, file: &str) -> Result<Arc<dyn Book>, PricingError>;

    /// Reads tiers from the text of a file, or returns the default ones.
    ///
    /// # Errors
    /// When the text holds no tiers.
    fn tiers(&self, file: Option<(&str, &str)>) -> Result<Arc<dyn Tiers>, PricingError>;

    /// Puts a book and tiers together that it opened.
    ///
    /// # Errors
    /// When somebody else opened them.
    fn prices(
        &self,
        book: &Arc<dyn Book>,
        tiers: &Arc<dyn Tiers>,
    ) -> Result<Arc<dyn Prices>, PricingError>;
}

/// A price book. Only its own [`Pricing`] looks inside.
pub trait Book: Any + fmt::Debug + Send + Sync {}

/// Tiers: months of several sizes.
pub trait Tiers: Any + fmt::Debug + Send + Sync {
    /// Lists their names, from small to large.
    fn names(&self) -> Vec<&str>;
}

/// Prices usage by one book and for one set of tiers.
pub trait Prices: Any + fmt::Debug + Send + Sync {
    /// Returns the name of the book.
    fn book_name(&self) -> &str;

    /// Tells whether the book or the tiers are files of the author.
    fn are_own(&self) -> bool;

    /// Computes a figure from what a run used. `tier` is the tier that its mix stands for.
    ///
    /// # Errors
    /// A resource that nobody knows, or one without a price.
    fn figure(
        &self,
        figure: &CostFigure,
        usage: &RunUsage,
        tier: Option<&str>,
    ) -> Result<PricedFigure, PricingError>;

    /// Computes what each request of a run used, and what a thousand cost; `None` when no answer
    /// said it.
    ///
    /// # Errors
    /// A resource that nobody knows, or one without a price.
    fn per_request(&self, usage: &RunUsage) -> Result<Option<RequestUsage>, PricingError>;
}

/// Usage or prices cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PricingError(pub String);

/// A figure before it is held against its bound.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PricedFigure {
    /// The figure.
    pub measured: Decimal,
    /// The components of the figure, dearest first.
    pub why: String,
    /// The number of operations that the figure is based on.
    pub samples: u64,
    /// Answers behind it that did not say what they used.
    pub unmetered: u64,
    /// The part that is not in the figure, so that it is a lower bound.
    pub missing: Option<String>,
}

/// The average usage of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestUsage {
    /// Every resource but the requests themselves, in the order in which they are shown.
    pub amounts: Vec<(String, Decimal)>,
    /// Dollars for a thousand requests at list price.
    pub dollars: Decimal,
}

/// Usage is measured, and a month is projected from it.
#[derive(Clone, Debug)]
pub struct CostPlan {
    /// The tier that the mix of journeys stands for; any if absent.
    pub tier: Option<String>,
    /// Steps whose requests are the AI operations of a tier.
    pub ai: Vec<StepId>,
    /// Reads what answers say that they used.
    pub meter: Arc<dyn Meter>,
    /// The price book and the tiers of the thresholds.
    pub prices: Arc<dyn Prices>,
    /// Set if the service is asked for its own total afterwards, which is compared with the
    /// answers.
    pub audit: bool,
    /// The conditions on the cost.
    pub thresholds: Vec<CostThreshold>,
}

/// `monthly(scale) < 500 USD`.
#[derive(Clone, Debug, PartialEq)]
pub struct CostThreshold {
    /// The text as the author wrote it.
    pub text: String,
    /// The place in the file.
    pub span: Span,
    /// The figure that is compared.
    pub figure: CostFigure,
    /// The comparison.
    pub comparison: Comparison,
    /// The bound: dollars, or units of a resource.
    pub bound: Decimal,
}
