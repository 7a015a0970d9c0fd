//! Holds the prices of a platform during a span of days.

use std::{collections::BTreeMap, fmt};

use rust_decimal::Decimal;
use toml_datetime::Date;

use super::resource::{Amounts, Resource};
use crate::bill::{Origin, Origins};

/// The number of days of a month, for allotments by the day. Cloudflare's examples count 30.
pub const DAYS: u32 = 30;

/// Prices in US dollars, all exact.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceBook {
    /// The name of the book, for reports.
    pub name: String,
    /// The publisher of the prices. Books of one publisher follow each other in time.
    pub publisher: String,
    /// The first day on which the prices hold.
    pub valid_from: Date,
    /// The last day on which the prices hold; `None` while no end is known.
    pub valid_until: Option<Date>,
    /// A note on the origin and the limits of the prices.
    pub note: String,
    /// The fee of a month in dollars that is paid whatever is used.
    pub base: Decimal,
    pub(crate) prices: BTreeMap<Resource, Price>,
    pub(crate) unpriced: BTreeMap<Resource, String>,
    /// The reason for every resource that is neither priced nor listed.
    pub(crate) others_unpriced: Option<String>,
    /// Meters of the publisher's price list for which there is no resource, each with the reason.
    pub(crate) left_out: BTreeMap<String, String>,
    pub(crate) conversions: Vec<Conversion>,
    pub(crate) models: BTreeMap<String, ModelPrice>,
}

/// The price of one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// The bands in ascending order. The last one has no end.
    pub bands: Vec<Band>,
    /// The source of the price.
    pub source: Source,
    /// A note on how the price is known to be wrong.
    pub flag: Option<String>,
    /// The allotment of a day, if the allotment is by the day. The bands count it for
    /// [`DAYS`] days; see [`PriceBook::for_busy_days`].
    pub daily: Option<Decimal>,
}

/// A band of a graduated price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// The last unit of the band; `None` for the last band.
    pub up_to: Option<Decimal>,
    /// The price in dollars of a unit in the band.
    pub unit: Decimal,
}

/// The place where a price was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file of a public repository.
    File {
        /// The path of the file in its repository.
        path: String,
        /// The commit, in 7 to 40 hexadecimal digits.
        commit: String,
    },
    /// A page, as it was on a day.
    Page {
        /// The address or the name of the page.
        page: String,
        /// The day.
        date: Date,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, commit } => write!(f, "{path} @ {commit}"),
            Self::Page { page, date } => write!(f, "{page}, {date}"),
        }
    }
}

/// A rule by which the amount of one resource follows from that of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// The resource whose amount follows.
    pub to: Resource,
    /// The resource that it follows from.
    pub from: Resource,
    /// Units of `to` for a unit of `from`: this is multiplied, and `divide` divides.
    pub multiply: Decimal,
    /// The divisor. It is kept apart from the factor, as 7/30 is no finite decimal.
    pub divide: Decimal,
    /// The case in which the rule applies.
    pub when: When,
    /// The assumption that the rule makes; `None` if it is exact.
    pub assumed: Option<String>,
}

/// The case in which a [`Conversion`] applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// The converted units are added to those that were counted.
    Always,
    /// The converted units are added if there are any others.
    Used,
    /// The converted units stand in for an amount that nobody counted or set.
    Unknown,
}

/// A quantity by which a model is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    /// A million tokens that the model reads.
    Input,
    /// A million of those tokens that the model reads from its own cache.
    CachedInput,
    /// A million tokens that the model writes.
    Output,
    /// A million images.
    MillionImages,
    /// A minute of audio.
    AudioMinute,
    /// A thousand characters.
    ThousandCharacters,
    /// A tile of 512 × 512 pixels.
    Tile,
    /// A step of the making of an image.
    Step,
    /// A tile of a given image.
    InputTile,
    /// A tile of the image that is made.
    OutputTile,
    /// A tile of a given image, for each step.
    InputTileStep,
    /// A tile of the image that is made, for each step.
    OutputTileStep,
    /// The first 1,024 × 1,024 pixels of the image that is made.
    FirstMegapixel,
    /// Each further 1,024 × 1,024 pixels.
    NextMegapixel,
    /// 1,024 × 1,024 pixels of a given image.
    InputMegapixel,
}

/// The price of a model in neurons, the unit in which Workers AI bills. Dollars follow from the price
/// of a neuron; the dollars on the pricing page are rounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelPrice {
    /// The neurons for each quantity.
    pub neurons: BTreeMap<Rate, Decimal>,
    /// True if the model needs a paid plan.
    pub paid_plan: bool,
}

impl ModelPrice {
    /// Returns the neurons for these tokens. `cached` of the `input` tokens came from the model's
    /// cache; a model without a price for them bills them as the others. `None` if the model is not
    /// billed by tokens.
    pub fn of_tokens(&self, input: Decimal, cached: Decimal, output: Decimal) -> Option<Decimal> {
        let rate = |rate| self.neurons.get(&rate).copied();
        let read = rate(Rate::Input)?;
        let from_cache = rate(Rate::CachedInput).unwrap_or(read);
        let written = rate(Rate::Output).unwrap_or_default();
        let cached = cached.min(input);
        let millionths = (input - cached) * read + cached * from_cache + output * written;
        Some(millionths / Decimal::from(1_000_000))
    }
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
    /// Returns true if the prices hold on this day.
    pub fn holds_on(&self, day: Date) -> bool {
        self.valid_from <= day && self.valid_until.is_none_or(|last| day <= last)
    }

    /// Returns the days on which the prices hold, for a reader.
    pub fn validity(&self) -> String {
        match self.valid_until {
            Some(last) => format!("{} to {last}", self.valid_from),
            None => format!("from {}", self.valid_from),
        }
    }

    /// Returns the entry of a resource.
    pub fn entry(&self, resource: Resource) -> Entry<'_> {
        let others = self.others_unpriced.as_ref();
        match (self.prices.get(&resource), self.unpriced.get(&resource).or(others)) {
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

    /// Returns the book for a month whose usage falls, in equal parts, on this number of days. An
    /// allotment by the day is lost on the others.
    pub fn for_busy_days(mut self, days: u32) -> Self {
        for price in self.prices.values_mut() {
            if let (Some(daily), Some(first)) = (price.daily, price.bands.first_mut()) {
                first.up_to = Some(daily * Decimal::from(days));
            }
        }
        self
    }

    /// Returns the amounts that are billed for the amounts that were counted, by the conversions of
    /// the book, with their origins.
    pub fn convert(&self, counted: &Amounts, known: &Origins) -> (Amounts, Origins) {
        let (mut amounts, mut origins) = (counted.clone(), known.clone());
        for rule in &self.conversions {
            rule.apply(&mut amounts, &mut origins);
        }
        (amounts, origins)
    }

    /// Returns the price of the model with this name.
    pub fn model(&self, name: &str) -> Option<&ModelPrice> {
        self.models.get(name)
    }

    /// Returns the names of the models.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// Returns the meters of the publisher's price list that no resource stands for, with reasons.
    pub fn left_out(&self) -> impl Iterator<Item = (&str, &str)> {
        self.left_out.iter().map(|(meter, why)| (meter.as_str(), why.as_str()))
    }

    /// Returns the prices that are flagged, each with its reason.
    pub fn flags(&self) -> impl Iterator<Item = (Resource, &str)> {
        self.prices.iter().filter_map(|(resource, price)| Some((*resource, price.flag.as_deref()?)))
    }

    /// Returns the resources of which something is free each day.
    pub fn daily(&self) -> impl Iterator<Item = Resource> {
        let daily = |(resource, price): (&Resource, &Price)| price.daily.map(|_| *resource);
        self.prices.iter().filter_map(daily)
    }
}

impl Conversion {
    fn apply(&self, amounts: &mut Amounts, origins: &mut Origins) {
        let (before, source) = (amounts.get(self.to), amounts.get(self.from));
        let counted =
            !before.is_zero() || matches!(origins.get(&self.to), Some(Origin::Assumed(_)));
        let applies = match self.when {
            When::Always => true,
            When::Used => !before.is_zero(),
            When::Unknown => !counted,
        };
        let from = origins.get(&self.from).cloned();
        if !applies || (source.is_zero() && from.is_none()) {
            return;
        }
        let more = source.checked_mul(self.multiply).map(|units| units / self.divide);
        let sum = more.and_then(|more| before.checked_add(more));
        amounts.set(self.to, sum.unwrap_or(Decimal::MAX));
        let origin = match (from, &self.assumed) {
            (Some(Origin::Absent(_)), _) if counted => return,
            (Some(Origin::Absent(why)), _) => Origin::Absent(why),
            (Some(Origin::Assumed(what)), Some(how)) => Origin::Assumed(format!("{what}; {how}")),
            (Some(Origin::Assumed(what)), None) => Origin::Assumed(what),
            (_, Some(what)) => Origin::Assumed(what.clone()),
            _ => return,
        };
        origins.insert(self.to, origin);
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
