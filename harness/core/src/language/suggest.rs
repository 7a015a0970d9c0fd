//! "Did you mean …?"

/// The name among `names` that `found` was most likely meant to be, if one is close enough: one
/// slip in a short word, up to three in a long one; upper and lower case are the same.
pub fn closest<'n>(found: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let slips = match found.chars().count() {
        0..=2 => return None,
        3..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    // Words longer than this are not names; the comparison takes the product of the lengths.
    if found.len() > 100 {
        return None;
    }
    let found = found.to_lowercase();
    names
        .map(|name| (strsim::damerau_levenshtein(&found, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Returns the addition to a message about a name that [`closest`] finds another one for.
pub fn did_you_mean(name: &str) -> String {
    format!("; did you mean `{name}`?")
}

/// The most names in a list. A reader looks for one of them.
const LISTED_NAMES: usize = 20;

/// `` `a`, `b`, `c` ``
pub fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut names = names.peekable();
    let shown = names.by_ref().take(LISTED_NAMES).map(|name| format!("`{name}`"));
    let shown = shown.collect::<Vec<_>>().join(", ");
    if names.peek().is_some() { format!("{shown}, …") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_is_close() {
        let names = ["status", "headers", "body", "text"];
        assert_eq!(closest("statsu", names.into_iter()), Some("status"));
        assert_eq!(closest("boddy", names.into_iter()), Some("body"));
        assert_eq!(closest("TEXT", names.into_iter()), Some("text"));
        assert_eq!(closest("json", names.into_iter()), None);
        assert_eq!(closest("", names.into_iter()), None);
    }
}
