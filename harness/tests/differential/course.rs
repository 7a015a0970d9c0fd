//! A course: a scenario, what the server does with each of its requests, and whether the report of a run
//! is true.

use std::{collections::BTreeMap, fmt::Write as _, process::Command, sync::Arc};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use workway::{
    http::MAX_RESENDS,
    model::ErrorKind,
    report::{RunReport, ScenarioReport, StepReport},
};

use super::{
    behaviour::{Encoding, End, Framing, Meaning, Method, Operation, Protocol, Script, Step},
    oracle::{self, Done, Fate, Reading},
    server::{Event, Ledger, Server, verb},
};

/// Says how requests are sent: as single steps, or by a load that holds connections in one of three ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Steps,
    Reuse,
    PerUser,
    PerOperation,
}

impl Mode {
    pub(crate) const ALL: [Self; 4] = [Self::Steps, Self::Reuse, Self::PerUser, Self::PerOperation];
}

/// The place of an operation: its iteration, and its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) user: usize,
    pub(crate) step: usize,
}

impl Place {
    /// Reads a path: a course, and a place in it.
    pub(crate) fn parse(path: &str) -> Option<(usize, Self)> {
        let mut parts = path.strip_prefix('/')?.split('/').map(|part| part.parse().ok());
        let (course, user, step) = (parts.next()??, parts.next()??, parts.next()??);
        Some((course, Self { user, step }))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Course {
    pub(crate) protocol: Protocol,
    pub(crate) mode: Mode,
    pub(crate) steps: Vec<Step>,
    /// The operations of each user, one for each step.
    pub(crate) users: Vec<Vec<Operation>>,
}

/// How long a step waits that is never answered, and one that is. The first is short, because it is
/// always waited for; a machine must be stuck for the second to matter.
const SHORT: &str = "250ms";
const LONG: &str = "20s";

impl Course {
    pub(crate) fn draw(seed: u64, protocol: Protocol, mode: Mode, operations: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let users = if mode == Mode::Steps { 1 } else { random.random_range(1..=4) };
        let steps: Vec<_> = (0..operations / users).map(|_| Step::draw(&mut random)).collect();
        let mut operation = |step: &Step| Operation::draw(&mut random, protocol, *step);
        let users = (0..users).map(|_| steps.iter().map(&mut operation).collect()).collect();
        Self { protocol, mode, steps, users }
    }

    pub(crate) fn operation(&self, place: Place) -> Option<&Operation> {
        self.users.get(place.user)?.get(place.step)
    }

    /// The number of operations.
    pub(crate) fn len(&self) -> usize {
        self.steps.len() * self.users.len()
    }

    fn scenario(&self, number: usize) -> String {
        let user = if self.mode == Mode::Steps { "0" } else { "${{ iteration }}" };
        let mut steps = String::new();
        for (index, step) in self.steps.iter().enumerate() {
            let Step { method, status, encoding, stalls } = *step;
            let path = format!("/{number}/{user}/{index}");
            let timeout = if stalls { SHORT } else { LONG };
            let body = if method == Method::Post { ", body: hello" } else { "" };
            let text = match encoding {
                Encoding::Plain if !step.has_no_body() => {
                    format!(", text: {{ contains: '{}' }}", Step::text(&path))
                }
                _ => String::new(),
            };
            write!(
                steps,
                "\n  - request: {{ name: s{index}, {}: '{path}', timeout: {timeout}, may_be_lost: \
                 true, expect: {{ status: {status}{text} }}{body} }}",
                verb(method)
            )
            .unwrap();
        }
        let users = self.users.len();
        let connections = match self.mode {
            Mode::Steps => return format!("scenario: wire/c{number}\nsteps:{steps}\n"),
            Mode::Reuse => "reuse",
            Mode::PerUser => "per-user",
            Mode::PerOperation => "per-operation",
        };
        let steps = steps.replace('\n', "\n    ");
        format!(
            "scenario: wire/c{number}\nload:\n  profile: {{ users: {{ count: {users}, iterations: \
             {users} }} }}\n  connections: {connections}\n  journeys:\n    all:\n      \
             steps:{steps}\n"
        )
    }
}

impl Operation {
    fn draw(random: &mut ChaCha8Rng, protocol: Protocol, step: Step) -> Self {
        loop {
            let mut attempts = vec![Script::draw(random, protocol, step)];
            while attempts.last().is_some_and(|script| script.is_refused(step)) {
                if attempts.len() > 2 && random.random_bool(0.5) {
                    break;
                }
                attempts.push(Script::draw(random, protocol, step));
            }
            let drawn = Self { attempts };
            let whole = drawn.attempts.iter().all(|script| script.is_recognised(step));
            if whole && drawn.stalls(step) == step.stalls {
                return drawn;
            }
        }
    }

    /// Says whether an attempt, by itself, is never answered.
    fn stalls(&self, step: Step) -> bool {
        let waits =
            |fate: &Fate| matches!(fate, Fate::Failed(ErrorKind::Timeout | ErrorKind::BodyTimeout));
        self.attempts.iter().any(|script| script.fates(step).iter().any(waits))
    }
}

impl Script {
    /// The fates of a request that is alone on its connection.
    fn fates(&self, step: Step) -> Vec<Fate> {
        match self {
            Self::Http1(script) => {
                let said = script.says(step, "/0/0/0").0;
                let said: Vec<u8> = said.into_iter().flat_map(|(_, part)| part).collect();
                oracle::http1(&said, script.end, step, true)
            }
            Self::Http2(script) => {
                let mut last = u32::MAX >> 1;
                let mut done: Vec<_> = script
                    .says
                    .iter()
                    .map(|say| {
                        let meaning = say.frame(step, "/0/0/0", 1, last).1;
                        if let Meaning::GoAway { last: promised } = meaning {
                            last = promised;
                        }
                        Done::Said(1, meaning)
                    })
                    .collect();
                if script.end != End::Keep {
                    done.push(Done::Ended(script.end));
                }
                oracle::http2(&[], &done, 1, step)
            }
        }
    }

    /// Says whether an answer that is complete has the text that the scenario expects. A body that ends
    /// with the connection is complete wherever that happens.
    fn is_recognised(&self, step: Step) -> bool {
        let Self::Http1(script) = self else { return true };
        let may_be_short = script.framing == Framing::UntilClose && script.end != End::Keep;
        !may_be_short || script.cut.is_none() || step.encoding != Encoding::Plain
    }

    fn is_refused(&self, step: Step) -> bool {
        self.fates(step).iter().any(|fate| matches!(fate, Fate::Refused(_)))
    }
}

/// Runs the courses, all of the protocol of the first, and returns what is wrong with each report.
pub(crate) fn run(courses: &Arc<Vec<Course>>) -> Vec<Vec<String>> {
    let server = Server::start(courses[0].protocol, Arc::clone(courses));
    let folder = tempfile::tempdir().unwrap();
    for (number, course) in courses.iter().enumerate() {
        let file = folder.path().join(format!("c{number}.yaml"));
        std::fs::write(file, course.scenario(number)).unwrap();
    }
    let roots = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(roots.path(), &server.roots).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_workway"))
        .arg("run")
        .arg(folder.path())
        .args(["--target", &server.url(), "--format", "json"])
        .env("SSL_CERT_FILE", roots.path())
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let report: RunReport = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let ledgers = server.ledgers();
    let judge = |(number, course): (usize, &Course)| {
        let name = format!("wire/c{number}");
        let scenario = report.scenarios.iter().find(|scenario| scenario.name == name);
        let Some(scenario) = scenario else { return vec![format!("{name} is not reported")] };
        let empty = Ledger::new();
        let ledger = ledgers.get(&number).unwrap_or(&empty);
        Judge { course, ledger }.judge(scenario)
    };
    courses.iter().enumerate().map(judge).collect()
}

/// Events that are shown of a course, and characters of each.
const STORY: usize = 40;
const STORY_LINE: usize = 300;

struct Judge<'a> {
    course: &'a Course,
    ledger: &'a Ledger,
}

/// What the ledger says about an operation.
struct Expected {
    fates: Vec<Fate>,
    resent: u64,
    /// A request that was not received may have been sent once more.
    slack: u64,
}

impl Judge<'_> {
    fn judge(&self, scenario: &ScenarioReport) -> Vec<String> {
        let mut wrong = self.connections();
        for (index, step) in self.course.steps.iter().enumerate() {
            let name = format!("s{index}");
            let Some(report) = scenario.steps.iter().find(|step| step.name == name) else {
                wrong.push(format!("{name} is not reported"));
                continue;
            };
            let users = 0..self.course.users.len();
            let expected: Result<Vec<_>, _> =
                users.map(|user| self.expected(Place { user, step: index }, *step)).collect();
            let problem = match expected {
                Err(problem) => problem,
                Ok(expected) => match compare(report, &expected, *step) {
                    Ok(()) => continue,
                    Err(problem) => problem,
                },
            };
            let failures = scenario.failures.iter().filter(|failure| failure.step == name);
            let said: Vec<_> = failures.map(|failure| &failure.actual).collect();
            wrong.push(format!("{name}: {problem}\n    {said:?}\n{}", self.story(index)));
        }
        wrong
    }

    /// Checks that each request came on a connection on which it may have come.
    fn connections(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut before = BTreeMap::<usize, Place>::new();
        for (at, (connection, event)) in self.ledger.iter().enumerate() {
            let Event::Received(place, _) = event else { continue };
            let Some(earlier) = before.insert(*connection, *place) else { continue };
            let shared = self.course.mode == Mode::PerOperation
                || (self.course.mode == Mode::PerUser && earlier.user != place.user);
            if shared {
                wrong.push(format!("{place:?} came on the connection of {earlier:?}"));
            }
            if self.course.protocol != Protocol::Http2 && !self.persists(*connection, at) {
                wrong.push(format!(
                    "{place:?} came after the last answer to {earlier:?}\n{}",
                    self.story(earlier.step)
                ));
            }
        }
        wrong
    }

    /// Says whether a request may follow on this connection of HTTP/1.1, after the first `until`
    /// events.
    fn persists(&self, connection: usize, until: usize) -> bool {
        let Some((said, _, step)) = self.last_answer(connection, until) else { return true };
        matches!(
            oracle::read(&said, step),
            Reading::Complete { persistent: true, extra: false, .. }
        )
    }

    /// What was said to the last request before `until` on a connection of HTTP/1.1.
    fn last_answer(&self, connection: usize, until: usize) -> Option<(Vec<u8>, End, Step)> {
        let mut last = None;
        for (at, event) in &self.ledger[..until] {
            match event {
                _ if *at != connection => {}
                Event::Received(place, _) => {
                    last = Some((Vec::new(), End::Keep, self.course.steps[place.step]));
                }
                Event::Said(part) => {
                    if let Some((said, ..)) = &mut last {
                        said.extend(part);
                    }
                }
                // A byte that is too late for nothing but the rest of an answer belongs to it.
                Event::SaidLate => {
                    if let Some((said, _, step)) = &mut last
                        && !matches!(oracle::read(said, *step), Reading::Complete { .. })
                    {
                        said.push(b'!');
                    }
                }
                Event::Done(Done::Ended(how)) => {
                    if let Some((_, end, _)) = &mut last {
                        *end = *how;
                    }
                }
                Event::Done(_) => {}
            }
        }
        last
    }

    fn expected(&self, place: Place, step: Step) -> Result<Expected, String> {
        let is_it = |(_, (_, event)): &(usize, &(usize, Event))| matches!(event, Event::Received(at, _) if *at == place);
        let attempts: Vec<_> = self
            .ledger
            .iter()
            .enumerate()
            .filter(is_it)
            .map(|(at, (connection, _))| (at, *connection))
            .collect();
        let mut fates = Vec::new();
        let mut slack = 0;
        let lost = self.lost(place);
        for (number, (at, connection)) in attempts.iter().enumerate() {
            fates = self.fates(*at, *connection, step);
            let refused = fates.iter().any(|fate| matches!(fate, Fate::Refused(_)));
            if number + 1 < attempts.len() && !refused {
                return Err(format!("sent again without a proof: {fates:?}"));
            }
        }
        let refused: Vec<_> = fates
            .iter()
            .filter_map(|fate| match fate {
                Fate::Refused(kind) => Some(*kind),
                _ => None,
            })
            .collect();
        fates.retain(|fate| !matches!(fate, Fate::Refused(_)));
        let tries = u32::try_from(attempts.len()).unwrap();
        match &refused[..] {
            [kind] if tries > MAX_RESENDS => oracle::add(&mut fates, Fate::Failed(*kind)),
            [_] | [] if tries == 0 || !refused.is_empty() => {
                // It was sent, perhaps again, on a connection that was ending.
                slack = u64::from(tries > 0);
                for fate in lost {
                    oracle::add(&mut fates, fate);
                }
            }
            _ => {}
        }
        if step.stalls {
            // The time may be over before the server does whatever else it does.
            oracle::add(&mut fates, Fate::Failed(ErrorKind::Timeout));
            oracle::add(&mut fates, Fate::Failed(ErrorKind::BodyTimeout));
        }
        Ok(Expected { fates, resent: u64::from(tries.saturating_sub(1)), slack })
    }

    /// The fates of a request that was read at this place of the ledger.
    fn fates(&self, at: usize, connection: usize, step: Step) -> Vec<Fate> {
        let Event::Received(_, id) = self.ledger[at].1 else { return Vec::new() };
        let on_it = |part: &[(usize, Event)]| -> Vec<Event> {
            part.iter()
                .filter(|(on, _)| *on == connection)
                .map(|(_, event)| event.clone())
                .collect()
        };
        let (before, after) = (on_it(&self.ledger[..at]), on_it(&self.ledger[at + 1..]));
        if self.course.protocol == Protocol::Http2 {
            let done = |events: Vec<Event>| -> Vec<Done> {
                let done = |event| match event {
                    Event::Done(done) => Some(done),
                    _ => None,
                };
                events.into_iter().filter_map(done).collect()
            };
            return oracle::http2(&done(before), &done(after), id, step);
        }
        if before.contains(&Event::SaidLate) {
            return vec![Fate::Failed(ErrorKind::Malformed)];
        }
        if before.iter().any(|event| matches!(event, Event::Done(Done::Ended(_)))) {
            return vec![Fate::Failed(ErrorKind::Closed), Fate::Failed(ErrorKind::Reset)];
        }
        let next = after.iter().position(|event| matches!(event, Event::Received(..)));
        let until = next.map_or(self.ledger.len(), |_| {
            let next = |(at, (on, event)): (usize, &(usize, Event))| {
                (*on == connection && matches!(event, Event::Received(..))).then_some(at)
            };
            at + 1 + self.ledger[at + 1..].iter().enumerate().find_map(next).unwrap_or_default()
        });
        let (said, end, _) =
            self.last_answer(connection, until).unwrap_or((Vec::new(), End::Keep, step));
        let mut fates = oracle::http1(&said, end, step, self.course.protocol.is_secure());
        if after.contains(&Event::SaidLate) {
            oracle::add(&mut fates, Fate::Failed(ErrorKind::Malformed));
        }
        fates
    }

    /// The fates of a request that was sent and never read: something that it may have been sent on
    /// ended since the request before it was read.
    fn lost(&self, place: Place) -> Vec<Fate> {
        let step_of = |(_, event): &(usize, Event)| match event {
            Event::Received(at, _) if at.user == place.user => Some(at.step),
            _ => None,
        };
        let is_before = |entry: &_| step_of(entry).is_some_and(|step| step < place.step);
        let is_after = |entry: &_| step_of(entry).is_some_and(|step| step > place.step);
        let from = self.ledger.iter().rposition(is_before).unwrap_or_default();
        let to = self.ledger.iter().position(is_after).unwrap_or(self.ledger.len());
        let mut fates = Vec::new();
        for (_, event) in self.ledger.get(from..to).unwrap_or_default() {
            match event {
                Event::SaidLate
                | Event::Done(Done::Said(_, Meaning::ConnectionError | Meaning::StreamError)) => {
                    oracle::add(&mut fates, Fate::Failed(ErrorKind::Malformed));
                    oracle::add(&mut fates, Fate::Failed(ErrorKind::Closed));
                }
                // Where the server limits the number of streams, a request may have waited its turn.
                Event::Done(Done::Said(_, Meaning::GoAway { .. })) => {
                    oracle::add(&mut fates, Fate::Failed(ErrorKind::Closed));
                }
                Event::Done(Done::Ended(_)) => {
                    oracle::add(&mut fates, Fate::Failed(ErrorKind::Closed));
                    oracle::add(&mut fates, Fate::Failed(ErrorKind::Reset));
                }
                _ => {}
            }
        }
        fates
    }

    /// What happened around a step, to be read.
    fn story(&self, step: usize) -> String {
        let near = |(_, event): &(usize, Event)| matches!(event, Event::Received(place, _) if place.step.abs_diff(step) < 2);
        let mine = |(on, event): &(usize, Event)| {
            matches!(event, Event::Received(place, _) if place.step == step).then_some(*on)
        };
        let mine: Vec<_> = self.ledger.iter().filter_map(mine).collect();
        let from = self.ledger.iter().position(near).unwrap_or_default();
        let mut story = String::new();
        let from = self.ledger.iter().skip(from);
        let shown =
            from.filter(|(on, _)| mine.len() < self.course.users.len() || mine.contains(on));
        for (on, event) in shown.take(STORY) {
            let mut text = match event {
                Event::Said(said) => format!("Said({:?})", String::from_utf8_lossy(said)),
                event => format!("{event:?}"),
            };
            if let Some((end, _)) = text.char_indices().nth(STORY_LINE) {
                text.truncate(end);
            }
            writeln!(story, "    connection {on}: {text}").unwrap();
        }
        story
    }
}

/// Compares the report of a step with what is expected of its operations.
fn compare(report: &StepReport, expected: &[Expected], step: Step) -> Result<(), String> {
    let users = expected.len() as u64;
    let StepReport { scheduled, ok, failed, dropped, unfinished, resent, statuses, errors, .. } =
        report;
    let reported = format!(
        "reported: {scheduled} scheduled, {ok} ok, {failed} failed, {resent} resent, {statuses:?}, {errors:?}; \
         legal: {:?}, {} resent",
        expected.iter().map(|one| &one.fates).collect::<Vec<_>>(),
        expected.iter().map(|one| one.resent).sum::<u64>()
    );
    let kinds: u64 = errors.values().sum();
    let answered = BTreeMap::from([(step.status, *ok)]);
    let balanced = *scheduled == users
        && ok + failed == users
        && *failed == kinds
        && (*ok == 0 && statuses.is_empty() || *statuses == answered)
        && dropped + unfinished == 0;
    let least: u64 = expected.iter().map(|one| one.resent).sum();
    let most = least + expected.iter().map(|one| one.slack).sum::<u64>();
    let mut left: BTreeMap<Fate, u64> =
        errors.iter().map(|(kind, count)| (Fate::Failed(*kind), *count)).collect();
    left.insert(Fate::Answered, *ok);
    if balanced && (least..=most).contains(resent) && fits(expected, &mut left) {
        return Ok(());
    }
    Err(reported)
}

/// Says whether each operation can have one of its legal fates so that their numbers are these.
fn fits(expected: &[Expected], left: &mut BTreeMap<Fate, u64>) -> bool {
    let Some((first, others)) = expected.split_first() else { return true };
    first.fates.iter().any(|fate| {
        let count = left.get(fate).copied().unwrap_or_default();
        if count == 0 {
            return false;
        }
        left.insert(*fate, count - 1);
        let fits = fits(others, left);
        left.insert(*fate, count);
        fits
    })
}
