use proptest::prelude::*;

use super::*;

fn book(index: usize) -> PriceBook {
    let book = BOOKS[index].open().unwrap();
    assert_eq!(book.name, BOOKS[index].name);
    book
}

fn cloudflare() -> PriceBook {
    book(0)
}

fn guide() -> PriceBook {
    book(1)
}

fn amounts(pairs: &[(Resource, u64)]) -> Amounts {
    pairs.iter().map(|(resource, amount)| (*resource, Decimal::from(*amount))).collect()
}

fn total(book: &PriceBook, pairs: &[(Resource, u64)]) -> Decimal {
    Bill::new(book, &amounts(pairs), &Origins::new()).unwrap().total()
}

fn usd(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

/// Checks that the books in the program equal the files.
#[test]
fn books_are_those_of_the_files() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/prices");
    for built_in in BOOKS {
        let path = std::path::Path::new(folder).join(built_in.name).with_extension("toml");
        assert_eq!(PriceBook::read(&path).unwrap(), built_in.open().unwrap());
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), BOOKS.len());
}

/// Checks Cloudflare's four examples: developers.cloudflare.com/workers/platform/pricing.
#[test]
fn the_worked_examples_of_the_pricing_page() {
    use Resource::{CpuMs, Requests};
    for (requests, cpu_ms, expected) in [
        (15_000_000, 15_000_000 * 7, "8.00"),
        // 80 % of 15 million are static assets, which are free.
        (3_000_000, 3_000_000 * 7, "5.00"),
        // A cron each hour that works for three minutes.
        (720, 720 * 180_000, "6.99"),
        (100_000_000, 100_000_000 * 7, "45.40"),
    ] {
        let bill = total(&cloudflare(), &[(Requests, requests), (CpuMs, cpu_ms)]);
        assert_eq!(cents(bill), usd(expected), "{requests} requests");
    }
}

/// Checks the guide's formula. It assumes 1,000 tokens for an AI operation, one KV read for a request,
/// and writes for a fifth of the database operations.
#[test]
fn the_formula_of_the_guide() {
    use Resource::{AiInputTokens, KvReads, Requests, RowsRead, RowsWritten};
    for (factor, expected) in [(1, "3.00"), (10, "30.00"), (100, "300.00"), (1000, "3000.00")] {
        let bill = total(
            &guide(),
            &[
                (Requests, 100_000 * factor),
                (RowsRead, 800_000 * factor),
                (RowsWritten, 200_000 * factor),
                (AiInputTokens, 10_000_000 * factor),
                (KvReads, 100_000 * factor),
            ],
        );
        assert_eq!(bill, usd(expected));
    }
}

/// Checks the inclusive ends of bands: at the end, and one unit to each side.
#[test]
fn a_unit_costs_what_its_band_says() {
    let book = r#"
        name = "graduated"
        date = 2026-01-01
        note = ""
        base_usd = "1"
        [prices.requests]
        per = 1
        source = "a test"
        included = 10
        tiers = [{ up_to = 20, usd = "2" }, { up_to = 30, usd = "1.5" }, { usd = "0.1" }]
    "#;
    let book = PriceBook::parse(book, "book.toml").unwrap();
    for (units, expected) in [
        (0, "1"),
        (9, "1"),
        (10, "1"),
        (11, "3"),
        (19, "19"),
        (20, "21"),
        (21, "22.5"),
        (30, "36"),
        (31, "36.1"),
        // One jump over two ends.
        (40, "37"),
    ] {
        assert_eq!(total(&book, &[(Resource::Requests, units)]), usd(expected), "{units}");
    }
}

#[test]
fn what_a_book_does_not_know_is_no_gift() {
    let book = r#"
        name = "small"
        date = 2026-01-01
        note = ""
        base_usd = "0"
        [prices.requests]
        usd = "1"
        per = 1
        source = "a test"
        [unpriced]
        kv_reads = "a gift"
    "#;
    let book = PriceBook::parse(book, "book.toml").unwrap();
    let known = Resource::KvReads;
    let unknown = Resource::RowsRead;
    assert_eq!(total(&book, &[(Resource::Requests, 2), (known, 5)]), usd("2"));
    let error = Bill::new(&book, &amounts(&[(unknown, 5)]), &Origins::new()).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("small has no price for `rows_read`, of which 5 were used"),
        "{message}"
    );
    assert!(message.contains("[prices.rows_read]"), "{message}");
}

/// Checks that a user who shares an account pays the list price for each unit, from the first.
#[test]
fn one_of_many_pays_list_prices() {
    let tiers = "included = 10\ntiers = [{ up_to = 20, usd = \"2\" }, { usd = \"0.5\" }]";
    let text = format!(
        "name = \"b\"\ndate = 2026-01-01\nnote = \"\"\nbase_usd = \"5\"\n[prices.requests]\nper = 1\n\
         source = \"a test\"\n{tiers}"
    );
    let list = PriceBook::parse(&text, "book.toml").unwrap().at_list_price();
    for (units, expected) in [(0, "0"), (1, "0.5"), (10, "5"), (30, "15")] {
        assert_eq!(total(&list, &[(Resource::Requests, units)]), usd(expected), "{units}");
    }
    assert_eq!(list.list_price(Resource::Requests), Some(usd("0.5")));
    // Where nothing is included and nothing graduated, it is the same book.
    assert_eq!(guide().at_list_price(), guide());
}

#[test]
fn what_nobody_knows_is_a_line_and_not_in_the_sum() {
    let absent = Origin::Absent("not measured".to_owned());
    let origins = Origins::from([(Resource::CpuMs, absent.clone())]);
    let known = amounts(&[(Resource::RowsWritten, 60_000_000)]);
    let bill = Bill::new(&cloudflare(), &known, &origins).unwrap();
    let lines: Vec<_> = bill.lines.iter().map(|line| (line.resource, line.cost)).collect();
    assert_eq!(lines, [(Resource::CpuMs, None), (Resource::RowsWritten, Some(usd("10")))]);
    assert_eq!(bill.lines[0].origin, absent);
    assert_eq!(bill.total(), usd("15"));
}

#[test]
fn books_with_mistakes_name_the_field() {
    let with = |prices: &str| {
        format!("name = \"b\"\ndate = 2026-01-01\nnote = \"\"\nbase_usd = \"0\"\n{prices}")
    };
    for (prices, expected) in [
        (
            "[prices.row_read]\nusd = \"1\"\nper = 1\nsource = \"\"",
            "prices.row_read: `row_read` is no resource; did you mean `rows_read`?",
        ),
        (
            "[prices.requests]\nusd = \"x\"\nper = 1\nsource = \"\"",
            "prices.requests.usd: \"x\" is no amount of dollars",
        ),
        (
            "[prices.requests]\nusd = \"-1\"\nper = 1\nsource = \"\"",
            "prices.requests.usd: \"-1\" is no amount",
        ),
        (
            "[prices.requests]\nusd = \"1\"\nper = 0\nsource = \"\"",
            "prices.requests.per: must be at least 1",
        ),
        (
            "[prices.requests]\nusd = \"1\"\nper = 3\nsource = \"\"",
            "1 divided by 3 is no exact decimal",
        ),
        (
            "[prices.requests]\nper = 1\nsource = \"\"",
            "prices.requests: give either `usd` or `tiers`",
        ),
        (
            "[prices.requests]\nper = 1\nsource = \"\"\ntiers = [{up_to = 5, usd = \"1\"}]",
            "the last tier must have no `up_to`",
        ),
        (
            "[prices.requests]\nper = 1\nsource = \"\"\ntiers = [{up_to = 5, usd = \"1\"}, {up_to = 5, usd = \"1\"}, {usd = \"1\"}]",
            "larger than the one before",
        ),
        (
            "[prices.requests]\nusd = \"1\"\nper = 1\nsource = \"\"\nincluded = 1\nincluded_per_day = 1",
            "by the month or by the day, not both",
        ),
        (
            "[prices.requests]\nusd = \"1\"\nper = 1\nsource = \"\"\n[unpriced]\nrequests = \"\"",
            "unpriced.requests: it has a price, too",
        ),
        ("[prices.requests]\nusd = 1\nper = 1\nsource = \"\"", "line 6"),
        ("[prices.requests]\nusd = \"1\"\nper = 1\nsource = \"\"\nfree = 3", "free"),
        ("[prices.requests]\nusd = \"1\"\nper = 1", "source"),
    ] {
        let error = PriceBook::parse(&with(prices), "my.toml").unwrap_err().to_string();
        assert!(error.contains("my.toml") && error.contains(expected), "{prices}\n{error}");
    }
}

/// Generates amounts up to a trillion of every resource.
fn any_amounts() -> impl Strategy<Value = Amounts> {
    proptest::collection::vec(0..1_000_000_000_000_u64, Resource::ALL.len()).prop_map(|values| {
        Resource::ALL.iter().zip(values).map(|(r, value)| (*r, Decimal::from(value))).collect()
    })
}

proptest! {
    #[test]
    fn more_never_costs_less(a in any_amounts(), b in any_amounts()) {
        let bill = |amounts: &Amounts| Bill::new(&cloudflare(), amounts, &Origins::new()).unwrap().total();
        let mut both = a.clone();
        both += &b;
        prop_assert!(bill(&both) >= bill(&a));
    }

    /// Checks that costs add up beyond the allotments, and that these are given once.
    #[test]
    fn allotments_apply_once(a in any_amounts(), b in any_amounts()) {
        let book = cloudflare();
        let variable = |amounts: &Amounts| {
            Bill::new(&book, amounts, &Origins::new()).unwrap().total() - book.base
        };
        let mut both = a.clone();
        both += &b;
        let mut saved = Decimal::ZERO;
        for &resource in Resource::ALL {
            if let Entry::Priced(price) = book.entry(resource) {
                let free = |amount: Decimal| amount.min(price.included());
                let twice = free(a.get(resource)) + free(b.get(resource)) - free(both.get(resource));
                saved += twice * book.list_price(resource).unwrap();
            }
        }
        prop_assert_eq!(variable(&both), variable(&a) + variable(&b) + saved);
    }

    #[test]
    fn without_allotments_costs_add_up(a in any_amounts(), b in any_amounts()) {
        let bill = |amounts: &Amounts| Bill::new(&guide(), amounts, &Origins::new()).unwrap().total();
        let mut both = a.clone();
        both += &b;
        prop_assert_eq!(bill(&both), bill(&a) + bill(&b));
    }
}

#[test]
fn a_million_events_do_not_drift() {
    let event = amounts(&[(Resource::Requests, 1), (Resource::RowsWritten, 3)]);
    let mut sum = Amounts::default();
    let mut cost = Decimal::ZERO;
    let price = total(&guide(), &[(Resource::Requests, 1), (Resource::RowsWritten, 3)]);
    for _ in 0..1_000_000 {
        sum += &event;
        cost += price;
    }
    assert_eq!(Bill::new(&guide(), &sum, &Origins::new()).unwrap().total(), cost);
    assert_eq!(cost, usd("30.5"));
}
