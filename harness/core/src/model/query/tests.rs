use jsonpath_rust::query::js_path_vals;
use proptest::prelude::*;

use super::*;
use crate::model::value_text;

fn parse(text: &str) -> Value {
    Value::parse(text.as_bytes()).unwrap()
}

fn select(query: &str, json: &str) -> Option<String> {
    Query::parse(query).unwrap().select(&parse(json)).map(|found| found.to_string())
}

#[test]
fn singular_queries_give_a_value_and_others_a_list() {
    let one = r#"{"a":[{"b":1}],"c":{}}"#;
    for (query, expected) in [
        ("$.a[0].b", Some("1")),
        ("$['a'][-1]['b']", Some("1")),
        ("$", Some(one)),
        ("$.a[1]", None),
        ("$.a[*].b", Some("[1]")),
        ("$.a[0:1].b", Some("[1]")),
        ("$.a[?@.b == 1].b", Some("[1]")),
        ("$..b", Some("[1]")),
        ("$.a[0,0].b", Some("[1,1]")),
        ("$['a','z'][0].b", Some("[1]")),
        ("$.c[*]", Some("[]")),
        ("$..z", Some("[]")),
    ] {
        assert_eq!(select(query, one).as_deref(), expected, "{query}");
    }
}

#[test]
fn filters_compare_exactly() {
    let json =
        r#"[{"n":9007199254740992},{"n":9007199254740993},{"n":1e400},{"n":1.10},{"n":"1"}]"#;
    for (query, expected) in [
        ("$[?@.n > 9007199254740991].n", "[9007199254740992,9007199254740993,1e400]"),
        ("$[?@.n > $[0].n].n", "[9007199254740993,1e400]"),
        ("$[?@.n == $[0].n].n", "[9007199254740992]"),
        ("$[?@.n == 1.1].n", "[1.10]"),
        ("$[?@.n <= 1.1].n", "[1.10]"),
        ("$[?@.n < '2'].n", "[\"1\"]"),
        ("$[?@.x == @.y && @.n < 2].n", "[1.10]"),
        ("$[?!(@.n < 2) && match(@.n, '[0-9]')].n", "[\"1\"]"),
        ("$[?length(@.n) == 1 || count(@.*) == 2].n", "[\"1\"]"),
        ("$[?value(@..n) == 1.1 || search(@.n, '1')].n", "[1.10,\"1\"]"),
    ] {
        assert_eq!(select(query, json).as_deref(), Some(expected), "{query}");
    }
}

#[test]
fn slices_as_the_rfc_has_them() {
    let json = "[0,1,2,3,4]";
    for (query, expected) in [
        ("$[1:3]", "[1,2]"),
        ("$[-2:]", "[3,4]"),
        ("$[::2]", "[0,2,4]"),
        ("$[::-1]", "[4,3,2,1,0]"),
        ("$[3:0:-2]", "[3,1]"),
        ("$[0:9:0]", "[]"),
        ("$[9:]", "[]"),
    ] {
        assert_eq!(select(query, json).as_deref(), Some(expected), "{query}");
    }
    assert_eq!(select("$[::-1]", "[]").as_deref(), Some("[]"));
}

#[test]
fn functions_that_the_rfc_does_not_have_are_refused() {
    for query in ["$[?in(@.a, [1])]", "$[?any_of(@.a, @.b)]", "$[?@.a[?nin(@, @.b)]]", "a", "$."] {
        assert_eq!(Query::parse(query), Err(QueryError::Syntax), "{query}");
    }
    assert!(Query::parse(&format!("$.{}", "a".repeat(MAX_QUERY_BYTES - 2))).is_ok());
    let long = format!("$.{}", "a".repeat(MAX_QUERY_BYTES - 1));
    assert_eq!(Query::parse(&long), Err(QueryError::TooLong));
}

/// A query, and whether it has anything besides names and indexes.
fn query() -> impl Strategy<Value = (String, bool)> {
    let one = prop_oneof![
        "[a-f]".prop_map(|name| format!(".{name}")),
        "[a-f]".prop_map(|name| format!("['{name}']")),
        (-2i64..3).prop_map(|index| format!("[{index}]")),
    ];
    let several = prop::sample::select(vec![
        ".*",
        "[*]",
        "..*",
        "..a",
        "..[0]",
        "[0:1]",
        "[:]",
        "[::-1]",
        "['a','b']",
        "[0,1]",
        "[?@.a]",
        "[?@ == 1]",
        "[?@.a != @.b]",
        "[?!@.b]",
        "[?count(@.*) > 1]",
        "[?length(@) >= 1]",
    ]);
    let segment = prop_oneof![
        2 => one.prop_map(|text| (text, false)),
        1 => several.prop_map(|text| (text.to_owned(), true)),
    ];
    prop::collection::vec(segment, 0..4).prop_map(|segments| {
        let text: String = segments.iter().map(|(text, _)| text.as_str()).collect();
        (format!("${text}"), segments.iter().any(|(_, several)| *several))
    })
}

proptest! {
    #[test]
    fn list_or_value_depends_on_the_query_alone(
        (query, several) in query(), documents in prop::collection::vec(value_text(), 1..8)
    ) {
        let parsed = Query::parse(&query).unwrap();
        prop_assert_eq!(parsed.is_singular(), !several);
        for document in documents {
            let selected = parsed.select(&parse(&document));
            if several {
                prop_assert!(matches!(selected, Some(Value::Array(_))), "{} {}", query, document);
            } else if let Some(value) = selected {
                // It is a part of the document, not a list around one.
                let document = parse(&document);
                let all = nodes(&Query::parse("$..*").unwrap().0, &document, &document);
                prop_assert!(value == document || all.contains(&&value), "{}", query);
            }
        }
    }

    /// An implementation that others test, where it compares no numbers.
    #[test]
    fn the_same_is_selected_as_by_another_implementation((query, _) in query(), document in value_text()) {
        prop_assume!(!query.contains("=="));
        let document = parse(&document).to_serde();
        let theirs = js_path_vals(&query, &document).unwrap();
        let value = Value::from(document.clone());
        let found = nodes(&Query::parse(&query).unwrap().0, &value, &value);
        let theirs: Vec<_> = theirs.into_iter().cloned().map(Value::from).collect();
        prop_assert_eq!(found.into_iter().cloned().collect::<Vec<_>>(), theirs, "{} {}", query, document);
    }
}
