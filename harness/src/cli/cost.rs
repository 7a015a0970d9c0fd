//! `workway cost`

use std::path::{Path, PathBuf};

use clap::Args;

use super::output::{self, Format};
use crate::{
    cost::{
        BOOKS, BuiltIn, Mix, PriceBook, Question, TIERS, Tiers, UnitUsage, UsageError, WhatIf,
        assess, changes,
    },
    exit::Exit,
    report::{self, BookReport, COST_SCHEMA_VERSION, CostReport, cost_text, read_run},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Reports of `workway run --out`: files, or the folders they are in. Several are repetitions
    /// of the same run, and give the figures an interval.
    #[arg(value_name = "REPORT", required = true)]
    reports: Vec<PathBuf>,
    /// A price book: the name of one that comes with the program (`cloudflare-2026-11`,
    /// `workway-guide`), or a file. Both by default.
    #[arg(long = "book", value_name = "NAME|FILE")]
    books: Vec<String>,
    /// A file of tiers, in place of those that come with the program.
    #[arg(long, value_name = "FILE")]
    tiers: Option<PathBuf>,
    /// Only this tier; may be given more than once.
    #[arg(long = "tier", value_name = "NAME")]
    only: Vec<String>,
    /// What if: `cache_hit=0.9`, `model=NAME`, or `RESOURCE=AMOUNT` for each request.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Another report to compare with: what the change adds, by resource.
    #[arg(long, value_name = "REPORT")]
    base: Option<PathBuf>,
    /// What goes to stdout.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn cost(arguments: &Arguments) -> Exit {
    match assessed(arguments) {
        Ok(report) => output::show(arguments.format, &report, cost_text),
        Err(problem) => output::fail(Exit::Usage, &problem),
    }
}

fn assessed(arguments: &Arguments) -> Result<CostReport, String> {
    let tiers = match &arguments.tiers {
        Some(path) => Tiers::read(path),
        None => Tiers::parse(TIERS, "of this program"),
    };
    let tiers = tiers.map_err(|error| error.to_string())?;
    let whatif = WhatIf::parse(arguments.settings.iter().map(String::as_str))
        .map_err(|error| error.to_string())?;
    let question = Question { tiers: &tiers, only: &arguments.only, whatif: &whatif };
    let books = books(&arguments.books)?;
    let runs = arguments.reports.iter().map(|path| mixes(path)).collect::<Result<Vec<_>, _>>()?;
    let base = arguments.base.as_deref().map(mixes).transpose()?;
    let books = books.iter().map(|book| of_book(book, &runs, base.as_ref(), &question));
    Ok(CostReport {
        schema_version: COST_SCHEMA_VERSION,
        settings: arguments.settings.clone(),
        warnings: report::warnings(&runs),
        books: books.collect::<Result<_, _>>()?,
    })
}

fn of_book(
    book: &PriceBook,
    runs: &[Vec<Mix>],
    base: Option<&Vec<Mix>>,
    question: &Question<'_>,
) -> Result<BookReport, String> {
    let assessments = assess(runs, question, book).map_err(|error| error.to_string())?;
    let names: Vec<_> = question.tiers.tiers.iter().map(|tier| tier.name.clone()).collect();
    let changes = match base {
        Some(base) => Some(compare(base, runs, question, book)?),
        None => None,
    };
    let changes = changes.as_ref().map(|changes| (names.as_slice(), changes.as_slice()));
    Ok(BookReport::new(book, &assessments, changes))
}

/// What all mixes together use, before and after.
fn compare(
    base: &[Mix],
    runs: &[Vec<Mix>],
    question: &Question<'_>,
    book: &PriceBook,
) -> Result<Vec<crate::cost::Change>, String> {
    let unit = |mixes: &mut dyn Iterator<Item = &Mix>| {
        let mut usage = crate::cost::RunUsage::default();
        mixes.for_each(|mix| usage.add(&mix.usage));
        let unit = UnitUsage::measured(&usage).map_err(|error| error.to_string())?;
        unit.under(question.whatif, book).map_err(|error| error.to_string())
    };
    let (base, head) = (unit(&mut base.iter())?, unit(&mut runs.iter().flatten())?);
    changes(&base, &head, question.tiers, book).map_err(|error| error.to_string())
}

fn books(wanted: &[String]) -> Result<Vec<PriceBook>, String> {
    let known = |name: &str| BOOKS.iter().find(|book| book.name == name);
    if wanted.is_empty() {
        let books = BOOKS.iter().map(BuiltIn::open);
        return books.collect::<Result<_, _>>().map_err(|error| error.to_string());
    }
    let books = wanted.iter().map(|name| match known(name) {
        Some(book) => book.open(),
        None => PriceBook::read(Path::new(name)),
    });
    books.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

/// What the scenarios of a recorded run used.
fn mixes(path: &Path) -> Result<Vec<Mix>, String> {
    let name = path.display();
    let report = read_run(path).map_err(|error| error.to_string())?;
    let mixes = report::mixes(&report.scenarios);
    if mixes.is_empty() { Err(UsageError::None(name.to_string()).to_string()) } else { Ok(mixes) }
}
