use std::collections::BTreeSet;

use super::*;

#[test]
fn names_are_unique_and_every_area_has_some() {
    let ids: BTreeSet<_> = all().iter().map(|defect| defect.id).collect();
    assert_eq!(ids.len(), all().len());
    let areas: BTreeSet<_> = all().iter().map(|defect| defect.area).collect();
    assert_eq!(areas.len(), 7);
}

#[test]
fn what_should_see_a_defect_is_a_rule_or_a_scenario() {
    let rules: BTreeSet<_> = crate::rules::all().iter().map(|rule| rule.id.as_str()).collect();
    for defect in all() {
        let Status::Made { seen_by, changes } = defect.status else { continue };
        assert!(!seen_by.is_empty() && !changes.is_empty(), "{}", defect.id);
        for name in seen_by {
            assert!(rules.contains(name) || name.contains('/'), "{}: {name}", defect.id);
        }
    }
}

#[test]
fn a_name_that_is_none_is_told_its_neighbours() {
    assert_eq!(find("rl-1").unwrap().id, "RL-1");
    let message = find("RL-99").unwrap_err().to_string();
    assert!(message.contains("`RL-99`") && message.contains("`RL-1`"), "{message}");
    assert!(!find("something else").unwrap_err().to_string().contains("near it"));
}

#[test]
fn what_is_not_made_says_why() {
    for defect in all() {
        if let Status::NotApplicable(why) | Status::Elsewhere(why) = defect.status {
            assert!(why.len() > 10, "{}", defect.id);
            let error = Seeded::new(defect, crate::token::local_secret()).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
