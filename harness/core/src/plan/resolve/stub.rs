//! Resolves the steps that query and set the upstream stub: both are requests to it.

use std::time::Duration;

use http::{Method, header::CONTENT_TYPE};

use crate::{
    language::{
        Diagnostic, Matcher, Operand, Spanned,
        file::{FaultFile, UpstreamCallsFile},
    },
    model::{
        Capability,
        stub::{CALLS_PATH, FAULTS_PATH},
    },
    plan::{
        Body, Destination, Expectation, JsonTemplate, RequestPlan, Segment, Span, Step, StepId,
        Subject, Template, UntilPlan,
    },
};

use super::{Resolver, join};

/// The stub answers from memory.
const STUB_TIMEOUT: Duration = Duration::from_secs(10);

/// The interval between two queries of the calls.
const CALLS_EVERY: Duration = Duration::from_millis(20);

impl Resolver {
    pub(super) fn upstream_calls(&mut self, file: &UpstreamCallsFile, span: Span) -> Option<Step> {
        self.need(Capability::Upstream);
        self.use_template(&file.path.0, file.path.span);
        let mut expect = Vec::new();
        for (key, matcher) in [
            ("$.effects", &file.effects),
            ("$.deliveries", &file.deliveries),
            ("$.refused", &file.refused),
        ] {
            if let Some(matcher) = matcher {
                self.check_operands(matcher, Operand::Count, "a number of calls");
                expect.push(self.stub_expectation(key, matcher, matcher.span));
            }
        }
        for (path, matcher) in file.body.iter().flatten() {
            self.check_selected(&path.0, matcher);
            let span = join(path.span, matcher.span);
            expect.push(self.stub_expectation(&path.0, matcher, span));
        }
        if expect.is_empty() {
            let error = Diagnostic::error("empty-expect", "nothing is expected here", span);
            self.error(error.with_help("expect something, such as `effects: 1`"));
        }
        let id = match &file.name {
            Some(name) => self.named(name)?,
            None => self.label_of(&format!("upstream-calls {}", file.path.0.source())),
        };
        let mut request = calls_request(id, span, &file.path.0);
        request.expect.extend(expect);
        request.claim = self.claim(file.rule.as_ref(), file.severity);
        Some(match file.within {
            None => Step::Request(Box::new(request)),
            Some(within) => {
                let until = UntilPlan { request, within: within.0, every: CALLS_EVERY };
                Step::Until(Box::new(until))
            }
        })
    }

    fn stub_expectation(
        &mut self,
        path: &str,
        matcher: &Spanned<Matcher>,
        span: Span,
    ) -> Expectation {
        let matcher = self.matcher(matcher);
        Expectation { subject: Subject::Json(path.to_owned()), matcher, span }
    }

    pub(super) fn fault(&mut self, file: &FaultFile, span: Span) -> Step {
        self.need(Capability::Upstream);
        self.use_template(&file.path.0, file.path.span);
        if let Some(retry_after) = &file.retry_after {
            self.use_template(&retry_after.0, retry_after.span);
        }
        if file.latency.is_none() && file.status.is_none() {
            let message = "the fault does nothing: it has neither `latency` nor `status`";
            let error = Diagnostic::error("empty-fault", message, span);
            self.error(error.with_help("add for example `status: 503`"));
        }
        let latency = file.latency.map(|time| u64::try_from(time.0.as_millis()).unwrap_or(0));
        let mut members = vec![
            ("path".to_owned(), JsonTemplate::Text(file.path.0.clone())),
            ("latency_ms".to_owned(), JsonTemplate::Constant(latency.into())),
            ("status".to_owned(), JsonTemplate::Constant(file.status.map(|s| s.0).into())),
            ("times".to_owned(), JsonTemplate::Constant(file.times.map(|times| times.0).into())),
            ("skip".to_owned(), JsonTemplate::Constant(file.skip.map_or(0, |skip| skip.0).into())),
        ];
        if let Some(retry_after) = &file.retry_after {
            members.push(("retry_after".to_owned(), JsonTemplate::Text(retry_after.0.clone())));
        }
        let id = self.label_of(&format!("fault {}", file.path.0.source()));
        let mut request = stub_request(id, span, Method::POST, Template::literal(FAULTS_PATH));
        request.headers.push((CONTENT_TYPE, Template::literal("application/json")));
        request.body = Body::Json(JsonTemplate::Object(members));
        Step::Request(Box::new(request))
    }
}

pub(super) fn stub_request(id: StepId, span: Span, method: Method, path: Template) -> RequestPlan {
    RequestPlan {
        id,
        span,
        to: Destination::Upstream,
        method,
        path,
        headers: Vec::new(),
        body: Body::Empty,
        auth: None,
        timeout: STUB_TIMEOUT,
        expect: Vec::new(),
        claim: crate::plan::Claim::default(),
        also: Vec::new(),
        may_be_lost: false,
        capture: Vec::new(),
    }
}

/// Asks for the calls to `path`.
pub(super) fn calls_request(id: StepId, span: Span, path: &Template) -> RequestPlan {
    stub_request(id, span, Method::GET, query(CALLS_PATH, path))
}

/// `base?path=…`, with the literal parts percent-encoded as the values will be.
fn query(base: &str, path: &Template) -> Template {
    let encoded = path.segments().iter().map(|segment| match segment {
        Segment::Literal(text) => Segment::Literal(crate::plan::percent_encode(text)),
        Segment::Name(name) => Segment::Name(name.clone()),
    });
    Template::of(std::iter::once(Segment::Literal(format!("{base}?path="))).chain(encoded))
}
