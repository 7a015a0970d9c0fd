//! Failures in full: what they need to be understood, without secrets.

use super::{
    attempt::Miss,
    curl::curl,
    iteration::{Halt, Iteration},
};
use crate::{
    check::expect::Mismatch,
    http::{Request, Response},
    model::clock,
    plan::{Claim, RequestPlan, Span},
    record::{BODY_EXCERPT, Failure, redact},
};

impl Iteration {
    /// Notes what became of a claim. Only one that is required ends the iteration.
    pub(super) fn claim(
        &self,
        plan: &RequestPlan,
        claim: &Claim,
        request: Option<&Request>,
        response: Option<&Response>,
        found: Result<(), Miss>,
    ) -> Result<(), Halt> {
        if self.measured && response.is_some() {
            self.worker.recorder.borrow_mut().claimed(claim, found.is_ok());
        }
        let Err(miss) = found else { return Ok(()) };
        let is_soft = matches!(miss, Miss::Mismatch(_)) && !claim.is_required();
        let is_lost = matches!(miss, Miss::Error(_)) && plan.may_be_lost;
        let halt = miss.halt();
        if !is_lost {
            self.sample(plan, claim, miss, request, response);
        }
        if is_soft { Ok(()) } else { Err(halt) }
    }

    /// Keeps a failure of a request, if there is room for it.
    pub(super) fn sample(
        &self,
        plan: &RequestPlan,
        claim: &Claim,
        miss: Miss,
        request: Option<&Request>,
        response: Option<&Response>,
    ) {
        if !self.measured || !self.worker.recorder.borrow().wants_sample(plan.id) {
            return;
        }
        let context = &self.worker.context;
        let iteration = self.scope.iteration;
        let user = plan.auth.and_then(|user| context.virtual_users.get(user, iteration));
        let token = user.map(|user| user.token.as_str());
        let clean = |text: &str| redact(&context.secrets.hide(text), token);
        let label = &context.plan.labels[plan.id.0];
        let shown = request.and_then(|request| request.shown(&context.url));
        let failure = Failure {
            phase: label.phase,
            curl: shown.map(|prepared| clean(&curl(&prepared))).unwrap_or_default(),
            status: response.map(|response| response.status.as_u16()),
            body: response.and_then(|response| excerpt(&response.body, clean)),
            ..self.failure(&label.name, claim, plan.span, miss, &clean)
        };
        self.worker.recorder.borrow_mut().sample(plan.id, failure);
    }

    /// Keeps a failure of a step that sends no request.
    pub(super) fn note(&self, name: &str, claim: &Claim, mismatch: Mismatch, span: Span) {
        let clean = |text: &str| redact(&self.worker.context.secrets.hide(text), None);
        let failure = self.failure(name, claim, span, Miss::Mismatch(mismatch), &clean);
        self.worker.recorder.borrow_mut().note(failure);
    }

    fn failure(
        &self,
        name: &str,
        claim: &Claim,
        span: Span,
        miss: Miss,
        clean: &dyn Fn(&str) -> String,
    ) -> Failure {
        let (expected, actual, span, differences) = match miss {
            Miss::Mismatch(m) => (m.expected, m.actual, m.span.unwrap_or(span), m.differences),
            Miss::Error(error) => ("an answer".to_owned(), error.to_string(), span, Vec::new()),
        };
        Failure {
            at: self.worker.context.offset(clock::now()),
            step: name.to_owned(),
            phase: self.phase,
            file: self.file.clone(),
            claim: claim.clone(),
            items: self.scope.items().borrow().iter().map(|item| clean(item)).collect(),
            span,
            expected: clean(&expected),
            actual: clean(&actual),
            differences: differences.iter().map(|difference| clean(difference)).collect(),
            curl: String::new(),
            status: None,
            body: None,
        }
    }
}

/// The beginning of a body, without secrets.
fn excerpt(body: &[u8], clean: impl Fn(&str) -> String) -> Option<String> {
    // A token that begins in the excerpt is longer than what is left of it, but not than this.
    const MARGIN: usize = 4096;
    let beginning = &body[..body.len().min(4 * BODY_EXCERPT + MARGIN)];
    let text = clean(&String::from_utf8_lossy(beginning));
    let cut = text.char_indices().nth(BODY_EXCERPT);
    let text = cut.map_or(text.clone(), |(at, _)| format!("{}…", &text[..at]));
    (!text.is_empty()).then_some(text)
}
