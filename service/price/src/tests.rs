use proptest::prelude::*;

use super::*;

fn book(name: &str) -> PriceBook {
    let built_in = BOOKS.iter().find(|book| book.name == name).unwrap();
    let book = built_in.open().unwrap();
    assert_eq!(book.name, name);
    book
}

/// Returns the book until 30 November 2026.
fn november() -> PriceBook {
    book("cloudflare-2026-11")
}

/// Returns the book from 1 December 2026.
fn december() -> PriceBook {
    book("cloudflare-2026-12")
}

fn guide() -> PriceBook {
    book("workway-guide")
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
        for book in [november(), december()] {
            let bill = total(&book, &[(Requests, requests), (CpuMs, cpu_ms)]);
            assert_eq!(cents(bill), usd(expected), "{requests} requests under {}", book.name);
        }
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
        publisher = "a test"
        valid_from = 2026-01-01
        note = ""
        base_usd = "1"
        [prices.requests]
        per = 1
        source = { page = "a test", date = 2026-01-01 }
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
        publisher = "a test"
        valid_from = 2026-01-01
        note = ""
        base_usd = "0"
        [prices.requests]
        usd = "1"
        per = 1
        source = { page = "a test", date = 2026-01-01 }
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
        "name = \"b\"\npublisher = \"t\"\nvalid_from = 2026-01-01\nnote = \"\"\nbase_usd = \"5\"\n[prices.requests]\nper = 1\n\
         source = {{ page = \"a test\", date = 2026-01-01 }}\n{tiers}"
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
    let bill = Bill::new(&december(), &known, &origins).unwrap();
    let lines: Vec<_> = bill.lines.iter().map(|line| (line.resource, line.cost)).collect();
    assert_eq!(lines, [(Resource::CpuMs, None), (Resource::RowsWritten, Some(usd("10")))]);
    assert_eq!(bill.lines[0].origin, absent);
    assert_eq!(bill.total(), usd("15"));
}

#[test]
fn books_with_mistakes_name_the_field() {
    let with = |prices: &str| {
        format!(
            "name = \"b\"\npublisher = \"t\"\nvalid_from = 2026-01-01\nnote = \"\"\nbase_usd = \"0\"\n{prices}"
        )
    };
    for (prices, expected) in [
        (
            "[prices.row_read]\nusd = \"1\"\nper = 1\nsource = {page = \"t\", date = 2026-01-01}",
            "prices.row_read: `row_read` is no resource; did you mean `rows_read`?",
        ),
        (
            "[prices.requests]\nusd = \"x\"\nper = 1\nsource = {page = \"t\", date = 2026-01-01}",
            "prices.requests.usd: \"x\" is no amount of dollars",
        ),
        (
            "[prices.requests]\nusd = \"-1\"\nper = 1\nsource = {page = \"t\", date = 2026-01-01}",
            "prices.requests.usd: \"-1\" is no amount",
        ),
        (
            "[prices.requests]\nusd = \"1\"\nper = 0\nsource = {page = \"t\", date = 2026-01-01}",
            "prices.requests.per: must be at least 1",
        ),
        (
            "[prices.requests]\nusd = \"1\"\nper = 3\nsource = {page = \"t\", date = 2026-01-01}",
            "1 divided by 3 is no exact decimal",
        ),
        (
            "[prices.requests]\nper = 1\nsource = {page = \"t\", date = 2026-01-01}",
            "prices.requests: give either `usd` or `tiers`",
        ),
        (
            "[prices.requests]\nper = 1\nsource = {page = \"t\", date = 2026-01-01}\ntiers = [{up_to = 5, usd = \"1\"}]",
            "the last tier must have no `up_to`",
        ),
        (
            "[prices.requests]\nper = 1\nsource = {page = \"t\", date = 2026-01-01}\ntiers = [{up_to = 5, usd = \"1\"}, {up_to = 5, usd = \"1\"}, {usd = \"1\"}]",
            "larger than the one before",
        ),
        (
            "[prices.requests]\nusd = \"1\"\nper = 1\nsource = {page = \"t\", date = 2026-01-01}\nincluded = 1\nincluded_per_day = 1",
            "by the month or by the day, not both",
        ),
        (
            "[prices.requests]\nusd = \"1\"\nper = 1\nsource = {page = \"t\", date = 2026-01-01}\n[unpriced]\nrequests = \"\"",
            "unpriced.requests: it has a price, too",
        ),
        (
            "[prices.requests]\nusd = 1\nper = 1\nsource = {page = \"t\", date = 2026-01-01}",
            "line 7",
        ),
        (
            "[prices.requests]\nusd = \"1\"\nper = 1\nsource = {page = \"t\", date = 2026-01-01}\nfree = 3",
            "free",
        ),
        ("[prices.requests]\nusd = \"1\"\nper = 1", "source"),
    ] {
        let error = PriceBook::parse(&with(prices), "my.toml").unwrap_err().to_string();
        assert!(error.contains("my.toml") && error.contains(expected), "{prices}\n{error}");
    }
}

/// Checks the examples of Cloudflare's pages that are not about requests.
#[test]
fn the_worked_examples_of_other_pages() {
    use Resource::{
        LogEvents, LogsIngestedGb, LogsStoredGb, VectorDimensionsQueried, VectorDimensionsStored,
    };
    let (november, december) = (november(), december());
    let beyond = |book: &PriceBook, pairs: &[(Resource, u64)]| total(book, pairs) - book.base;
    // 75 GB and 20 GB-months: 25 GB at $0.25 and 8 GB-months at $0.10.
    let volume = [(LogsIngestedGb, 75), (LogsStoredGb, 20)];
    assert_eq!(beyond(&december, &volume[..1]), usd("6.25") + usd("0.55"), "17.5 - 12 GB-months");
    let parts = Bill::new(&december, &amounts(&volume), &Origins::new()).unwrap();
    assert_eq!(parts.cost(LogsIngestedGb) + parts.cost(LogsStoredGb), usd("7.05"));
    // Events of average size, kept for 7 days.
    for (events, before, after) in
        [(10_330_000, "0", "0"), (30_000_000, "6", "25.99"), (90_000_000, "42", "105.36")]
    {
        assert_eq!(cents(beyond(&november, &[(LogEvents, events)])), usd(before), "{events}");
        assert_eq!(cents(beyond(&december, &[(LogEvents, events)])), usd(after), "{events}");
    }
    // 30,000 queries of 768 dimensions among 10,000 vectors, without what is included.
    let queried = 30_000 * 768;
    let stored = 10_000 * 768;
    let pairs = amounts(&[(VectorDimensionsQueried, queried), (VectorDimensionsStored, stored)]);
    for book in [november, december] {
        let bill = Bill::new(&book.at_list_price(), &pairs, &Origins::new()).unwrap();
        assert_eq!(bill.amounts().get(VectorDimensionsQueried), Decimal::from(30_720_000));
        assert_eq!(cents(bill.total()), usd("0.31"));
        // Vectors that nobody asks for are no queried dimensions.
        let kept = amounts(&[(VectorDimensionsStored, stored)]);
        let (unasked, _) = book_convert(&kept);
        assert!(unasked.get(VectorDimensionsQueried).is_zero());
    }
}

fn book_convert(counted: &Amounts) -> (Amounts, Origins) {
    december().convert(counted, &Origins::new())
}

/// Checks where the old and the new price of logs cross: at 2,195 bytes an event, kept for 7 days, when
/// nothing is included.
#[test]
fn the_two_prices_of_logs_cross_once() {
    let cost = |book: PriceBook, bytes: u64| {
        let counted =
            amounts(&[(Resource::LogEvents, 1_000_000), (Resource::LogBytes, bytes * 1_000_000)]);
        Bill::new(&book.at_list_price(), &counted, &Origins::new()).unwrap().total()
    };
    for bytes in [1, 1_000, 2_195] {
        assert!(cost(december(), bytes) < cost(november(), bytes), "{bytes}");
    }
    for bytes in [2_196, 4_840, 1_000_000] {
        assert!(cost(december(), bytes) > cost(november(), bytes), "{bytes}");
    }
    assert_eq!(cost(december(), 4_840).round_dp(2), usd("1.32"));
}

#[test]
fn amounts_that_follow_from_others_say_how_they_are_known() {
    use Resource::{
        ActorMessages, ActorRequests, LogBytes, LogEvents, LogsIngestedGb, LogsStoredGb,
    };
    let book = december();
    let assumed = |what: &str| Origin::Assumed(what.to_owned());
    let origins = |pairs: &[(Resource, Origin)]| pairs.iter().cloned().collect::<Origins>();
    let average = "4.84 KB an event, Cloudflare's average for Workers";
    let gb = |text: &str| usd(text);
    // Counted events of assumed size.
    let (billed, known) = book.convert(&amounts(&[(LogEvents, 1_000_000)]), &Origins::new());
    assert_eq!(billed.get(LogsIngestedGb), gb("4.84"));
    assert_eq!(billed.get(LogsStoredGb).round_dp(6), gb("1.129333"));
    assert_eq!(known[&LogsIngestedGb], assumed(average));
    assert_eq!(known[&LogsStoredGb], assumed(average));
    // Counted bytes.
    let counted = amounts(&[(LogEvents, 1_000_000), (LogBytes, 2_000_000_000)]);
    let (billed, known) = book.convert(&counted, &Origins::new());
    assert_eq!((billed.get(LogsIngestedGb), known), (gb("2"), Origins::new()));
    // Events that nobody counted: so are the gigabytes.
    let absent = Origin::Absent("lines of log are not counted".to_owned());
    let (billed, known) =
        book.convert(&Amounts::default(), &origins(&[(LogEvents, absent.clone())]));
    assert_eq!((billed, &known[&LogsStoredGb]), (Amounts::default(), &absent));
    // What somebody set stays, a zero too.
    let set = origins(&[(LogsIngestedGb, assumed("set to 0 for each request"))]);
    let (billed, _) = book.convert(&amounts(&[(LogEvents, 1_000_000)]), &set);
    assert!(billed.get(LogsIngestedGb).is_zero());
    // Twenty messages are a request.
    let (billed, _) =
        book.convert(&amounts(&[(ActorMessages, 100), (ActorRequests, 7)]), &Origins::new());
    assert_eq!(billed.get(ActorRequests), gb("12"));
}

#[test]
fn the_book_of_a_bill_follows_its_date() {
    for (date, name) in [
        ("2026-01-07", "cloudflare-2026-11"),
        ("2026-11-30", "cloudflare-2026-11"),
        ("2026-12-01", "cloudflare-2026-12"),
        ("2031-01-01", "cloudflare-2026-12"),
    ] {
        assert_eq!(on(day(date).unwrap()).unwrap().name, name, "{date}");
    }
    for wrong in ["", "2026-13-01", "2026-02-30", "2026-12", "1.12.2026", "2026-12-01T00:00:00Z"] {
        assert!(day(wrong).is_err(), "{wrong}");
    }
    let error = on(day("2026-01-06").unwrap()).unwrap_err().to_string();
    assert_eq!(
        error,
        "no price book of Cloudflare holds on 2026-01-06; there are cloudflare-2026-11 (2026-01-07 to \
         2026-11-30), cloudflare-2026-12 (from 2026-12-01)"
    );
}

#[test]
fn books_that_hold_on_the_same_day_are_refused() {
    let book = |name: &str, days: &str| {
        let text =
            format!("name = \"{name}\"\nbased_on = \"cloudflare-2026-11\"\nnote = \"\"\n{days}");
        PriceBook::parse(&text, "b.toml").unwrap()
    };
    let first = book("a", "valid_from = 2026-02-01\nvalid_until = 2026-02-28");
    let next = book("b", "valid_from = 2026-03-01");
    let names = |books: Vec<PriceBook>| {
        in_order(books).map(|books| books.into_iter().map(|book| book.name).collect::<Vec<_>>())
    };
    assert_eq!(names(vec![next.clone(), first.clone()]).unwrap(), ["a", "b"]);
    let late = book("c", "valid_from = 2026-02-28\nvalid_until = 2026-02-28");
    let error = names(vec![late, first, next.clone()]).unwrap_err().to_string();
    assert!(
        error.contains("price books a and c are both of Cloudflare and both hold on 2026-02-28"),
        "{error}"
    );
    // A book without an end holds for ever.
    let endless = book("d", "valid_from = 2030-01-01");
    assert!(names(vec![endless, next]).is_err());
    // Another publisher's book may hold on the same days.
    assert!(in_order(vec![guide(), november(), december()]).is_ok());
}

#[test]
fn a_book_on_the_base_of_another_changes_what_it_names() {
    let text = |rest: &str| {
        format!(
            "name = \"ours\"\nbased_on = \"cloudflare-2026-11\"\nvalid_from = 2026-01-01\nnote = \"\"\n{rest}"
        )
    };
    let ours = "[prices.requests]\nusd = \"0.10\"\nper = 1_000_000\n\
                source = {page = \"our contract\", date = 2026-01-01}\n[unpriced]\ncpu_ms = \"ours\"";
    let book = PriceBook::parse(&text(ours), "b.toml").unwrap();
    assert_eq!(book.list_price(Resource::Requests), Some(usd("0.0000001")));
    assert_eq!(book.entry(Resource::CpuMs), Entry::Unpriced("ours"));
    assert_eq!(book.entry(Resource::RowsRead), november().entry(Resource::RowsRead));
    assert_eq!(book.models().count(), november().models().count());
    for base in ["nothing", "cloudflare-2026-12"] {
        let wrong = text("").replace("cloudflare-2026-11", base);
        let error = PriceBook::parse(&wrong, "b.toml").unwrap_err().to_string();
        assert!(error.contains("based_on: ") && error.contains("no complete book"), "{error}");
    }
}

#[test]
fn a_price_without_its_source_is_refused() {
    let price = |source: &str| {
        let text = format!(
            "name = \"b\"\npublisher = \"t\"\nvalid_from = 2026-01-01\nnote = \"\"\nbase_usd = \"0\"\n\
             [prices.requests]\nusd = \"1\"\nper = 1\nsource = {source}"
        );
        PriceBook::parse(&text, "b.toml").map(|_| ()).map_err(|error| error.to_string())
    };
    let digits = |n: usize| format!("{{ path = \"a\", commit = \"{}\" }}", "a".repeat(n));
    assert_eq!(price(&digits(7)), Ok(()));
    assert_eq!(price(&digits(40)), Ok(()));
    assert_eq!(price("{ page = \"p\", date = 2026-01-01 }"), Ok(()));
    for wrong in [
        "{ path = \"a\" }".to_owned(),
        "{ page = \"a\" }".to_owned(),
        "{ page = \"\", date = 2026-01-01 }".to_owned(),
        "{ path = \"a\", commit = \"main branch\" }".to_owned(),
        "{ path = \"a\", commit = \"abcdefa\", date = 2026-01-01 }".to_owned(),
        digits(6),
        digits(41),
    ] {
        let error = price(&wrong).unwrap_err();
        assert!(error.contains("prices.requests.source: must name where"), "{wrong}: {error}");
    }
    assert!(price("\"a page\"").unwrap_err().contains("b.toml"));
}

/// Compares the models of the book with the table of the pricing page, which is kept as data: the same
/// models, the same neurons, and dollars that differ from the page's by its rounding only.
#[test]
fn the_models_are_those_of_the_pricing_page() {
    let table = include_str!("../../../fixtures/price-tables/workers-ai.tsv");
    let book = december();
    let neuron = book.list_price(Resource::AiMillineurons).unwrap() * Decimal::ONE_THOUSAND;
    assert_eq!(neuron, usd("0.000011"));
    let mut rates = 0;
    for row in table.lines().skip(1) {
        let [model, unit, neurons, dollars] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        let rate: Rate = serde_json::from_value(unit.into()).unwrap();
        let found = book.model(model).unwrap_or_else(|| panic!("{model} is missing"));
        let neurons = usd(neurons);
        assert_eq!(found.neurons.get(&rate), Some(&neurons), "{row}");
        rates += 1;
        // The page's own errors: these two are off by more than any rounding.
        let known = ["@cf/pipecat-ai/smart-turn-v2", "@cf/openai/whisper"];
        if !known.contains(&model) {
            let printed = usd(dollars);
            let last = Decimal::new(1, printed.scale());
            assert!((neurons * neuron - printed).abs() <= last, "{row}: {}", neurons * neuron);
        }
    }
    assert_eq!(rates, book.models.values().map(|model| model.neurons.len()).sum::<usize>());
    let paid: Vec<_> = book.models.iter().filter(|(_, model)| model.paid_plan).collect();
    assert_eq!(paid.len(), 7);
}

#[test]
fn a_call_costs_the_neurons_of_its_tokens() {
    let book = december();
    let tokens = |model: &str, input: u64, cached: u64, output: u64| {
        let [input, cached, output] = [input, cached, output].map(Decimal::from);
        book.model(model).unwrap().of_tokens(input, cached, output)
    };
    let fast = "@cf/meta/llama-3.1-8b-instruct-fp8-fast";
    assert_eq!(tokens(fast, 1000, 0, 300), Some(usd("14.5794")));
    // A model without a price for cached tokens bills them as the others.
    assert_eq!(tokens(fast, 1000, 900, 300), Some(usd("14.5794")));
    let flash = "@cf/deepseek-ai/deepseek-v4-flash-0731";
    assert_eq!(tokens(flash, 1_000_000, 1_000_000, 0), Some(usd("1273")));
    assert_eq!(tokens(flash, 1_000_000, 500_000, 1_000_000), Some(usd("140636.5")));
    assert_eq!(tokens("@cf/openai/whisper", 1, 0, 0), None);
}

/// Checks that the free neurons of a day are lost on a day without usage.
#[test]
fn an_allotment_by_the_day_counts_on_busy_days() {
    let neurons = amounts(&[(Resource::AiMillineurons, 300_000_000)]);
    for (days, expected) in [(30, "0"), (29, "0.11"), (4, "2.86"), (1, "3.19")] {
        let bill = Bill::new(&december().for_busy_days(days), &neurons, &Origins::new()).unwrap();
        assert_eq!(bill.cost(Resource::AiMillineurons), usd(expected), "{days}");
    }
    assert_eq!(december().daily().collect::<Vec<_>>(), [Resource::AiMillineurons]);
}

/// Checks that every resource has a price or a reason in each of Cloudflare's books, and that an amount
/// at the limit has a bill and one past it an error.
#[test]
fn no_resource_is_forgotten_and_no_amount_overflows() {
    for book in [november(), december(), guide()] {
        for &resource in Resource::ALL {
            assert_ne!(book.entry(resource), Entry::Unknown, "{} {resource}", book.name);
        }
    }
    assert!(december().left_out().count() >= 5);
    let of = |amount| {
        let all = Resource::ALL.iter().map(|resource| (*resource, amount)).collect::<Amounts>();
        Bill::new(&december(), &all, &Origins::new())
    };
    assert!(of(Decimal::from(MAX_AMOUNT / 4_840)).is_ok());
    for amount in [Decimal::from(MAX_AMOUNT) + Decimal::ONE, Decimal::MAX] {
        assert!(matches!(of(amount), Err(BillError::TooMuch { .. })));
    }
    let doubled = &amounts(&[(Resource::Requests, u64::MAX)]) * Decimal::MAX;
    assert_eq!(doubled.get(Resource::Requests), Decimal::MAX);
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
        for book in [november(), december(), guide()] {
            let bill = |amounts: &Amounts| Bill::new(&book, amounts, &Origins::new()).unwrap().total();
            let mut both = a.clone();
            both += &b;
            prop_assert!(bill(&both) >= bill(&a));
            prop_assert!(bill(&a) >= book.base);
        }
    }

    /// Checks that costs add up beyond the allotments, and that these are given once.
    #[test]
    fn allotments_apply_once(a in any_amounts(), b in any_amounts()) {
        let book = december();
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
