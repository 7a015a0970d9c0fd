//! Reads price books: the price of each resource, its date and its source.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Deserialize;
use toml_datetime::Date;

use super::resource::{Resource, UnknownResource};

/// The number of days of a month, for allotments by the day. Cloudflare's examples count 30.
const DAYS: u32 = 30;

/// A price book that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The file cannot be read.
    #[cfg(feature = "files")]
    #[error("price book {path}: {error}")]
    Unreadable {
        /// The path of the file.
        path: String,
        /// The reason.
        error: std::io::Error,
    },
    /// The file is not TOML, or has other fields.
    #[cfg(feature = "files")]
    #[error("price book {path}:\n{error}")]
    Malformed {
        /// The path of the file.
        path: String,
        /// The reason, with its line and column.
        error: toml::de::Error,
    },
    /// A book that comes with the program is malformed.
    #[error("price book {name}: {error}")]
    BuiltIn {
        /// The name of the book.
        name: &'static str,
        /// The reason.
        error: serde_json::Error,
    },
    /// A field has a value that it cannot have.
    #[error("price book {path}: {field}: {problem}")]
    Invalid {
        /// The path of the file, or the name of a book that comes with the program.
        path: String,
        /// The field.
        field: String,
        /// The problem.
        problem: FieldProblem,
    },
}

/// The problem of a field of a price book. The message says what would be right.
#[derive(Debug, thiserror::Error)]
pub enum FieldProblem {
    /// The field names no resource.
    #[error(transparent)]
    Resource(#[from] UnknownResource),
    /// A resource is both priced and unpriced.
    #[error("it has a price, too; keep one of the two")]
    AlsoPriced,
    /// A price is for zero units.
    #[error("must be at least 1")]
    ZeroUnits,
    /// An allotment is given twice.
    #[error("give it by the month or by the day, not both")]
    TwoAllotments,
    /// A price is given in no or in two forms.
    #[error("give either `usd` or `tiers`")]
    UsdOrTiers,
    /// The last tier has an end.
    #[error("the last tier must have no `up_to`")]
    LastTierEnds,
    /// The ends of the tiers do not ascend.
    #[error("each tier but the last needs an `up_to` larger than the one before")]
    NotAscending,
    /// An amount of dollars cannot be read, or is negative.
    #[error("{0:?} is no amount of dollars, like \"0.30\"")]
    NotDollars(String),
    /// The price of one unit has no finite decimal.
    #[error("{usd} divided by {per} is no exact decimal; choose another `per`")]
    Inexact {
        /// The dollars.
        usd: Decimal,
        /// The number of units.
        per: Decimal,
    },
}

/// A book that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// The name of the book.
    pub name: &'static str,
    json: &'static str,
}

impl BuiltIn {
    pub(crate) const fn new(name: &'static str, json: &'static str) -> Self {
        Self { name, json }
    }

    /// Reads the book.
    ///
    /// # Errors
    /// [`BookError`] if the book is malformed. The tests read every book.
    pub fn open(&self) -> Result<PriceBook, BookError> {
        let file = serde_json::from_str::<BookFile>(self.json);
        let malformed = |error| BookError::BuiltIn { name: self.name, error };
        PriceBook::checked(file.map_err(malformed)?, self.name)
    }
}

/// Prices in US dollars, all exact.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceBook {
    /// The name of the book, for reports.
    pub name: String,
    /// The day for which the prices hold, as `YYYY-MM-DD`.
    pub date: String,
    /// A note on the origin and the limits of the prices.
    pub note: String,
    /// The fee of a month in dollars that is paid whatever is used.
    pub base: Decimal,
    prices: BTreeMap<Resource, Price>,
    unpriced: BTreeMap<Resource, String>,
    models: BTreeMap<String, ModelPrice>,
}

/// The price of one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// The bands in ascending order. The last one has no end.
    pub bands: Vec<Band>,
    /// The source of the price.
    pub source: String,
    /// A note on how the price is known to be wrong.
    pub flag: Option<String>,
    /// True if the allotment is by the day. That of a month is 30 times as large.
    pub daily: bool,
}

/// A band of a graduated price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// The last unit of the band; `None` for the last band.
    pub up_to: Option<Decimal>,
    /// The price in dollars of a unit in the band.
    pub unit: Decimal,
}

/// The price of a model, in dollars for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelPrice {
    /// The price of a token that the model reads.
    pub input: Decimal,
    /// The price of a token that the model writes.
    pub output: Decimal,
}

/// The entry of a resource in a book.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Entry<'a> {
    /// The resource has this price.
    Priced(&'a Price),
    /// The book leaves the resource out on purpose, for this reason.
    Unpriced(&'a str),
    /// The book does not know the resource.
    Unknown,
}

impl PriceBook {
    /// Reads a book from a file.
    ///
    /// # Errors
    /// [`BookError`] names the file and the field.
    #[cfg(feature = "files")]
    pub fn read(path: &std::path::Path) -> Result<Self, BookError> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &name),
            Err(error) => Err(BookError::Unreadable { path: name, error }),
        }
    }

    /// Reads a book from text; `path` is for messages.
    ///
    /// # Errors
    /// [`BookError`] names the place in the text, or the field.
    #[cfg(feature = "files")]
    pub fn parse(text: &str, path: &str) -> Result<Self, BookError> {
        let malformed = |error| BookError::Malformed { path: path.to_owned(), error };
        Self::checked(toml::from_str(text).map_err(malformed)?, path)
    }

    fn checked(file: BookFile, path: &str) -> Result<Self, BookError> {
        let invalid =
            |(field, problem)| BookError::Invalid { path: path.to_owned(), field, problem };
        file.validate().map_err(invalid)
    }

    /// Returns the entry of a resource.
    pub fn entry(&self, resource: Resource) -> Entry<'_> {
        match (self.prices.get(&resource), self.unpriced.get(&resource)) {
            (Some(price), _) => Entry::Priced(price),
            (None, Some(reason)) => Entry::Unpriced(reason),
            (None, None) => Entry::Unknown,
        }
    }

    /// Returns the price in dollars of one more unit when allotments and cheaper bands are used up.
    /// Returns `None` if the book has no price for the resource.
    pub fn list_price(&self, resource: Resource) -> Option<Decimal> {
        self.prices.get(&resource)?.bands.last().map(|band| band.unit)
    }

    /// Returns the book for one of many users who share an account: each unit has its list price. The
    /// base fee and the allotments belong to the account, and the part of one user is not known.
    pub fn at_list_price(mut self) -> Self {
        self.base = Decimal::ZERO;
        for price in self.prices.values_mut() {
            // The last band has the list price, and has no end, so that it applies to every unit.
            price.bands.drain(..price.bands.len().saturating_sub(1));
        }
        self
    }

    /// Returns the price of the model with this name.
    pub fn model(&self, name: &str) -> Option<ModelPrice> {
        self.models.get(name).copied()
    }

    /// Returns the names of the models.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// Returns the prices that are flagged, each with its reason.
    pub fn flags(&self) -> impl Iterator<Item = (Resource, &str)> {
        self.prices.iter().filter_map(|(resource, price)| Some((*resource, price.flag.as_deref()?)))
    }
}

impl Price {
    /// Returns the cost in dollars of an amount in a month, exact. Each unit has the price of its
    /// band.
    pub fn of(&self, amount: Decimal) -> Decimal {
        let mut below = Decimal::ZERO;
        let mut cost = Decimal::ZERO;
        for band in &self.bands {
            let end = band.up_to.map_or(amount, |end| end.min(amount));
            if end > below {
                cost += (end - below) * band.unit;
                below = end;
            }
        }
        cost
    }

    /// Returns the number of units of a month that are free.
    pub fn included(&self) -> Decimal {
        match self.bands.first() {
            Some(Band { up_to: Some(end), unit }) if unit.is_zero() => *end,
            _ => Decimal::ZERO,
        }
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BookFile {
    name: String,
    date: Date,
    note: String,
    base_usd: String,
    prices: BTreeMap<String, PriceFile>,
    #[serde(default)]
    unpriced: BTreeMap<String, String>,
    #[serde(default)]
    models: BTreeMap<String, ModelFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceFile {
    /// The price in dollars of `per` units beyond the allotment.
    usd: Option<String>,
    per: u64,
    included: Option<u64>,
    included_per_day: Option<u64>,
    /// The graduated prices, which replace `usd`.
    tiers: Option<Vec<TierFile>>,
    source: String,
    flag: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TierFile {
    up_to: Option<u64>,
    usd: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    /// The price in dollars of a million tokens that the model reads.
    input_usd: String,
    /// The price in dollars of a million tokens that the model writes.
    output_usd: String,
    #[expect(dead_code, reason = "for the reader of the file; it must be there")]
    source: String,
}

/// A field and its problem.
type Fault = (String, FieldProblem);

impl BookFile {
    fn validate(self) -> Result<PriceBook, Fault> {
        let mut prices = BTreeMap::new();
        for (name, file) in self.prices {
            let field = format!("prices.{name}");
            let resource = resource(&name, &field)?;
            prices.insert(resource, file.validate(&field)?);
        }
        let mut unpriced = BTreeMap::new();
        for (name, reason) in self.unpriced {
            let field = format!("unpriced.{name}");
            let resource = resource(&name, &field)?;
            if prices.contains_key(&resource) {
                return Err((field, FieldProblem::AlsoPriced));
            }
            unpriced.insert(resource, reason);
        }
        let mut models = BTreeMap::new();
        for (name, file) in self.models {
            let field = format!("models.{name}");
            let million = Decimal::from(1_000_000);
            let unit = |text: &str, part| unit(text, million, &format!("{field}.{part}"));
            let input = unit(&file.input_usd, "input_usd")?;
            let output = unit(&file.output_usd, "output_usd")?;
            models.insert(name, ModelPrice { input, output });
        }
        Ok(PriceBook {
            name: self.name,
            date: self.date.to_string(),
            note: self.note,
            base: amount(&self.base_usd, "base_usd")?,
            prices,
            unpriced,
            models,
        })
    }
}

impl PriceFile {
    fn validate(self, field: &str) -> Result<Price, Fault> {
        let fault = |part: &str, problem| Err((format!("{field}{part}"), problem));
        if self.per == 0 {
            return fault(".per", FieldProblem::ZeroUnits);
        }
        let per = Decimal::from(self.per);
        let free = match (self.included, self.included_per_day) {
            (Some(_), Some(_)) => {
                return fault(".included", FieldProblem::TwoAllotments);
            }
            (Some(included), None) => Some(Decimal::from(included)),
            (None, Some(daily)) => Some(Decimal::from(daily) * Decimal::from(DAYS)),
            (None, None) => None,
        };
        let mut bands = Vec::new();
        // An allotment is a first band whose units are free.
        bands.extend(free.map(|end| Band { up_to: Some(end), unit: Decimal::ZERO }));
        match (self.usd, self.tiers) {
            (Some(usd), None) => {
                bands.push(Band { up_to: None, unit: unit(&usd, per, &format!("{field}.usd"))? });
            }
            (None, Some(tiers)) => {
                for (index, tier) in tiers.into_iter().enumerate() {
                    let field = format!("{field}.tiers[{index}]");
                    let unit = unit(&tier.usd, per, &format!("{field}.usd"))?;
                    bands.push(Band { up_to: tier.up_to.map(Decimal::from), unit });
                }
            }
            _ => return fault("", FieldProblem::UsdOrTiers),
        }
        ascending(&bands, field)?;
        let daily = self.included_per_day.is_some();
        Ok(Price { bands, source: self.source, flag: self.flag, daily })
    }
}

/// Checks that every band but the last has an end, which is beyond that of the band before.
fn ascending(bands: &[Band], field: &str) -> Result<(), Fault> {
    let mut before = Decimal::ZERO;
    for (index, band) in bands.iter().enumerate() {
        let last = index + 1 == bands.len();
        match band.up_to {
            None if last => {}
            Some(end) if !last && end > before => before = end,
            Some(_) if last => {
                return Err((field.to_owned(), FieldProblem::LastTierEnds));
            }
            _ => return Err((field.to_owned(), FieldProblem::NotAscending)),
        }
    }
    Ok(())
}

fn resource(name: &str, field: &str) -> Result<Resource, Fault> {
    name.parse().map_err(|error: UnknownResource| (field.to_owned(), error.into()))
}

/// Reads dollars from a string. The numbers of TOML itself are binary fractions, which are not exact.
fn amount(text: &str, field: &str) -> Result<Decimal, Fault> {
    let problem = || (field.to_owned(), FieldProblem::NotDollars(text.to_owned()));
    let usd = Decimal::from_str_exact(text).map_err(|_| problem())?;
    if usd.is_sign_negative() { Err(problem()) } else { Ok(usd) }
}

/// Computes the price in dollars of one unit. It must be an exact decimal, so that the sum of a
/// million units does not drift.
fn unit(text: &str, per: Decimal, field: &str) -> Result<Decimal, Fault> {
    let usd = amount(text, field)?;
    let unit = usd / per;
    if unit * per == usd {
        Ok(unit)
    } else {
        Err((field.to_owned(), FieldProblem::Inexact { usd, per }))
    }
}
