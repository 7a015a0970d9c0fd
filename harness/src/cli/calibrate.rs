//! `workway calibrate`

use std::{fmt::Write as _, path::PathBuf, time::Duration};

use clap::Args;
use uuid::Uuid;

use super::{
    ab_test::{AbTest, Variant, windowed},
    gate,
    output::{self, Failure, Format},
    state::{CALIBRATION_SCHEMA_VERSION, Saved, Setting},
};
use crate::{
    config,
    exit::Exit,
    gate::{Calibration, POWER, Rule},
    report::Timestamp,
    run::StopFlag,
};

/// Pairs, when nobody says otherwise: the deviation is then known to a fifth.
const DEFAULT_PAIRS: usize = 16;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The scenario whose load makes the windows.
    #[arg(value_name = "SCENARIO", default_value = gate::DEFAULT_SCENARIO)]
    scenario: PathBuf,
    /// Version that is compared with itself: `embedded`, `wrangler`, a URL, or a revision. By default
    /// what the variable `WORKWAY_TARGET` says, else `target` in the nearest `workway.toml`.
    #[arg(long)]
    target: Option<String>,
    /// Pairs of windows.
    #[arg(long, default_value_t = DEFAULT_PAIRS, value_parser = gate::pairs)]
    pairs: usize,
    /// Measured time of a window.
    #[arg(long, default_value = gate::DEFAULT_WINDOW, value_parser = gate::duration)]
    window: Duration,
    /// Time before it that is thrown away.
    #[arg(long, default_value = gate::DEFAULT_WARMUP, value_parser = gate::duration)]
    warmup: Duration,
    /// Allow a URL that is not on loopback.
    #[arg(long)]
    allow_remote: bool,
    /// Format of the result on stdout.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) async fn calibrate(arguments: &Arguments) -> Exit {
    let stop = StopFlag::new();
    let work = Box::pin(calibrated(arguments, &stop));
    match gate::until_signal(work, &stop).await {
        Ok(saved) => publish(arguments, &saved),
        Err(failure) => failure.show(),
    }
}

async fn calibrated(arguments: &Arguments, stop: &StopFlag) -> Result<Saved, Failure> {
    let plan = gate::scenario(&arguments.scenario)?;
    let plan = windowed(&plan, arguments.warmup, arguments.window).map_err(Failure::usage)?;
    let target = match &arguments.target {
        Some(target) => target.clone(),
        None => config::named_target().map_err(Failure::usage)?.text,
    };
    let target = Variant::prepare(&target).await?;
    let seed = Uuid::new_v4().as_u64_pair().1;
    let ab_test = AbTest {
        plan: &plan,
        base: &target,
        head: &target,
        pairs: arguments.pairs,
        seed,
        allow_remote: arguments.allow_remote,
        stop,
    };
    let result = ab_test.run().await;
    if let Some(error) = result.ended {
        return Err(error.into());
    }
    let rule = Rule::default();
    Ok(Saved {
        schema_version: CALIBRATION_SCHEMA_VERSION,
        made_at: Timestamp::now(),
        setting: Setting::new(
            &plan,
            &arguments.scenario,
            arguments.window,
            arguments.warmup,
            target.kind().to_string(),
        ),
        calibration: Calibration::new(&result.pairs, rule.alpha, rule.latency, seed),
    })
}

fn publish(arguments: &Arguments, saved: &Saved) -> Exit {
    let not_kept = |message: &str| {
        output::say(&text(saved));
        output::fail(Exit::ReportNotWritten, message)
    };
    match saved.save() {
        Some(Ok(path)) => output::say(&format!("calibration: {}", path.display())),
        Some(Err(error)) => return not_kept(&error.to_string()),
        None => return not_kept("no place to keep it: set HOME or XDG_STATE_HOME"),
    }
    output::show(arguments.format, saved, text)
}

fn text(saved: &Saved) -> String {
    let Calibration { pairs, noise, suggested_delta, suggested_pairs } = &saved.calibration;
    let mut text = format!("{} on this machine, {pairs} pairs of itself\n", saved.setting.scenario);
    // Writing to a String cannot fail.
    for (name, noise) in noise {
        let found = &noise.expectation;
        let _ = writeln!(
            text,
            "{name:<6} noise {:.2} %, bias {:+.2} %; {} pairs find {:.1} % with {:.0} %; false \
             alarms {:.2} %, significant {:.2} %",
            noise.deviation * 1e2,
            noise.bias * 1e2,
            found.pairs,
            found.detectable * 1e2,
            POWER * 1e2,
            found.false_alarms * 1e2,
            found.significant * 1e2
        );
    }
    if noise.is_empty() {
        text.push_str("too few operations for any percentile: longer windows or more pairs\n");
    }
    if let Some(delta) = suggested_delta {
        let _ = writeln!(text, "suggested bound for p95: {:.0} %", delta * 1e2);
    }
    match suggested_pairs {
        Some(pairs) => {
            let _ = writeln!(text, "pairs for the default bound: {pairs}");
        }
        None => text.push_str("no number of pairs keeps the default bound: quieten the machine\n"),
    }
    text
}
