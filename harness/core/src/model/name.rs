//! The one rule for names that people choose.

/// The most characters of a name. Names stand in tables and file names.
pub const MAX_NAME_CHARS: usize = 80;

/// Describes the rule in messages and schemas.
pub const NAME_RULE: &str = "a name: a letter, then letters, digits, spaces, `-` and `_`";

/// Returns whether `text` may name a variable, a capture, a user, a feed, a journey or a branch.
///
/// A dot is not part of a name: `${{ case.first name }}` is the member `first name` of `case`.
pub fn is_name(text: &str) -> bool {
    text.starts_with(char::is_alphabetic) && is_part(text)
}

/// Returns whether `text` may stand between the separators of a longer name: between the slashes
/// of a scenario's name, or after a dot in a template. It may begin with a digit.
pub fn is_part(text: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || " -_".contains(c);
    !text.is_empty()
        && text.trim() == text
        && text.chars().count() <= MAX_NAME_CHARS
        && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_letters_digits_spaces_and_dashes() {
        for text in ["a", "a_B-9", "a name", "Größe", &"a".repeat(MAX_NAME_CHARS)] {
            assert!(is_name(text), "{text}");
        }
        let long = "a".repeat(MAX_NAME_CHARS + 1);
        for text in ["", " a", "a ", "1a", "a.b", "a/b", "a\n", "${{ a }}", "-a", long.as_str()] {
            assert!(!is_name(text), "{text}");
        }
        assert!(is_part("0-1") && !is_part("a.b"));
    }
}
