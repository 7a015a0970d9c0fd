//! Bodies to try an API with, made from the JSON Schema of what it takes: each rule broken alone,
//! both ends of every range, every pair of those ends, and random ones. It is pure.

mod lattice;
mod random;
mod shape;

use std::fmt::Write as _;

use crate::model::Value;

pub use lattice::{accepted, refused};
pub use random::{Draw, Drawn, NoBody};
pub use shape::{BadSchema, Shape};

/// A body, and what must become of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The name of the case for a reader: `name: 101 characters`.
    pub name: String,
    /// The body.
    pub body: Value,
    /// The place whose rule it breaks, such as `steps[0].type`; `None` if it breaks none.
    pub breaks: Option<String>,
}

/// A way to a part of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Member(String),
    Item(usize),
}

impl Place {
    fn member(&self, name: &str) -> Self {
        self.with(Part::Member(name.to_owned()))
    }

    fn item(&self, index: usize) -> Self {
        self.with(Part::Item(index))
    }

    fn with(&self, part: Part) -> Self {
        Self(self.0.iter().cloned().chain([part]).collect())
    }

    /// `steps[0].type`; nothing for the body itself.
    fn dotted(&self) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                // Writing to a String cannot fail.
                Part::Item(index) => drop(write!(text, "[{index}]")),
                Part::Member(name) if text.is_empty() => text += name,
                Part::Member(name) => drop(write!(text, ".{name}")),
            }
        }
        text
    }

    fn find<'v>(&self, body: &'v mut Value) -> Option<&'v mut Value> {
        self.0.iter().try_fold(body, |value, part| match part {
            Part::Member(name) => value.get_mut(name),
            Part::Item(index) => value.item_mut(*index),
        })
    }

    /// Puts a value there, also where nothing was.
    fn put(&self, body: &mut Value, value: Value) {
        if let (Some((Part::Member(name), holder)), true) =
            (self.split(), self.find(body).is_none())
        {
            if let Some(Value::Object(members)) = holder.find(body) {
                members.insert(name.clone(), value);
            }
            return;
        }
        if let Some(found) = self.find(body) {
            *found = value;
        }
    }

    /// Takes out what is there.
    fn remove(&self, body: &mut Value) {
        if let Some((Part::Member(name), holder)) = self.split()
            && let Some(Value::Object(members)) = holder.find(body)
        {
            members.shift_remove(name);
        }
    }

    fn split(&self) -> Option<(&Part, Self)> {
        let (last, holder) = self.0.split_last()?;
        Some((last, Self(holder.to_vec())))
    }
}

/// Returns whether an answer that names the place `named` is about `place`: it is that place, or
/// holds it.
pub fn is_about(named: &str, place: &str) -> bool {
    match place.strip_prefix(named) {
        Some("") => true,
        Some(rest) => !named.is_empty() && rest.starts_with(['.', '[']),
        None => false,
    }
}

/// The places that an answer about `place` may name: see [`is_about`].
pub fn holders(place: &str) -> Vec<&str> {
    let ends = place.char_indices().filter(|(_, c)| ['.', '['].contains(c)).map(|(at, _)| at);
    ends.chain([place.len()]).map(|end| &place[..end]).filter(|it| is_about(it, place)).collect()
}

#[cfg(test)]
mod tests;
