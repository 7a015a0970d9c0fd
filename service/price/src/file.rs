//! Reads price books from files and from the program itself.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Deserialize;
use toml_datetime::Date;

use super::{
    book::{Band, Conversion, DAYS, ModelPrice, Price, PriceBook, Rate, Source, When},
    library::BOOKS,
    resource::{Resource, UnknownResource},
};

/// The highest price in dollars that a book may name. Together with the largest amount of a bill it
/// keeps every sum within exact arithmetic.
pub const MAX_USD: u32 = 1_000_000;
/// The largest size of a price book in bytes. That of Cloudflare's prices has 15 KB.
pub const MAX_BOOK: u64 = 1 << 20;

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
    /// A book rests on another that does not come with the program, or on one that rests on another.
    #[error("{0:?} is no complete book that comes with the program")]
    NoBase(String),
    /// A field that only a book that rests on another may leave out is missing.
    #[error("is missing")]
    Missing,
    /// A book ends before it begins.
    #[error("must not be before `valid_from`")]
    EndsBeforeItBegins,
    /// A source names no place where the price can be read again.
    #[error(
        "must name where the price can be read again: `path` and `commit` (7 to 40 hexadecimal \
         digits), or `page` and `date`"
    )]
    Source,
    /// A number of neurons cannot be read, or is negative.
    #[error("{0:?} is no number of neurons, like \"4119\"")]
    NotNeurons(String),
    /// The last tier has an end.
    #[error("the last tier must have no `up_to`")]
    LastTierEnds,
    /// The ends of the tiers do not ascend.
    #[error("each tier but the last needs an `up_to` larger than the one before")]
    NotAscending,
    /// An amount of dollars cannot be read, or is negative.
    #[error("{0:?} is no amount of dollars up to a million, like \"0.30\"")]
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

    fn file(&self) -> Option<BookFile> {
        serde_json::from_str(self.json).ok()
    }
}

impl PriceBook {
    /// Reads a book from a file.
    ///
    /// # Errors
    /// [`BookError`] names the file and the field.
    #[cfg(feature = "files")]
    pub fn read(path: &std::path::Path) -> Result<Self, BookError> {
        let name = path.display().to_string();
        match read_bounded(path) {
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
        let file = file.on_its_base().map_err(invalid)?;
        file.validate().map_err(invalid)
    }
}

/// Reads a file of at most [`MAX_BOOK`] bytes.
#[cfg(feature = "files")]
fn read_bounded(path: &std::path::Path) -> std::io::Result<String> {
    use std::io::{Error, ErrorKind, Read as _};

    if !std::fs::metadata(path)?.is_file() {
        let problem = "it is no regular file; a pipe or a device may have no end";
        return Err(Error::new(ErrorKind::InvalidInput, problem));
    }
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_BOOK + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BOOK {
        let problem = format!("it is larger than {MAX_BOOK} bytes, which no price book needs");
        return Err(Error::new(ErrorKind::FileTooLarge, problem));
    }
    Ok(text)
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BookFile {
    name: String,
    /// The name of a book of the program whose prices hold except for those that are given here.
    based_on: Option<String>,
    publisher: Option<String>,
    valid_from: Date,
    valid_until: Option<Date>,
    note: String,
    base_usd: Option<String>,
    #[serde(default)]
    prices: BTreeMap<String, PriceFile>,
    #[serde(default)]
    unpriced: BTreeMap<String, String>,
    others_unpriced: Option<String>,
    #[serde(default)]
    left_out: BTreeMap<String, String>,
    #[serde(default)]
    conversions: Vec<ConversionFile>,
    #[serde(default)]
    models: BTreeMap<String, ModelFile>,
    models_source: Option<SourceFile>,
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
    source: SourceFile,
    flag: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TierFile {
    up_to: Option<u64>,
    usd: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceFile {
    path: Option<String>,
    commit: Option<String>,
    page: Option<String>,
    date: Option<Date>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConversionFile {
    to: String,
    from: String,
    #[serde(default = "one")]
    multiply: u64,
    #[serde(default = "one")]
    divide: u64,
    #[serde(default = "always")]
    when: When,
    assumed: Option<String>,
}

const fn one() -> u64 {
    1
}

const fn always() -> When {
    When::Always
}

#[derive(Deserialize)]
struct ModelFile {
    #[serde(default)]
    paid_plan: bool,
    source: Option<SourceFile>,
    /// The neurons for each quantity.
    #[serde(flatten)]
    neurons: BTreeMap<Rate, String>,
}

/// A field and its problem.
type Fault = (String, FieldProblem);

impl BookFile {
    /// Returns the file with what it leaves out taken from the book that it is based on.
    fn on_its_base(mut self) -> Result<Self, Fault> {
        let Some(name) = self.based_on.take() else { return Ok(self) };
        let base = BOOKS.iter().find(|book| book.name == name).and_then(BuiltIn::file);
        let Some(base) = base.filter(|base| base.based_on.is_none()) else {
            return Err(("based_on".to_owned(), FieldProblem::NoBase(name)));
        };
        for (resource, price) in base.prices {
            if !self.unpriced.contains_key(&resource) {
                self.prices.entry(resource).or_insert(price);
            }
        }
        for (resource, reason) in base.unpriced {
            if !self.prices.contains_key(&resource) {
                self.unpriced.entry(resource).or_insert(reason);
            }
        }
        for (meter, reason) in base.left_out {
            self.left_out.entry(meter).or_insert(reason);
        }
        for (name, model) in base.models {
            self.models.entry(name).or_insert(model);
        }
        // The rules of the base come first: those of the book may build on them.
        self.conversions.splice(0..0, base.conversions);
        self.publisher = self.publisher.or(base.publisher);
        self.base_usd = self.base_usd.or(base.base_usd);
        self.others_unpriced = self.others_unpriced.or(base.others_unpriced);
        self.models_source = self.models_source.or(base.models_source);
        Ok(self)
    }

    fn validate(self) -> Result<PriceBook, Fault> {
        let missing = |field: &str| (field.to_owned(), FieldProblem::Missing);
        if self.valid_until.is_some_and(|last| last < self.valid_from) {
            return Err(("valid_until".to_owned(), FieldProblem::EndsBeforeItBegins));
        }
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
        let mut conversions = Vec::new();
        for (index, file) in self.conversions.into_iter().enumerate() {
            conversions.push(file.validate(&format!("conversions[{index}]"))?);
        }
        let mut models = BTreeMap::new();
        for (name, file) in self.models {
            let model = file.validate(&format!("models.{name}"), self.models_source.as_ref())?;
            models.insert(name, model);
        }
        let base = self.base_usd.ok_or_else(|| missing("base_usd"))?;
        Ok(PriceBook {
            name: self.name,
            publisher: self.publisher.ok_or_else(|| missing("publisher"))?,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            note: self.note,
            base: amount(&base, "base_usd")?,
            prices,
            unpriced,
            others_unpriced: self.others_unpriced,
            left_out: self.left_out,
            conversions,
            models,
        })
    }
}

impl SourceFile {
    fn validate(self, field: &str) -> Result<Source, Fault> {
        let hexadecimal = |commit: &String| {
            (7..=40).contains(&commit.len()) && commit.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        match (self.path, self.commit, self.page, self.date) {
            (Some(path), Some(commit), None, None) if !path.is_empty() && hexadecimal(&commit) => {
                Ok(Source::File { path, commit })
            }
            (None, None, Some(page), Some(date)) if !page.is_empty() => {
                Ok(Source::Page { page, date })
            }
            _ => Err((format!("{field}source"), FieldProblem::Source)),
        }
    }
}

impl ConversionFile {
    fn validate(self, field: &str) -> Result<Conversion, Fault> {
        if self.divide == 0 {
            return Err((format!("{field}.divide"), FieldProblem::ZeroUnits));
        }
        Ok(Conversion {
            to: resource(&self.to, &format!("{field}.to"))?,
            from: resource(&self.from, &format!("{field}.from"))?,
            multiply: self.multiply.into(),
            divide: self.divide.into(),
            when: self.when,
            assumed: self.assumed,
        })
    }
}

impl ModelFile {
    fn validate(self, field: &str, source: Option<&SourceFile>) -> Result<ModelPrice, Fault> {
        let source = self.source.or_else(|| source.cloned());
        let missing = || (format!("{field}.source"), FieldProblem::Missing);
        source.ok_or_else(missing)?.validate(&format!("{field}."))?;
        let read = |(rate, text): (Rate, String)| {
            let neurons = Decimal::from_str_exact(&text).ok();
            let neurons = neurons.filter(|neurons| !neurons.is_sign_negative());
            let problem = || (field.to_owned(), FieldProblem::NotNeurons(text.clone()));
            Ok((rate, neurons.ok_or_else(problem)?))
        };
        let neurons = self.neurons.into_iter().map(read).collect::<Result<_, Fault>>()?;
        Ok(ModelPrice { neurons, paid_plan: self.paid_plan })
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
        let source = self.source.validate(&format!("{field}."))?;
        let daily = self.included_per_day.map(Decimal::from);
        Ok(Price { bands, source, flag: self.flag, daily })
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
    let possible = !usd.is_sign_negative() && usd <= Decimal::from(MAX_USD);
    if possible { Ok(usd) } else { Err(problem()) }
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
