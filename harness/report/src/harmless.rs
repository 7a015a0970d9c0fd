//! Keeps what a target or a file said from steering whoever reads a report: the terminal, the order of
//! the letters on a line, and a runner that obeys lines of its log.

use std::borrow::Cow;

/// Returns true for characters that steer: controls of a terminal (C0 and C1) other than the end of a
/// line and a tab, and those that turn the direction of text or hide (Unicode TR 36, "Bidirectional
/// Text Spoofing").
fn steers(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t'))
        || matches!(
            character,
            '\u{61c}'
                | '\u{200b}' | '\u{200e}' | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
        )
}

fn escape_if(text: &str, hostile: impl Fn(char) -> bool, how: fn(char) -> String) -> Cow<'_, str> {
    if !text.contains(&hostile) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().map(|one| if hostile(one) { how(one) } else { one.to_string() });
    Cow::Owned(escaped.collect())
}

fn visible(character: char) -> String {
    character.escape_default().to_string()
}

/// Returns a text for one line: nothing in it steers, ends the line, or moves along it.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escape_if(text, |one| steers(one) || matches!(one, '\n' | '\t'), visible)
}

/// Returns a text of several lines in which nothing steers.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    escape_if(text, steers, visible)
}

/// Returns XML or HTML in which nothing steers. A line in it that a runner of GitHub would obey (`::` or
/// `##[` at its beginning) begins with an entity instead.
pub(crate) fn markup(text: &str) -> String {
    let text = lines(text);
    text.replace("\n::", "\n&#58;:").replace("\n##[", "\n&#35;#[")
}

/// Returns JSON in which nothing steers. Such characters stand only in strings, where each may be
/// written as an escape.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    let escape = |one: char| {
        let mut units = [0; 2];
        let units = one.encode_utf16(&mut units).iter();
        units.fold(String::new(), |all, unit| all + &format!("\\u{unit:04x}"))
    };
    escape_if(text, |one| steers(one) && one != '\r', escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[31m\r\n::error::x\u{9b}31m\u{202e}b\u{2066}\t";

    #[test]
    fn nothing_steers_in_any_format() {
        let shown = "a\\u{1b}[31m\\r\\n::error::x\\u{9b}31m\\u{202e}b\\u{2066}\\t";
        assert_eq!(line(HOSTILE), shown);
        let shown = "a\\u{1b}[31m\\r\n::error::x\\u{9b}31m\\u{202e}b\\u{2066}\t";
        assert_eq!(lines(HOSTILE), shown);
        assert!(markup(HOSTILE).contains("\n&#58;:error::x"));
        assert!(markup("<p>\n##[group]x").contains("\n&#35;#[group]x"));
        assert_eq!(lines("plain – ü 日本"), "plain – ü 日本");
    }

    #[test]
    fn json_says_the_same_as_before() {
        let value = serde_json::json!({ "a": HOSTILE, "b\u{202e}": ["\u{feff}", "😀"] });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let shown = json(&text);
        assert!(!shown.chars().any(steers), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
