//! Writes a starting scenario. Texts are in double quotes, as in JSON: nothing in them means
//! anything to YAML.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Body, Draft, Starting, TOKEN_VARIABLE, plain};

impl Starting {
    /// The file.
    pub fn to_yaml(&self) -> String {
        let mut out = format!("scenario: {}\nabout: {}\n", self.name, quoted(&self.about));
        for note in &self.notes {
            let note = note.replace(['\n', '\r'], " ");
            let _ = writeln!(out, "# {note}");
        }
        if self.requests.iter().any(|request| request.auth) {
            let _ = writeln!(out, "users:\n  me: {{ token: {{ env: {TOKEN_VARIABLE} }} }}");
        }
        out += "steps:\n";
        for request in &self.requests {
            request.write(&mut out);
        }
        out
    }
}

impl Draft {
    fn write(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  - request:\n      name: {}", quoted(&self.name));
        let _ = writeln!(out, "      {}: {}", self.method, quoted(&plain(&self.path)));
        if self.auth {
            *out += "      auth: me\n";
        }
        if !self.headers.is_empty() {
            *out += "      headers:\n";
            for (name, value) in &self.headers {
                let _ = writeln!(out, "        {name}: {}", quoted(&plain(value)));
            }
        }
        match &self.body {
            Body::Empty => {}
            Body::Json(value) => {
                let _ = writeln!(out, "      json: {}", flow(value));
            }
            Body::Text(text) => {
                let _ = writeln!(out, "      body: {}", quoted(&plain(text)));
            }
        }
        let status = match self.status.as_slice() {
            [one] => one.to_string(),
            several => format!("{{ in: {several:?} }}"),
        };
        let _ = writeln!(out, "      expect: {{ status: {status} }}");
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// JSON in YAML's flow style.
fn flow(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => {
            let member =
                |(name, value): (&String, &Value)| format!("{}: {}", quoted(name), flow(value));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => quoted(&plain(text)),
        other => other.to_string(),
    }
}
