//! Rules and severities.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    language::{Diagnostic, ScenarioFile, Spanned, clip, text::RuleId},
    plan::{Catalog, Claim, Rule, Severity},
};

use super::{Resolver, scope::suggest};

/// The rules that can be named, by id.
pub(super) type Rules = BTreeMap<String, Arc<Rule>>;

/// Those of the caller.
pub(super) fn known(catalog: &Catalog) -> Rules {
    catalog.rules.iter().map(|rule| (rule.id.clone(), Arc::clone(rule))).collect()
}

impl Resolver {
    /// Adds those of the file.
    pub(super) fn rules_of(&mut self, file: &ScenarioFile) {
        for (id, rule) in file.rules.iter().flatten() {
            let rule = Arc::new(Rule {
                id: id.0.clone(),
                says: rule.description.value.clone(),
                source: rule.source.value.clone(),
            });
            let earlier = self.rules.insert(id.0.clone(), Arc::clone(&rule));
            if earlier.is_some_and(|earlier| earlier != rule) {
                let message = format!("there is another rule `{}`", id.0);
                let error = Diagnostic::error("rule-taken", message, id.span);
                self.error(error.with_help("choose another id"));
            }
        }
    }

    pub(super) fn claim(
        &mut self,
        rule: Option<&Spanned<RuleId>>,
        severity: Option<Severity>,
    ) -> Claim {
        Claim { rule: rule.and_then(|id| self.rule(id)), severity: severity.unwrap_or_default() }
    }

    fn rule(&mut self, id: &Spanned<RuleId>) -> Option<Arc<Rule>> {
        if let Some(rule) = self.rules.get(&id.0) {
            return Some(Arc::clone(rule));
        }
        let message = format!("unknown rule `{}`", clip(&id.0));
        let error = Diagnostic::error("unknown-rule", message, id.span);
        let known = self.rules.keys().map(String::as_str);
        let error = suggest(error, &id.0, known, "rules").with_help(
            "define rules of your own: `rules: { MY-1: { description: …, source: … } }`; \
             `workway list --rules` shows the others",
        );
        self.error(error);
        None
    }
}
