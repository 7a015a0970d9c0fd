//! Tiers: volumes of a month for which a bill is wanted, and what is assumed for what a run cannot
//! measure.

use std::{collections::BTreeMap, path::Path};

use rust_decimal::Decimal;
use serde::Deserialize;
use workway_core::model::files::{self, MAX_SETTINGS_BYTES};
use workway_price::{Amounts, DAYS, Origin, Origins, Resource, UnknownResource};

/// The largest number of requests or operations of a tier: far beyond any, and far within exact
/// arithmetic.
pub const MAX_VOLUME: u64 = 1_000_000_000_000_000;
/// The largest amount of a resource that may be set or assumed for one request, or for a month.
pub(super) const MAX_EACH: u64 = 1_000_000_000_000;

/// A file of tiers that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TierError {
    /// The file cannot be read.
    #[error("tiers {path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// The reason.
        error: std::io::Error,
    },
    /// The file is not TOML, or has other fields.
    #[error("tiers {path}:\n{error}")]
    Malformed {
        /// The file.
        path: String,
        /// Line, column and reason.
        error: toml::de::Error,
    },
    /// A field says something impossible.
    #[error("tiers {path}: {field}: {problem}")]
    Invalid {
        /// The file.
        path: String,
        /// The field.
        field: String,
        /// The description of the error.
        problem: String,
    },
}

/// Volumes of a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Its name.
    pub name: String,
    /// Requests, AI operations included.
    pub requests: u64,
    /// AI operations, cached ones included.
    pub ai_operations: u64,
    /// Days of the month on which the tier is used, in equal parts: 1 to 30. What is free each day is
    /// lost on the others.
    pub busy_days: u32,
    /// The row of somebody else's table about this tier, if there is one.
    pub table: Option<TableRow>,
}

/// A row of a table of monthly costs, to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRow {
    /// Database operations that it names.
    pub database_operations: u64,
    /// Dollars that it names.
    pub usd: Decimal,
}

/// Gives a value for a resource that a run cannot measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// The resource.
    pub resource: Resource,
    /// Units for each unit of `of`.
    pub amount: Decimal,
    /// The amount is used for each of these.
    pub of: Resource,
    /// The reason for the assumption.
    pub why: String,
}

/// A file of tiers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tiers {
    /// The tiers, from small to large.
    pub tiers: Vec<Tier>,
    /// The assumptions for resources that a run cannot measure.
    pub assumptions: Vec<Assumption>,
    /// The publisher of the table, whose books the table is compared with; `None` for every book.
    pub table_publisher: Option<String>,
}

impl Tiers {
    /// Reads a file.
    ///
    /// # Errors
    /// [`TierError`] names the file and the field.
    pub fn read(path: &Path) -> Result<Self, TierError> {
        let name = path.display().to_string();
        match files::read_text(path, MAX_SETTINGS_BYTES) {
            Ok(text) => Self::parse(&text, &name),
            Err(error) => Err(TierError::Unreadable { path: name, error }),
        }
    }

    /// Reads text; `path` is for messages.
    ///
    /// # Errors
    /// [`TierError`].
    pub fn parse(text: &str, path: &str) -> Result<Self, TierError> {
        let file: File = toml::from_str(text)
            .map_err(|error| TierError::Malformed { path: path.to_owned(), error })?;
        file.validate().map_err(|(field, problem)| TierError::Invalid {
            path: path.to_owned(),
            field,
            problem,
        })
    }

    /// Returns a tier by name.
    pub fn get(&self, name: &str) -> Option<&Tier> {
        self.tiers.iter().find(|tier| tier.name == name)
    }

    /// Adds what is assumed to what was measured, where nothing was and nothing was set, and says so.
    pub fn assume(&self, mut amounts: Amounts, origins: &mut Origins) -> Amounts {
        for assumption in &self.assumptions {
            let resource = assumption.resource;
            let set = matches!(origins.get(&resource), Some(Origin::Assumed(_)));
            if amounts.get(resource).is_zero() && !set {
                let assumed = amounts.get(assumption.of).checked_mul(assumption.amount);
                amounts.set(resource, assumed.unwrap_or(Decimal::MAX));
                origins.insert(resource, Origin::Assumed(assumption.text()));
            }
        }
        amounts
    }
}

impl Assumption {
    fn text(&self) -> String {
        format!("{} × {}: {}", self.amount.normalize(), self.of.label(), self.why)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    table_publisher: Option<String>,
    tiers: Vec<TierFile>,
    #[serde(default)]
    assumptions: BTreeMap<String, AssumptionFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TierFile {
    name: String,
    requests: u64,
    ai_operations: u64,
    busy_days: Option<u32>,
    table_database_operations: Option<u64>,
    table_usd: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssumptionFile {
    amount: String,
    of: String,
    why: String,
}

type Fault = (String, String);

impl File {
    fn validate(self) -> Result<Tiers, Fault> {
        if self.tiers.is_empty() {
            return Err(("tiers".to_owned(), "there must be at least one".to_owned()));
        }
        let mut tiers: Vec<Tier> = Vec::new();
        for (index, file) in self.tiers.into_iter().enumerate() {
            let tier = file.validate(&format!("tiers[{index}]"))?;
            if tiers.iter().any(|other| other.name == tier.name) {
                let problem = format!("another tier is called {:?}, too", tier.name);
                return Err((format!("tiers[{index}].name"), problem));
            }
            tiers.push(tier);
        }
        let assumptions = self.assumptions.into_iter().map(|(name, file)| file.validate(&name));
        let assumptions = assumptions.collect::<Result<_, _>>()?;
        Ok(Tiers { tiers, assumptions, table_publisher: self.table_publisher })
    }
}

impl TierFile {
    fn validate(self, field: &str) -> Result<Tier, Fault> {
        let fault = |part: &str, problem: String| Err((format!("{field}.{part}"), problem));
        if self.requests == 0 || self.requests > MAX_VOLUME {
            return fault("requests", format!("must be 1 to {MAX_VOLUME}"));
        }
        if self.ai_operations > self.requests {
            return fault("ai_operations", "an AI operation is a request: not more of them".into());
        }
        let busy_days = self.busy_days.unwrap_or(DAYS);
        if !(1..=DAYS).contains(&busy_days) {
            return fault(
                "busy_days",
                format!("must be 1 to {DAYS}: a month is billed as {DAYS} days"),
            );
        }
        let table = match (self.table_database_operations, self.table_usd) {
            (Some(database_operations), Some(usd)) => match Decimal::from_str_exact(&usd) {
                Ok(usd) => Some(TableRow { database_operations, usd }),
                Err(_) => return fault("table_usd", format!("{usd:?} is no amount of dollars")),
            },
            (None, None) => None,
            _ => return fault("table_usd", "give both `table_` fields, or none".into()),
        };
        let Self { name, requests, ai_operations, .. } = self;
        Ok(Tier { name, requests, ai_operations, busy_days, table })
    }
}

impl AssumptionFile {
    fn validate(self, name: &str) -> Result<Assumption, Fault> {
        let field = format!("assumptions.{name}");
        let unknown = |error: UnknownResource| (field.clone(), error.to_string());
        let resource = name.parse().map_err(unknown)?;
        let of = self.of.parse().map_err(unknown)?;
        match Decimal::from_str_exact(&self.amount) {
            Ok(amount) if !amount.is_sign_negative() && amount <= Decimal::from(MAX_EACH) => {
                Ok(Assumption { resource, amount, of, why: self.why })
            }
            _ => Err((format!("{field}.amount"), format!("{:?} is no amount", self.amount))),
        }
    }
}
