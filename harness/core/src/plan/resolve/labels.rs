//! Names of steps.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    language::{Diagnostic, ScenarioFile, Spanned, clip, file::StepFile},
    plan::{Phase, Span, StepId, StepLabel},
};

use super::{Found, scope::suggest};

/// The names that reports and thresholds know steps by.
pub(super) struct Labels {
    list: Vec<StepLabel>,
    taken: BTreeSet<String>,
    /// The number of steps that share a method and path so far.
    repeated: BTreeMap<String, usize>,
    /// Names given by the author, each with its first place.
    written: BTreeMap<String, Span>,
}

impl Labels {
    pub(super) fn new(file: &ScenarioFile) -> Self {
        let mut written = BTreeMap::new();
        for list in file.step_lists() {
            note_names(list, &mut written);
        }
        Self {
            list: Vec::new(),
            taken: written.keys().cloned().collect(),
            repeated: BTreeMap::new(),
            written,
        }
    }

    /// A label with the name that the author gave; it must be the only one with that name.
    pub(super) fn named(&mut self, name: &str, span: Span, phase: Phase) -> Found<StepId> {
        match self.written.get(name) {
            Some(first) if *first != span => {
                let message = format!("another step is already named `{}`", clip(name));
                let error = Diagnostic::error("duplicate-step-name", message, span);
                Err(Box::new(error.with_help(format!("the first one is at line {}", first.line))))
            }
            _ => Ok(self.push(name.to_owned(), phase)),
        }
    }

    /// A label made from the method and path, numbered from the second one on.
    pub(super) fn unnamed(&mut self, base: &str, phase: Phase) -> StepId {
        let base = clip(base);
        let number = self.repeated.entry(base.clone()).or_insert(0);
        loop {
            *number += 1;
            let name = if *number == 1 { base.clone() } else { format!("{base} ({number})") };
            if self.taken.insert(name.clone()) {
                return self.push(name, phase);
            }
        }
    }

    fn push(&mut self, name: String, phase: Phase) -> StepId {
        self.list.push(StepLabel { name, phase });
        StepId(self.list.len() - 1)
    }

    /// The step of the work with this name; what needs it begins the message: `whose`.
    pub(super) fn of_work(&self, name: &str, span: Span, whose: &str) -> Found<StepId> {
        let Some(index) = self.list.iter().position(|label| label.name == name) else {
            let message = format!("{whose} an unknown step `{}`", clip(name));
            let error = Diagnostic::error("unknown-step", message, span).with_focus(name);
            let work = self.list.iter().filter(|label| label.phase == Phase::Work);
            let names = work.map(|label| label.name.as_str());
            return Err(suggest(error, name, names, "steps").into());
        };
        let phase = match self.list[index].phase {
            Phase::Work => return Ok(StepId(index)),
            Phase::Setup => "setup",
            Phase::Audit => "audit",
            Phase::Teardown => "teardown",
        };
        let message = format!("`{}` is a step of `{phase}`, which is not judged", clip(name));
        let error = Diagnostic::error("step-not-judged", message, span).with_focus(name);
        Err(error.with_help("name a step of the work").into())
    }

    pub(super) fn into_list(self) -> Vec<StepLabel> {
        self.list
    }
}

fn note_names(steps: &[Spanned<StepFile>], written: &mut BTreeMap<String, Span>) {
    for step in steps {
        if let Some(name) = step.name() {
            written.entry(name.0.clone()).or_insert(name.span);
        }
        for inner in step.inner() {
            note_names(inner, written);
        }
    }
}
