//! Workflows and what makes one valid.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Issue, Millis, ai::Quality, notion, template};

/// Longest name, in Unicode code points (the guide's schema).
pub const MAX_NAME: usize = 100;
/// Longest description, in Unicode code points (the guide's schema).
pub const MAX_DESCRIPTION: usize = 500;
/// Most steps in a workflow (the guide's schema).
pub const MAX_STEPS: usize = 50;

/// Longest `delay` step: a day. Fifty of them are more than a run may take, which ends it.
pub const MAX_DELAY_SECONDS: i64 = 24 * 60 * 60;

/// A workflow as its owner sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Workflow {
    /// Identifier.
    pub id: String,
    /// 1 to [`MAX_NAME`] characters.
    pub name: String,
    /// 0 to [`MAX_DESCRIPTION`] characters.
    pub description: String,
    /// 1 to [`MAX_STEPS`] steps, run in order.
    pub steps: Vec<Step>,
    /// When it became public; null as long as it is not.
    pub published_at: Option<Millis>,
    /// Creation.
    pub created_at: Millis,
    /// Last change of its name, description or steps.
    pub updated_at: Millis,
}

/// What a client sends to make a workflow.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// See [`Workflow::name`].
    pub name: String,
    /// See [`Workflow::description`].
    pub description: String,
    /// See [`Workflow::steps`].
    pub steps: Vec<Step>,
}

/// One step of a workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Step {
    /// What it does.
    #[serde(rename = "type")]
    pub kind: StepKind,
    /// Its settings, as the owner wrote them. What a kind needs of them is checked when it runs.
    pub config: Map<String, Value>,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub enum StepKind {
    /// An outbound HTTP request.
    Http,
    /// A summary of a text, which may quote earlier outputs: `{"content": …, "quality": …}`.
    #[serde(rename = "ai.summarize")]
    AiSummarize,
    /// A value made of earlier outputs: `{"value": …}`, see [`template`].
    Transform,
    /// A pause: `{"seconds": n}`.
    Delay,
    /// Who the owner is, as Google says; they must be connected.
    #[serde(rename = "google.userinfo")]
    GoogleUserinfo,
    /// A page in the owner's Notion, made at most once: see [`notion::page`]. Its strings may quote
    /// earlier outputs as those of `transform` do.
    #[serde(rename = "notion.create_page")]
    NotionCreatePage,
}

impl StepKind {
    /// Every kind, for messages.
    const ALL: [Self; 6] = [
        Self::Http,
        Self::AiSummarize,
        Self::Transform,
        Self::Delay,
        Self::GoogleUserinfo,
        Self::NotionCreatePage,
    ];

    /// As it is written in `type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::AiSummarize => "ai.summarize",
            Self::Transform => "transform",
            Self::Delay => "delay",
            Self::GoogleUserinfo => "google.userinfo",
            Self::NotionCreatePage => "notion.create_page",
        }
    }

    /// Whether its settings may quote earlier outputs when it is attempted.
    pub const fn quotes(self) -> bool {
        matches!(self, Self::NotionCreatePage)
    }

    /// Whether an attempt whose outcome is not known may be repeated: the receiver drops
    /// repetitions, or nothing happens there.
    pub const fn is_repeatable(self) -> bool {
        !matches!(self, Self::NotionCreatePage)
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Step {
    /// The pause of a `delay` step, in milliseconds.
    ///
    /// # Errors
    /// What is wrong with its settings.
    pub fn pause(&self) -> Result<Millis, String> {
        let seconds = self.config.get("seconds").and_then(Value::as_i64);
        let seconds = seconds.filter(|seconds| (1..=MAX_DELAY_SECONDS).contains(seconds));
        let wrong = || format!("config.seconds must be an integer from 1 to {MAX_DELAY_SECONDS}");
        seconds.map(|seconds| seconds * 1000).ok_or_else(wrong)
    }

    /// The template of a `transform` step.
    ///
    /// # Errors
    /// What is wrong with its settings.
    pub fn template(&self) -> Result<&Value, String> {
        self.config.get("value").ok_or_else(|| "config.value is required".to_owned())
    }

    /// The content of an `ai.summarize` step: a text, which may quote.
    ///
    /// # Errors
    /// What is wrong with its settings.
    pub fn content(&self) -> Result<&Value, String> {
        let content = self.config.get("content").filter(|content| content.is_string());
        content.ok_or_else(|| "config.content must be a string".to_owned())
    }

    /// Checks what can be known of the settings before the step runs. Where an `http` step may go
    /// is the deployment's to say, when it goes there.
    fn check(&self, index: usize) -> Result<(), String> {
        match self.kind {
            StepKind::Http | StepKind::GoogleUserinfo => Ok(()),
            StepKind::AiSummarize => {
                Quality::from_json(self.config.get("quality"))
                    .map_err(|problem| format!("config.quality {problem}"))?;
                template::check(self.content()?, index)
            }
            StepKind::Transform => template::check(self.template()?, index),
            StepKind::Delay => self.pause().map(|_| ()),
            StepKind::NotionCreatePage => {
                // What it quotes may be longer or shorter: judged again when it is there.
                notion::page(&self.config)?;
                template::check(&Value::Object(self.config.clone()), index)
            }
        }
    }
}

impl Draft {
    /// Checks a request body against the rules. Unknown keys are dropped; `null` is a value, and
    /// of the wrong type everywhere.
    ///
    /// # Errors
    /// Every violated rule, in the order of the document.
    pub fn from_json(body: &Value) -> Result<Self, Vec<Issue>> {
        let Some(object) = body.as_object() else {
            return Err(vec![Issue::new("", "must be an object")]);
        };
        let mut issues = Vec::new();
        let name = text(object, "name", 1, MAX_NAME, &mut issues);
        let description = text(object, "description", 0, MAX_DESCRIPTION, &mut issues);
        let steps = steps(object, &mut issues);
        match (name, description, steps) {
            (Some(name), Some(description), Some(steps)) if issues.is_empty() => {
                Ok(Self { name, description, steps })
            }
            _ => Err(issues),
        }
    }
}

/// A member that must be a text of `min` to `max` characters.
pub(super) fn text(
    object: &Map<String, Value>,
    key: &str,
    min: usize,
    max: usize,
    issues: &mut Vec<Issue>,
) -> Option<String> {
    let problem = match object.get(key) {
        None => "is required".to_owned(),
        Some(Value::String(text)) => {
            let length = text.chars().count();
            if (min..=max).contains(&length) {
                return Some(text.clone());
            }
            format!("must have {min} to {max} characters, has {length}")
        }
        Some(other) => format!("must be a string, is {}", type_name(other)),
    };
    issues.push(Issue::new(key, problem));
    None
}

fn steps(object: &Map<String, Value>, issues: &mut Vec<Issue>) -> Option<Vec<Step>> {
    let problem = match object.get("steps") {
        None => "is required".to_owned(),
        Some(Value::Array(items)) if (1..=MAX_STEPS).contains(&items.len()) => {
            let steps: Vec<_> =
                items.iter().enumerate().map(|(index, item)| step(index, item, issues)).collect();
            return steps.into_iter().collect();
        }
        Some(Value::Array(items)) => {
            format!("must have 1 to {MAX_STEPS} elements, has {}", items.len())
        }
        Some(other) => format!("must be an array, is {}", type_name(other)),
    };
    issues.push(Issue::new("steps", problem));
    None
}

fn step(index: usize, item: &Value, issues: &mut Vec<Issue>) -> Option<Step> {
    let path = format!("steps[{index}]");
    let Some(object) = item.as_object() else {
        issues.push(Issue::new(path, format!("must be an object, is {}", type_name(item))));
        return None;
    };
    let kind = step_kind(&path, object.get("type"), issues);
    let config = match object.get("config") {
        Some(Value::Object(config)) => Some(config.clone()),
        None => {
            issues.push(Issue::new(format!("{path}.config"), "is required"));
            None
        }
        Some(other) => {
            let message = format!("must be an object, is {}", type_name(other));
            issues.push(Issue::new(format!("{path}.config"), message));
            None
        }
    };
    let step = Step { kind: kind?, config: config? };
    match step.check(index) {
        Ok(()) => Some(step),
        Err(problem) => {
            issues.push(Issue::new(format!("{path}.config"), problem));
            None
        }
    }
}

fn step_kind(path: &str, value: Option<&Value>, issues: &mut Vec<Issue>) -> Option<StepKind> {
    let problem = match value {
        None => "is required".to_owned(),
        Some(Value::String(name)) => {
            if let Some(kind) = StepKind::from_name(name) {
                return Some(kind);
            }
            let known = StepKind::ALL.map(StepKind::name).join(", ");
            format!("is not a known step type; known are: {known}")
        }
        Some(other) => format!("must be a string, is {}", type_name(other)),
    };
    issues.push(Issue::new(format!("{path}.type"), problem));
    None
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn valid() -> Value {
        json!({"name": "n", "description": "", "steps": [{"type": "http", "config": {}}]})
    }

    fn with(key: &str, value: Value) -> Value {
        let mut body = valid();
        body[key] = value;
        body
    }

    fn issues(body: &Value) -> Vec<String> {
        let issues = Draft::from_json(body).unwrap_err();
        issues.into_iter().map(|i| format!("{}: {}", i.path, i.message)).collect()
    }

    #[test]
    fn lengths_at_the_limits_and_one_past_them_in_code_points() {
        for (key, min, max) in [("name", 1, MAX_NAME), ("description", 0, MAX_DESCRIPTION)] {
            for unit in ["a", "é", "😀"] {
                assert!(
                    Draft::from_json(&with(key, json!(unit.repeat(max)))).is_ok(),
                    "{key} {unit}"
                );
                assert!(Draft::from_json(&with(key, json!(unit.repeat(max + 1)))).is_err());
                assert!(Draft::from_json(&with(key, json!(unit.repeat(min)))).is_ok());
            }
        }
        assert_eq!(
            issues(&with("name", json!(""))),
            ["name: must have 1 to 100 characters, has 0"]
        );
    }

    #[test]
    fn step_counts_at_the_limits_and_one_past_them() {
        let steps = |n| with("steps", vec![json!({"type": "http", "config": {}}); n].into());
        assert!(Draft::from_json(&steps(1)).is_ok());
        assert!(Draft::from_json(&steps(MAX_STEPS)).is_ok());
        assert_eq!(issues(&steps(0)), ["steps: must have 1 to 50 elements, has 0"]);
        assert_eq!(issues(&steps(MAX_STEPS + 1)), ["steps: must have 1 to 50 elements, has 51"]);
    }

    #[test]
    fn every_issue_at_once_in_document_order() {
        let body = json!({"name": null, "steps": [{"type": "htpp", "config": []}, 7, {}]});
        assert_eq!(
            issues(&body),
            [
                "name: must be a string, is null",
                "description: is required",
                "steps[0].type: is not a known step type; known are: http, ai.summarize, transform, delay, google.userinfo, notion.create_page",
                "steps[0].config: must be an object, is an array",
                "steps[1]: must be an object, is a number",
                "steps[2].type: is required",
                "steps[2].config: is required",
            ]
        );
        assert_eq!(issues(&json!([])), [": must be an object"]);
    }

    #[test]
    fn delays_at_the_limits_and_one_past_them() {
        let delay = |seconds: Value| {
            with("steps", json!([{"type": "delay", "config": {"seconds": seconds}}]))
        };
        for good in [1, MAX_DELAY_SECONDS] {
            assert!(Draft::from_json(&delay(good.into())).is_ok(), "{good}");
        }
        for bad in [json!(0), json!(MAX_DELAY_SECONDS + 1), json!(1.5), json!("1"), json!(-1)] {
            let expected = "steps[0].config: config.seconds must be an integer from 1 to 86400";
            assert_eq!(issues(&delay(bad)), [expected]);
        }
    }

    #[test]
    fn a_transform_quotes_earlier_steps_only() {
        let transform = |text: &str| {
            let step = json!({"type": "transform", "config": {"value": text}});
            with("steps", json!([{"type": "http", "config": {}}, step]))
        };
        assert!(Draft::from_json(&transform("{{ steps[0].output.body }}")).is_ok());
        let expected = "steps[1].config: `steps[1].output` is not an earlier step";
        assert_eq!(issues(&transform("{{ steps[1].output }}")), [expected]);
        let absent = with("steps", json!([{"type": "transform", "config": {}}]));
        assert_eq!(issues(&absent), ["steps[0].config: config.value is required"]);
    }

    #[test]
    fn unknown_keys_are_dropped() {
        let mut body = valid();
        body["id"] = json!("mine");
        body["steps"][0]["extra"] = json!(1);
        assert_eq!(Draft::from_json(&body).unwrap(), Draft::from_json(&valid()).unwrap());
    }
}
