//! Defines workflows, and the rules for a valid one.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Issue, Millis,
    ai::{Quality, UnknownQuality},
    notion::{self, PageError},
    template::{self, TemplateError},
};

/// The largest number of Unicode code points of a name (the guide's schema).
pub const MAX_NAME: usize = 100;
/// The largest number of Unicode code points of a description (the guide's schema).
pub const MAX_DESCRIPTION: usize = 500;
/// The largest number of steps of a workflow (the guide's schema).
pub const MAX_STEPS: usize = 50;

/// The largest number of bytes of all steps as JSON. It is that of a request body: what a client may
/// send may also be stored, unless it grows when it is written again. (`1e15`, for example, becomes
/// a number of 18 bytes.)
pub const MAX_STEPS_BYTES: usize = 256 * 1024;

/// The largest number of bytes of a workflow in a list, as JSON. Most of it is the name and the
/// description, whose characters need up to six bytes each.
pub const MAX_SUMMARY_BYTES: usize = 4_000;
const _: () = assert!(6 * (MAX_NAME + MAX_DESCRIPTION) < MAX_SUMMARY_BYTES);

/// The longest `delay` step, which is a day. Fifty of them take longer than a run may, so that the
/// run times out.
pub const MAX_DELAY_SECONDS: i64 = 24 * 60 * 60;

/// A workflow as its owner sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Workflow {
    /// The identifier of the workflow.
    pub id: String,
    /// The name: 1 to [`MAX_NAME`] characters.
    pub name: String,
    /// The description: 0 to [`MAX_DESCRIPTION`] characters.
    pub description: String,
    /// The 1 to [`MAX_STEPS`] steps, which run in order.
    pub steps: Vec<Step>,
    /// The time at which it became public; null as long as it is not.
    pub published_at: Option<Millis>,
    /// The time of creation.
    pub created_at: Millis,
    /// The time of the last change of its name, description or steps.
    pub updated_at: Millis,
}

/// A workflow as lists show it, without its steps. A list of the largest workflows would have 25 MB
/// with them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct WorkflowSummary {
    /// The identifier of the workflow.
    pub id: String,
    /// The name: 1 to [`MAX_NAME`] characters.
    pub name: String,
    /// The description: 0 to [`MAX_DESCRIPTION`] characters.
    pub description: String,
    /// The time at which it became public; null as long as it is not.
    pub published_at: Option<Millis>,
    /// The time of creation.
    pub created_at: Millis,
    /// The time of the last change of its name, description or steps.
    pub updated_at: Millis,
}

/// The members of a workflow that a client sends.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Becomes [`Workflow::name`].
    pub name: String,
    /// Becomes [`Workflow::description`].
    pub description: String,
    /// Becomes [`Workflow::steps`].
    pub steps: Vec<Step>,
}

/// One step of a workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Step {
    /// The type of the step.
    #[serde(rename = "type")]
    pub kind: StepKind,
    /// The settings as the owner wrote them. Each type of step checks its own when it runs.
    pub config: Map<String, Value>,
}

/// The type of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub enum StepKind {
    /// Sends an HTTP request.
    Http,
    /// Summarises a text, which may refer to earlier outputs: `{"content": …, "quality": …}`.
    #[serde(rename = "ai.summarize")]
    AiSummarize,
    /// Makes a value of earlier outputs: `{"value": …}`, see [`template`].
    Transform,
    /// Pauses the run: `{"seconds": n}`.
    Delay,
    /// Asks Google who the owner is, who must have connected Google.
    #[serde(rename = "google.userinfo")]
    GoogleUserinfo,
    /// Creates a page in the owner's Notion, at most once: see [`notion::page`]. Its strings may
    /// refer to earlier outputs as those of `transform` do.
    #[serde(rename = "notion.create_page")]
    NotionCreatePage,
}

/// The settings of a step violate a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The pause is absent or out of bounds.
    #[error("config.seconds must be an integer from 1 to {MAX_DELAY_SECONDS}")]
    Seconds,
    /// The template of a `transform` step is absent.
    #[error("config.value is required")]
    NoValue,
    /// The content of a summary is absent or not a text.
    #[error("config.content must be a string")]
    Content,
    /// The quality of a summary is unknown.
    #[error("config.quality {0}")]
    Quality(#[from] UnknownQuality),
    /// A reference to an earlier output is wrong.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The settings make no page of Notion.
    #[error(transparent)]
    Page(#[from] PageError),
}

impl StepKind {
    /// Every type, for messages.
    pub const ALL: [Self; 6] = [
        Self::Http,
        Self::AiSummarize,
        Self::Transform,
        Self::Delay,
        Self::GoogleUserinfo,
        Self::NotionCreatePage,
    ];

    /// Returns the name as `type` writes it.
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

    /// Returns true if all settings of the step are a template, which is rendered before each
    /// attempt.
    pub const fn config_is_template(self) -> bool {
        matches!(self, Self::NotionCreatePage)
    }

    /// Returns true if an attempt whose outcome is not known may be repeated, because the receiver
    /// drops repetitions or the step changes nothing there.
    pub const fn is_repeatable(self) -> bool {
        !matches!(self, Self::NotionCreatePage)
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Step {
    /// Returns the pause of a `delay` step, in milliseconds.
    ///
    /// # Errors
    /// [`StepError::Seconds`].
    pub fn pause(&self) -> Result<Millis, StepError> {
        let seconds = self.config.get("seconds").and_then(Value::as_i64);
        let seconds = seconds.filter(|seconds| (1..=MAX_DELAY_SECONDS).contains(seconds));
        seconds.map(|seconds| seconds * 1000).ok_or(StepError::Seconds)
    }

    /// Returns the template of a `transform` step.
    ///
    /// # Errors
    /// [`StepError::NoValue`].
    pub fn template(&self) -> Result<&Value, StepError> {
        self.config.get("value").ok_or(StepError::NoValue)
    }

    /// Returns the content of an `ai.summarize` step, which is a template of a text.
    ///
    /// # Errors
    /// [`StepError::Content`].
    pub fn content(&self) -> Result<&Value, StepError> {
        let content = self.config.get("content").filter(|content| content.is_string());
        content.ok_or(StepError::Content)
    }

    /// Checks the settings as far as that is possible before the step runs. The origins that an
    /// `http` step may call depend on the deployment, and are checked when it calls.
    fn check(&self, index: usize) -> Result<(), StepError> {
        match self.kind {
            StepKind::Http | StepKind::GoogleUserinfo => {}
            StepKind::AiSummarize => {
                Quality::from_json(self.config.get("quality"))?;
                template::check(self.content()?, index)?;
            }
            StepKind::Transform => template::check(self.template()?, index)?,
            StepKind::Delay => {
                self.pause()?;
            }
            StepKind::NotionCreatePage => {
                // The references are replaced by longer or shorter texts, so the page is checked
                // again when the step runs.
                notion::page(&self.config)?;
                template::check(&Value::Object(self.config.clone()), index)?;
            }
        }
        Ok(())
    }
}

impl Draft {
    /// Checks a request body against the rules. Unknown keys are dropped. `null` is not the same as
    /// an absent key: it is a value of the wrong type.
    ///
    /// # Errors
    /// An [`Issue`] for every violated rule, in the order of the document.
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

/// Reads a member that must be a text of `min` to `max` characters.
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
            // All steps are checked before the first failure counts, so that every issue of the
            // document is reported at once.
            let steps: Vec<_> =
                items.iter().enumerate().map(|(index, item)| step(index, item, issues)).collect();
            let steps: Vec<Step> = steps.into_iter().collect::<Option<_>>()?;
            match serde_json::to_string(&steps) {
                Ok(text) if text.len() <= MAX_STEPS_BYTES => return Some(steps),
                _ => format!("must have at most {MAX_STEPS_BYTES} bytes as JSON"),
            }
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
        Err(error) => {
            issues.push(Issue::new(format!("{path}.config"), error.to_string()));
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
    fn the_largest_summary_is_bounded() {
        let summary = WorkflowSummary {
            id: "x".repeat(36),
            name: "\u{0}".repeat(MAX_NAME),
            description: "\u{0}".repeat(MAX_DESCRIPTION),
            published_at: Some(crate::ports::MAX_INTEGER),
            created_at: crate::ports::MAX_INTEGER,
            updated_at: crate::ports::MAX_INTEGER,
        };
        let text = serde_json::to_string(&summary).unwrap();
        assert!(text.len() <= MAX_SUMMARY_BYTES, "{}", text.len());
    }

    #[test]
    fn bytes_of_steps_at_the_limit_and_one_past_it_as_they_are_stored() {
        let steps = |text: String| {
            with("steps", json!([{"type": "http", "config": {"body": [text, 1e15]}}]))
        };
        // The number is sent in 4 bytes and stored in 18.
        let empty = r#"[{"type":"http","config":{"body":["",1000000000000000.0]}}]"#.len();
        let room = MAX_STEPS_BYTES - empty;
        assert!(Draft::from_json(&steps("x".repeat(room))).is_ok());
        let expected = ["steps: must have at most 262144 bytes as JSON"];
        assert_eq!(issues(&steps("x".repeat(room + 1))), expected);
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
    fn a_transform_refers_to_earlier_steps_only() {
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
