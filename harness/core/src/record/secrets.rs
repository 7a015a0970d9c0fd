//! Texts that no report shows.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{PoisonError, RwLock},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

use regex::{NoExpand, Regex};

use crate::model::{hex, percent_encode};

/// Secrets, and what they look like in other spellings.
#[derive(Default)]
pub struct Secrets(RwLock<Known>);

/// The spellings of all secrets.
#[derive(Default)]
struct Known {
    /// Texts, the longest first.
    texts: Vec<String>,
    /// The spellings of secrets with characters that encodings change, by secret.
    patterns: BTreeMap<String, Regex>,
}

/// The text that replaces a secret.
const PLACEHOLDER: &str = "$SECRET";

/// Fewer characters of a spelling tell nothing, and may well be chance.
const TELLING: usize = 6;

impl Secrets {
    /// Hides this text from now on: as it is, percent-encoded, within a JSON string or HTML, each of
    /// them any number of times over; as hexadecimal digits; and in base64 wherever it stands in what
    /// was encoded.
    pub fn add(&self, secret: &str) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for spelling in spellings(secret) {
            if spelling.len() >= TELLING && !known.texts.contains(&spelling) {
                known.texts.push(spelling);
            }
        }
        // The longest first: a shorter one may be a part of it.
        known.texts.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
        let changes = secret.len() >= TELLING && !secret.chars().all(is_unreserved);
        if changes
            && !known.patterns.contains_key(secret)
            && let Ok(pattern) = Regex::new(&pattern(secret))
        {
            known.patterns.insert(secret.to_owned(), pattern);
        }
    }

    /// `text` without secrets, and without the beginning of one at the end of a cut text.
    pub fn hide(&self, text: &str) -> String {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut text = text.to_owned();
        for pattern in known.patterns.values() {
            text = pattern.replace_all(&text, NoExpand(PLACEHOLDER)).into_owned();
        }
        for spelling in &known.texts {
            if text.contains(spelling.as_str()) {
                text = text.replace(spelling.as_str(), PLACEHOLDER);
            }
            text = super::failure::without_beginning(&text, spelling, PLACEHOLDER);
        }
        text
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

/// Returns true for characters that no encoding of text has to change (RFC 3986 §2.3).
const fn is_unreserved(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~')
}

/// Returns a regular expression for a secret, in which every character that an encoding may change has
/// any of its spellings. Encodings may lie around each other: a JSON string within a JSON string
/// doubles its backslashes, `%` becomes `%25`, and `&` becomes `&amp;`.
fn pattern(secret: &str) -> String {
    let of = |character: char| {
        let itself = regex::escape(&character.to_string());
        if is_unreserved(character) {
            return itself;
        }
        let mut bytes = [0; 4];
        let percent = character.encode_utf8(&mut bytes).bytes();
        let percent =
            percent.fold(String::new(), |all, byte| all + &format!("%(?:25)*(?i:{byte:02x})"));
        let mut units = [0; 2];
        let units = character.encode_utf16(&mut units).iter();
        let unicode = units.fold(String::new(), |all, unit| all + &format!(r"\\+u(?i:{unit:04x})"));
        let code = u32::from(character);
        let named = match character {
            '"' => "|quot",
            '\'' => "|apos",
            '&' => "|amp",
            '<' => "|lt",
            '>' => "|gt",
            _ => "",
        };
        let plus = if character == ' ' { r"|\+" } else { "" };
        let entity = format!("&(?:amp;)*(?:#0*{code}|#[xX]0*(?i:{code:x}){named});");
        format!(r"(?:\\*{itself}|{unicode}|{percent}|{entity}{plus})")
    };
    secret.chars().map(of).collect()
}

fn spellings(secret: &str) -> Vec<String> {
    let mut all = vec![
        secret.to_owned(),
        percent_encode(secret),
        within_json(secret),
        hex(secret.as_bytes()),
        hex(secret.as_bytes()).to_uppercase(),
    ];
    for before in 0..3 {
        all.extend(within_base64(secret, before));
    }
    all
}

/// Returns the text as it stands between the quotes of a JSON string.
fn within_json(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.get(1..json.len() - 1).unwrap_or_default().to_owned()
}

/// The characters of base64 that depend on the secret alone when `before` bytes, modulo 3, come
/// before it; in both alphabets.
fn within_base64(secret: &str, before: usize) -> [String; 2] {
    let padded = [vec![0; before], secret.as_bytes().to_vec()].concat();
    // A character holds six bits: those that share one with a neighbour are left out.
    let first = (before * 8).div_ceil(6);
    let end = padded.len() * 8 / 6;
    [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)]
        .map(|text| text.get(first..end).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "whsec_ü\"canary/+7";

    fn hidden(text: &str) -> bool {
        let secrets = Secrets::default();
        secrets.add(SECRET);
        let shown = secrets.hide(text);
        shown.contains(PLACEHOLDER) && !shown.contains("canary")
    }

    /// A way to write a text.
    #[derive(Clone, Copy, Debug)]
    enum Encoding {
        Json,
        JsonUnicode,
        Percent,
        Html,
        HtmlNumeric,
    }

    fn encoded(text: &str, encoding: Encoding) -> String {
        let special = |with: fn(char) -> String| -> String {
            let one = |c: char| if is_unreserved(c) { c.to_string() } else { with(c) };
            text.chars().map(one).collect()
        };
        match encoding {
            Encoding::Json => within_json(text),
            Encoding::JsonUnicode => special(|c| {
                let mut units = [0; 2];
                let units = c.encode_utf16(&mut units).iter();
                units.fold(String::new(), |all, unit| all + &format!("\\u{unit:04X}"))
            }),
            Encoding::Percent => percent_encode(text),
            Encoding::Html => text
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('"', "&quot;")
                .replace('\'', "&#39;"),
            Encoding::HtmlNumeric => special(|c| format!("&#x{:x};", u32::from(c))),
        }
    }

    proptest! {
        /// Checks one encoding around another of its kind: of an API that echoes what an API echoed.
        #[test]
        fn a_secret_is_hidden_however_often_it_was_encoded(
            secret in "canary[ -~äé😀]{4,30}",
            encoding in proptest::sample::select(vec![
                Encoding::Json, Encoding::JsonUnicode, Encoding::Percent, Encoding::Html,
                Encoding::HtmlNumeric,
            ]),
            times in 1..3_usize,
        ) {
            let once = encoded(&secret, encoding);
            let again = |text: String| match encoding {
                Encoding::Json | Encoding::JsonUnicode => encoded(&text, Encoding::Json),
                Encoding::Percent => encoded(&text, Encoding::Percent),
                Encoding::Html | Encoding::HtmlNumeric => text.replace('&', "&amp;"),
            };
            let text = (1..times).fold(once, |text, _| again(text));
            let secrets = Secrets::default();
            secrets.add(&secret);
            let shown = secrets.hide(&format!("a {text} b"));
            prop_assert!(!shown.contains("canary"), "{} shows {}", text, shown);
        }
    }

    #[test]
    fn every_spelling_is_hidden() {
        for spelling in spellings(SECRET) {
            assert!(hidden(&format!("a {spelling} b")), "{spelling}");
        }
        assert!(hidden(&format!("key {}…", &SECRET[..SECRET.len() - 2])));
        assert!(!hidden("nothing of it"));
        // One that ends in a quote, as JSON within JSON has it.
        let secrets = Secrets::default();
        secrets.add("canary\" A\"");
        assert_eq!(secrets.hide(r#""canary\\\" A\\\"""#), format!("\"{PLACEHOLDER}\""));
    }

    proptest! {
        #[test]
        fn base64_is_hidden_wherever_the_secret_stands(before in ".{0,20}", after in ".{0,20}") {
            let text = format!("{before}{SECRET}{after}");
            for encoded in [STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                prop_assert!(hidden(&encoded), "{}", encoded);
            }
        }
    }
}
