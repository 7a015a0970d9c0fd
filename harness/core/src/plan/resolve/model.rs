//! Models of the target.

use std::time::Duration;

use http::Method;

use crate::{
    language::{
        Diagnostic, Spanned,
        file::{Algorithm, CacheFile, ModelFile, RateLimitFile, RunsFile},
        text::Name,
    },
    model::Capability,
    plan::{
        CachePlan, Claim, Destination, EffectsPlan, Expectation, Limiter, Matcher, ModelOf,
        ModelPlan, RateLimitPlan, RequestPlan, RunsCheck, RunsPlan, Segment, Span, Step, Subject,
        THE_RUN, Template, UserId,
    },
};

use super::{
    Resolver,
    stub::{calls_request, stub_request},
};

/// The periods that Cloudflare's binding has, in seconds.
/// <https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/>
const CLOUDFLARE_PERIODS: [u64; 2] = [10, 60];

impl Resolver {
    pub(super) fn model(&mut self, file: &ModelFile, span: Span) -> Option<Step> {
        if self.is_load {
            let message = "a model has no place in a scenario with `load`";
            let error = Diagnostic::error("model-of-load", message, span);
            self.error(error.with_help(
                "a model judges requests one by one, and a load keeps none of them; use `steps`",
            ));
        }
        let (name, of) = match file {
            ModelFile::RateLimit(file) => ("rate limit", self.rate_limit(file)),
            ModelFile::Cache(file) => ("cache", self.cache(file, span)),
            ModelFile::Runs(file) => ("runs", self.runs(file, span)?),
        };
        Some(Step::Model(Box::new(ModelPlan { name: name.to_owned(), span, of })))
    }

    fn rate_limit(&mut self, file: &RateLimitFile) -> ModelOf {
        let period = file.period.0;
        let limiter = match file.algorithm.value {
            Algorithm::Target => None,
            Algorithm::Fixed | Algorithm::CloudflareLocal => Some(Limiter::Fixed),
            Algorithm::Sliding => Some(Limiter::Sliding),
            Algorithm::TokenBucket => Some(Limiter::TokenBucket),
            Algorithm::CloudflareDeployed => Some(Limiter::AtLeast),
        };
        let is_cloudflare = matches!(
            file.algorithm.value,
            Algorithm::CloudflareLocal | Algorithm::CloudflareDeployed
        );
        if is_cloudflare && !CLOUDFLARE_PERIODS.map(Duration::from_secs).contains(&period) {
            let message = "Cloudflare's binding has no such period";
            let error = Diagnostic::error("limiter-period", message, file.period.span);
            self.error(error.with_help("it has `10s` and `60s`"));
        }
        ModelOf::RateLimit(RateLimitPlan {
            limiter,
            limit: i64::try_from(file.limit.0).unwrap_or(i64::MAX),
            period: i64::try_from(period.as_millis()).unwrap_or(i64::MAX).max(1),
            keys: self.keys(&file.keys),
            skew: file.skew.map(|skew| skew.0),
            claim: self.claim(file.rule.as_ref(), file.severity),
        })
    }

    fn cache(&mut self, file: &CacheFile, span: Span) -> ModelOf {
        self.need(Capability::Upstream);
        self.use_template(&file.calls.0, file.calls.span);
        if file.path.0.names().next().is_some() {
            let message = "the path of a cache has no names in it";
            let error = Diagnostic::error("cache-path", message, file.path.span);
            self.error(error.with_help("write `*` for what differs"));
        }
        if file.key.is_empty() {
            let error = Diagnostic::error("no-keys", "`key` is empty", file.key.span);
            self.error(error.with_help("name what answers depend on: `[user, body]`"));
        }
        let id = self.label_of("cache: calls");
        ModelOf::Cache(Box::new(CachePlan {
            path: file.path.0.source(),
            key: file.key.value.clone(),
            ttl: i64::try_from(file.ttl.0.as_millis()).unwrap_or(i64::MAX),
            calls: calls_request(id, span, &file.calls.0),
            claim: self.claim(file.rule.as_ref(), file.severity),
        }))
    }

    fn runs(&mut self, file: &RunsFile, span: Span) -> Option<ModelOf> {
        let Some(paths) = self.run_paths else {
            let message = "nobody knows where this target shows its runs";
            let error = Diagnostic::error("no-runs", message, span);
            self.error(error.with_help("take out the model"));
            return None;
        };
        let effects = file.effects.as_ref().map(|effects| {
            self.need(Capability::Upstream);
            self.use_template(&effects.path.0, effects.path.span);
            let id = self.label_of("runs: effects");
            let calls = calls_request(id, span, &effects.path.0);
            EffectsPlan { calls, each: effects.each.count() }
        });
        let checks = RunsCheck::all(effects.is_some());
        let claim = |check: &RunsCheck| {
            let rule = self.rules.get(check.rule()).cloned();
            (*check, Claim { rule, severity: file.severity.unwrap_or_default() })
        };
        let checks = checks.iter().map(claim).collect();
        let look = self.about_the_run("runs: look", paths.show, span);
        let events = self.about_the_run("runs: events", paths.events, span);
        Some(ModelOf::Runs(Box::new(RunsPlan { checks, paths, look, events, effects })))
    }

    /// Any answer will do: the model judges it.
    fn about_the_run(&mut self, label: &str, path: &str, span: Span) -> RequestPlan {
        let literal = |text: &str| Segment::Literal(text.to_owned());
        let (before, after) = path.split_once('*').unwrap_or((path, ""));
        let path = [literal(before), Segment::Name(THE_RUN.to_owned()), literal(after)];
        let id = self.label_of(label);
        let any = Expectation { subject: Subject::Status, matcher: Matcher::exists(true), span };
        RequestPlan {
            to: Destination::Target,
            expect: vec![any],
            may_be_lost: true,
            ..stub_request(id, span, Method::GET, Template::of(path))
        }
    }

    /// Users whose budgets are fresh: the harness makes them up.
    fn keys(&mut self, names: &Spanned<Vec<Spanned<Name>>>) -> Vec<UserId> {
        if names.is_empty() {
            let error = Diagnostic::error("no-keys", "`keys` is empty", names.span);
            self.error(error.with_help("name the users whose requests are counted: `[alice]`"));
        }
        let mut keys = Vec::new();
        for name in names.iter() {
            let found = self.scope.fresh_user(&name.0, name.span);
            let Some(key) = self.ok(found).map(UserId) else { continue };
            if keys.contains(&key) {
                let message = format!("`{}` is there twice", name.0);
                let error = Diagnostic::error("duplicate-key-user", message, name.span);
                self.error(error.with_help("name each user once"));
            }
            keys.push(key);
        }
        keys
    }
}
