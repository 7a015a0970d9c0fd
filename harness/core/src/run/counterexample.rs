//! A failure as a scenario that can be run by itself.

use std::{fs, path::Path};

use crate::model::{Object, Query, Value};

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
    let mut step = Object::new();
    step.insert("name".to_owned(), "counterexample".into());
    step.insert(request.method.as_str().to_lowercase(), path.into());
    let mut scenario = Object::new();
    let mut set = |key: &str, value: Value| drop(scenario.insert(key.to_owned(), value));
    set("scenario", format!("counterexample/{}", plan.name.replace('/', "-")).into());
    set("about", format!("{}: {}", plan.name, case.name).into());
    if let Some(user) = request.auth.and_then(|user| plan.users.get(user.0)) {
        let credentials = match &user.credentials {
            Credentials::Minted { scope, .. } => Value::from([("scope", scope.as_str().into())]),
            Credentials::Environment(variable) => {
                Value::from([("token", [("env", variable.as_str().into())].into())])
            }
        };
        set("users", [(user.name.as_str(), credentials)].into());
        step.insert("auth".to_owned(), user.name.clone().into());
    }
    let mut headers = Object::new();
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
        let described =
            [("description", rule.says.as_str().into()), ("source", rule.source.as_str().into())];
        set("rules", [(rule.id.as_str(), described.into())].into());
        for expect in also.iter_mut().chain([&mut expect]) {
            expect.insert("rule".to_owned(), rule.id.clone().into());
        }
    }
    let expect = match also {
        None => Value::from(expect),
        Some(also) => vec![expect, also].into(),
    };
    step.insert("expect".to_owned(), expect);
    set("steps", vec![Value::from([("request", step.into())])].into());
    let scenario = Value::from(scenario);
    // What looks like a name to fill in would be one there.
    let text = scenario.to_string();
    (!text.contains("${{") && world_hides_nothing(iteration, &text)).then_some(scenario)
}

/// Returns the expectation that one of the places at `path` is `place`, or holds it.
fn naming(path: &str, place: &str) -> Object {
    let one = Value::from([("enum", holders(place).into())]);
    let schema = if Query::parse(path).is_ok_and(|query| query.is_singular()) {
        one
    } else {
        [("type", "array".into()), ("contains", one)].into()
    };
    let body = [(path, [("schema", schema)].into())];
    Object::from_iter([("body".to_owned(), body.into())])
}

/// A scenario with a secret in it is not written.
fn world_hides_nothing(iteration: &Iteration, text: &str) -> bool {
    iteration.worker.context.secrets.hide(text) == text
}
