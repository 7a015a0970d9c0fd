//! Steps that hold steps, checks, and what is done to the target.

use crate::{
    language::{
        Diagnostic, Spanned,
        file::{
            AlignFile, CheckFile, ClockFile, Entries, ForEachFile, RepeatFile, StepFile, TargetFile,
        },
        text::Name,
    },
    model::Capability,
    plan::{Act, Branch, CheckPlan, Drive, ForEachPlan, JsonTemplate, RepeatPlan, Span, Step},
};

use super::{Resolver, operands::Operand};

/// The most branches at once: what needs more is a burst or a load.
pub const MAX_BRANCHES: usize = 64;

impl Resolver {
    pub(super) fn parallel(
        &mut self,
        file: &Spanned<Entries<Name, Spanned<Vec<Spanned<StepFile>>>>>,
    ) -> Step {
        if file.0.len() > MAX_BRANCHES || file.0.is_empty() {
            let message =
                format!("`parallel` has {} branches; it takes 1 to {MAX_BRANCHES}", file.0.len());
            self.error(
                Diagnostic::error("branches", message, file.span)
                    .with_help("for the same request many times, write a `burst`"),
            );
        }
        let branch = |(name, steps): &(Spanned<Name>, _)| {
            // A branch does not see what the others capture: they run at the same time.
            let before = self.scope.known();
            let steps = self.some_steps(steps);
            let captured = self.scope.replace_known(before);
            (Branch { name: name.0.clone(), steps }, captured)
        };
        let (branches, captured): (Vec<_>, Vec<_>) = file.iter().map(branch).unzip();
        for known in captured {
            self.scope.learn(known);
        }
        Step::Parallel(branches)
    }

    pub(super) fn repeat(&mut self, file: &RepeatFile) -> Step {
        let name = file.name.as_ref();
        let steps = self.with_item(name, |lowering| lowering.some_steps(&file.steps));
        Step::Repeat(Box::new(RepeatPlan {
            times: file.times.count(),
            name: name.map(|name| name.0.clone()),
            steps,
        }))
    }

    pub(super) fn for_each(&mut self, file: &ForEachFile) -> Step {
        let items = self.json(&file.items);
        let is_list = match &items {
            JsonTemplate::Array(_) | JsonTemplate::Text(_) => true,
            JsonTemplate::Constant(value) => value.as_array().is_some_and(|list| !list.is_empty()),
            JsonTemplate::Object(_) => false,
        };
        if !is_list {
            let message = "`in` is no list with items";
            self.error(
                Diagnostic::error("not-a-list", message, file.items.span)
                    .with_help("write `[a, b]`, or the name of a list: `${{ cases }}`"),
            );
        }
        let steps = self.with_item(Some(&file.name), |lowering| lowering.some_steps(&file.steps));
        Step::ForEach(Box::new(ForEachPlan {
            name: file.name.0.clone(),
            items,
            span: file.items.span,
            steps,
        }))
    }

    /// With a name that is known in these steps only.
    fn with_item<T>(
        &mut self,
        name: Option<&Spanned<Name>>,
        lower: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let Some(name) = name else { return lower(self) };
        let hidden = self.scope.visible(&name.0);
        let defined = self.scope.define_item(&name.0, name.span);
        self.ok(defined);
        let lowered = lower(self);
        self.scope.restore(&name.0, hidden);
        lowered
    }

    pub(super) fn check(&mut self, file: &CheckFile, span: Span) -> Step {
        self.check_operands(&file.is, Operand::Any, "a value");
        Step::Check(Box::new(CheckPlan {
            name: file.name.as_ref().map_or("check", |name| &name.0).to_owned(),
            value: self.json(&file.value),
            matcher: self.matcher(&file.is, file.is.span),
            span,
            claim: self.claim(file.rule.as_ref(), file.severity),
        }))
    }

    pub(super) fn align(&mut self, file: &AlignFile, span: Span) -> Step {
        let (window, remaining) = (file.window.0, file.remaining.0);
        if remaining > window {
            let message = "no window has that much left";
            self.error(
                Diagnostic::error("align-too-long", message, file.remaining.span)
                    .with_help("make `remaining` at most as long as `window`"),
            );
        }
        self.scope.steady = true;
        Step::Drive(Drive { act: Act::Align { window, remaining }, span })
    }

    pub(super) fn clock(&mut self, file: ClockFile, span: Span) -> Step {
        self.must_require(Capability::Clock, "the clock of the target is moved", span);
        self.scope.steady = file == ClockFile::Stop;
        Step::Drive(Drive { act: Act::Freeze(file == ClockFile::Stop), span })
    }

    pub(super) fn target(&mut self, file: TargetFile, span: Span) -> Step {
        let (act, capability, what) = match file {
            TargetFile::Cron => (Act::Cron, Capability::Cron, "the cron of the target is fired"),
            TargetFile::Kill => (Act::Kill, Capability::Restart, "the target is killed"),
            TargetFile::Restart => (Act::Restart, Capability::Restart, "the target is restarted"),
        };
        self.must_require(capability, what, span);
        Step::Drive(Drive { act, span })
    }

    /// Without it, the scenario would fail where it is not applicable.
    pub(super) fn must_require(&mut self, capability: Capability, what: &str, span: Span) {
        if self.requires.contains(&capability) {
            return;
        }
        let name = capability.name();
        let message = format!("{what}, which the scenario does not require");
        self.error(
            Diagnostic::error("not-required", message, span)
                .with_help(format!("add `requires: [{name}]` to the scenario")),
        );
    }
}
