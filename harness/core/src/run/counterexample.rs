//! A failure as a scenario that can be run by itself.

use std::{fs, path::Path};

use serde_json::{Map, Value, json};

use super::iteration::Iteration;
use crate::{
    generate::{Case, holders},
    plan::{Credentials, RequestPlan, written},
};

/// Files of one scenario: the first failures are enough to start from.
const MAX_FILES: usize = 5;

/// Writes the scenario into the folder of the reports, if there is one; a line for the failure. The
/// places that a refusal names are at `pointer`.
pub(super) fn write(
    iteration: &Iteration,
    request: &RequestPlan,
    case: &Case,
    pointer: Option<&str>,
) -> Option<String> {
    let world = &iteration.worker.context;
    let folder = world.out.as_ref()?;
    let scenario = scenario(iteration, request, case, pointer)?;
    let name = iteration.worker.context.plan.name.replace(['/', '\\'], "-");
    let file = |number: usize| folder.join(format!("counterexample-{name}-{number}.yaml"));
    let path = (1..=MAX_FILES).map(file).find(|path| !path.exists())?;
    Some(match save(folder, &path, &scenario) {
        Ok(()) => format!("as a scenario: {}", path.display()),
        Err(error) => format!("the scenario could not be written: {}: {error}", path.display()),
    })
}

fn save(folder: &Path, path: &Path, scenario: &Value) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(path, format!("{scenario:#}\n"))
}

/// JSON is YAML.
fn scenario(
    iteration: &Iteration,
    request: &RequestPlan,
    case: &Case,
    pointer: Option<&str>,
) -> Option<Value> {
    let plan = &iteration.worker.context.plan;
    let names = iteration.scope.at(0);
    let path = request.path.render_path(&names).ok()?;
    let mut step = Map::new();
    step.insert("name".to_owned(), "counterexample".into());
    step.insert(request.method.as_str().to_lowercase(), path.into());
    let mut scenario = json!({
        "scenario": format!("counterexample/{}", plan.name.replace('/', "-")),
        "about": format!("{}: {}", plan.name, case.name),
    });
    if let Some(user) = request.auth.and_then(|user| plan.users.get(user.0)) {
        let credentials = match &user.credentials {
            Credentials::Minted { scope, .. } => json!({ "scope": scope }),
            Credentials::Environment(variable) => json!({ "token": { "env": variable } }),
        };
        scenario["users"] = json!({ (user.name.clone()): credentials });
        step.insert("auth".to_owned(), user.name.clone().into());
    }
    let mut headers = Map::new();
    for (name, value) in &request.headers {
        headers.insert(name.to_string(), value.render(&names).ok()?.into());
    }
    if !headers.is_empty() {
        step.insert("headers".to_owned(), headers.into());
    }
    step.insert("json".to_owned(), case.body.clone());
    let mut expect = written::expect(&request.expect, &names)?;
    let mut also = pointer.zip(case.breaks.as_deref()).map(|(path, place)| naming(path, place));
    if let Some(rule) = &request.claim.rule {
        scenario["rules"] =
            json!({ (rule.id.clone()): { "description": rule.says, "source": rule.source } });
        for expect in also.iter_mut().chain([&mut expect]) {
            expect.insert("rule".to_owned(), rule.id.clone().into());
        }
    }
    let expect = match also {
        None => Value::from(expect),
        Some(also) => json!([expect, also]),
    };
    step.insert("expect".to_owned(), expect);
    scenario["steps"] = json!([{ "request": step }]);
    // What looks like a name to fill in would be one there.
    let text = scenario.to_string();
    (!text.contains("${{") && world_hides_nothing(iteration, &text)).then_some(scenario)
}

/// Returns the expectation that one of the places at `path` is `place`, or holds it. A query that
/// selects one value gives that value, and several give a list.
fn naming(path: &str, place: &str) -> Map<String, Value> {
    let one = json!({ "enum": holders(place) });
    let schema = json!({ "anyOf": [one, { "type": "array", "contains": one }] });
    Map::from_iter([("body".to_owned(), json!({ path: { "schema": schema } }))])
}

/// A scenario with a secret in it is not written.
fn world_hides_nothing(iteration: &Iteration, text: &str) -> bool {
    iteration.worker.context.secrets.hide(text) == text
}
