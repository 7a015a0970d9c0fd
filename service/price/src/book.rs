//! Price books: what each resource costs, from when, and who says so.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Deserialize;
use toml_datetime::Date;

use super::resource::Resource;

/// Days of a month for allotments by the day: Cloudflare's examples count 30.
const DAYS: u32 = 30;

/// A price book that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// It cannot be read.
    #[cfg(feature = "files")]
    #[error("price book {path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// It is not TOML, or has other fields.
    #[error("price book {path}:\n{error}")]
    Malformed {
        /// The file.
        path: String,
        /// Line, column and reason.
        error: String,
    },
    /// A field says something impossible.
    #[error("price book {path}: {field}: {problem}")]
    Invalid {
        /// The file.
        path: String,
        /// The field.
        field: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}

/// A book that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    json: &'static str,
}

impl BuiltIn {
    pub(crate) const fn new(name: &'static str, json: &'static str) -> Self {
        Self { name, json }
    }

    /// Its prices.
    ///
    /// # Errors
    /// [`BookError`], of a program that was not tested.
    pub fn open(&self) -> Result<PriceBook, BookError> {
        PriceBook::checked(serde_json::from_str(self.json), self.name)
    }
}

/// Prices in US dollars, all exact.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceBook {
    /// Its name, for reports.
    pub name: String,
    /// The day for which the prices hold, as `YYYY-MM-DD`.
    pub date: String,
    /// What to know before believing it.
    pub note: String,
    /// What is paid each month whatever is used.
    pub base: Decimal,
    prices: BTreeMap<Resource, Price>,
    unpriced: BTreeMap<Resource, String>,
    models: BTreeMap<String, ModelPrice>,
}

/// What one resource costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// Ends of the bands and what a unit costs in each, ascending; the last band has no end.
    pub bands: Vec<Band>,
    /// Who says so.
    pub source: String,
    /// Where it is known to be wrong, and how.
    pub flag: Option<String>,
    /// Whether the allotment is by the day: the month's is `DAYS` of them.
    pub daily: bool,
}

/// A band of a graduated price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// Its last unit; inclusive.
    pub up_to: Option<Decimal>,
    /// Dollars for a unit in it.
    pub unit: Decimal,
}

/// What a model costs, dollars for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelPrice {
    /// Read.
    pub input: Decimal,
    /// Written.
    pub output: Decimal,
}

/// What a book says of a resource.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Entry<'a> {
    /// It costs this.
    Priced(&'a Price),
    /// The book leaves it out on purpose, with this reason.
    Unpriced(&'a str),
    /// The book does not know it.
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
    /// [`BookError`].
    #[cfg(feature = "files")]
    pub fn parse(text: &str, path: &str) -> Result<Self, BookError> {
        Self::checked(toml::from_str(text), path)
    }

    fn checked<E: ToString>(file: Result<BookFile, E>, path: &str) -> Result<Self, BookError> {
        let path = || path.to_owned();
        let malformed = |error: E| BookError::Malformed { path: path(), error: error.to_string() };
        let invalid = |(field, problem)| BookError::Invalid { path: path(), field, problem };
        file.map_err(malformed)?.validate().map_err(invalid)
    }

    /// What it says of a resource.
    pub fn entry(&self, resource: Resource) -> Entry<'_> {
        match (self.prices.get(&resource), self.unpriced.get(&resource)) {
            (Some(price), _) => Entry::Priced(price),
            (None, Some(reason)) => Entry::Unpriced(reason),
            (None, None) => Entry::Unknown,
        }
    }

    /// Dollars for one more unit when allotments and cheaper bands are used up. `None` for what the
    /// book does not price.
    pub fn list_price(&self, resource: Resource) -> Option<Decimal> {
        self.prices.get(&resource)?.bands.last().map(|band| band.unit)
    }

    /// The book as it is for one of many who share an account: each unit at its list price. The base
    /// fee and what is included belong to the account, and nobody's part of them is known.
    pub fn at_list_price(mut self) -> Self {
        self.base = Decimal::ZERO;
        for price in self.prices.values_mut() {
            price.bands.drain(..price.bands.len().saturating_sub(1));
        }
        self
    }

    /// The price of a model by name.
    pub fn model(&self, name: &str) -> Option<ModelPrice> {
        self.models.get(name).copied()
    }

    /// The names of its models.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// Prices that are flagged, each with its reason.
    pub fn flags(&self) -> impl Iterator<Item = (Resource, &str)> {
        self.prices.iter().filter_map(|(resource, price)| Some((*resource, price.flag.as_deref()?)))
    }
}

impl Price {
    /// Dollars for so many units in a month, exact. Each unit costs what its band says.
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

    /// Units of a month that cost nothing.
    pub fn included(&self) -> Decimal {
        match self.bands.first() {
            Some(Band { up_to: Some(end), unit }) if unit.is_zero() => *end,
            _ => Decimal::ZERO,
        }
    }
}

/// The file, as it is written.
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
    /// Dollars for `per` units beyond what is included.
    usd: Option<String>,
    per: u64,
    included: Option<u64>,
    included_per_day: Option<u64>,
    /// Instead of `usd`: graduated.
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
    /// Dollars for a million tokens read, and written.
    input_usd: String,
    output_usd: String,
    #[expect(dead_code, reason = "for the reader of the file; it must be there")]
    source: String,
}

/// A field and what is wrong with it.
type Fault = (String, String);

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
                return Err((field, "it has a price, too; keep one of the two".to_owned()));
            }
            unpriced.insert(resource, reason);
        }
        let mut models = BTreeMap::new();
        for (name, file) in self.models {
            let field = format!("models.{name}");
            let million = Decimal::from(1_000_000);
            let unit = |text: &str, part| unit(text, million, &format!("{field}.{part}"));
            let (input, output) =
                (unit(&file.input_usd, "input_usd")?, unit(&file.output_usd, "output_usd")?);
            models.insert(name, ModelPrice { input, output });
        }
        let base = amount(&self.base_usd, "base_usd")?;
        let (name, date, note) = (self.name, self.date.to_string(), self.note);
        Ok(PriceBook { name, date, note, base, prices, unpriced, models })
    }
}

impl PriceFile {
    fn validate(self, field: &str) -> Result<Price, Fault> {
        let fault = |part: &str, problem: &str| Err((format!("{field}{part}"), problem.to_owned()));
        if self.per == 0 {
            return fault(".per", "must be at least 1");
        }
        let per = Decimal::from(self.per);
        let free = match (self.included, self.included_per_day) {
            (Some(_), Some(_)) => {
                return fault(".included", "give it by the month or by the day, not both");
            }
            (Some(included), None) => Some(Decimal::from(included)),
            (None, Some(daily)) => Some(Decimal::from(daily) * Decimal::from(DAYS)),
            (None, None) => None,
        };
        let mut bands = Vec::new();
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
            _ => return fault("", "give either `usd` or `tiers`"),
        }
        ascending(&bands, field)?;
        let (source, flag, daily) = (self.source, self.flag, self.included_per_day.is_some());
        Ok(Price { bands, source, flag, daily })
    }
}

/// Every band but the last has an end, beyond the one before.
fn ascending(bands: &[Band], field: &str) -> Result<(), Fault> {
    let mut before = Decimal::ZERO;
    for (index, band) in bands.iter().enumerate() {
        let last = index + 1 == bands.len();
        match band.up_to {
            None if last => {}
            Some(end) if !last && end > before => before = end,
            Some(_) if last => {
                return Err((field.to_owned(), "the last tier must have no `up_to`".to_owned()));
            }
            _ => {
                let problem = "each tier but the last needs an `up_to` larger than the one before";
                return Err((field.to_owned(), problem.to_owned()));
            }
        }
    }
    Ok(())
}

fn resource(name: &str, field: &str) -> Result<Resource, Fault> {
    name.parse()
        .map_err(|error: super::resource::UnknownResource| (field.to_owned(), error.to_string()))
}

/// Dollars, in a string: TOML's own numbers are binary fractions, which are not exact.
fn amount(text: &str, field: &str) -> Result<Decimal, Fault> {
    let problem = || (field.to_owned(), format!("{text:?} is no amount of dollars, like \"0.30\""));
    let usd = Decimal::from_str_exact(text).map_err(|_| problem())?;
    if usd.is_sign_negative() { Err(problem()) } else { Ok(usd) }
}

/// Dollars for one unit; must come out even, so that no sum of a million units drifts.
fn unit(text: &str, per: Decimal, field: &str) -> Result<Decimal, Fault> {
    let usd = amount(text, field)?;
    let unit = usd / per;
    if unit * per == usd {
        Ok(unit)
    } else {
        Err((
            field.to_owned(),
            format!("{usd} divided by {per} is no exact decimal; choose another `per`"),
        ))
    }
}
