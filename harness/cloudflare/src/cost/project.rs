//! Computes the cost of a month of a tier from the usage of a run.

use rust_decimal::Decimal;
use workway_price::{Amounts, Bill, BillError, Entry, PriceBook, Resource};

use super::{
    tier::{Tier, Tiers},
    unit::UnitUsage,
};

/// The requests for which [`Projection::next_million`] is the price.
const A_MILLION: u32 = 1_000_000;

/// A tier under a book.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    /// The tier.
    pub tier: Tier,
    /// The amounts that the month is billed for.
    pub amounts: Amounts,
    /// Requests of the month about which the run says something: those that the amounts are of.
    pub requests: Decimal,
    /// The bill for it.
    pub bill: Bill,
    /// Volumes of the tier about which the run says nothing.
    pub missing: Vec<String>,
    /// Dollars for one more million requests of the same mix.
    pub next_million: Decimal,
    /// The points at which more of the same begins to cost more, nearest first.
    pub crossings: Vec<Crossing>,
    /// Beside the figure of somebody else's table, if the tier has one.
    pub table: Option<TableComparison>,
}

/// A volume at which a resource reaches its next price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// The resource.
    pub resource: Resource,
    /// Requests a month.
    pub requests: Decimal,
    /// Units of the resource then.
    pub units: Decimal,
}

/// A bill beside the figure of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableComparison {
    /// Dollars in the table.
    pub usd: Decimal,
    /// Dollars of the bill more than that; negative for less.
    pub difference: Decimal,
    /// The part of writes among rows that was measured; `None` without rows.
    pub write_share: Option<Decimal>,
    /// The part of writes among the table's database operations with which this book would come to
    /// the table's figure, 0 to 1; `None` when no part would.
    pub explaining_write_share: Option<Decimal>,
}

impl Projection {
    /// Returns the month of a tier.
    ///
    /// # Errors
    /// [`BillError`].
    pub fn new(
        unit: &UnitUsage,
        tier: &Tier,
        tiers: &Tiers,
        book: &PriceBook,
    ) -> Result<Self, BillError> {
        let book = &book.clone().for_busy_days(tier.busy_days);
        let (measured, missing) = unit.month(tier);
        let requests = measured.get(Resource::Requests);
        let mut origins = unit.origins.clone();
        let counted = tiers.assume(measured, &mut origins);
        let bill = Bill::new(book, &counted, &origins)?;
        let more = Bill::new(book, &a_million_more(&counted, requests), &origins)?;
        let next_million = more.total() - bill.total();
        let amounts = bill.amounts();
        let crossings = crossings(&amounts, &more.amounts(), requests, book);
        let comparable = tiers.table_publisher.as_ref().is_none_or(|name| *name == book.publisher);
        let table = comparable.then(|| TableComparison::new(tier, &amounts, &bill, book)).flatten();
        let tier = tier.clone();
        Ok(Self { tier, amounts, requests, bill, missing, next_million, crossings, table })
    }

    /// Units of a resource for each request, to a millionth: of the requests about which the run says
    /// something.
    pub fn per_request(&self, resource: Resource) -> Decimal {
        let each = self.amounts.get(resource).checked_div(self.requests);
        each.unwrap_or_default().round_dp(6).normalize()
    }
}

/// Returns the amounts for a million requests more; stored amounts do not grow with the requests.
fn a_million_more(amounts: &Amounts, requests: Decimal) -> Amounts {
    let factor =
        (requests + Decimal::from(A_MILLION)).checked_div(requests).unwrap_or(Decimal::ONE);
    let more = |(resource, amount): (Resource, Decimal)| {
        (resource, if resource.is_held() { amount } else { amount * factor })
    };
    amounts.iter().map(more).collect()
}

/// Returns the crossings of a month with these amounts, of which a million requests more would make
/// `more`. What the month stores, whatever is asked, does not grow and crosses nothing.
fn crossings(
    amounts: &Amounts,
    more: &Amounts,
    requests: Decimal,
    book: &PriceBook,
) -> Vec<Crossing> {
    let next = |(resource, amount): (Resource, Decimal)| {
        let Entry::Priced(price) = book.entry(resource) else { return None };
        let units = price.bands.iter().filter_map(|band| band.up_to).find(|end| *end > amount)?;
        let each = (more.get(resource) - amount) / Decimal::from(A_MILLION);
        let requests = requests.checked_add((units - amount).checked_div(each)?)?;
        Some(Crossing { resource, requests, units })
    };
    let mut crossings: Vec<_> = amounts.iter().filter_map(next).collect();
    crossings.sort_by_key(|crossing| crossing.requests);
    crossings
}

impl TableComparison {
    fn new(tier: &Tier, amounts: &Amounts, bill: &Bill, book: &PriceBook) -> Option<Self> {
        let row = tier.table.as_ref()?;
        let (read, written) = (Resource::RowsRead, Resource::RowsWritten);
        let rows = amounts.get(read) + amounts.get(written);
        let rest = bill.total() - bill.cost(read) - bill.cost(written);
        let operations = Decimal::from(row.database_operations);
        let prices = (book.list_price(read), book.list_price(written));
        let explaining = match prices {
            (Some(of_read), Some(of_write)) if of_read != of_write && !operations.is_zero() => {
                let each = (row.usd - rest) / operations;
                Some((each - of_read) / (of_write - of_read))
            }
            _ => None,
        };
        Some(Self {
            usd: row.usd,
            difference: bill.total() - row.usd,
            write_share: (!rows.is_zero()).then(|| amounts.get(written) / rows),
            explaining_write_share: explaining
                .filter(|share| (Decimal::ZERO..=Decimal::ONE).contains(share)),
        })
    }
}

/// Dollars for a thousand requests of a mix at list price: allotments used up, no base fee.
/// `ai` is the part of AI operations among them, 0 to 1; of a kind that the run did not have, nothing
/// is in it.
///
/// # Errors
/// [`BillError`].
pub fn per_1000_requests(
    unit: &UnitUsage,
    ai: Decimal,
    tiers: &Tiers,
    book: &PriceBook,
) -> Result<Decimal, BillError> {
    let mut origins = unit.origins.clone();
    let amounts = tiers.assume(unit.of_mix(ai).unwrap_or_default(), &mut origins);
    let bill = Bill::new(&book.clone().at_list_price(), &amounts, &origins)?;
    Ok(bill.total() * Decimal::ONE_THOUSAND)
}
