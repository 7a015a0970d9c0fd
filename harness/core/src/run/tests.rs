//! Requests as they are filled in and shown.

use std::{sync::Arc, time::Duration};

use http::{
    HeaderName, Method,
    header::{AUTHORIZATION, CONTENT_TYPE, COOKIE},
};

use super::{
    Environment, TokenError, Tokens,
    context::RunContext,
    curl::{SHOWN_BODY, curl},
    request::prepare,
    values::{Draws, Scope},
    virtual_users::VirtualUsers,
};
use crate::{
    http::Prepared,
    model::{Value, clock, json},
    plan::{
        Body, Credentials, JsonTemplate, Phase, RequestPlan, ScenarioPlan, Span, StepId, StepLabel,
        Template, UserId, UserPlan, Values, Work,
    },
    schedule::Purpose,
};

struct Fake;

impl Tokens for Fake {
    fn subject(&self, user: &str, index: usize) -> String {
        format!("{user}-{index}")
    }

    fn bearer(&self, user: &UserPlan, index: usize) -> Result<String, TokenError> {
        match user.credentials {
            Credentials::Minted { .. } => Ok(format!("secret-{}-{index}", user.name)),
            Credentials::Environment(_) => Err(TokenError("`TOKEN` is not set".into())),
        }
    }
}

fn plan(users: Vec<UserPlan>) -> ScenarioPlan {
    ScenarioPlan {
        feeds: Vec::new(),
        audit: Vec::new(),
        file: "a.yaml".into(),
        name: "a".into(),
        about: None,
        tags: vec![],
        requires: vec![],
        users,
        vars: vec![],
        labels: vec![StepLabel { name: "create".into(), phase: Phase::Work }],
        setup: vec![],
        work: Work::Once(vec![]),
        teardown: vec![],
        thresholds: vec![],
        cost: None,
    }
}

fn minted(name: &str, count: usize) -> UserPlan {
    let credentials = Credentials::Minted { count, scope: "a b".into() };
    UserPlan { name: name.into(), credentials }
}

fn scope(iteration: u64) -> Scope {
    let plan = Arc::new(plan(vec![minted("alice", 1), minted("crowd", 3)]));
    let users = VirtualUsers::prepare(&plan, &Fake, 9);
    let mut environment =
        Environment::new("http://127.0.0.1:9/base/".parse().unwrap(), Arc::new(Fake));
    environment.run_id = "r1".into();
    let context = RunContext::new(plan, &environment, users.unwrap(), clock::now());
    let base = Values::from([("v".to_owned(), json!("it's")), ("id".to_owned(), json!("old"))]);
    Scope::new(
        Arc::new(context),
        Arc::new(base),
        Draws { purpose: Purpose::Iteration, number: iteration },
        iteration,
    )
}

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn request() -> RequestPlan {
    let body = json!({"v": "${{ v }}", "i": "${{ index }}", "n": "${{ iteration }}"});
    RequestPlan {
        to: crate::plan::Destination::Target,
        claim: crate::plan::Claim::default(),
        also: Vec::new(),
        may_be_lost: false,
        id: StepId(0),
        span: Span::default(),
        method: Method::POST,
        path: template("/w/${{ v }}?r=${{ run }}"),
        headers: vec![
            (HeaderName::from_static("x-sub"), template("${{ user.crowd.sub }}")),
            (COOKIE, template("session=canary")),
        ],
        body: Body::Json(JsonTemplate::parse(&body).unwrap()),
        auth: Some(UserId(1)),
        timeout: Duration::from_secs(1),
        expect: vec![],
        capture: vec![],
    }
}

#[test]
fn a_request_is_filled_in() {
    let scope = scope(4);
    let prepared = prepare(&request(), &scope, &scope.at(2)).unwrap();
    assert_eq!(prepared.url.as_str(), "http://127.0.0.1:9/base/w/it%27s?r=r1");
    assert_eq!(prepared.headers["x-sub"], "crowd-1");
    assert_eq!(prepared.headers["authorization"], "Bearer secret-crowd-1");
    assert_eq!(prepared.headers["content-type"], "application/json");
    let body = Value::parse(&prepared.body).unwrap();
    assert_eq!(body, json!({"v": "it's", "i": 2, "n": 4}));
}

#[test]
fn a_command_line_runs_and_has_no_secrets() {
    let scope = scope(4);
    let prepared = prepare(&request(), &scope, &scope.at(0)).unwrap();
    assert_eq!(
        curl(&prepared),
        "curl -sS -i -X POST 'http://127.0.0.1:9/base/w/it%27s?r=r1' -H 'x-sub: crowd-1' \
         -H \"cookie: $TOKEN\" -H 'content-type: application/json' \
         -H \"Authorization: Bearer $TOKEN\" --data-raw '{\"i\":0,\"n\":4,\"v\":\"it'\\''s\"}'"
    );
    let long = Prepared { body: vec![b'x'; SHOWN_BODY + 1].into(), ..prepared };
    assert!(curl(&long).ends_with(" --data-binary @body # 2001 bytes"));
}

#[test]
fn the_authors_headers_stay() {
    let scope = scope(0);
    let mut request = request();
    request.headers =
        vec![(AUTHORIZATION, template("Bearer forged")), (CONTENT_TYPE, template("text/plain"))];
    let prepared = prepare(&request, &scope, &scope.at(0)).unwrap();
    assert_eq!(prepared.headers["authorization"], "Bearer forged");
    assert_eq!(prepared.headers["content-type"], "text/plain");
}

#[test]
fn what_cannot_be_built_says_why() {
    let scope = scope(0);
    let problem =
        |request: &RequestPlan| prepare(request, &scope, &scope.at(0)).unwrap_err().to_string();
    let unbound = RequestPlan { path: template("/${{ gone }}"), ..request() };
    assert_eq!(problem(&unbound), "path: `gone` has no value yet");
    let upstream = RequestPlan { body: Body::Text(template("${{ upstream }}")), ..request() };
    assert_eq!(problem(&upstream), "body: `upstream` has no value yet");
    scope.capture("line", json!("a\r\nb: c"));
    let headers = vec![(HeaderName::from_static("x-a"), template("${{ line }}"))];
    let split = RequestPlan { headers, ..request() };
    assert_eq!(problem(&split), "header x-a: control characters in the value");
}

#[test]
fn people_take_turns_and_values_follow_the_seed() {
    let subject = |iteration| {
        let scope = scope(iteration);
        template("${{ user.crowd.sub }} ${{ user.alice.sub }}").render(&scope.at(0)).unwrap()
    };
    assert_eq!(subject(0), "crowd-0 alice-0");
    assert_eq!(subject(5), "crowd-2 alice-0");
    let uuids = |iteration| {
        let scope = scope(iteration);
        template("${{ uuid }} ${{ uuid }}").render(&scope.at(0)).unwrap()
    };
    assert_eq!(uuids(1), uuids(1));
    assert_ne!(uuids(1), uuids(2));
    let both = uuids(1);
    let (one, other) = both.split_once(' ').unwrap();
    assert_ne!(one, other);
}

#[test]
fn captures_hide_variables_and_outlive_the_iteration() {
    let scope = scope(0);
    scope.capture("id", json!(7));
    assert_eq!(template("${{ id }}").render(&scope.at(0)).unwrap(), "7");
    assert_eq!(scope.values()["id"], json!(7));
    assert_eq!(scope.values()["v"], json!("it's"));
}

#[test]
fn a_missing_token_names_the_user() {
    let credentials = Credentials::Environment("TOKEN".into());
    let user = UserPlan { name: "ops".into(), credentials };
    let problem = VirtualUsers::prepare(&plan(vec![user]), &Fake, 1).unwrap_err().to_string();
    assert_eq!(problem, "no token for user `ops`: `TOKEN` is not set");
}
