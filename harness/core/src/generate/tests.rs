use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::model::{JsonSchemaOf, json};

use super::*;

fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["name", "steps"],
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 10},
            "note": {"type": "string", "maxLength": 3},
            "steps": {"type": "array", "minItems": 1, "maxItems": 4, "items": {
                "type": "object",
                "required": ["type", "seconds"],
                "properties": {
                    "type": {"enum": ["delay", "http"]},
                    "seconds": {"type": "integer", "minimum": 1, "maximum": 60},
                    "loud": {"type": "boolean"},
                },
            }},
        },
    })
}

fn right() -> Value {
    json!({"name": "n", "note": "", "steps": [{"type": "delay", "seconds": 2, "loud": true}]})
}

fn shape() -> Shape {
    Shape::of(&schema()).unwrap()
}

fn valid(body: &Value) -> bool {
    JsonSchemaOf::new(&schema()).unwrap().is_valid(body)
}

#[test]
fn each_refused_case_breaks_a_rule_where_it_says() {
    let validator = JsonSchemaOf::new(&schema()).unwrap();
    let cases = refused(&shape(), &right());
    let names: BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
    assert_eq!(names.len(), cases.len(), "names differ");
    assert!(cases.len() > 50, "{}", cases.len());
    for Case { name, body, breaks } in &cases {
        let place = breaks.as_deref().unwrap();
        let errors = validator.violations(body, usize::MAX);
        assert!(!errors.is_empty(), "{name}: {body}");
        for (pointer, _) in errors {
            let at = pointer.trim_start_matches('/').replace("/0", "[0]").replace("/1", "[1]");
            assert!(is_about(&at.replace('/', "."), place) || at.is_empty(), "{name}: {at}");
        }
    }
    for expected in [
        "name is not there",
        "name is null",
        "name has 0 characters",
        "name has 11 times 😀",
        "name has 101 times a",
        "steps has 0 items",
        "steps has 5 items",
        "steps[0] is a list",
        "steps[1] is null",
        "steps[0].type is `DELAY`",
        "steps[0].seconds is 0",
        "steps[0].seconds is 61",
        "steps[0].seconds is a fraction",
        "steps[0].seconds is a text",
        "the body is a list",
    ] {
        assert!(names.iter().any(|name| *name == expected), "{expected} in {names:?}");
    }
}

#[test]
fn each_accepted_case_is_right_and_every_pair_is_there() {
    let cases = accepted(&shape(), &right());
    for Case { name, body, .. } in &cases {
        assert!(valid(body), "{name}: {body}");
    }
    let has = |name: usize, steps: usize, seconds: i64| {
        cases.iter().any(|case| {
            let body = &case.body;
            (name == 0 || body["name"].as_str().unwrap().chars().count() == name)
                && (steps == 0 || body["steps"].as_array().unwrap().len() == steps)
                && (seconds == 0 || body["steps"][0]["seconds"] == seconds)
        })
    };
    for name in [1, 2, 5, 9, 10] {
        for (steps, seconds) in [(1, 0), (2, 0), (3, 0), (4, 0), (0, 1), (0, 2), (0, 59), (0, 60)] {
            assert!(has(name, steps, seconds), "{name} {steps} {seconds}");
        }
    }
    assert!(cases.iter().any(|case| case.body.get("note").is_none()));
    assert!(cases.len() < 60, "fewer than all combinations: {}", cases.len());
}

#[test]
fn places_that_hold_another() {
    for (named, place, expected) in [
        ("steps[0].config", "steps[0].config.seconds", true),
        ("steps", "steps[0]", true),
        ("steps[0]", "steps[0]", true),
        ("step", "steps", false),
        ("steps[1]", "steps[0]", false),
        ("", "name", false),
        ("", "", true),
        ("name.first", "name", false),
    ] {
        assert_eq!(is_about(named, place), expected, "{named} {place}");
    }
}

#[test]
fn schemas_that_cases_are_not_made_from() {
    let text = |bounds: Value| {
        let mut schema = json!({"type": "string"});
        let Value::Object(members) = &mut schema else { unreachable!() };
        members.extend(bounds.as_object().unwrap().clone());
        schema
    };
    for (schema, expected) in [
        (json!(true), "schema: must be an object"),
        (json!({}), "schema: needs a `type`"),
        (text(json!({"pattern": "a"})), "schema: no cases are made from `pattern`"),
        (text(json!({"minLength": 20001})), "schema: `minLength` must be a number from 0 to 20000"),
        (text(json!({"minLength": 2, "maxLength": 1})), "schema: nothing is between its bounds"),
        (json!({"type": "array"}), "schema: needs `items`"),
        (json!({"enum": []}), "schema: `enum` must be a list with items"),
        (
            json!({"type": "object", "properties": {"a": {"type": "float"}}}),
            "schema.properties.a: needs a `type`",
        ),
        (
            json!({"type": "object", "properties": {}, "required": ["a"]}),
            "schema: `a` is required, and not among `properties`",
        ),
    ] {
        let error = Shape::of(&schema).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    assert!(Shape::of(&text(json!({"minLength": 20000, "maxLength": 20000}))).is_ok());
}

#[test]
fn one_seed_draws_the_same_and_draws_both_kinds() {
    let draw = |seed| {
        let mut draw = Draw::new(&shape(), seed);
        (0..60).map(|_| draw.draw().unwrap().body()).collect::<Vec<_>>()
    };
    let bodies = draw(1);
    assert_eq!(bodies, draw(1));
    assert_ne!(bodies, draw(2));
    let right = bodies.iter().filter(|body| valid(body)).count();
    assert!((10..55).contains(&right), "{right} of 60");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// A target that takes one character too many: the simplest body that shows it has just that.
    #[test]
    fn what_fails_is_made_simple(seed in any::<u64>()) {
        let mut draw = Draw::new(&shape(), seed);
        let fails = |body: &Value| {
            body["name"].as_str().is_some_and(|name| name.chars().count() > 4)
        };
        let Some(mut drawn) = (0..200).filter_map(|_| draw.draw().ok()).find(|drawn| fails(&drawn.body()))
        else {
            return Ok(());
        };
        let mut simplest = drawn.body();
        while drawn.next(fails(&drawn.body())) {
            if fails(&drawn.body()) {
                simplest = drawn.body();
            }
        }
        prop_assert!(fails(&simplest));
        // One that breaks a rule of the schema besides is as simple as that rule.
        if valid(&simplest) {
            prop_assert_eq!(simplest["name"].as_str().unwrap().chars().count(), 5);
        }
    }
}
