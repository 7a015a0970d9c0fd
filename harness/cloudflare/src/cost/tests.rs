use rust_decimal::Decimal;

use super::*;

fn book(name: &str) -> PriceBook {
    BOOKS.iter().find(|book| book.name == name).unwrap().open().unwrap()
}

pub(super) fn cloudflare() -> PriceBook {
    book("cloudflare-2026-11")
}

pub(super) fn guide() -> PriceBook {
    book("workway-guide")
}

pub(super) fn tiers() -> Tiers {
    Tiers::parse(TIERS, "tiers.toml").unwrap()
}

fn amounts(pairs: &[(Resource, u64)]) -> Amounts {
    pairs.iter().map(|(resource, amount)| (*resource, Decimal::from(*amount))).collect()
}

pub(super) fn usd(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

/// No single part of writes explains every row of the guide's table; this test shows which part
/// each row would need.
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
    // 1,000 tokens in and 300 out of the 8b model: 4.119 + 10.4604 neurons.
    let model = under(&["model=@cf/meta/llama-3.1-8b-instruct-fp8-fast"]);
    let millineurons = model.miss.unwrap().get(Resource::AiMillineurons);
    assert_eq!(millineurons.round_dp(2), usd("14579.4"));
    let faster = under(&["cpu_ms=2.5"]);
    assert_eq!(faster.request.unwrap().get(Resource::CpuMs), usd("2.5"));

    for (setting, expected) in [
        ("cache_hit", "write NAME=VALUE"),
        ("cache_hit=1.1", "0 to 1"),
        ("cache_hit=often", "needs a number"),
        ("cpu=1", "`cpu` is no resource"),
        ("rows_read=-1", "needs a number"),
        ("rows_read=1000000000001", "from 0 to 10^12"),
        ("requests=2", "a request is one request"),
    ] {
        let error = WhatIf::parse([setting]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(WhatIf::parse(["rows_read=1000000000000"]).is_ok());
    let whisper = WhatIf::parse(["model=@cf/openai/whisper"]).unwrap();
    let error = unit.clone().under(&whisper, &cloudflare()).unwrap_err().to_string();
    assert!(error.contains("it is not billed by tokens"), "{error}");
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
    let (base, head) = (months(&base), months(&head));
    let found = changes(&base, &head);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].resource, Resource::RowsRead);
    let tiers: Vec<_> = found[0].tiers.iter().map(|tier| tier.tier.as_str()).collect();
    assert_eq!(tiers, ["startup", "growth", "scale", "enterprise"], "in the order of the file");
    let scale = &found[0].tiers[2];
    // 90 % of the requests are of that kind: 1.8 rows more for each of the mix.
    assert_eq!(scale.head - scale.base, usd("1.8"));
    assert_eq!(scale.usd, usd("18"), "ten million requests at $1 for a million rows");
    assert!(changes(&base, &base).is_empty());
    // Only where both have a month there is a difference.
    assert_eq!(changes(&base[1..2], &head)[0].tiers.len(), 1);
}

/// Settings with several values are all combined; what a run says nothing about is left out.
#[test]
fn the_cheapest_of_every_combination_of_settings() {
    let settings = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let all = Combination::all(&settings(&["cache_hit=0,0.5", "cpu_ms=1, 2,3"])).unwrap();
    assert_eq!(all.len(), 6);
    assert_eq!(all[4].settings, settings(&["cache_hit=0.5", "cpu_ms=2"]));
    assert_eq!(Combination::all(&[]).unwrap(), [Combination::default()]);
    let many = |n: usize| settings(&[&format!("cpu_ms={}", vec!["1"; n].join(","))]);
    assert_eq!(Combination::all(&many(MAX_COMBINATIONS)).unwrap().len(), MAX_COMBINATIONS);
    let error = Combination::all(&many(MAX_COMBINATIONS + 1)).unwrap_err().to_string();
    assert!(error.contains("more than 256 combinations"), "{error}");
    for (text, expected) in [("cache_hit", "write NAME=VALUE"), ("cache_hit=0,2", "0 to 1")] {
        let error = Combination::all(&settings(&[text])).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    let alternative = |scenario: &str, usage: RunUsage| Alternative {
        scenario: scenario.to_owned(),
        runs: vec![usage],
        against: Vec::new(),
    };
    let mut plain = mixed();
    plain.steps.pop();
    let alternatives = [alternative("both", mixed()), alternative("plain", plain)];
    let model = "model=@cf/meta/llama-3.3-70b-instruct-fp8-fast";
    let tried = settings(&["cache_hit=0,0.75,0.9"]);
    let combinations = Combination::all(&[tried[0].clone(), model.to_owned()]).unwrap();
    let only = settings(&["enterprise"]);
    let found = choices(&alternatives, &combinations, (&tiers(), &only), &cloudflare()).unwrap();
    let [(tier, choices)] = &found.tiers[..] else { panic!("{found:?}") };
    assert_eq!(tier, "enterprise");
    let names: Vec<_> = choices.iter().map(|choice| choice.settings[0].as_str()).collect();
    assert_eq!(names, ["cache_hit=0.9", "cache_hit=0.75", "cache_hit=0"]);
    // 1 million misses of 1,000 tokens in and 300 out, 26.668 + 61.4415 neurons: $969.2045; without
    // a cache ten times as much, and both less the 300,000 neurons of a month.
    let neurons = |misses: &str| usd(misses) * usd("0.0009692045") - usd("3.3");
    let difference = choices[2].usd - choices[0].usd;
    let writes = usd("45"); // 10 million and 1 million values written at $5, less the first million
    let objects = usd("1.35") + (usd("1.28") - usd("0.4")) * usd("12.5"); // 9 million calls; GB-s
    let expected = neurons("10000000") - neurons("1000000") + writes + objects;
    assert_eq!(difference.round_dp(6), expected);
    assert!(
        found.left_out.iter().all(|why| why.starts_with("plain: --set cache_hit")),
        "{found:?}"
    );
    assert!(!found.left_out.is_empty());
}

fn months(usage: &RunUsage) -> Vec<Projection> {
    let unit = UnitUsage::measured(usage).unwrap();
    let month = |tier| Projection::new(&unit, tier, &tiers(), &guide()).unwrap();
    tiers().tiers.iter().map(month).collect()
}

/// A figure for each request of a run without AI operations is an average of the requests that it
/// had.
#[test]
fn what_a_run_did_not_have_is_in_no_average() {
    let mut plain = mixed();
    plain.steps.pop();
    let unit = UnitUsage::measured(&plain).unwrap();
    let (tiers, book) = (tiers(), guide());
    let month = Projection::new(&unit, tiers.get("scale").unwrap(), &tiers, &book).unwrap();
    assert_eq!(month.requests, usd("9000000"));
    assert_eq!(month.per_request(Resource::RowsRead), usd("2"));
    assert_eq!(month.per_request(Resource::Requests), usd("1"));
    // A gate says the same of a window.
    let window = workway_core::gate::Window { usage: Some(plain), ..Default::default() };
    let prices = CloudflarePrices { book: book.clone().into(), tiers: tiers.clone().into() };
    let side = window.unit(&prices).unwrap().unwrap();
    let rows = side.amounts.iter().find(|(name, _)| name == "rows_read").map(|(_, rows)| *rows);
    assert_eq!(rows, Some(month.per_request(Resource::RowsRead)));
    // A request: 2 rows read, half a row written, one KV read, itself: (2 + 5 + 0.5 + 0.5) / 1000.
    for ai in ["0", "0.1", "0.9"] {
        let per = per_1000_requests(&unit, usd(ai), &tiers, &book).unwrap();
        assert_eq!(per.round_dp(12), usd("0.008"), "{ai}");
    }
    assert_eq!(unit.of_mix(Decimal::ONE), None, "nothing is known of AI operations alone");
    let none = Projection::new(&UnitUsage::default(), &tiers.tiers[0], &tiers, &book).unwrap();
    assert_eq!(none.per_request(Resource::RowsRead), Decimal::ZERO);
    assert_eq!(none.missing.len(), 2);
}

/// Each line of a bill says how its amount is known, and what was set stays set.
#[test]
fn every_line_is_measured_assumed_or_absent() {
    use Resource::{AiMillineurons, CpuMs, D1StoredGb, KvReads, KvWrites, RowsRead};
    let unit = UnitUsage::measured(&mixed()).unwrap();
    let tiers = tiers();
    let origin = |settings: &[&str], tiers: &Tiers, resource| {
        let whatif = WhatIf::parse(settings.iter().copied()).unwrap();
        let unit = unit.clone().under(&whatif, &cloudflare()).unwrap();
        let scale = tiers.get("scale").unwrap();
        let bill = Projection::new(&unit, scale, tiers, &cloudflare()).unwrap().bill;
        let line = bill.lines.iter().find(|line| line.resource == resource).cloned();
        line.map(|line| (line.amount, line.origin))
    };
    let million = |n: u64| Decimal::from(n * 1_000_000);
    let assumed = |what: &str| Origin::Assumed(what.to_owned());
    let bare = Tiers { assumptions: Vec::new(), ..tiers.clone() };
    for (settings, tiers, resource, expected) in [
        (&[][..], &tiers, RowsRead, (million(18), Origin::Measured)),
        (&["rows_read=0"], &tiers, RowsRead, (million(0), assumed("set to 0 for each request"))),
        (&["kv_writes=3"], &tiers, KvWrites, (million(30), assumed("set to 3 for each request"))),
        (&["cpu_ms=0"], &tiers, CpuMs, (million(0), assumed("set to 0 for each request"))),
        (&["d1_stored_gb=20"], &tiers, D1StoredGb, (usd("20"), assumed("set to 20 for the month"))),
        (
            &["cache_hit=0.5"],
            &tiers,
            KvWrites,
            (usd("500000"), assumed("set: the cache answers 0.5 of AI operations")),
        ),
        (&["cache_hit=0.5"], &tiers, KvReads, (million(10), Origin::Measured)),
    ] {
        assert_eq!(origin(settings, tiers, resource), Some(expected), "{settings:?} {resource}");
    }
    let because =
        |settings: &[&str], tiers: &Tiers, resource| match origin(settings, tiers, resource)
            .unwrap()
        {
            (_, Origin::Assumed(why) | Origin::Absent(why)) => why,
            (_, Origin::Measured) => panic!("{resource} was not measured"),
        };
    let model = "model=@cf/meta/llama-3.1-8b-instruct-fp8-fast";
    assert!(because(&[model], &tiers, AiMillineurons).contains("llama-3.1-8b-instruct-fp8-fast"));
    assert!(because(&[], &tiers, CpuMs).contains("7 × requests"));
    // Neither measured nor assumed: absent.
    assert_eq!(because(&[], &bare, CpuMs), "a Worker cannot read its CPU time");
    assert!(because(&[], &tiers, D1StoredGb).contains("stores nothing for a month"));
}

/// Storage costs the same however many requests there are.
#[test]
fn storage_belongs_to_the_month_and_to_no_request() {
    let unit = UnitUsage::measured(&mixed()).unwrap();
    let whatif = WhatIf::parse(["d1_stored_gb=25", "vector_dimensions_stored=210000000"]).unwrap();
    let stored = unit.clone().under(&whatif, &cloudflare()).unwrap();
    let tiers = tiers();
    for tier in &tiers.tiers {
        let month = |unit| Projection::new(unit, tier, &tiers, &cloudflare()).unwrap();
        let (without, with) = (month(&unit), month(&stored));
        // 20 GB at $0.75, 200 million dimensions at $0.05 for 100 million.
        assert_eq!(with.bill.total() - without.bill.total(), usd("15.1"), "{}", tier.name);
        assert_eq!(with.next_million, without.next_million);
        assert_eq!(with.crossings, without.crossings);
    }
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

/// Under the book of December a line of log is billed by its bytes, and a tier that is used on some
/// days loses what is free on the others.
#[test]
fn logs_by_volume_and_neurons_by_the_day() {
    let december = book("cloudflare-2026-12");
    let unit = UnitUsage::measured(&mixed()).unwrap();
    let tiers = tiers();
    let of = |settings: &[&str], busy_days, book: &PriceBook| {
        let whatif = WhatIf::parse(settings.iter().copied()).unwrap();
        let unit = unit.clone().under(&whatif, book).unwrap();
        let tier = Tier { busy_days, ..tiers.get("enterprise").unwrap().clone() };
        Projection::new(&unit, &tier, &tiers, book).unwrap()
    };
    // 100 million events of 4.84 KB: 484 - 50 GB at $0.25, 112.933 - 12 GB-months at $0.10.
    let month = of(&[], 30, &december);
    assert_eq!(month.bill.cost(Resource::LogsIngestedGb), usd("108.5"));
    assert_eq!(month.bill.cost(Resource::LogsStoredGb).round_dp(4), usd("10.0933"));
    assert_eq!(month.per_request(Resource::LogsIngestedGb), usd("0.000005"));
    // Of 200 bytes each: 20 GB, all included, until more than twice as many requests.
    let short = of(&["log_bytes=200"], 30, &december);
    assert!(short.bill.cost(Resource::LogsIngestedGb).is_zero());
    let crossing = short.crossings.iter().find(|c| c.resource == Resource::LogsIngestedGb).unwrap();
    assert_eq!(crossing.requests.round_dp(0), usd("250000000"));
    // A tenth of the events is kept.
    let sampled = of(&["log_events=0.1"], 30, &december);
    assert!(sampled.bill.cost(Resource::LogsIngestedGb).is_zero());
    // The old book bills 80 million events beyond what is included.
    let november = of(&[], 30, &cloudflare());
    assert_eq!(november.bill.cost(Resource::LogEvents), usd("48"));
    // 10 million operations, a quarter of them misses of 14.6 neurons, less 10,000 a day.
    let neurons = |days| of(&[], days, &december).bill.cost(Resource::AiMillineurons);
    assert_eq!(neurons(4) - neurons(30), usd("0.11") * Decimal::from(26));
    let text = |days: &str| {
        format!("[[tiers]]\nname = \"a\"\nrequests = 1\nai_operations = 0\nbusy_days = {days}")
    };
    for (days, fits) in [("0", false), ("1", true), ("30", true), ("31", false)] {
        assert_eq!(Tiers::parse(&text(days), "t.toml").is_ok(), fits, "{days}");
    }
}
