use std::time::Duration;

use crate::{
    language::Diagnostic,
    model::Capability,
    plan::{
        Body, Catalog, ControlAction, ControlStep, Credentials, Phase, Profile, RequestPlan,
        ScenarioPlan, Step, StepId, Subject, ValuePlan, Values, Work, load,
    },
};

use super::DEFAULT_SCOPE;

fn plan(text: &str) -> ScenarioPlan {
    load("f.yaml", text.as_bytes(), &Catalog::default()).unwrap().0
}

fn warnings(text: &str) -> Vec<String> {
    load("f.yaml", text.as_bytes(), &Catalog::default())
        .unwrap()
        .1
        .into_iter()
        .map(|warning| warning.message)
        .collect()
}

fn errors(text: &str) -> Vec<Diagnostic> {
    load("f.yaml", text.as_bytes(), &Catalog::default()).unwrap_err()
}

fn codes(text: &str) -> Vec<&'static str> {
    errors(text).into_iter().map(|error| error.code).collect()
}

fn steps(plan: &ScenarioPlan) -> &[Step] {
    let Work::Once(steps) = &plan.work else { panic!("{:?}", plan.work) };
    steps
}

fn request(step: &Step) -> &RequestPlan {
    step.request().unwrap()
}

fn lifecycle() -> ScenarioPlan {
    plan(include_str!("../../../../../fixtures/scenarios/lifecycle.yaml"))
}

#[test]
fn a_plan_has_its_defaults() {
    let plan = plan("scenario: a/b\nusers: { u: {} }\nsteps:\n- request: { get: /, auth: u }\n");
    assert_eq!((&*plan.file, plan.name.as_str(), &plan.about), ("f.yaml", "a/b", &None));
    let only = request(&steps(&plan)[0]);
    assert_eq!(only.timeout, Duration::from_secs(10));
    assert!(matches!(only.body, Body::Empty));
    assert_eq!(only.span.line, 4);
    let [status] = only.expect.as_slice() else { panic!("{:?}", only.expect) };
    assert_eq!(status.subject, Subject::Status);
    assert_eq!(status.matcher.describe(&Values::new()), "< 400");
    let Work::Once(steps) = &plan.work else { panic!() };
    assert_eq!(steps.len(), 1);
    let minted = Credentials::Minted { count: 1, scope: DEFAULT_SCOPE.to_owned() };
    assert_eq!(plan.users[0].credentials, minted);
}

#[test]
fn labels_are_unique_and_know_their_phase() {
    let text = "scenario: a\nsetup:\n- request: { get: / }\nsteps:\n- request: { get: / }\n\
                - request: { get: / }\n- request: { name: GET / (2), get: /x }\n\
                teardown:\n- request: { get: / }\n";
    let plan = plan(text);
    let labels: Vec<_> =
        plan.labels.iter().map(|label| (label.name.as_str(), label.phase)).collect();
    assert_eq!(
        labels,
        [
            ("GET /", Phase::Setup),
            ("GET / (3)", Phase::Work),
            ("GET / (4)", Phase::Work),
            ("GET / (2)", Phase::Work),
            ("GET / (5)", Phase::Teardown),
        ]
    );
    let ids: Vec<_> = steps(&plan).iter().map(|step| request(step).id).collect();
    assert_eq!(ids, [StepId(1), StepId(2), StepId(3)]);
}

#[test]
fn every_kind_of_step() {
    let plan = lifecycle();
    let [create, _, _, until, wait, burst] = steps(&plan) else { panic!() };
    let create = request(create);
    assert_eq!(create.path.source(), "/workflows");
    assert_eq!(create.expect.len(), 8);
    assert_eq!(create.capture.len(), 2);
    assert_eq!(create.expect[1].span.line, 31);
    let both = &create.expect[7].matcher.0;
    assert_eq!(serde_json::to_value(both).unwrap().as_object().unwrap().len(), 2);
    let Step::Until(until) = until else { panic!() };
    assert_eq!((until.within, until.every), (Duration::from_secs(10), Duration::from_millis(250)));
    assert!(matches!(wait, Step::Wait(time) if *time == Duration::from_millis(1500)));
    let Step::Burst(burst) = burst else { panic!() };
    assert_eq!((burst.count, burst.concurrency, burst.counts.len()), (201, 16, 2));
}

#[test]
fn the_counts_of_a_burst_say_which_statuses_are_right() {
    let plan = lifecycle();
    let [.., burst] = steps(&plan) else { panic!() };
    let [status] = request(burst).expect.as_slice() else { panic!() };
    assert_eq!(status.matcher.0.exists, Some(true));
}

#[test]
fn a_load() {
    let plan = plan(include_str!("../../../../../fixtures/scenarios/load.yaml"));
    let Work::Load(load) = &plan.work else { panic!() };
    let ten_seconds = Duration::from_secs(10);
    assert_eq!(load.profile, Profile::constant(40.0, ten_seconds));
    assert_eq!(load.warmup, Duration::from_secs(2));
    assert_eq!(load.drain, Duration::ZERO);
    assert_eq!(load.max_in_flight, 300);
    let journeys: Vec<_> =
        load.journeys.iter().map(|journey| (journey.name.as_str(), journey.weight)).collect();
    assert_eq!(journeys, [("browse", 6), ("create", 1)]);
    let create = plan.labels.iter().position(|label| label.name == "create").map(StepId);
    assert_eq!(plan.thresholds[1].step, create);
    assert_eq!(plan.thresholds[0].step, None);
    assert_eq!(plan.users[1].credentials, Credentials::Environment("STAGING_TOKEN".to_owned()));
}

#[test]
fn captures_of_steps_are_known_in_teardown_and_may_be_replaced() {
    let text = "scenario: a\nsteps:\n- request: { post: /, capture: { id: $.id } }\n\
                - request: { get: \"/${{ id }}\", capture: { id: $.id } }\n\
                teardown:\n- request: { delete: \"/${{ id }}\" }\n";
    assert_eq!(warnings(text), Vec::<String>::new());
}

#[test]
fn what_nothing_uses_is_a_warning() {
    let text = "scenario: a\nusers: { u: {} }\nvars: { v: 1 }\nsteps:\n\
                - request: { post: /, capture: { c: $.id } }\n";
    let expected = [
        "the user `u` is never used",
        "the variable `v` is never used",
        "the capture `c` is never used",
    ];
    assert_eq!(warnings(text), expected);
}

#[test]
fn names_have_values_only_where_they_are_known() {
    let step = |path: &str| format!("scenario: a\nsteps:\n- request: {{ get: \"{path}\" }}\n");
    assert_eq!(codes(&step("/${{ x }}")), ["unknown-variable"]);
    assert_eq!(codes(&step("/${{ index }}")), ["no-value-here"]);
    assert_eq!(codes(&step("/${{ iteration }}")), ["no-value-here"]);
    assert_eq!(codes(&step("/${{ user.bob.sub }}")), ["unknown-user"]);
    assert_eq!(codes(&step("/${{ user.bob }}")), ["unknown-variable"]);
    plan(&step("/${{ uuid }}/${{ run }}/${{ target }}"));
    assert_eq!(plan(&step("/${{ upstream }}")).requires, [Capability::Upstream]);
    assert_eq!(plan(&step("/${{ page_origin }}")).requires, [Capability::PageOrigin]);
}

#[test]
fn diagnostics_point_at_the_name_in_its_template() {
    let found = errors("scenario: a\nsteps:\n- request: { get: \"/idle/${{   idl }}\" }\n");
    assert_eq!((found[0].span.line, found[0].span.column), (3, 32));
    assert_eq!(found[0].span.end - found[0].span.start, 3);
}

#[test]
fn the_limits_themselves_are_allowed() {
    let text = "scenario: a\nusers: { crowd: { count: 100000 } }\nload:\n  profile: { constant: { rate: 1000000/s, \
                for: 24h } }\n  max_in_flight: 10000\n  journeys:\n    j: { weight: 1000, steps: [{ burst: { count: \
                100000, concurrency: 1024, request: { get: /, auth: crowd } } }] }\n";
    let plan = plan(text);
    let Work::Load(load) = &plan.work else { panic!() };
    assert_eq!((load.max_in_flight, load.journeys[0].weight), (10_000, 1000));
    let Step::Burst(burst) = &load.journeys[0].steps[0] else { panic!() };
    assert_eq!((burst.count, burst.concurrency), (100_000, 1024));
}

#[test]
fn what_the_steps_need_is_required_and_what_is_written_comes_on_top() {
    let text = "scenario: a\nrequires: [exact-limiter, clock]\nusers: { u: {} }\n\
                vars: { t: { jwt: { user: u } } }\nsteps:\n- control: { clock: stop }\n\
                - control: { target: cron }\n- control: { target: kill }\n\
                - upstream-calls: { path: /, effects: 0 }\n\
                - request: { get: /, headers: { x: \"${{ t }}\" } }\n";
    let expected = [
        Capability::ExactLimiter,
        Capability::Clock,
        Capability::SigningKey,
        Capability::Cron,
        Capability::Restart,
        Capability::Upstream,
    ];
    assert_eq!(plan(text).requires, expected);
    assert_eq!(warnings(text), ["`clock` is required anyway: what the scenario does needs it"]);
}

#[test]
fn a_wait_is_on_the_clock_of_the_target_but_in_journeys() {
    let text = "scenario: a\nsteps:\n- wait: 2s\n- wait: { for: 2s, clock: real }\n\
                - wait: { for: 2s }\n- wait: { for: 2s, clock: target }\n";
    let seconds = Duration::from_secs(2);
    let elapse = |step: &Step| {
        matches!(step, Step::Control(ControlStep { action: ControlAction::Elapse(time), .. })
            if *time == seconds)
    };
    let plan_of_steps = plan(text);
    let [short, real, long, target] = steps(&plan_of_steps) else { panic!() };
    assert!(elapse(short) && elapse(long) && elapse(target));
    assert!(matches!(real, Step::Wait(time) if *time == seconds));
    let load = "scenario: a\nload:\n  profile: { constant: { rate: 1/s, for: 1s } }\n  journeys:\n    \
                j: { steps: [{ wait: 2s }, { request: { get: / } }] }\n";
    let plan = plan(load);
    let Work::Load(load) = &plan.work else { panic!() };
    assert!(matches!(load.journeys[0].steps[0], Step::Wait(time) if time == seconds));
}

#[test]
fn the_first_expectation_that_is_required_decides_first() {
    let text = "scenario: a\nrules: { IV1: { description: a, source: b } }\nsteps:\n\
                - request:\n    get: /\n    expect:\n    \
                - { severity: optimal, headers: { server: { exists: true } } }\n    \
                - { rule: IV1, text: a }\n    - { severity: check, status: 201 }\n";
    let plan = plan(text);
    let request = request(&steps(&plan)[0]);
    assert_eq!(request.claim.rule.as_ref().map(|rule| rule.id.as_str()), Some("IV1"));
    assert!(request.expect[0].matcher.0.lt.is_some(), "{:?}", request.expect);
    assert_eq!((request.expect.len(), request.also.len()), (2, 2));
}

#[test]
fn where_nothing_is_required_the_status_has_no_default() {
    let text = "scenario: a\nsteps:\n- request:\n    get: /\n    expect:\n    \
                - { severity: optimal, text: a }\n    - { severity: check, status: 201 }\n";
    let plan = plan(text);
    assert!(request(&steps(&plan)[0]).expect.iter().all(|one| one.subject != Subject::Status));
}

#[test]
fn variables_are_given_or_computed_in_one_order() {
    let text = "scenario: a\nvars:\n  a name: x\n  coded: { base64: \"${{ a name }}\" }\n  \
                both: { of: \"${{ coded }}\" }\n  itself: { json: { base64: y } }\nsteps:\n\
                - check: { value: [\"${{ both.of }}\", \"${{ itself }}\"], is: [] }\n";
    let plan = plan(text);
    let kinds: Vec<_> = plan
        .vars
        .iter()
        .map(|(name, value)| (name.as_str(), matches!(value, ValuePlan::Json(_))))
        .collect();
    assert_eq!(kinds, [("a name", true), ("coded", false), ("both", true), ("itself", true)]);
    assert_eq!(warnings(text), Vec::<String>::new());
    let slip = "scenario: a\nvars: { a: { hmac-sha25: { text: b } } }\nsteps: []\n";
    assert_eq!(codes(slip), ["unknown-choice"]);
}

#[test]
fn runs_and_costs_are_of_a_target_that_somebody_knows() {
    let model = "scenario: a\nsteps:\n- request: { get: / }\n- model: { runs: {} }\n";
    assert_eq!(codes(model), ["no-runs"]);
    let cost = "scenario: a\ncost: {}\nsteps:\n- request: { get: / }\n";
    assert_eq!(codes(cost), ["no-prices"]);
}
