//! An independent judge of what a run reports.
//!
//! A server draws what it does with each request at random: it closes, resets, falls silent, says too
//! much, too little or something else, in any part of an answer, over HTTP/1.1, through TLS, and over
//! HTTP/2. It writes down what it read and what it said. An oracle, written from the RFCs and not from
//! the client, says what each request may have come to; the report of the command must agree, for
//! single steps and for loads, step by step.
//!
//! `WORKWAY_SEED` names the behaviours, and `WORKWAY_BEHAVIOURS` says how many there are. The seed is
//! fixed unless it is given, so that a change is judged by what it changed; the nightly workflow gives
//! another one each night, and each time it is printed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests"
)]

pub(crate) mod behaviour;
mod course;
pub(crate) mod frames;
mod oracle;
mod server;
mod shrink;

use std::sync::Arc;

use behaviour::Protocol;
use course::{Course, Mode};

/// Behaviours in each course: enough that connections grow old, few enough to be read.
const OPERATIONS: usize = 96;

/// Processes of each protocol.
const PROCESSES: usize = 3;

/// Behaviours where nobody says how many: they take less than a minute on two busy cores.
const BEHAVIOURS: u64 = 4_000;

/// Courses with a disagreement that are made smaller: they often have the same cause.
const SHRUNK: usize = 3;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

/// Draws the courses of one protocol.
fn courses(seed: u64, protocol: Protocol, behaviours: usize) -> Vec<Course> {
    let each = behaviours.div_ceil(Protocol::ALL.len() * OPERATIONS);
    let mode = |number: usize| Mode::ALL[number % Mode::ALL.len()];
    let seed = |number: usize| seed.wrapping_mul(0x9e37_79b9).wrapping_add(number as u64);
    (0..=each)
        .map(|number| Course::draw(seed(number), protocol, mode(number), OPERATIONS))
        .collect()
}

#[test]
fn reports_agree_with_what_the_server_wrote_down() {
    let seed = setting("WORKWAY_SEED", 0x5eed);
    let behaviours = usize::try_from(setting("WORKWAY_BEHAVIOURS", BEHAVIOURS)).unwrap();
    let courses = Protocol::ALL.map(|protocol| courses(seed, protocol, behaviours));
    // Most of the time is spent waiting, so several processes run at once.
    let parts =
        courses.iter().flat_map(|courses| courses.chunks(courses.len().div_ceil(PROCESSES)));
    let found: Vec<_> = std::thread::scope(|scope| {
        let run = |part: Vec<Course>| {
            let courses = Arc::new(part);
            let wrong = course::run(&courses);
            let count = courses.iter().map(Course::len).sum::<usize>();
            let wrong = courses.iter().cloned().zip(wrong).filter(|(_, wrong)| !wrong.is_empty());
            (count, wrong.collect::<Vec<_>>())
        };
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || run(part.to_vec()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count: usize = found.iter().map(|(count, _)| count).sum();
    println!("seed {seed} (WORKWAY_SEED), {count} behaviours (WORKWAY_BEHAVIOURS)");
    let wrong: Vec<_> = found.into_iter().flat_map(|(_, wrong)| wrong).collect();
    let all: usize = wrong.iter().map(|(_, wrong)| wrong.len()).sum();
    for (_, wrong) in &wrong {
        println!("{}", wrong.join("\n"));
    }
    let few = wrong.iter().take(SHRUNK);
    let shown: Vec<_> = few.map(|(course, wrong)| shrink::shown(course, wrong)).collect();
    assert!(all == 0, "seed {seed}: {all} disagreements\n{}", shown.join("\n"));
}
