//! Recorded runs and what a month of them costs, worked out by hand from their tables and from the
//! pricing pages. Each run has 90 requests and 10 AI operations, as the tiers do; what a run cannot
//! measure is assumed: 7 ms of CPU and a line of log for each request, 0.128 GB-s for each request to
//! an object. A request costs $0.30 a million beyond 10 million, a million ms $0.02 beyond 30 million, a
//! million lines $0.60 beyond 20 million: for 100 million requests $27, $13.40 and $48, with the base
//! fee of $5 together $93.40; for 10 million only $0.80 of CPU, together $5.80.

use super::{tests::*, *};

struct Recorded {
    what: &'static str,
    tier: &'static str,
    book: fn() -> PriceBook,
    /// The usage of 90 requests together.
    plain: &'static [(&'static str, u64)],
    /// The number of AI operations that asked a model, and the usage of these together.
    misses: (u64, &'static [(&'static str, u64)]),
    /// The usage of durable runs together.
    runs: &'static [(&'static str, u64)],
    usd: &'static str,
}

/// The plain run of an enterprise; the others are told by what is different.
const ENTERPRISE: Recorded = Recorded {
    what: "nothing but requests: 93.40",
    tier: "enterprise",
    book: cloudflare,
    plain: &[],
    misses: (0, &[]),
    runs: &[],
    usd: "93.4",
};

const RUNS: &[Recorded] = &[
    ENTERPRISE,
    Recorded {
        what: "everything is included: the base fee",
        tier: "startup",
        plain: &[("rows_read", 180), ("kv_reads", 90)],
        misses: (10, &[("ai_millineurons", 7_000)]),
        usd: "5",
        ..ENTERPRISE
    },
    Recorded {
        what: "100,000 operations of 5 neurons: 500,000 - 300,000 at $0.011 a thousand = 2.20",
        tier: "growth",
        misses: (10, &[("ai_millineurons", 50_000)]),
        usd: "7.2",
        ..ENTERPRISE
    },
    Recorded {
        what: "3.001 neurons each: 100 beyond the 300,000 of a month = 0.0011",
        tier: "growth",
        misses: (10, &[("ai_millineurons", 30_010)]),
        usd: "5.0011",
        ..ENTERPRISE
    },
    Recorded {
        what: "9 million requests write 10 rows and read 2 values: 90 - 50 million rows at $1 = 40, \
               18 - 10 million values at $0.50 = 4; with 5.80",
        tier: "scale",
        plain: &[("rows_written", 900), ("kv_reads", 180)],
        usd: "49.8",
        ..ENTERPRISE
    },
    Recorded {
        what: "half of 10 million operations write a value: 5 - 1 million at $5 = 20; with 93.40",
        misses: (5, &[("kv_writes", 5)]),
        usd: "113.4",
        ..ENTERPRISE
    },
    Recorded {
        what: "runs write 4 rows for each request and call an object: 360 - 50 million rows at $1 = 310, \
               90 - 1 million calls at $0.15 = 13.35, 11.52 - 0.4 million GB-s at $12.50 = 139; with 93.40",
        runs: &[("rows_written", 360), ("actor_requests", 90)],
        usd: "555.75",
        ..ENTERPRISE
    },
    Recorded {
        what: "768 dimensions for each of 9 million requests: 6,912 - 50 million at $0.01 = 68.62; \
               10 million points are included; with 5.80",
        tier: "scale",
        plain: &[("vector_dimensions_queried", 69_120), ("analytics_points", 90)],
        misses: (10, &[("analytics_points", 10)]),
        usd: "74.42",
        ..ENTERPRISE
    },
    Recorded {
        what: "of 90 million requests a tenth write and delete, half read: 9 - 1 million at $4.50 = 36, \
               9 - 1 million at $5 = 40, 45 - 10 million at $0.36 = 12.60; with 93.40",
        plain: &[("object_writes", 9), ("kv_deletes", 9), ("object_reads", 45)],
        usd: "182",
        ..ENTERPRISE
    },
    Recorded {
        what: "400 rows for each of 90 million requests: 36 - 25 billion at $0.001 a million = 11; with \
               93.40",
        plain: &[("rows_read", 36_000)],
        usd: "104.4",
        ..ENTERPRISE
    },
    Recorded {
        what: "the guide: 100,000 requests at $0.50 a million = 0.05, 900,000 rows read at $1 = 0.90, \
               90,000 written at $10 = 0.90, 90,000 values at $0.50 = 0.045, 10 + 3 million tokens at \
               $0.01 = 0.13",
        tier: "startup",
        book: guide,
        plain: &[("rows_read", 900), ("rows_written", 90), ("kv_reads", 90)],
        misses: (10, &[("ai_input_tokens", 10_000), ("ai_output_tokens", 3_000)]),
        usd: "2.025",
        ..ENTERPRISE
    },
    Recorded {
        what: "the same a thousand times, as the guide's prices include nothing",
        book: guide,
        plain: &[("rows_read", 900), ("rows_written", 90), ("kv_reads", 90)],
        misses: (10, &[("ai_input_tokens", 10_000), ("ai_output_tokens", 3_000)]),
        usd: "2025",
        ..ENTERPRISE
    },
];

impl Recorded {
    fn usage(&self) -> RunUsage {
        let tally = |count, usage: &[(&str, u64)]| Tally {
            count,
            usage: usage.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect(),
        };
        let (asked, misses) = self.misses;
        let plain = Tallies { without_model: tally(90, self.plain), ..Tallies::default() };
        let ai = Tallies {
            without_model: tally(10 - asked, &[]),
            with_model: tally(asked, misses),
            unmetered: 0,
        };
        let step = |name: &str, ai, used| StepUsage { name: name.to_owned(), ai, used };
        let steps = vec![step("plain", false, plain), step("ai", true, ai)];
        RunUsage { steps, runs: tally(9, self.runs), ..RunUsage::default() }
    }
}

#[test]
fn a_dozen_recorded_runs_cost_what_was_worked_out_by_hand() {
    let tiers = tiers();
    for recorded in RUNS {
        let unit = UnitUsage::measured(&recorded.usage()).unwrap();
        let tier = tiers.get(recorded.tier).unwrap();
        let month = Projection::new(&unit, tier, &tiers, &(recorded.book)()).unwrap();
        // The mean of ninety is no finite decimal: its last digit is the 28th.
        assert_eq!(month.bill.total().round_dp(12), usd(recorded.usd), "{}", recorded.what);
        assert!(month.missing.is_empty(), "{}", recorded.what);
    }
    assert_eq!(RUNS.len(), 12);
}
