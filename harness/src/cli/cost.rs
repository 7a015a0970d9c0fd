//! `workway cost`

use std::path::{Path, PathBuf};

use clap::Args;

use super::{
    measured::{Source, Used},
    output::{self, Failure, Format},
};
use crate::{
    cost::{
        Alternative, Assessment, BOOKS, BookError, Combination, CostError, Date, Mix, NoBook,
        Overlap, PriceBook, Projection, Question, TIERS, TierError, Tiers, WhatIf, assess,
        book_report, changes, cheapest_report, day, differences, in_order, on, today,
    },
    exit::Exit,
    plan::PricingError,
    report::{self, BookReport, COST_SCHEMA_VERSION, CostReport, cheapest_text, cost_text},
};

/// Says why a bill cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum PriceError {
    #[error(transparent)]
    Cost(#[from] CostError),
    #[error(transparent)]
    Book(#[from] BookError),
    #[error(transparent)]
    Tiers(#[from] TierError),
    #[error(transparent)]
    Pricing(#[from] PricingError),
    #[error(transparent)]
    NoBook(#[from] NoBook),
    #[error(transparent)]
    Overlap(#[from] Overlap),
    #[error("--date {date}: none of the books that --book names holds on this day")]
    NoneHolds { date: Date },
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Reports of `workway run --out`: files, or the folders they are in. Several are repetitions
    /// of the same run, and give the figures an interval.
    #[arg(value_name = "REPORT", required = true)]
    reports: Vec<PathBuf>,
    /// A price book: the name of one that comes with the program (`cloudflare-2026-11`,
    /// `cloudflare-2026-12`, `workway-guide`), or a file. Of several, separated by commas, each is
    /// compared with the one before it. Cloudflare's book of the day by default.
    #[arg(long = "book", value_name = "NAME|FILE", value_delimiter = ',')]
    books: Vec<String>,
    /// The day of the bill, as 2026-12-01: the book that holds on it is used. Today by default.
    #[arg(long, value_name = "DATE", value_parser = day)]
    date: Option<Date>,
    /// A file of tiers, in place of those that come with the program.
    #[arg(long, value_name = "FILE")]
    tiers: Option<PathBuf>,
    /// Only this tier; may be given more than once.
    #[arg(long = "tier", value_name = "NAME")]
    only: Vec<String>,
    /// Bill under an assumption: `cache_hit=0.9`, `model=NAME`, or `RESOURCE=AMOUNT` for each request (for the month
    /// where it is something stored). With --cheapest several values, `cache_hit=0,0.5,0.9`, each of
    /// which is tried.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Another report to compare with: what the change adds, by resource.
    #[arg(long, value_name = "REPORT")]
    base: Option<PathBuf>,
    /// Find the cheapest scenario that still meets its thresholds on latency. Each is one setting: a
    /// model, a cache. --set adds others to try.
    #[arg(long, conflicts_with_all = ["base", "from_analytics"])]
    cheapest: bool,
    #[command(flatten)]
    source: Source,
    /// Format of the result on stdout.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) async fn cost(arguments: &Arguments) -> Exit {
    let (asked, runs) = match read(arguments).await {
        Ok(read) => read,
        Err(failure) => return failure.show(),
    };
    let shown = if arguments.cheapest {
        cheapest(arguments, &asked, &runs)
    } else {
        assessed(arguments, &asked, &runs)
            .map(|report| output::show(arguments.format, &report, cost_text))
    };
    shown.unwrap_or_else(|error| output::fail(Exit::Usage, &error.to_string()))
}

/// Holds the runs that were read.
struct Runs {
    runs: Vec<Used>,
    base: Option<Used>,
}

async fn read(arguments: &Arguments) -> Result<(Asked, Runs), Failure> {
    let asked = Asked::read(arguments).map_err(Failure::usage)?;
    let measured = arguments.source.open()?;
    let mut runs = Vec::new();
    for path in &arguments.reports {
        runs.push(measured.read(path).await?);
    }
    let base = match &arguments.base {
        Some(path) => Some(measured.read(path).await?),
        None => None,
    };
    Ok((asked, Runs { runs, base }))
}

/// Holds the parameters of the command once they were read from the command line and its files.
struct Asked {
    tiers: Tiers,
    only: Vec<String>,
    /// One, unless the cheapest is looked for.
    combinations: Vec<Combination>,
    books: Vec<PriceBook>,
}

impl Asked {
    fn read(arguments: &Arguments) -> Result<Self, PriceError> {
        let tiers = match &arguments.tiers {
            Some(path) => Tiers::read(path)?,
            None => Tiers::parse(TIERS, "of this program")?,
        };
        let settings = &arguments.settings;
        let combinations = if arguments.cheapest {
            Combination::all(settings)
        } else {
            let whatif = WhatIf::parse(settings.iter().map(String::as_str));
            whatif.map(|whatif| vec![Combination { settings: settings.clone(), whatif }])
        };
        let combinations = combinations.map_err(CostError::from)?;
        let only = arguments.only.clone();
        Ok(Self { tiers, only, combinations, books: books(&arguments.books, arguments.date)? })
    }
}

fn assessed(arguments: &Arguments, asked: &Asked, read: &Runs) -> Result<CostReport, PriceError> {
    let whatif = asked.combinations.first().map(|one| one.whatif.clone()).unwrap_or_default();
    let question = Question { tiers: &asked.tiers, only: &asked.only, whatif: &whatif };
    let runs: Vec<_> = read.runs.iter().map(|used| used.mixes.clone()).collect();
    let base = read.base.as_ref().map(|used| &used.mixes);
    let books = asked.books.iter().map(|book| of_book(book, &runs, base, &question));
    let books: Vec<_> = books.collect::<Result<_, _>>()?;
    let mut warnings: Vec<_> = read.runs.iter().flat_map(|used| used.warnings.clone()).collect();
    warnings.dedup();
    Ok(CostReport {
        schema_version: COST_SCHEMA_VERSION,
        settings: arguments.settings.clone(),
        warnings,
        differences: differences(&books),
        books,
    })
}

/// Compares the scenarios as alternatives; the cheapest that keeps its promises comes first.
fn cheapest(arguments: &Arguments, asked: &Asked, read: &Runs) -> Result<Exit, PriceError> {
    let alternatives = alternatives(&read.runs);
    let Asked { tiers, only, combinations, books } = asked;
    let settings = &arguments.settings;
    let report = cheapest_report(&alternatives, combinations, (tiers, only), books, settings)?;
    let found = report.found();
    let shown = output::show(arguments.format, &report, cheapest_text);
    Ok(if shown == Exit::Pass && !found { Exit::Threshold } else { shown })
}

/// Returns each scenario that measured its usage, with its repetitions in all runs.
fn alternatives(runs: &[Used]) -> Vec<Alternative> {
    let mut alternatives = Vec::<Alternative>::new();
    for used in runs {
        for mix in &used.mixes {
            let scenario = used.report.scenarios.iter().find(|one| one.name == mix.scenario);
            let against = scenario.map(report::against_latency).unwrap_or_default();
            let same = |known: &&mut Alternative| known.scenario == mix.scenario;
            match alternatives.iter_mut().find(same) {
                Some(known) => known.add(mix.usage.clone(), against),
                None => alternatives.push(Alternative::new(mix, against)),
            }
        }
    }
    alternatives
}

fn of_book(
    book: &PriceBook,
    runs: &[Vec<Mix>],
    base: Option<&Vec<Mix>>,
    question: &Question<'_>,
) -> Result<BookReport, PriceError> {
    let assessed = |runs: &[Vec<Mix>]| assess(runs, question, book);
    let head = assessed(runs)?;
    let months = |assessments: &[Assessment]| -> Vec<Projection> {
        assessments.iter().map(|assessment| assessment.projection.clone()).collect()
    };
    let changes = match base {
        Some(base) => {
            Some(changes(&months(&assessed(std::slice::from_ref(base))?), &months(&head)))
        }
        None => None,
    };
    Ok(book_report(book, &head, changes.as_deref()))
}

/// Returns the books that are named, or the one that holds on the day of the bill.
fn books(wanted: &[String], date: Option<Date>) -> Result<Vec<PriceBook>, PriceError> {
    let known = |name: &str| BOOKS.iter().find(|book| book.name == name);
    if wanted.is_empty() {
        return Ok(vec![date.map_or_else(today, on)?]);
    }
    let books = wanted.iter().map(|name| match known(name) {
        Some(book) => book.open(),
        None => PriceBook::read(Path::new(name)),
    });
    let books = books.collect::<Result<Vec<_>, _>>()?;
    let Some(date) = date else { return Ok(books) };
    let mut books = in_order(books)?;
    books.retain(|book| book.holds_on(date));
    if books.is_empty() { Err(PriceError::NoneHolds { date }) } else { Ok(books) }
}
