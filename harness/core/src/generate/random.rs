//! Random bodies, and simpler ones of the same kind.

use crate::model::{Object, Value};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{Shape, lattice::refused};

/// Characters that texts are made of: of one, two and four bytes, one that JSON escapes, one that
/// combines, one that turns the direction.
const CHARACTERS: [char; 10] = ['a', 'Z', '0', ' ', 'é', '😀', '"', '\n', '\u{301}', '\u{202e}'];

/// Lengths are near the shortest, or at the longest.
const NEAR: usize = 12;

/// 2^53 - 1: what JSON's readers all agree on.
const SAFE: i64 = (1 << 53) - 1;

/// Draws random bodies, from one seed always the same.
#[derive(Debug)]
pub struct Draw {
    runner: TestRunner,
    strategy: BoxedStrategy<Value>,
}

/// A random body that can be made simpler.
pub struct Drawn(Box<dyn ValueTree<Value = Value>>);

impl std::fmt::Debug for Drawn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Drawn").field(&self.body()).finish()
    }
}

impl Draw {
    /// Bodies of a shape. Of every three, one breaks a rule or two.
    pub fn new(shape: &Shape, seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let config = Config { failure_persistence: None, ..Config::default() };
        let runner = TestRunner::new_with_rng(config, random);
        let (right, shape) = (right(shape), shape.clone());
        let fault = prop_oneof![2 => Just(None), 1 => any::<Index>().prop_map(Some)];
        let strategy = (right, fault).prop_map(move |(body, fault)| {
            let Some(fault) = fault else { return body };
            let mut faults = refused(&shape, &body);
            if faults.is_empty() {
                body
            } else {
                faults.swap_remove(fault.index(faults.len())).body
            }
        });
        Self { runner, strategy: strategy.boxed() }
    }

    /// The next one.
    ///
    /// # Errors
    /// If none can be made.
    pub fn draw(&mut self) -> Result<Drawn, NoBody> {
        let tree = self.strategy.new_tree(&mut self.runner);
        tree.map(|tree| Drawn(Box::new(tree))).map_err(NoBody)
    }
}

/// The reason for which no random body can be made.
#[derive(Debug, thiserror::Error)]
#[error("no body can be made: {0}")]
pub struct NoBody(proptest::test_runner::Reason);

impl Drawn {
    /// Returns the current body.
    pub fn body(&self) -> Value {
        self.0.current()
    }

    /// Makes one that failed simpler, and takes back a part of that where the simpler one did not
    /// fail; `false` if there is nothing left to try.
    pub fn next(&mut self, failed: bool) -> bool {
        if failed { self.0.simplify() } else { self.0.complicate() }
    }
}

/// Bodies that break no rule.
fn right(shape: &Shape) -> BoxedStrategy<Value> {
    match shape {
        Shape::Text { min, max } => of_length(*min, *max, select(&CHARACTERS[..]).boxed())
            .prop_map(|characters| Value::from(characters.into_iter().collect::<String>()))
            .boxed(),
        Shape::Whole { min, max } => {
            let range = min.unwrap_or(-SAFE)..=max.unwrap_or(SAFE);
            range.prop_map(Value::from).boxed()
        }
        Shape::Flag => any::<bool>().prop_map(Value::from).boxed(),
        Shape::Choice(choices) => select(choices.clone()).boxed(),
        Shape::List { min, max, item } => {
            of_length(*min, *max, right(item)).prop_map(Value::from).boxed()
        }
        Shape::Object(members) => {
            let names: Vec<String> = members.iter().map(|member| member.name.clone()).collect();
            let values: Vec<BoxedStrategy<Option<Value>>> = members
                .iter()
                .map(|member| {
                    let value = right(&member.shape);
                    if member.required {
                        value.prop_map(Some).boxed()
                    } else {
                        proptest::option::of(value).boxed()
                    }
                })
                .collect();
            let object = move |values: Vec<Option<Value>>| {
                let members = names.iter().cloned().zip(values);
                members.filter_map(|(name, value)| Some((name, value?))).collect::<Object>()
            };
            values.prop_map(object).prop_map(Value::from).boxed()
        }
    }
}

fn of_length<T: Clone + std::fmt::Debug + 'static>(
    min: usize,
    max: Option<usize>,
    item: BoxedStrategy<T>,
) -> BoxedStrategy<Vec<T>> {
    let near = max.unwrap_or(usize::MAX).min(min + NEAR);
    let short = vec(item.clone(), min..=near);
    match max {
        Some(max) if max > near => prop_oneof![8 => short, 1 => vec(item, max..=max)].boxed(),
        _ => short.boxed(),
    }
}
