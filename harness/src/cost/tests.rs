use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;

const CLOUDFLARE: &str = include_str!("../../../fixtures/prices/cloudflare-2026-11.toml");
const GUIDE: &str = include_str!("../../../fixtures/prices/workway-guide.toml");
const TIERS: &str = include_str!("../../../fixtures/tiers.toml");

fn cloudflare() -> PriceBook {
    PriceBook::parse(CLOUDFLARE, "cloudflare-2026-11.toml").unwrap()
}

fn guide() -> PriceBook {
    PriceBook::parse(GUIDE, "workway-guide.toml").unwrap()
}

fn tiers() -> Tiers {
    Tiers::parse(TIERS, "tiers.toml").unwrap()
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

/// Cloudflare's four examples: developers.cloudflare.com/workers/platform/pricing.
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

/// The guide's formula with 1,000 tokens for an AI operation, one KV read for a request, and a fifth
/// of the database operations writes.
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

/// Which part of writes would explain each row of the guide's table: no single one does.
#[test]
fn the_write_share_that_explains_each_row_of_the_guides_table() {
    use Resource::{AiInputTokens, KvReads, Requests, RowsRead};
    let request = amounts(&[(Requests, 1), (KvReads, 1), (RowsRead, 10)]);
    // A tenth of the requests are AI operations: a thousand tokens each.
    let miss = request.clone().with(AiInputTokens, Decimal::from(1000));
    let unit = UnitUsage { request: Some(request), miss: Some(miss), ..UnitUsage::default() };
    for (tier, expected) in
        [("startup", "0.978"), ("growth", "0.700"), ("scale", "0.422"), ("enterprise", "0.200")]
    {
        let tiers = tiers();
        let tier = tiers.get(tier).unwrap();
        let projection = Projection::new(&unit, tier, &tiers, &guide()).unwrap();
        let table = projection.table.unwrap();
        assert_eq!(
            table.explaining_write_share.unwrap().round_dp(3),
            usd(expected),
            "{}",
            tier.name
        );
        assert_eq!(table.write_share, Some(Decimal::ZERO));
        assert_eq!(table.difference, projection.bill.total() - table.usd);
    }
}

/// Inclusive ends of bands: at the end, and one unit to each side.
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
    let (known, unknown) = (Resource::KvReads, Resource::RowsRead);
    assert_eq!(total(&book, &[(Resource::Requests, 2), (known, 5)]), usd("2"));
    let error = Bill::new(&book, &amounts(&[(unknown, 5)]), &Origins::new()).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("small has no price for `rows_read`, of which 5 were used"),
        "{message}"
    );
    assert!(message.contains("[prices.rows_read]"), "{message}");
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

fn mixed() -> RunUsage {
    let tally = |count, usage: &[(&str, u64)]| Tally {
        count,
        usage: usage.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect(),
    };
    let reads = StepUsage {
        name: "list".to_owned(),
        used: Tallies {
            without_model: tally(80, &[("rows_read", 160), ("kv_reads", 80)]),
            ..Tallies::default()
        },
        ..StepUsage::default()
    };
    let summaries = StepUsage {
        name: "summarize".to_owned(),
        ai: true,
        used: Tallies {
            without_model: tally(15, &[("kv_reads", 15)]),
            with_model: tally(
                5,
                &[
                    ("kv_reads", 5),
                    ("kv_writes", 5),
                    ("actor_requests", 5),
                    ("ai_input_tokens", 5_000),
                    ("ai_output_tokens", 1_500),
                    ("ai_millineurons", 73_000),
                ],
            ),
            unmetered: 0,
        },
    };
    let runs = tally(2, &[("rows_written", 40)]);
    RunUsage { steps: vec![reads, summaries], runs, ..RunUsage::default() }
}

#[test]
fn other_settings_change_what_they_name_and_nothing_else() {
    let unit = UnitUsage::measured(&mixed()).unwrap();
    assert_eq!(unit.hit_rate, usd("0.75"));
    let request = unit.request.clone().unwrap();
    assert_eq!(request.get(Resource::RowsRead), usd("2"));
    assert_eq!(request.get(Resource::RowsWritten), usd("0.5"), "the runs belong to the requests");
    assert_eq!(unit.ai().unwrap().get(Resource::AiInputTokens), usd("250"));

    let under = |settings: &[&str]| {
        let whatif = WhatIf::parse(settings.iter().copied()).unwrap();
        unit.clone().under(&whatif, &cloudflare()).unwrap()
    };
    assert_eq!(under(&[]), unit);
    let cached = under(&["cache_hit=0.9"]);
    assert_eq!(cached.ai().unwrap().get(Resource::AiInputTokens), usd("100"));
    assert_eq!(cached.request, unit.request);
    // 1,000 tokens in and 300 out of the 8b model: $0.0001602, or 14.56 neurons.
    let model = under(&["model=@cf/meta/llama-3.1-8b-instruct-fp8-fast"]);
    let millineurons = model.miss.unwrap().get(Resource::AiMillineurons);
    assert_eq!(millineurons.round_dp(2), usd("14563.64"));
    let faster = under(&["cpu_ms=2.5"]);
    assert_eq!(faster.request.unwrap().get(Resource::CpuMs), usd("2.5"));

    for (setting, expected) in [
        ("cache_hit", "write NAME=VALUE"),
        ("cache_hit=1.1", "0 to 1"),
        ("cache_hit=often", "needs a number"),
        ("cpu=1", "`cpu` is no resource"),
        ("rows_read=-1", "needs a number"),
    ] {
        let error = WhatIf::parse([setting]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let unknown = WhatIf::parse(["model=gpt"]).unwrap();
    let error = unit.clone().under(&unknown, &cloudflare()).unwrap_err().to_string();
    assert!(error.contains("@cf/meta/llama-3.2-1b-instruct"), "{error}");
    let error = unit.under(&unknown, &guide()).unwrap_err().to_string();
    assert!(error.contains("no prices of models"), "{error}");
    let never = WhatIf::parse(["cache_hit=0.5"]).unwrap();
    let error = UnitUsage::default().under(&never, &cloudflare()).unwrap_err().to_string();
    assert!(error.contains("the run had no AI operations that the cache answered"), "{error}");
}

#[test]
fn an_extra_query_is_named_and_priced_by_tier() {
    let base = mixed();
    let mut head = base.clone();
    *head.steps[0].used.without_model.usage.get_mut("rows_read").unwrap() += 2 * 80;
    let (base, head) = (UnitUsage::measured(&base).unwrap(), UnitUsage::measured(&head).unwrap());
    let found = changes(&base, &head, &tiers(), &guide()).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].resource, Resource::RowsRead);
    // 90 % of the requests are of that kind: 1.8 rows more for each of the mix.
    assert_eq!(found[0].head - found[0].base, usd("1.8"));
    assert_eq!(found[0].monthly[2], usd("18"), "ten million requests at $1 for a million rows");
    assert!(changes(&base, &base, &tiers(), &guide()).unwrap().is_empty());
}

#[test]
fn a_tier_says_where_more_begins_to_cost() {
    let unit = UnitUsage::measured(&mixed()).unwrap();
    let tiers = tiers();
    let scale = Projection::new(&unit, tiers.get("scale").unwrap(), &tiers, &cloudflare()).unwrap();
    assert!(scale.missing.is_empty());
    assert!(scale.next_million > Decimal::ZERO);
    assert!(scale.crossings.windows(2).all(|pair| pair[0].requests <= pair[1].requests));
    let reads = scale.crossings.iter().find(|c| c.resource == Resource::RowsRead).unwrap();
    // 1.8 rows for each of the mix: 25 billion are reached at 13.9 billion requests.
    assert_eq!(reads.requests.round_dp(0), usd("13888888889"));
    let without_ai = UnitUsage { hit: None, miss: None, ..unit };
    let growth = Projection::new(&without_ai, tiers.get("growth").unwrap(), &tiers, &cloudflare());
    assert!(growth.unwrap().missing[0].contains("100000 AI operations: the run had none"));
}

/// Amounts up to a trillion of every resource.
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

    /// Beyond the allotments costs add up; below, they are given once and not twice.
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
