//! Reads from a JSON Schema the rules about a body, as far as cases are made from them.

use crate::model::{Object, Value};

/// The shape of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A string of so many characters (code points).
    Text {
        /// The least length, in characters.
        min: usize,
        /// The greatest length, in characters.
        max: Option<usize>,
    },
    /// A whole number.
    Whole {
        /// The least allowed value.
        min: Option<i64>,
        /// The greatest allowed value.
        max: Option<i64>,
    },
    /// True or false.
    Flag,
    /// One of these.
    Choice(Vec<Value>),
    /// A list of so many items.
    List {
        /// The least number of items.
        min: usize,
        /// The greatest number of items.
        max: Option<usize>,
        /// Each of them.
        item: Box<Shape>,
    },
    /// An object.
    Object(Vec<Member>),
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Set if the property is required.
    pub required: bool,
    /// The shape of the property.
    pub shape: Shape,
}

/// A schema that cases cannot be made from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct BadSchema {
    /// The place in the schema.
    pub place: String,
    /// The problem at that place.
    pub problem: String,
}

/// Keywords that say nothing about a value.
const NOTES: [&str; 4] = ["$schema", "title", "description", "additionalProperties"];

/// The most that a bound on a length may be: what is longer is a body limit, not a rule.
pub(super) const MAX_LENGTH: u64 = 20_000;

impl Shape {
    /// Reads a schema.
    ///
    /// # Errors
    /// What it has that cases are not made from, or lacks.
    pub fn of(schema: &Value) -> Result<Self, BadSchema> {
        shape(schema, "schema")
    }
}

fn shape(schema: &Value, place: &str) -> Result<Shape, BadSchema> {
    let bad = |problem: String| BadSchema { place: place.to_owned(), problem };
    let Value::Object(members) = schema else {
        return Err(bad("must be an object".to_owned()));
    };
    let reader = Reader { members, place };
    if let Some(choices) = members.get("enum") {
        reader.knows(&["enum", "type"])?;
        let choices = choices.as_array().filter(|choices| !choices.is_empty());
        let choices = choices.ok_or_else(|| bad("`enum` must be a list with items".to_owned()))?;
        return Ok(Shape::Choice(choices.clone()));
    }
    match members.get("type").and_then(Value::as_str) {
        Some("string") => reader.text(),
        Some("integer") => reader.whole(),
        Some("boolean") => reader.knows(&["type"]).map(|()| Shape::Flag),
        Some("array") => reader.list(),
        Some("object") => reader.object(),
        _ => {
            Err(bad("needs a `type`: string, integer, boolean, array or object; or an `enum`"
                .to_owned()))
        }
    }
}

struct Reader<'a> {
    members: &'a Object,
    place: &'a str,
}

impl Reader<'_> {
    fn bad(&self, problem: String) -> BadSchema {
        BadSchema { place: self.place.to_owned(), problem }
    }

    /// Checks that there is no other keyword than these, because cases would ignore it.
    fn knows(&self, keywords: &[&str]) -> Result<(), BadSchema> {
        let known =
            |key: &&String| keywords.contains(&key.as_str()) || NOTES.contains(&key.as_str());
        match self.members.keys().find(|key| !known(key)) {
            None => Ok(()),
            Some(key) => Err(self.bad(format!("no cases are made from `{key}`"))),
        }
    }

    fn length(&self, key: &str) -> Result<Option<usize>, BadSchema> {
        let Some(value) = self.members.get(key) else { return Ok(None) };
        let length = value.as_u64().filter(|length| *length <= MAX_LENGTH);
        let length = length.and_then(|length| usize::try_from(length).ok());
        let problem = || self.bad(format!("`{key}` must be a number from 0 to {MAX_LENGTH}"));
        length.map(Some).ok_or_else(problem)
    }

    fn number(&self, key: &str) -> Result<Option<i64>, BadSchema> {
        let Some(value) = self.members.get(key) else { return Ok(None) };
        value.as_i64().map(Some).ok_or_else(|| self.bad(format!("`{key}` must be a whole number")))
    }

    fn in_order<T: PartialOrd>(&self, min: &T, max: Option<&T>) -> Result<(), BadSchema> {
        if max.is_some_and(|max| min > max) {
            return Err(self.bad("nothing is between its bounds".to_owned()));
        }
        Ok(())
    }

    fn text(&self) -> Result<Shape, BadSchema> {
        self.knows(&["type", "minLength", "maxLength"])?;
        let min = self.length("minLength")?.unwrap_or(0);
        let max = self.length("maxLength")?;
        self.in_order(&min, max.as_ref())?;
        Ok(Shape::Text { min, max })
    }

    fn whole(&self) -> Result<Shape, BadSchema> {
        self.knows(&["type", "minimum", "maximum"])?;
        let (min, max) = (self.number("minimum")?, self.number("maximum")?);
        self.in_order(&min.unwrap_or(i64::MIN), max.as_ref())?;
        Ok(Shape::Whole { min, max })
    }

    fn list(&self) -> Result<Shape, BadSchema> {
        self.knows(&["type", "minItems", "maxItems", "items"])?;
        let min = self.length("minItems")?.unwrap_or(0);
        let max = self.length("maxItems")?;
        self.in_order(&min, max.as_ref())?;
        let items =
            self.members.get("items").ok_or_else(|| self.bad("needs `items`".to_owned()))?;
        let item = Box::new(shape(items, &format!("{}.items", self.place))?);
        Ok(Shape::List { min, max, item })
    }

    fn object(&self) -> Result<Shape, BadSchema> {
        self.knows(&["type", "properties", "required"])?;
        let properties = self.members.get("properties").and_then(Value::as_object);
        let properties = properties.ok_or_else(|| self.bad("needs `properties`".to_owned()))?;
        let required: Vec<&str> = match self.members.get("required") {
            None => Vec::new(),
            Some(names) => {
                let names = names.as_array().into_iter().flatten();
                names.filter_map(Value::as_str).collect()
            }
        };
        if let Some(name) = required.iter().find(|name| !properties.contains_key(**name)) {
            return Err(self.bad(format!("`{name}` is required, and not among `properties`")));
        }
        let member = |(name, schema): (&String, &Value)| {
            let place = format!("{}.properties.{name}", self.place);
            let required = required.contains(&name.as_str());
            Ok(Member { name: name.clone(), required, shape: shape(schema, &place)? })
        };
        properties.iter().map(member).collect::<Result<_, _>>().map(Shape::Object)
    }
}
