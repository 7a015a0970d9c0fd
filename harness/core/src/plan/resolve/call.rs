//! `call`: another scenario as a step.

use std::mem;

use crate::{
    language::{Called, Diagnostic, clip, file::CallFile, first_of},
    plan::{CallPlan, CallVar, JsonTemplate, Span, ValuePlan},
};

use super::{
    Resolver,
    scope::{Scope, suggest},
};

impl Resolver {
    /// `None` after an error that leaves nothing to call.
    pub(super) fn call(&mut self, file: &CallFile, span: Span) -> Option<CallPlan> {
        let given: Vec<_> =
            file.given.iter().flatten().map(|(name, json)| (name, self.json(json))).collect();
        let place = file.scenario.span;
        let called = match self.library.call(&file.scenario.0) {
            Ok(called) => called,
            Err(problem) => {
                self.cannot_call(&problem.to_string(), place);
                return None;
            }
        };
        let known: Vec<&str> =
            called.file.vars.iter().flatten().map(|(name, _)| name.0.as_str()).collect();
        for (name, _) in &given {
            if !known.contains(&name.0.as_str()) {
                let message = format!("the called scenario has no variable `{}`", clip(&name.0));
                let error = Diagnostic::error("unknown-variable", message, name.span);
                let error = suggest(error, &name.0, known.iter().copied(), "its variables");
                self.error(error);
            }
        }
        for capability in called.file.requires.iter().flatten() {
            self.need(capability.value);
        }
        let plan = self.resolve_called(called, place, span, |name| {
            given.iter().find(|(given, _)| given.0 == name).map(|(_, json)| json.clone())
        })?;
        let (mut plan, kept) = plan;
        for (mine, theirs) in file.capture.iter().flatten() {
            if !kept.iter().any(|name| *name == theirs.0) {
                let message = format!("the called scenario captures no `{}`", clip(&theirs.0));
                let error = Diagnostic::error("unknown-variable", message, theirs.span);
                let error = suggest(error, &theirs.0, kept.iter().map(String::as_str), "it has");
                self.error(error);
            }
            let defined = self.scope.define_capture(&mine.0, mine.span);
            self.ok(defined);
            plan.capture.push((mine.0.clone(), theirs.0.clone()));
        }
        Some(plan)
    }

    fn cannot_call(&mut self, problem: &str, span: Span) {
        let error = Diagnostic::error("cannot-call", format!("cannot call it: {problem}"), span);
        self.error(error.with_help("`workway check` on that file shows all of it"));
    }

    /// Resolves a scenario in a scope of its own. Its errors are one error here.
    fn resolve_called(
        &mut self,
        called: Called,
        place: Span,
        span: Span,
        given: impl Fn(&str) -> Option<JsonTemplate>,
    ) -> Option<(CallPlan, Vec<String>)> {
        let Called { name: file_name, file, library } = called;
        let Some(steps) = file.steps.as_ref() else {
            self.cannot_call(&format!("`{}` has no `steps`", file.scenario.0), place);
            return None;
        };
        let scope = Scope::called(&self.scope);
        let outer = mem::replace(&mut self.scope, scope);
        let errors = mem::take(&mut self.errors);
        let library = mem::replace(&mut self.library, library);
        let inner = format!("{}{} / ", self.prefix, file.scenario.0);
        let prefix = mem::replace(&mut self.prefix, inner);

        self.rules_of(&file);
        self.add_users(&file);
        let mut vars = self.feeds_as_vars(&file);
        vars.extend(self.vars(&file).into_iter().map(|(name, own)| match given(&name) {
            Some(value) => CallVar { name, value: ValuePlan::Json(value), given: true },
            None => CallVar { name, value: own, given: false },
        }));
        let mut all = self.steps(file.setup.as_deref().unwrap_or_default());
        all.extend(self.some_steps(steps));
        all.extend(self.steps(file.audit.as_deref().unwrap_or_default()));
        let kept = self.scope.names();
        let teardown = self.steps(file.teardown.as_deref().unwrap_or_default());

        self.prefix = prefix;
        self.library = library;
        self.scope = outer;
        let found = mem::replace(&mut self.errors, errors);
        if !found.is_empty() {
            self.cannot_call(&first_of(&file.scenario.0, &found), place);
            return None;
        }
        let plan = CallPlan {
            file: file_name.into(),
            name: file.scenario.0.clone(),
            vars,
            steps: all,
            teardown,
            capture: Vec::new(),
            span,
        };
        Some((plan, kept))
    }
}
