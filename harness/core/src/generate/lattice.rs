//! Around one body that is right: every rule broken alone, and every pair of ends of ranges.

use std::collections::BTreeSet;

use crate::model::{Object, Value};

use super::{Case, Place, Shape, shape::Member};

/// The factor by which a huge value exceeds the longest allowed one; it finds a length that is
/// checked only after the value was worked on.
const HUGE: usize = 10;

/// One body for each rule and way of breaking it, made from one that breaks none.
pub fn refused(shape: &Shape, right: &Value) -> Vec<Case> {
    let mut faults = Faults { right, cases: Vec::new() };
    faults.at(shape, &Place::default(), right);
    faults.cases
}

struct Faults<'a> {
    right: &'a Value,
    cases: Vec<Case>,
}

impl Faults<'_> {
    fn at(&mut self, shape: &Shape, place: &Place, here: &Value) {
        for (what, value) in other_types(shape) {
            self.put(place, &format!("is {what}"), value);
        }
        match shape {
            Shape::Text { min, max } => self.text(place, *min, *max),
            Shape::Whole { min, max } => self.whole(place, *min, *max),
            Shape::Choice(choices) => self.choice(place, choices),
            Shape::Flag => {}
            Shape::List { min, max, item } => self.list(place, here, (*min, *max), item),
            Shape::Object(members) => self.object(place, here, members),
        }
    }

    fn put(&mut self, place: &Place, what: &str, value: Value) {
        let mut body = self.right.clone();
        if place.0.is_empty() {
            body = value;
        } else {
            place.put(&mut body, value);
        }
        self.add(place, what, body);
    }

    fn add(&mut self, place: &Place, what: &str, body: Value) {
        let breaks = place.dotted();
        let shown = if breaks.is_empty() { "the body" } else { &breaks };
        self.cases.push(Case { name: format!("{shown} {what}"), body, breaks: Some(breaks) });
    }

    fn text(&mut self, place: &Place, min: usize, max: Option<usize>) {
        if let Some(short) = min.checked_sub(1) {
            self.put(place, &format!("has {short} characters"), "a".repeat(short).into());
        }
        let Some(max) = max else { return };
        for (unit, count) in
            [("a", max + 1), ("é", max + 1), ("😀", max + 1), ("a", max * HUGE + 1)]
        {
            self.put(place, &format!("has {count} times {unit}"), unit.repeat(count).into());
        }
    }

    fn whole(&mut self, place: &Place, min: Option<i64>, max: Option<i64>) {
        let below = min.and_then(|min| min.checked_sub(1));
        let above = max.and_then(|max| max.checked_add(1));
        let huge = max.filter(|max| *max < i64::MAX).map(|_| i64::MAX);
        for number in [below, above, huge].into_iter().flatten() {
            self.put(place, &format!("is {number}"), number.into());
        }
        self.put(place, "is a fraction", Value::parse(b"1.5").unwrap_or_default());
    }

    fn choice(&mut self, place: &Place, choices: &[Value]) {
        let shouted = choices.first().and_then(Value::as_str).map(str::to_uppercase);
        for text in shouted.into_iter().chain(["no such choice".to_owned(), String::new()]) {
            if !choices.contains(&Value::from(text.as_str())) {
                self.put(place, &format!("is `{text}`"), text.into());
            }
        }
    }

    fn list(&mut self, place: &Place, here: &Value, bounds: (usize, Option<usize>), item: &Shape) {
        let (min, max) = bounds;
        let Some(first) = here.item(0).cloned() else { return };
        let short = min.checked_sub(1);
        let long = max.map(|max| [max + 1, max * HUGE + 1]);
        for count in short.into_iter().chain(long.into_iter().flatten()) {
            let items = Value::from(vec![first.clone(); count]);
            self.put(place, &format!("has {count} items"), items);
        }
        self.at(item, &place.item(0), &first);
        // The second one is looked at, too.
        if max.is_none_or(|max| max >= 2)
            && let Some((what, wrong)) = other_types(item).into_iter().next()
        {
            let mut body = self.right.clone();
            place.put(&mut body, Value::from(vec![first, wrong]));
            self.add(&place.item(1), &format!("is {what}"), body);
        }
    }

    fn object(&mut self, place: &Place, here: &Value, members: &[Member]) {
        for member in members {
            let part = place.member(&member.name);
            if member.required {
                let mut body = self.right.clone();
                part.remove(&mut body);
                self.add(&part, "is not there", body);
            }
            if let Some(here) = here.get(&member.name) {
                self.at(&member.shape, &part, here);
            }
        }
    }
}

/// A value of each type that it does not have.
fn other_types(shape: &Shape) -> Vec<(&'static str, Value)> {
    let is = |shape: &Shape, value: &Value| match shape {
        Shape::Text { .. } => value.is_string(),
        Shape::Whole { .. } => value.is_number(),
        Shape::Flag => value.is_boolean(),
        Shape::List { .. } => value.is_array(),
        Shape::Object(_) => value.is_object(),
        Shape::Choice(choices) => {
            let same =
                |choice: &Value| std::mem::discriminant(choice) == std::mem::discriminant(value);
            choices.iter().any(same)
        }
    };
    let all = [
        ("null", Value::Null),
        ("a boolean", true.into()),
        ("a number", 7.into()),
        ("a text", "7".into()),
        ("a list", Value::Array(Vec::new())),
        ("an object", Object::new().into()),
    ];
    all.into_iter().filter(|(_, value)| !is(shape, value)).collect()
}

/// Bodies that break no rule: every pair of ends of ranges is in one of them.
pub fn accepted(shape: &Shape, right: &Value) -> Vec<Case> {
    let mut factors = Vec::new();
    collect(shape, &Place::default(), right, &mut factors);
    let case = |row: Vec<usize>| {
        let chosen = || factors.iter().zip(&row);
        let mut body = right.clone();
        // Items are changed before they are copied.
        for (factor, level) in chosen().rev() {
            factor.levels[*level].apply(&factor.place, &mut body);
        }
        let names: Vec<_> = chosen()
            .map(|(factor, level)| {
                format!("{} {}", factor.place.dotted(), factor.levels[*level].name())
            })
            .collect();
        Case { name: names.join(", "), body, breaks: None }
    };
    pairwise(&factors.iter().map(|factor| factor.levels.len()).collect::<Vec<_>>())
        .into_iter()
        .map(case)
        .collect()
}

/// Something that may be one way or another.
struct Factor {
    place: Place,
    levels: Vec<Level>,
}

enum Level {
    Put(String, Value),
    Drop,
    Length(usize),
}

impl Level {
    fn apply(&self, place: &Place, body: &mut Value) {
        match self {
            Self::Put(_, value) => place.put(body, value.clone()),
            Self::Drop => place.remove(body),
            Self::Length(count) => {
                if let Some(Value::Array(items)) = place.find(body)
                    && let Some(first) = items.first().cloned()
                {
                    *items = vec![first; *count];
                }
            }
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Put(name, _) => name.clone(),
            Self::Drop => "not there".to_owned(),
            Self::Length(count) => format!("of {count} items"),
        }
    }
}

/// Outer factors come before those inside.
fn collect(shape: &Shape, place: &Place, here: &Value, factors: &mut Vec<Factor>) {
    let mut add = |levels: Vec<Level>| {
        if levels.len() > 1 {
            factors.push(Factor { place: place.clone(), levels });
        }
    };
    let put = |name: String, value: Value| Level::Put(name, value);
    match shape {
        Shape::Text { min, max } => {
            let text = |unit: &str, count: usize| {
                put(format!("of {count} times {unit}"), unit.repeat(count).into())
            };
            let mut levels: Vec<_> =
                lengths(*min, *max).into_iter().map(|count| text("a", count)).collect();
            levels.extend(max.iter().flat_map(|max| [text("é", *max), text("😀", *max)]));
            add(levels);
        }
        Shape::Whole { min, max } => {
            let ends = ends(*min, *max);
            add(ends.into_iter().map(|n| put(format!("= {n}"), n.into())).collect());
        }
        Shape::Flag => add([true, false].map(|flag| put(flag.to_string(), flag.into())).into()),
        Shape::Choice(choices) => {
            add(choices.iter().map(|choice| put(choice.to_string(), choice.clone())).collect());
        }
        Shape::List { min, max, item } => {
            add(lengths(*min, *max).into_iter().map(Level::Length).collect());
            if let Some(first) = here.item(0) {
                collect(item, &place.item(0), first, factors);
            }
        }
        Shape::Object(members) => {
            for member in members {
                let (part, here) = (place.member(&member.name), here.get(&member.name));
                if let (false, Some(here)) = (member.required, here) {
                    let present = Level::Put("there".to_owned(), here.clone());
                    factors
                        .push(Factor { place: part.clone(), levels: vec![present, Level::Drop] });
                }
                if let (true, Some(here)) = (member.required, here) {
                    collect(&member.shape, &part, here, factors);
                }
            }
        }
    }
}

/// The ends of a range of lengths, those next to them, and the middle.
fn lengths(min: usize, max: Option<usize>) -> Vec<usize> {
    let max = max.unwrap_or(min + 2);
    let middle = usize::midpoint(min, max);
    let all = [min, min + 1, middle, max.saturating_sub(1), max];
    let inside = all.into_iter().filter(|length| (min..=max).contains(length));
    inside.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Returns the ends of a range of numbers, those next to them, and the middle. A missing end is
/// 2^53 - 1, or its negative: the largest integer that all readers of JSON agree on.
fn ends(min: Option<i64>, max: Option<i64>) -> Vec<i64> {
    const SAFE: i64 = (1 << 53) - 1;
    let (min, max) = (min.unwrap_or(-SAFE), max.unwrap_or(SAFE));
    let all = [min, min.saturating_add(1), i64::midpoint(min, max), max.saturating_sub(1), max];
    let inside = all.into_iter().filter(|number| (min..=max).contains(number));
    inside.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Rows in which every pair of levels of two factors occurs, given how many levels each has.
fn pairwise(levels: &[usize]) -> Vec<Vec<usize>> {
    let mut open: BTreeSet<(Chosen, Chosen)> = BTreeSet::new();
    for (first, firsts) in levels.iter().enumerate() {
        for (second, seconds) in levels.iter().enumerate().skip(first + 1) {
            let pairs = (0..*firsts).flat_map(|a| (0..*seconds).map(move |b| (a, b)));
            open.extend(pairs.map(|(a, b)| ((first, a), (second, b))));
        }
    }
    if levels.len() < 2 {
        let count = levels.first().copied().unwrap_or(0);
        return (0..count).map(|level| vec![level]).collect();
    }
    let mut rows = Vec::new();
    while let Some(&(one, other)) = open.first() {
        let mut row: Vec<Option<usize>> = vec![None; levels.len()];
        (row[one.0], row[other.0]) = (Some(one.1), Some(other.1));
        for factor in 0..levels.len() {
            if row[factor].is_none() {
                let gain = |level: &usize| gain(&open, &row, (factor, *level));
                row[factor] = (0..levels[factor]).max_by_key(gain);
            }
        }
        let row: Vec<usize> = row.into_iter().map(Option::unwrap_or_default).collect();
        let has = |(factor, level): Chosen| row[factor] == level;
        open.retain(|(one, other)| !(has(*one) && has(*other)));
        rows.push(row);
    }
    rows
}

/// A level of a factor, both by position.
type Chosen = (usize, usize);

/// Pairs that a level would add to a row.
fn gain(open: &BTreeSet<(Chosen, Chosen)>, row: &[Option<usize>], added: Chosen) -> usize {
    let chosen = row.iter().enumerate().filter_map(|(factor, level)| Some((factor, (*level)?)));
    chosen.filter(|chosen| open.contains(&(added.min(*chosen), added.max(*chosen)))).count()
}
