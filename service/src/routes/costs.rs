//! The costs of a caller's usage.

use axum::{Json, http::Uri};
use serde::Serialize;
use workway_price::{
    Amounts, BOOKS, Bill, BillError, BookError, Decimal, Entry, Line, Origin, Origins, PriceBook,
    Resource, UnknownResource, day, on,
};

use super::{
    Context,
    extract::single_parameter,
    usage::{UsageReport, this_month},
};
use crate::domain::{Issue, Millis};
use crate::guard::Problem;
use crate::ports::Platform;

/// A calendar month at list prices: each unit costs what one more costs an account that has used up
/// what is included. The base fee and what is included belong to the account of the deployment: no
/// caller's part of them is known, and they are not applied. Not in the sum: CPU time and how long
/// objects stay in memory, which the service does not measure, and what is stored.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct CostReport {
    /// `2026-11`, in UTC.
    month: String,
    /// Its first instant.
    from: Millis,
    /// The price book.
    book: Book,
    /// The currency of every amount of money here.
    currency: Currency,
    /// By resource: what was used, and what is not known.
    lines: Vec<CostLine>,
    /// The sum of the lines that have a cost, exact.
    total: String,
}

/// A price book.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
struct Book {
    /// Its name.
    name: String,
    /// The first day on which the prices hold, as `2026-12-01`.
    valid_from: String,
    /// The last day on which the prices hold; `null` while no end is known.
    valid_until: Option<String>,
    /// A note on the limits of the prices.
    note: String,
    /// The fee that the account pays each month whatever is used; not in `total`.
    base: String,
}

#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
enum Currency {
    Usd,
}

/// One resource. Amounts and costs are exact decimals, and so strings.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
struct CostLine {
    /// The name of the resource in `GET /usage`.
    resource: &'static str,
    /// The number of units; `null` if it is not known.
    amount: Option<String>,
    /// The unit of the amount.
    unit: &'static str,
    /// `null` when the amount is not known, or the book has no price for it.
    cost: Option<String>,
    /// The origin of the amount.
    origin: Known,
    /// The assumption, or the reason that there is no amount or no price.
    why: Option<String>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum Known {
    /// Counted.
    Measured,
    /// Not counted: this was taken for it.
    Assumed,
    /// Not counted, and not in the sum.
    Absent,
}

/// Answers `GET /usage/costs`: this calendar month under a price book, without this very request.
pub(super) async fn show<P: Platform>(
    context: Context<P>,
    uri: Uri,
) -> Result<Json<CostReport>, Problem> {
    let name = single_parameter(uri.query().unwrap_or_default(), "book")?;
    if let Some(name) = &name
        && !BOOKS.iter().any(|known| known.name == name)
    {
        let known = BOOKS.map(|known| known.name).join(", ");
        let issue = Issue::new("book", format!("must be one of {known}"));
        return Err(Problem::invalid_input(vec![issue]));
    }
    let usage = this_month(&context).await?;
    let report = report(usage, name.as_deref(), context.app.config.log_requests);
    // The books come with the program: only a program that is wrong gets an error here.
    report.map(Json).map_err(|error| Problem::internal().because(error))
}

/// Returns the book with this name, or else Cloudflare's book for the month, such as `2026-12`. The
/// first book is for months that are earlier than any book, too.
fn chosen(name: Option<&str>, month: &str) -> Result<PriceBook, BookError> {
    let [first, ..] = &BOOKS;
    if let Some(name) = name {
        return BOOKS.iter().find(|known| known.name == name).unwrap_or(first).open();
    }
    let day = day(&format!("{month}-01")).ok();
    day.and_then(|day| on(day).ok()).map_or_else(|| first.open(), Ok)
}

/// Usage cannot be priced.
#[derive(Debug, thiserror::Error)]
enum CostError {
    /// The price book cannot be read.
    #[error("costs: {0}")]
    Book(#[from] BookError),
    /// The service reports a resource that has no name in price books.
    #[error("costs: {0}")]
    Resource(#[from] UnknownResource),
    /// The bill has a line for which the book has no entry.
    #[error("costs: {0}")]
    Bill(#[from] BillError),
}

fn report(usage: UsageReport, book: Option<&str>, logged: bool) -> Result<CostReport, CostError> {
    let book = chosen(book, &usage.month)?;
    let shown = Book {
        name: book.name.clone(),
        valid_from: book.valid_from.to_string(),
        valid_until: book.valid_until.map(|last| last.to_string()),
        note: book.note.clone(),
        base: plain(book.base),
    };
    let (amounts, origins) = used(&usage, logged)?;
    let book = book.at_list_price();
    let bill = Bill::new(&book, &amounts, &origins)?;
    let lines = bill.lines.iter().map(|line| CostLine::new(line, &book)).collect();
    let UsageReport { month, from, .. } = usage;
    let (currency, total) = (Currency::Usd, plain(bill.total()));
    Ok(CostReport { month, from, book: shown, currency, lines, total })
}

/// Returns the amounts of a month, and the origins of those that are not measured.
fn used(usage: &UsageReport, logged: bool) -> Result<(Amounts, Origins), UnknownResource> {
    let metered = usage.total.amounts();
    let metered = metered.map(|(name, amount)| Ok((name.parse()?, Decimal::from(amount))));
    let requests = Decimal::from(usage.requests.count);
    let metered: Amounts = metered.collect::<Result<_, UnknownResource>>()?;
    let mut amounts = metered.with(Resource::Requests, requests);
    let absent = |why: &str| Origin::Absent(why.to_owned());
    let mut origins = Origins::from([
        (Resource::CpuMs, absent("a Worker cannot read its CPU time")),
        (Resource::ActorGbS, absent("how long objects stay in memory is not measured")),
    ]);
    if logged {
        amounts.set(Resource::LogEvents, requests);
        let line = "one event for each request".to_owned();
        origins.insert(Resource::LogEvents, Origin::Assumed(line));
    }
    Ok((amounts, origins))
}

impl CostLine {
    fn new(line: &Line, book: &PriceBook) -> Self {
        let (origin, known) = match &line.origin {
            Origin::Measured => (Known::Measured, None),
            Origin::Assumed(what) => (Known::Assumed, Some(what.clone())),
            Origin::Absent(why) => (Known::Absent, Some(why.clone())),
        };
        let unpriced = match book.entry(line.resource) {
            Entry::Unpriced(why) => Some(why.to_owned()),
            Entry::Priced(_) | Entry::Unknown => None,
        };
        Self {
            resource: line.resource.name(),
            amount: (!matches!(origin, Known::Absent)).then(|| plain(line.amount)),
            unit: line.resource.unit(),
            cost: line.cost.map(plain),
            origin,
            why: known.or(unpriced),
        }
    }
}

/// Returns the exact number, without zeros at the end.
fn plain(number: Decimal) -> String {
    number.normalize().to_string()
}
