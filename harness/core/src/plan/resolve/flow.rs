//! Steps that hold steps, checks, and what is done to the target.

use crate::{
    language::{
        Diagnostic, Operand, Spanned,
        file::{
            CheckFile, ClockFile, ControlFile, Entries, ForEachFile, RepeatFile, StepFile,
            TargetFile, WaitClock, WaitFile, WindowFile,
        },
        text::Name,
    },
    model::Capability,
    plan::{
        Branch, CheckPlan, ControlAction, ControlStep, ForEachPlan, JsonTemplate, RepeatPlan, Span,
        Step,
    },
};

use super::Resolver;

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
        let steps = self.with_item(name, None, |resolver| resolver.some_steps(&file.steps));
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
        let name = Some(&file.name);
        let steps = self.with_item(name, Some(&items), |it| it.some_steps(&file.steps));
        Step::ForEach(Box::new(ForEachPlan {
            name: file.name.0.clone(),
            items,
            span: file.items.span,
            steps,
        }))
    }

    /// Resolves steps with a name that is known in them only: that of an item of `list`.
    fn with_item<T>(
        &mut self,
        name: Option<&Spanned<Name>>,
        list: Option<&JsonTemplate>,
        resolve: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let Some(name) = name else { return resolve(self) };
        let hidden = self.scope.visible(&name.0);
        let defined = self.scope.define_item(&name.0, name.span);
        self.ok(defined);
        if let Some(list) = list {
            self.scope.describe_item(list);
        }
        let resolved = resolve(self);
        self.scope.restore(&name.0, hidden);
        resolved
    }

    pub(super) fn check(&mut self, file: &CheckFile, span: Span) -> Step {
        self.check_operands(&file.is, Operand::Any, "a value");
        Step::Check(Box::new(CheckPlan {
            name: file.name.as_ref().map_or("check", |name| &name.0).to_owned(),
            value: self.json(&file.value),
            matcher: self.matcher(&file.is),
            span,
            claim: self.claim(file.rule.as_ref(), file.severity),
        }))
    }

    /// Time passes on the clock of the target, unless the file says otherwise. A load is measured
    /// in real time, so its journeys sleep.
    pub(super) fn wait(&mut self, file: WaitFile, span: Span) -> Step {
        if self.scope.in_journey || file.clock == WaitClock::Real {
            return Step::Wait(file.duration.0);
        }
        Step::Control(ControlStep { action: ControlAction::Elapse(file.duration.0), span })
    }

    pub(super) fn control(&mut self, file: &ControlFile, span: Span) -> Step {
        let action = match file {
            ControlFile::Fault(file) => return self.fault(file, span),
            ControlFile::WaitForWindow(file) => self.wait_for_window(file),
            ControlFile::Clock(clock) => {
                self.need(Capability::Clock);
                self.scope.steady = *clock == ClockFile::Stop;
                ControlAction::Freeze(*clock == ClockFile::Stop)
            }
            ControlFile::Target(TargetFile::Cron) => {
                self.need(Capability::Cron);
                ControlAction::Cron
            }
            ControlFile::Target(TargetFile::Kill) => {
                self.need(Capability::Restart);
                ControlAction::Kill
            }
            ControlFile::Target(TargetFile::Restart) => {
                self.need(Capability::Restart);
                ControlAction::Restart
            }
        };
        Step::Control(ControlStep { action, span })
    }

    fn wait_for_window(&mut self, file: &WindowFile) -> ControlAction {
        let (window, remaining) = (file.window.0, file.remaining.0);
        if remaining > window {
            let message = "no window has that much left";
            self.error(
                Diagnostic::error("window-too-short", message, file.remaining.span)
                    .with_help("make `remaining` at most as long as `window`"),
            );
        }
        self.scope.steady = true;
        ControlAction::WaitForWindow { window, remaining }
    }
}
