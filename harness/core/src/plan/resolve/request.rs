//! One request.

use std::time::Duration;

use http::{HeaderName, Method, header::AUTHORIZATION};

use crate::{
    language::{
        Diagnostic, MAX_ERRORS, Spanned,
        file::{ExpectFile, Json, RequestFile},
        text::{PathText, StepName},
    },
    model::Capability,
    plan::{
        Also, Body, Capture, Claim, Destination, Expectation, JsonTemplate, Matcher, RequestPlan,
        Segment, Span, StepId, Subject, Template, UserId, builtin,
    },
};

use super::{Resolver, join};

/// The deadline of a request when the file does not say: longer than any response that a person
/// would wait for.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The first status that is a failure: without an expectation on it, a status below this is a
/// success.
const FIRST_ERROR_STATUS: u16 = 400;

impl Resolver {
    /// `None` after an error that leaves nothing to send.
    pub(super) fn request(&mut self, file: &RequestFile, span: Span) -> Option<RequestPlan> {
        let method = self.method(file, span);
        let auth = self.auth(file);
        let headers = self.headers(file);
        let body = self.body(file);
        let (Also { expect, claim }, also) = self.expect(file, span);
        let capture = self.capture(file);
        let (method, path) = method?;
        let id = self.label(file, &method, path)?;
        Some(RequestPlan {
            id,
            span,
            to: Destination::Target,
            method,
            path: path.0.clone(),
            headers,
            body,
            auth,
            timeout: file.timeout.map_or(DEFAULT_TIMEOUT, |time| time.0),
            expect,
            claim,
            also,
            may_be_lost: file.may_be_lost.unwrap_or_default(),
            capture,
        })
    }

    fn method<'f>(
        &mut self,
        file: &'f RequestFile,
        span: Span,
    ) -> Option<(Method, &'f Spanned<PathText>)> {
        let methods = file.methods();
        for (_, path) in &methods {
            self.use_template(&path.0, path.span);
        }
        match methods.as_slice() {
            [] => self.error(
                Diagnostic::error("no-method", "the request has no method and path", span)
                    .with_help("add one, such as `get: /health`"),
            ),
            [_] => {}
            [(first, _), rest @ ..] => {
                for (second, path) in rest {
                    let message = format!("the request has two methods, {first} and {second}");
                    let error = Diagnostic::error("several-methods", message, path.span);
                    self.error(error.with_help("make them two steps"));
                }
            }
        }
        methods.into_iter().next()
    }

    fn label(&mut self, file: &RequestFile, method: &Method, path: &PathText) -> Option<StepId> {
        let Some(name) = &file.name else {
            let base = format!("{method} {}", path.0.source());
            return Some(self.label_of(&base));
        };
        self.named(name)
    }

    /// A label with the name that the author gave. In a called scenario, which may be called
    /// twice, it is made unique.
    pub(super) fn named(&mut self, name: &Spanned<StepName>) -> Option<StepId> {
        if !self.prefix.is_empty() {
            return Some(self.label_of(&name.0));
        }
        let label = self.labels.named(&name.0, name.span, self.phase);
        self.ok(label)
    }

    /// A label that is made.
    pub(super) fn label_of(&mut self, base: &str) -> StepId {
        self.labels.unnamed(&format!("{}{base}", self.prefix), self.phase)
    }

    fn also(&mut self, file: &Spanned<ExpectFile>) -> Also {
        Also { expect: self.expectations(file), claim: self.claim_of(file) }
    }

    pub(super) fn claim_of(&mut self, file: &ExpectFile) -> Claim {
        self.claim(file.rule.as_ref(), file.severity.map(|severity| severity.value))
    }

    fn auth(&mut self, file: &RequestFile) -> Option<UserId> {
        let name = file.auth.as_ref()?;
        let found = self.scope.user(&name.0, name.span);
        self.ok(found).map(UserId)
    }

    fn headers(&mut self, file: &RequestFile) -> Vec<(HeaderName, Template)> {
        let mut headers: Vec<(HeaderName, Template)> = Vec::new();
        for (name, value) in file.headers.iter().flatten() {
            self.use_template(&value.0, value.span);
            if headers.iter().any(|(earlier, _)| *earlier == name.0) {
                let message = format!("the header `{}` is there twice", name.0);
                self.error(Diagnostic::error("duplicate-header", message, name.span));
            }
            if name.0 == AUTHORIZATION {
                self.check_authorization(file, name.span, &value.0, value.span);
            }
            headers.push((name.0.clone(), value.0.clone()));
        }
        headers
    }

    fn check_authorization(&mut self, file: &RequestFile, key: Span, value: &Template, at: Span) {
        if file.auth.is_some() {
            let message = "the request has both `auth` and an `authorization` header";
            let error = Diagnostic::error("two-authorizations", message, key);
            self.error(error.with_help("remove one of them"));
        }
        let [Segment::Literal(text)] = value.segments() else { return };
        let mut words = text.split_whitespace();
        let is_bearer = words.next().is_some_and(|word| word.eq_ignore_ascii_case("bearer"));
        if is_bearer && words.next().is_some() {
            let message = "a token is written into the scenario";
            self.error(Diagnostic::error("literal-token", message, at).with_help(
                "declare a user and write `auth: <user>`; a token that exists already comes from \
                 the environment: `users: { ops: { token: { env: STAGING_TOKEN } } }`; one that is \
                 wrong on purpose is a variable: `Bearer ${{ forged }}`",
            ));
        }
    }

    fn body(&mut self, file: &RequestFile) -> Body {
        if let (Some(_), Some(body)) = (&file.json, &file.body) {
            let message = "the request has both `json` and `body`";
            let error = Diagnostic::error("two-bodies", message, body.span);
            self.error(error.with_help("remove one of them"));
        }
        if let Some(body) = &file.body {
            self.use_template(&body.0, body.span);
        }
        match (&file.json, &file.body) {
            (Some(json), _) => Body::Json(self.json(json)),
            (None, Some(body)) => Body::Text(body.0.clone()),
            (None, None) => Body::Empty,
        }
    }

    /// The expectation that decides first, and the others. The first one has the default of the
    /// status, where nothing else is said of it.
    fn expect(&mut self, file: &RequestFile, span: Span) -> (Also, Vec<Also>) {
        if let Some(expect) = file.expect.as_ref().filter(|expect| expect.0.is_empty()) {
            let error = Diagnostic::error("empty-expect", "nothing is expected here", expect.span);
            self.error(error.with_help("expect something, such as `status: 200`, or remove it"));
        }
        let mut all: Vec<_> = file.expected().iter().map(|expect| self.also(expect)).collect();
        let mut lead = match file.lead() {
            lead if lead < all.len() => all.remove(lead),
            _ => Also { expect: Vec::new(), claim: Claim::default() },
        };
        if !file.expects_status() {
            let matcher = Matcher::lt(FIRST_ERROR_STATUS.into());
            lead.expect.insert(0, Expectation { subject: Subject::Status, matcher, span });
        }
        (lead, all)
    }

    fn capture(&mut self, file: &RequestFile) -> Vec<Capture> {
        let mut captures = Vec::new();
        for (name, source) in file.capture.iter().flat_map(|capture| capture.iter()) {
            let defined = self.scope.define_capture(&name.0, name.span);
            self.ok(defined);
            captures.push(Capture {
                name: name.0.clone(),
                subject: source.0.clone(),
                span: join(name.span, source.span),
            });
        }
        captures
    }

    /// Checks the names in a template.
    pub(super) fn use_template(&mut self, template: &Template, span: Span) {
        for name in template.names() {
            self.use_name(name, span);
        }
        for lookalike in template.lookalikes() {
            self.lint_lookalike(&lookalike, span);
        }
    }

    /// Marks a name as used; once there are more errors than are shown, names are no longer looked
    /// up, because the search for a similar name takes time.
    fn use_name(&mut self, name: &str, span: Span) {
        if self.errors.len() <= MAX_ERRORS {
            let used = self.scope.use_name(name, span);
            self.ok(used);
        }
        match name {
            builtin::UPSTREAM => self.need(Capability::Upstream),
            builtin::PAGE_ORIGIN => self.need(Capability::PageOrigin),
            _ => {}
        }
    }

    /// Checks the names in a JSON value.
    pub(super) fn json(&mut self, json: &Json) -> JsonTemplate {
        for name in &json.names {
            self.use_name(&name.value, name.span);
        }
        for lookalike in &json.lookalikes {
            self.lint_lookalike(&lookalike.value, lookalike.span);
        }
        json.template.clone()
    }
}
