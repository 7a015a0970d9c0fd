//! A backup as SQL that fills an empty database, for `wrangler d1 execute --file`.

use std::fmt::Write as _;

use serde_json::Value;
use workway_service::backup::TableBackup;

use super::{Backup, BackupError};

/// Longest statement, in bytes: D1 takes 100 kB.
pub const MAX_STATEMENT_BYTES: usize = 100_000;
/// Limits the bytes that a text takes of a statement, counted as it stands there; the rest is
/// appended by statements of their own. A row has fewer than nine columns of text, and a key is
/// short.
const LITERAL_BYTES: usize = 10_000;

/// The statements that make one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statements(pub Vec<String>);

impl Backup {
    /// Writes the statements that fill an empty database of the same schema, or of a later one.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn sql(&self, out: &mut String) -> Result<(), BackupError> {
        self.rows(|table, row| {
            let Some(Statements(statements)) = Statements::of(table, row) else {
                return Err(self.damaged(format!("a row of {} is no row", table.name)));
            };
            for statement in statements {
                // Writing to a String cannot fail.
                let _ = writeln!(out, "{statement}");
            }
            Ok(())
        })
    }
}

impl Statements {
    /// Returns the statements for a row; `None` if it has other things in it than text and integers
    /// under plain names.
    pub fn of(table: &TableBackup, row: &Value) -> Option<Self> {
        let (mut columns, mut values, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        for (column, value) in row.as_object()? {
            let plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            if !column.bytes().all(plain) {
                return None;
            }
            columns.push(format!("\"{column}\""));
            match value {
                // A key is never cut: it finds the row.
                Value::String(text) if !table.key.contains(column) => {
                    let mut pieces = pieces(text);
                    values.push(literal(pieces.next().unwrap_or_default()));
                    rest.extend(pieces.map(|piece| (column, piece)));
                }
                other => values.push(scalar(other)?),
            }
        }
        let name = &table.name;
        let (columns, values) = (columns.join(", "), values.join(", "));
        let insert = format!("INSERT INTO \"{name}\" ({columns}) VALUES ({values});");
        let key = key(table, row)?;
        let append = |(column, piece): (&String, &str)| {
            let piece = literal(piece);
            format!("UPDATE \"{name}\" SET \"{column}\" = \"{column}\" || {piece} WHERE {key};")
        };
        Some(Self([insert].into_iter().chain(rest.into_iter().map(append)).collect()))
    }
}

fn key(table: &TableBackup, row: &Value) -> Option<String> {
    let parts = table
        .key
        .iter()
        .map(|column| Some(format!("\"{column}\" = {}", scalar(row.get(column)?)?)));
    Some(parts.collect::<Option<Vec<_>>>()?.join(" AND "))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("NULL".to_owned()),
        Value::Number(number) => number.as_i64().map(|number| number.to_string()),
        Value::String(text) => Some(literal(text)),
        _ => None,
    }
}

/// Returns a text as an expression. No statement can hold a NUL.
fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''").replace('\0', NUL);
    if text.contains('\0') { format!("('{quoted}')") } else { format!("'{quoted}'") }
}

/// Instead of a NUL, inside a literal.
const NUL: &str = "' || char(0) || '";

/// Splits a text into pieces whose literals are not too long.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let end = rest.char_indices().find_map(|(at, character)| {
            bytes += match character {
                '\'' => 2,
                '\0' => NUL.len(),
                other => other.len_utf8(),
            };
            (bytes > LITERAL_BYTES).then_some(at)
        });
        let (piece, left) = rest.split_at(end.unwrap_or(rest.len()));
        rest = left;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use workway_service::backup::Digest;

    use super::*;

    fn table(key: &[&str]) -> TableBackup {
        TableBackup {
            name: "t".to_owned(),
            key: key.iter().map(|column| (*column).to_owned()).collect(),
            rows: 0,
            digest: Digest::default(),
            done: true,
            after: None,
            chunks: Vec::new(),
        }
    }

    #[test]
    fn a_row_is_one_statement_and_a_long_text_some_more() {
        let row = json!({"id": "it's", "n": 1, "x": null});
        let Statements(statements) = Statements::of(&table(&["id"]), &row).unwrap();
        assert_eq!(statements, [r#"INSERT INTO "t" ("id", "n", "x") VALUES ('it''s', 1, NULL);"#]);
        for (length, expected) in
            [(LITERAL_BYTES, 1), (LITERAL_BYTES + 1, 2), (2 * LITERAL_BYTES + 1, 3)]
        {
            let row = json!({"id": "a", "user": 1, "x": "x".repeat(length)});
            let Statements(statements) = Statements::of(&table(&["id", "user"]), &row).unwrap();
            assert_eq!(statements.len(), expected, "{length}");
        }
        let row = json!({"id": "a", "user": 1, "x": "x".repeat(LITERAL_BYTES + 1)});
        let Statements(statements) = Statements::of(&table(&["id", "user"]), &row).unwrap();
        let append = r#"UPDATE "t" SET "x" = "x" || 'x' WHERE "id" = 'a' AND "user" = 1;"#;
        assert_eq!(statements.last().unwrap(), append);
    }

    #[test]
    fn what_is_no_row_is_refused() {
        for bad in [json!({"a\"; DROP": 1}), json!([1]), json!({"a": [1]}), json!({"a": 1.5})] {
            assert_eq!(Statements::of(&table(&[]), &bad), None, "{bad}");
        }
        assert_eq!(
            Statements::of(&table(&["id"]), &json!({"a": 1})),
            None,
            "a row without its key"
        );
    }

    proptest! {
        /// Uses the worst texts: all quotes, NULs, and wide characters.
        #[test]
        fn no_statement_is_too_long_for_d1(
            texts in proptest::collection::vec("['\u{0}é😀a]{0,2000}", 8..9),
            many in 1..8usize,
        ) {
            let mut row = serde_json::Map::new();
            row.insert("id".to_owned(), json!("i'd"));
            for (n, text) in texts.iter().enumerate() {
                row.insert(format!("c{n}"), json!(text.repeat(many)));
            }
            let Statements(statements) = Statements::of(&table(&["id"]), &row.into()).unwrap();
            for statement in statements {
                prop_assert!(statement.len() <= MAX_STATEMENT_BYTES, "{}", statement.len());
                prop_assert!(!statement.contains('\0'));
            }
        }
    }
}
