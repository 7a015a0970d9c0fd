//! What a request of a load costs besides the system: its place in the schedule, its bytes, the
//! answer, the books; and, once per file, the parser.
#![allow(missing_docs, clippy::unwrap_used, reason = "benches")]

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use workway::{
    http::read_answer,
    plan::{self, Profile, ScenarioPlan, StepId, Stretch, UserPlan, Work},
    record::{Outcome, Recorder, Times},
    run::{Environment, Rehearsal, TokenError, Tokens},
    schedule::Schedule,
};

const SCENARIO: &str = "scenario: bench/mix
users: { crowd: { count: 500 } }
load:
  profile: { constant: { rate: 1000/s, for: 10s } }
  journeys:
    list: { steps: [{ request: { get: /workflows } }] }
    mine: { steps: [{ request: { get: /workflows, auth: crowd } }] }
    create:
      steps:
        - request:
            post: /workflows
            auth: crowd
            json: { name: \"Nightly ${{ iteration }}\", key: \"${{ uuid }}\", steps: [{ type: http }] }
";

struct Fake;

impl Tokens for Fake {
    fn subject(&self, user: &str, index: usize) -> String {
        format!("{user}-{index}")
    }

    fn bearer(&self, user: &UserPlan, index: usize) -> Result<String, TokenError> {
        Ok(format!("{}-{index}-{}", user.name, "x".repeat(200)))
    }
}

fn plan() -> ScenarioPlan {
    plan::load("bench.yaml", SCENARIO.as_bytes(), &workway::catalog()).unwrap().0
}

fn schedule(c: &mut Criterion) {
    let mut group = c.benchmark_group("schedule, 10 000 arrivals");
    group.throughput(Throughput::Elements(10_000));
    let duration = Duration::from_secs(10);
    for (name, profile) in [
        ("constant", Profile::constant(1000.0, duration)),
        ("ramp", Profile::Rates(vec![Stretch { from: 500.0, to: 1500.0, duration }])),
        ("poisson", Profile::Poisson { per_second: 1000.0, duration }),
    ] {
        let schedule = Schedule::new(&profile, 7);
        group.bench_function(name, |b| b.iter(|| schedule.share(0, 1).map(black_box).count()));
    }
    group.finish();
}

fn recorder(c: &mut Criterion) {
    let mut recorder = Recorder::new(4, Duration::MAX).with_timeline(Duration::ZERO);
    let mut at = Duration::ZERO;
    c.bench_function("recorder, one operation", |b| {
        b.iter(|| {
            at += Duration::from_nanos(50_017);
            let sent = Some(at + Duration::from_micros(3));
            let ended = at + Duration::from_micros(400);
            recorder.scheduled(StepId(1));
            let times = Times { planned: at, ready: sent, sent, ended };
            recorder.ended(StepId(1), times, Outcome::Answered { status: 200, ok: true });
        });
    });
}

fn parser(c: &mut Criterion) {
    let text = include_str!("../scenarios/load/steady-mix.yaml");
    let mut group = c.benchmark_group("scenario");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("parse and lower", |b| {
        b.iter(|| plan::load("a.yaml", black_box(text).as_bytes(), &workway::catalog()).unwrap());
    });
    group.finish();
}

fn requests(c: &mut Criterion) {
    let plan = plan();
    let environment = Environment::new("http://127.0.0.1:8787".parse().unwrap(), Arc::new(Fake));
    let rehearsal = Rehearsal::new(&plan, &environment, 500).unwrap();
    let mut group = c.benchmark_group("request");
    let Work::Load(load) = &plan.work else { return };
    for (journey, name) in load.journeys.iter().zip(["constant", "with a token", "filled in"]) {
        let step = journey.steps[0].request().unwrap().id;
        let mut number = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                number += 1;
                rehearsal.request(step, black_box(number)).unwrap()
            });
        });
    }
    group.finish();
}

fn answers(c: &mut Criterion) {
    let head = "HTTP/1.1 200 OK\r\nserver: x\r\ncontent-type: application/json\r\n\
                date: Sun, 22 Nov 2026 12:00:00 GMT\r\nx-request-id: 0123456789\r\n";
    let body = "x".repeat(1000);
    let fixed = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    let chunked = format!(
        "{head}transfer-encoding: chunked\r\n\r\n1f4\r\n{}\r\n1f4\r\n{}\r\n0\r\n\r\n",
        &body[..500],
        &body[500..]
    );
    let mut group = c.benchmark_group("answer of 1 kB");
    for (name, text) in [("stated length", &fixed), ("chunked", &chunked)] {
        for (what, keeps) in [("counted", false), ("kept", true)] {
            group.bench_function(format!("{name}, {what}"), |b| {
                b.iter(|| read_answer(black_box(text.as_bytes()), keeps).unwrap().unwrap().1);
            });
        }
    }
    group.finish();
}

criterion_group!(benches, schedule, recorder, parser, requests, answers);
criterion_main!(benches);
