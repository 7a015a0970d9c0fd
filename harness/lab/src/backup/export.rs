//! Models the changes that `wrangler d1 export` makes to a text.

use serde_json::Value;

/// Returns a row as it comes back from an export. In texts with line breaks D1 writes them as `\n`
/// and has SQLite turn all of those back: a backslash and an `n` that were there before become a
/// line break, too (the same for `\r`).
pub(super) fn as_exported(row: &Value) -> Value {
    let Some(members) = row.as_object() else { return row.clone() };
    let exported = members.iter().map(|(column, value)| {
        let value = value.as_str().map_or_else(|| value.clone(), |text| through(text).into());
        (column.clone(), value)
    });
    Value::Object(exported.collect())
}

fn through(text: &str) -> String {
    let mut out = text.replace('\n', "\\n").replace('\r', "\\r");
    if text.contains('\r') {
        out = out.replace("\\r", "\r");
    }
    if text.contains('\n') {
        out = out.replace("\\n", "\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_text_with_line_breaks_loses_its_backslashes() {
        for (text, exported) in [
            ("plain \\n \\r", "plain \\n \\r"),
            ("a\nb", "a\nb"),
            ("a\nb\\nc\\rd", "a\nb\nc\\rd"),
            ("a\rb\\nc\\rd", "a\rb\\nc\rd"),
            ("\\\n", "\\\n"),
        ] {
            assert_eq!(through(text), exported, "{text:?}");
        }
        let row = serde_json::json!({"a": "x\n\\n", "n": 1, "x": null});
        assert_eq!(as_exported(&row), serde_json::json!({"a": "x\n\n", "n": 1, "x": null}));
    }
}
