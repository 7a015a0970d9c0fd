//! Makes a course on which report and ledger disagree as small as it can be.

use std::sync::Arc;

use super::course::{self, Course, Mode};

/// Courses that are tried at most.
const TRIES: usize = 150;

/// How often each is run: some disagreements need luck.
const RUNS: usize = 2;

/// Says what is wrong, and with which small course.
pub(crate) fn shown(course: &Course, wrong: &[String]) -> String {
    let mut smallest = (course.clone(), wrong.to_vec());
    let mut left = TRIES;
    while let Some(smaller) = step(&smallest.0, &mut left) {
        smallest = smaller;
    }
    let (course, wrong) = smallest;
    format!("{course:?}\n  {}", wrong.join("\n  "))
}

/// The first simpler course that still disagrees.
fn step(course: &Course, left: &mut usize) -> Option<(Course, Vec<String>)> {
    for simpler in simpler(course) {
        for _ in 0..RUNS {
            *left = left.checked_sub(1)?;
            let wrong = course::run(&Arc::new(vec![simpler.clone()])).remove(0);
            if !wrong.is_empty() {
                return Some((simpler, wrong));
            }
        }
    }
    None
}

fn simpler(course: &Course) -> Vec<Course> {
    let mut simpler = Vec::new();
    if course.users.len() > 1 {
        for user in &course.users {
            simpler.push(Course { users: vec![user.clone()], ..course.clone() });
        }
    } else if course.mode != Mode::Steps {
        simpler.push(Course { mode: Mode::Steps, ..course.clone() });
    }
    let mut part = course.steps.len() / 2;
    while part > 0 {
        for from in (0..course.steps.len()).step_by(part) {
            simpler.push(without(course, from..(from + part).min(course.steps.len())));
        }
        part /= 2;
    }
    for (user, operations) in course.users.iter().enumerate() {
        for (step, operation) in operations.iter().enumerate() {
            if course.steps.len() > 8 {
                break;
            }
            for attempt in 0..operation.attempts.len() {
                for script in operation.attempts[attempt].simpler(course.steps[step]) {
                    let mut one = course.clone();
                    one.users[user][step].attempts[attempt] = script;
                    simpler.push(one);
                }
            }
        }
    }
    simpler.retain(|one| !one.steps.is_empty());
    simpler
}

fn without(course: &Course, steps: std::ops::Range<usize>) -> Course {
    let mut one = course.clone();
    one.steps.drain(steps.clone());
    for user in &mut one.users {
        user.drain(steps.clone());
    }
    one
}
