//! Texts that no report shows.

use std::{
    fmt,
    sync::{PoisonError, RwLock},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

use crate::model::{hex, percent_encode};

/// Secrets, and what they look like in other spellings.
#[derive(Default)]
pub struct Secrets(RwLock<Vec<String>>);

/// The text that replaces a secret.
const PLACEHOLDER: &str = "$SECRET";

/// Fewer characters of a spelling tell nothing, and may well be chance.
const TELLING: usize = 6;

impl Secrets {
    /// Hides this text from now on: as it is, percent-encoded, within a JSON string, as hexadecimal
    /// digits, and in base64 wherever it stands in what was encoded.
    pub fn add(&self, secret: &str) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for spelling in spellings(secret) {
            if spelling.len() >= TELLING && !all.contains(&spelling) {
                all.push(spelling);
            }
        }
        // The longest first: a shorter one may be a part of it.
        all.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
    }

    /// `text` without secrets, and without the beginning of one at the end of a cut text.
    pub fn hide(&self, text: &str) -> String {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut text = text.to_owned();
        for spelling in all.iter() {
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

fn spellings(secret: &str) -> Vec<String> {
    let json = serde_json::Value::from(secret).to_string();
    let mut all = vec![
        secret.to_owned(),
        percent_encode(secret),
        json.trim_matches('"').to_owned(),
        hex(secret.as_bytes()),
        hex(secret.as_bytes()).to_uppercase(),
    ];
    for before in 0..3 {
        all.extend(within_base64(secret, before));
    }
    all
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

    #[test]
    fn every_spelling_is_hidden() {
        for spelling in spellings(SECRET) {
            assert!(hidden(&format!("a {spelling} b")), "{spelling}");
        }
        assert!(hidden(&format!("key {}…", &SECRET[..SECRET.len() - 2])));
        assert!(!hidden("nothing of it"));
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
