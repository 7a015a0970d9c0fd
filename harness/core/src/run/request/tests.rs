use std::{sync::Arc, time::Duration};

use proptest::prelude::*;

use http::Method;

use super::*;
use crate::model::{Value, clock, json, value_text};
use crate::{
    plan::{
        Capture, Credentials, Expectation, Journey, JsonTemplate, Matcher, Profile, ScenarioPlan,
        Span, UserId, UserPlan, Values, Work,
    },
    run::{
        Environment, TokenError, Tokens, context::RunContext, values::Draws,
        virtual_users::VirtualUsers,
    },
    schedule::Purpose,
};

struct Fake;

impl Tokens for Fake {
    fn subject(&self, user: &str, index: usize) -> String {
        format!("{user}-{index}")
    }

    fn bearer(&self, user: &UserPlan, index: usize) -> Result<String, TokenError> {
        Ok(format!("secret-{}-{index}", user.name))
    }
}

fn target() -> Url {
    "http://127.0.0.1:9/base/".parse().unwrap()
}

fn scope() -> Scope {
    let credentials = Credentials::Minted { count: 3, scope: "a".into() };
    let plan = ScenarioPlan {
        feeds: Vec::new(),
        audit: Vec::new(),
        file: "a.yaml".into(),
        name: "a".into(),
        about: None,
        tags: vec![],
        requires: vec![],
        users: vec![UserPlan { name: "crowd".into(), credentials }],
        vars: vec![],
        labels: vec![],
        setup: vec![],
        work: Work::Once(vec![]),
        teardown: vec![],
        thresholds: vec![],
        cost: None,
    };
    let users = VirtualUsers::prepare(&plan, &Fake, 9).unwrap();
    let environment = Environment::new(target(), Arc::new(Fake));
    let context = RunContext::new(Arc::new(plan), &environment, users, clock::now());
    let values = Values::from([
        ("text".to_owned(), json!("it's \"a\"/\\ü\n")),
        ("plain".to_owned(), json!("x y")),
        ("list".to_owned(), json!([1, {"a": null}])),
    ]);
    Scope::new(
        Arc::new(context),
        Arc::new(values),
        Draws { purpose: Purpose::Iteration, number: 4 },
        4,
    )
}

fn plan(method: Method, path: &str, body: Body) -> RequestPlan {
    RequestPlan {
        to: crate::plan::Destination::Target,
        claim: crate::plan::Claim::default(),
        also: Vec::new(),
        may_be_lost: false,
        id: StepId(0),
        span: Span::default(),
        method,
        path: Template::parse(path).unwrap(),
        headers: vec![],
        body,
        auth: None,
        timeout: Duration::from_secs(1),
        expect: vec![],
        capture: vec![],
    }
}

fn template(request: &RequestPlan) -> EncodedTemplate {
    EncodedTemplate::new(&target(), request, Connections::Reuse)
}

/// What this client sends, read back, and what any other client would be given.
fn both(request: &RequestPlan) -> (Result<Prepared, BuildError>, Result<Prepared, BuildError>) {
    let scope = scope();
    let filled = template(request).fill(&scope, &scope.at(0));
    let shown = filled.map(|request| request.prepared(&target()).unwrap());
    (shown, prepare(request, &scope, &scope.at(0)))
}

fn assert_same(request: &RequestPlan) {
    let (shown, prepared) = both(request);
    match (&shown, &prepared) {
        (Ok(shown), Ok(prepared)) => {
            assert_eq!(shown.method, prepared.method);
            assert_eq!(shown.url, prepared.url);
            assert_eq!(shown.body, prepared.body);
            let sorted = |headers: &HeaderMap| {
                let mut all: Vec<_> = headers
                    .iter()
                    .map(|(n, v)| (n.to_string(), v.as_bytes().to_vec(), v.is_sensitive()))
                    .collect();
                all.sort();
                all
            };
            assert_eq!(sorted(&shown.headers), sorted(&prepared.headers));
        }
        _ => assert_eq!(shown.as_ref().err(), prepared.as_ref().err()),
    }
}

fn text(request: &RequestPlan) -> String {
    let scope = scope();
    let filled = template(request).fill(&scope, &scope.at(0)).unwrap();
    String::from_utf8(filled.bytes.to_vec()).unwrap()
}

#[test]
fn a_constant_request_is_written_once() {
    let request = plan(Method::GET, "/w?q=1", Body::Empty);
    let expected = format!(
        "GET /base/w?q=1 HTTP/1.1\r\nhost: 127.0.0.1:9\r\nuser-agent: {USER_AGENT}\r\naccept: */*\r\n\r\n"
    );
    assert_eq!(text(&request), expected);
    assert!(template(&request).constant);
    assert_same(&request);
}

#[test]
fn names_and_tokens_are_filled_in() {
    let json =
        json!({"a": ["${{ list }}", "n=${{ text }}"], "b": "\"", "c": {"d": "${{ plain }}"}});
    let body = Body::Json(JsonTemplate::parse(&json).unwrap());
    let mut request = plan(Method::POST, "/a/../w/${{ text }}?p=${{ plain }}ü", body);
    request.auth = Some(UserId(0));
    request.headers = vec![
        (HeaderName::from_static("x-api-key"), Template::parse("k-${{ plain }}").unwrap()),
        (HeaderName::from_static("x-more"), Template::parse("1").unwrap()),
    ];
    let sent = text(&request);
    assert!(sent.contains("authorization: Bearer secret-crowd-1\r\n"), "{sent}");
    assert_same(&request);
}

#[test]
fn what_cannot_be_filled_in_is_said_alike() {
    assert_same(&plan(Method::GET, "/${{ nothing }}", Body::Empty));
    let body = Body::Text(Template::parse("a ${{ nothing }}").unwrap());
    assert_same(&plan(Method::PUT, "/", body));
    let mut request = plan(Method::GET, "/", Body::Empty);
    let header = HeaderName::from_static("x-a");
    request.headers = vec![(header.clone(), Template::parse("${{ text }}").unwrap())];
    assert_same(&request);
    request.headers = vec![(header, Template::parse("${{ nothing }}").unwrap())];
    assert_same(&request);
}

#[test]
fn an_empty_body_is_stated_where_one_is_expected() {
    assert!(text(&plan(Method::POST, "/", Body::Empty)).contains("content-length: 0\r\n"));
    assert!(!text(&plan(Method::DELETE, "/", Body::Empty)).contains("content-length"));
}

#[test]
fn what_is_looked_at_is_kept() {
    let expect =
        |subject| Expectation { subject, matcher: Matcher::exists(true), span: Span::default() };
    let mut request = plan(Method::GET, "/", Body::Empty);
    let looked = |request: &RequestPlan| {
        let load = LoadPlan::new(
            Profile::constant(1.0, Duration::from_secs(1)),
            vec![Journey {
                name: "j".into(),
                weight: 1,
                steps: vec![Step::Request(Box::new(request.clone()))],
            }],
        );
        RequestBuilder::load(&target(), &load).wanted(StepId(0))
    };
    request.expect = vec![expect(Subject::Status)];
    assert_eq!(looked(&request), Wanted::default());
    request.expect.push(expect(Subject::Header(ACCEPT)));
    assert_eq!(looked(&request), Wanted { headers: true, body: false });
    let subject = Subject::Json("$.id".into());
    request.capture = vec![Capture { name: "id".into(), subject, span: Span::default() }];
    assert_eq!(looked(&request), Wanted { headers: true, body: true });
}

fn any_text() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select(vec![
            "a",
            "\"",
            "\\",
            "ü",
            "${{ text }}",
            "${{ list }}",
            " ",
            "\u{1}",
        ]),
        0..6,
    )
    .prop_map(|parts| parts.concat())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any_text().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any_text(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn both_ways_of_building_a_request_agree(
        json in any_json(),
        segments in prop::collection::vec(
            prop::sample::select(vec!["a", "..", ".", "name0end", "${{ text }}", "x${{ plain }}", "%41", "{}"]),
            0..5,
        ),
    ) {
        let body = Body::Json(JsonTemplate::parse(&json).unwrap());
        assert_same(&plan(Method::POST, &format!("/{}", segments.join("/")), body));
    }

    /// Of a body as it was written, and of a value that was captured from an answer.
    #[test]
    fn numbers_and_members_are_sent_as_they_were_written(
        written in value_text(), captured in value_text(), name in "[a-f]"
    ) {
        let body = |text: &str| {
            let json = Value::parse(text.as_bytes()).unwrap();
            Body::Json(JsonTemplate::parse(&json).unwrap())
        };
        let with = format!("[{written},{{\"z\":\"${{{{ kept }}}}\",\"{name}\":1.10}}]");
        let request = plan(Method::POST, "/", body(&with));
        let scope = scope();
        scope.capture("kept", Value::parse(captured.as_bytes()).unwrap());
        let filled = template(&request).fill(&scope, &scope.at(0)).unwrap();
        let sent = String::from_utf8(filled.bytes.to_vec()).unwrap();
        let (_, sent) = sent.split_once("\r\n\r\n").unwrap();
        let expected = format!("[{written},{{\"z\":{captured},\"{name}\":1.10}}]");
        prop_assert_eq!(sent, expected);
    }
}
