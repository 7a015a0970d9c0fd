//! The JSON Schema of a scenario file, for editors.

use serde_json::{Value, json};

use super::file::ScenarioFile;

/// The JSON Schema of a scenario file, generated from the types that read it.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(ScenarioFile).to_value();
    refuse_null(&mut schema);
    schema
}

/// `Option` allows `null` in a generated schema. In a scenario a key without a value is an error.
fn refuse_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(refuse_null),
        Value::Object(members) => {
            members.values_mut().for_each(refuse_null);
            let choices = members.get("anyOf").and_then(Value::as_array);
            if let Some([first, second]) = choices.map(Vec::as_slice)
                && *second == json!({ "type": "null" })
                && let Value::Object(first) = first.clone()
            {
                members.remove("anyOf");
                members.extend(first);
            }
            if let Some([first, second]) =
                members.get("type").and_then(Value::as_array).map(Vec::as_slice)
                && second == "null"
            {
                members.insert("type".to_owned(), first.clone());
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_the_language() {
        let schema = schema();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["required"], json!(["scenario"]));
        assert_eq!(schema["properties"]["about"]["type"], "string");
        let steps = &schema["$defs"]["step"]["oneOf"];
        assert_eq!(steps.as_array().unwrap().len(), 14);
        jsonschema::validator_for(&schema).unwrap();
        let text = schema.to_string();
        assert!(!text.contains(r#"{"type":"null"}"#), "{text}");
    }
}
