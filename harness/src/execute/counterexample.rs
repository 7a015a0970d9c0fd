//! A failure as a scenario that can be run by itself.

use std::{fs, path::Path};

use serde_json::{Map, Value, json};

use super::iteration::Iteration;
use crate::{
    generate::Case,
    plan::{Bindings, Credentials, Expectation, Matcher, RequestPlan, Subject},
};

/// Files of one scenario: the first failures are enough to start from.
const MAX_FILES: usize = 5;

/// Writes the scenario into the folder of the reports, if there is one; a line for the failure.
pub(super) fn write(iteration: &Iteration, request: &RequestPlan, case: &Case) -> Option<String> {
    let world = &iteration.lane.world;
    let folder = world.out.as_ref()?;
    let scenario = scenario(iteration, request, case)?;
    let name = iteration.lane.plan.name.replace(['/', '\\'], "-");
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
fn scenario(iteration: &Iteration, request: &RequestPlan, case: &Case) -> Option<Value> {
    let plan = &iteration.lane.plan;
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
    step.insert("json".to_owned(), case.body.clone());
    let mut expect = json!({ "status": status(&request.expect, &names)? });
    if let Some(rule) = &request.claim.rule {
        expect["rule"] = rule.id.clone().into();
        scenario["rules"] =
            json!({ (rule.id.clone()): { "says": rule.says, "source": rule.source } });
    }
    step.insert("expect".to_owned(), expect);
    scenario["steps"] = json!([{ "request": step }]);
    // What looks like a name to fill in would be one there.
    let text = scenario.to_string();
    (!text.contains("${{") && world_hides_nothing(iteration, &text)).then_some(scenario)
}

/// A scenario with a secret in it is not written.
fn world_hides_nothing(iteration: &Iteration, text: &str) -> bool {
    iteration.lane.world.secrets.hide(text) == text
}

/// What is expected of the status, as it is written in a file.
fn status(expect: &[Expectation], names: &dyn Bindings) -> Option<Value> {
    let of_status = |expectation: &&Expectation| expectation.subject == Subject::Status;
    operators(&expect.iter().find(of_status)?.matcher, names)
}

fn operators(matcher: &Matcher, names: &dyn Bindings) -> Option<Value> {
    Some(match matcher {
        Matcher::Eq(value) => value.render(names).ok()?,
        Matcher::Ne(value) => json!({ "ne": value.render(names).ok()? }),
        Matcher::Lt(number) => json!({ "lt": number }),
        Matcher::Le(number) => json!({ "le": number }),
        Matcher::Gt(number) => json!({ "gt": number }),
        Matcher::Ge(number) => json!({ "ge": number }),
        Matcher::In(values) => {
            let values: Option<Vec<_>> =
                values.iter().map(|value| value.render(names).ok()).collect();
            json!({ "in": values? })
        }
        Matcher::All(all) => {
            let mut merged = Map::new();
            for matcher in all {
                let Value::Object(members) = operators(matcher, names)? else { return None };
                merged.extend(members);
            }
            merged.into()
        }
        _ => return None,
    })
}
