//! [`ScenarioFile`] to [`ScenarioPlan`]: defaults, names, and what fits together.
//!
//! Everything is looked at even when something is wrong, so that every error is reported; the
//! plan is dropped then.

mod call;
mod claims;
mod cost;
mod expect;
mod flow;
mod generate;
mod labels;
mod lints;
mod load;
mod model;
mod profile;
mod request;
mod scope;
mod steps;
mod stub;
mod thresholds;
mod users;
mod values;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::model::Value;

use crate::language::{Diagnostic, Library, ScenarioFile};
use crate::model::Capability;

use super::{
    CallVar, Catalog, JsonTemplate, LoadPlan, Phase, Pricing, Profile, RunPaths, ScenarioPlan,
    Span, Step, UserPlan, ValuePlan, Work,
};
use claims::Rules;
use labels::Labels;
use scope::Scope;

pub use flow::MAX_BRANCHES;
pub use users::DEFAULT_SCOPE;

/// Gives a scenario file its meaning: the plan, and warnings about parts that have no effect or
/// may mislead. `file_name` is how the user knows the file; what it names is looked for beside it.
///
/// # Errors
/// Every error in the meaning of the file, in no particular order.
pub fn resolve(
    file_name: &str,
    file: &ScenarioFile,
    catalog: &Catalog,
) -> Result<(ScenarioPlan, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut resolver = Resolver::new(file_name, file, catalog);
    resolver.rules_of(file);
    resolver.add_users(file);
    let feeds = resolver.feeds(file);
    let vars = resolver.vars(file);
    let setup = resolver.phase(Phase::Setup, file);
    let work = resolver.work(file);
    let audit = resolver.phase(Phase::Audit, file);
    let teardown = resolver.phase(Phase::Teardown, file);
    let thresholds = resolver.thresholds(file);
    let cost = resolver.cost(file);
    resolver.search_has_thresholds(file, &work);
    resolver.lint_requires(file);
    if resolver.expanded > steps::MAX_STEPS {
        let message = format!("the scenario has more than {} steps", steps::MAX_STEPS);
        let error = Diagnostic::error("too-many-steps", message, file.scenario.span);
        return Err(vec![
            error.with_help("a called scenario counts for each call; use `repeat` or `for-each`"),
        ]);
    }
    if !resolver.errors.is_empty() {
        return Err(resolver.errors);
    }
    let plan = ScenarioPlan {
        file: file_name.into(),
        name: file.scenario.0.clone(),
        about: file.about.clone(),
        tags: file.tags.iter().flatten().map(|tag| tag.0.clone()).collect(),
        requires: resolver.requires(),
        users: resolver.users,
        feeds,
        vars,
        labels: resolver.labels.into_list(),
        setup,
        work,
        audit,
        teardown,
        thresholds,
        cost,
    };
    let mut warnings = resolver.scope.unused();
    warnings.extend(resolver.warnings);
    Ok((plan, warnings))
}

/// Holds the state while a file is resolved, from its top to its end.
struct Resolver {
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    scope: Scope,
    labels: Labels,
    phase: Phase,
    users: Vec<UserPlan>,
    rules: Rules,
    pricing: Option<Arc<dyn Pricing>>,
    run_paths: Option<RunPaths>,
    /// The capabilities that the file says the target must offer.
    required: Vec<Capability>,
    /// The capabilities that the steps and values of the scenario need.
    needed: Vec<Capability>,
    library: Library,
    /// The prefix of the names of steps in a called scenario.
    prefix: String,
    /// Set if the scenario measures its usage.
    metered: bool,
    /// Set if the work is a load.
    is_load: bool,
    /// The steps that were resolved so far, those of called scenarios for each call.
    expanded: usize,
}

impl Resolver {
    fn new(file_name: &str, file: &ScenarioFile, catalog: &Catalog) -> Self {
        let required = file.requires.iter().flatten().map(|capability| capability.value);
        Self {
            errors: Vec::new(),
            warnings: Vec::new(),
            scope: Scope::new(),
            labels: Labels::new(file),
            phase: Phase::Setup,
            users: Vec::new(),
            rules: claims::known(catalog),
            pricing: catalog.pricing.clone(),
            run_paths: catalog.runs,
            required: required.collect(),
            needed: Vec::new(),
            library: Library::beside(file_name),
            prefix: String::new(),
            metered: file.cost.is_some(),
            is_load: file.load.is_some(),
            expanded: 0,
        }
    }

    fn feeds(&mut self, file: &ScenarioFile) -> Vec<(String, Arc<Vec<Value>>)> {
        let mut feeds = Vec::new();
        for (name, path) in file.feeds.iter().flatten() {
            let defined = self.scope.define_feed(&name.0, name.span);
            self.ok(defined);
            match self.library.feed(&path.0) {
                Ok(items) => {
                    let items = JsonTemplate::Constant(Value::Array(items));
                    self.scope.describe_last(&items);
                    if let JsonTemplate::Constant(Value::Array(items)) = items {
                        feeds.push((name.0.clone(), Arc::new(items)));
                    }
                }
                Err(problem) => {
                    let message = format!("the feed cannot be read: {problem}");
                    let error = Diagnostic::error("bad-feed", message, path.span);
                    self.error(error.with_help(
                        "a feed is a CSV file with a heading, or a JSON array in a `.json` file",
                    ));
                }
            }
        }
        feeds
    }

    /// Lists the capabilities that the target must offer: those that are written, and those that
    /// the steps need.
    fn requires(&self) -> Vec<Capability> {
        let mut all = self.required.clone();
        all.extend(self.needed.iter().filter(|needed| !self.required.contains(needed)));
        all
    }

    /// Notes that the scenario is applicable only where the target offers this.
    fn need(&mut self, capability: Capability) {
        if !self.needed.contains(&capability) {
            self.needed.push(capability);
        }
    }

    /// Turns feeds into variables, because a feed in a called scenario is a variable like any
    /// other.
    fn feeds_as_vars(&mut self, file: &ScenarioFile) -> Vec<CallVar> {
        let feeds = self.feeds(file).into_iter();
        feeds
            .map(|(name, items)| {
                let items = Value::Array(Arc::unwrap_or_clone(items));
                let value = ValuePlan::Json(JsonTemplate::Constant(items));
                CallVar { name, value, given: false }
            })
            .collect()
    }

    fn error(&mut self, diagnostic: Diagnostic) {
        self.errors.push(diagnostic);
    }

    /// The value, or `None` after its error has been noted.
    fn ok<T>(&mut self, found: Found<T>) -> Option<T> {
        found.map_err(|error| self.errors.push(*error)).ok()
    }

    /// The variables of the whole scenario; each may use those before it.
    fn vars(&mut self, file: &ScenarioFile) -> Vec<(String, ValuePlan)> {
        let mut vars = Vec::new();
        for (name, value) in file.vars.iter().flatten() {
            let plan = self.value(name, value);
            let defined = self.scope.define_var(&name.0, name.span);
            self.ok(defined);
            if let Some(ValuePlan::Json(value)) = &plan {
                self.scope.describe_last(value);
            }
            vars.extend(plan.map(|plan| (name.0.clone(), plan)));
        }
        vars
    }

    /// Only a threshold can end a search.
    fn search_has_thresholds(&mut self, file: &ScenarioFile, work: &Work) {
        let Work::Load(LoadPlan { profile: Profile::Search(_), .. }) = work else { return };
        if file.thresholds.as_ref().is_none_or(Vec::is_empty)
            && let Some(load) = &file.load
        {
            let message = "the search has no threshold that could fall";
            self.error(
                Diagnostic::error("search-without-threshold", message, load.profile.span)
                    .with_help("add `thresholds`, such as `p95 < 250 ms`"),
            );
        }
    }

    fn phase(&mut self, phase: Phase, file: &ScenarioFile) -> Vec<Step> {
        self.phase = phase;
        let steps = match phase {
            Phase::Setup => &file.setup,
            Phase::Audit => &file.audit,
            _ => &file.teardown,
        };
        self.steps(steps.as_deref().unwrap_or_default())
    }

    fn work(&mut self, file: &ScenarioFile) -> Work {
        self.phase = Phase::Work;
        match (&file.steps, &file.load) {
            (Some(steps), None) => Work::Once(self.some_steps(steps)),
            (None, Some(load)) => Work::Load(self.load(load)),
            (None, None) => {
                let message = "the scenario has nothing to do: it has neither `steps` nor `load`";
                self.error(
                    Diagnostic::error("no-work", message, file.scenario.span)
                        .with_help("add `steps` to run once, or `load` to run on a schedule"),
                );
                Work::Once(Vec::new())
            }
            (Some(steps), Some(load)) => {
                let message = "the scenario has both `steps` and `load`";
                self.error(
                    Diagnostic::error("steps-and-load", message, load.span)
                        .with_help("move the steps into a journey of `load`, or into `setup`"),
                );
                self.some_steps(steps);
                Work::Load(self.load(load))
            }
        }
    }
}

/// The result of a look-up. The error is boxed because it is many times larger than the result.
type Found<T> = Result<T, Box<Diagnostic>>;

/// Returns the span from the start of `first` to the end of `last`.
fn join(first: Span, last: Span) -> Span {
    Span { end: last.end.max(first.end), ..first }
}
