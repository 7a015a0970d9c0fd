//! Expectations as they are written in a file, with their names filled in.

use crate::model::{Object, Value};

use super::{Bindings, Expectation, Subject};

/// The members of an `expect`; `None` where a name has no value.
pub(crate) fn expect(all: &[Expectation], names: &dyn Bindings) -> Option<Object> {
    let (mut expect, mut headers, mut body) = (Object::new(), Object::new(), Object::new());
    for Expectation { subject, matcher, .. } in all {
        let operators = Value::of(&matcher.filled(names).ok()?).ok()?;
        match subject {
            Subject::Status => drop(expect.insert("status".to_owned(), operators)),
            Subject::Text => drop(expect.insert("text".to_owned(), operators)),
            Subject::Header(name) => drop(headers.insert(name.to_string(), operators)),
            Subject::Json(path) => drop(body.insert(path.clone(), operators)),
        }
    }
    for (name, members) in [("headers", headers), ("body", body)] {
        if !members.is_empty() {
            expect.insert(name.to_owned(), members.into());
        }
    }
    Some(expect)
}
