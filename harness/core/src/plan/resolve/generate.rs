//! Requests whose bodies are made from a JSON Schema.

use http::Method;

use crate::{
    generate::Shape,
    language::{
        Diagnostic, Spanned,
        file::{ExpectFile, GenerateFile, RequestFile},
        quantity::Whole,
        text::PathText,
    },
    plan::{
        Destination, Expectation, GeneratePlan, JsonSchemaOf, JsonTemplate, Matcher, Outcome,
        RequestPlan, Span, Subject,
    },
};

use super::{Resolver, stub::stub_request};

impl Resolver {
    /// `None` after an error that leaves nothing to send.
    pub(super) fn generate(&mut self, file: &GenerateFile, span: Span) -> Option<GeneratePlan> {
        let has_more = has_more(&file.request);
        if let Some((what, span)) = has_more {
            let message = format!("the request has {what} of its own");
            let error = Diagnostic::error("generate-request", message, span);
            self.error(error.with_help(
                "`generate` makes its bodies; what is expected stands under `refused` and `accepted`",
            ));
        }
        let request = self.request(&file.request, span);
        let unchanged = file.unchanged.as_ref().map(|path| self.look(path, request.as_ref(), span));
        let valid = self.json(&file.valid);
        let refused = self.outcome(&file.refused);
        let accepted = self.outcome(&file.accepted);
        let (shape, schema) = self.schema_of(file)?;
        if let JsonTemplate::Constant(value) = &valid
            && let Some((at, violation)) = schema.violations(value, 1).first()
        {
            let message = format!("this is not valid by `schema`: {violation}");
            let error = Diagnostic::error("generate-valid", message, file.valid.span);
            self.error(error.with_help(format!("the cases are made from it; look at `{at}`")));
        }
        Some(GeneratePlan {
            request: request?,
            shape,
            schema,
            valid,
            valid_span: file.valid.span,
            random: file.random.map_or(0, Whole::count),
            pointer: file.pointer.as_ref().map(|pointer| (pointer.0.clone(), pointer.span)),
            refused,
            accepted,
            unchanged,
        })
    }

    /// A look at what must be as it was, by whoever sends the bodies.
    fn look(
        &mut self,
        path: &Spanned<PathText>,
        request: Option<&RequestPlan>,
        span: Span,
    ) -> RequestPlan {
        self.use_template(&path.0, path.span);
        let id = self.label_of(&format!("GET {}", path.0.source()));
        let auth = request.and_then(|request| request.auth);
        let any = Expectation { subject: Subject::Status, matcher: Matcher::exists(true), span };
        RequestPlan {
            to: Destination::Target,
            auth,
            expect: vec![any],
            ..stub_request(id, span, Method::GET, path.0.clone())
        }
    }

    fn schema_of(&mut self, file: &GenerateFile) -> Option<(Shape, JsonSchemaOf)> {
        let schema = &file.schema.value;
        let shape = Shape::of(schema).map_err(|bad| bad.to_string());
        let compiled = JsonSchemaOf::new(schema).map_err(|error| error.to_string());
        match shape.and_then(|shape| Ok((shape, compiled?))) {
            Ok(both) => Some(both),
            Err(problem) => {
                let error = Diagnostic::error("generate-schema", problem, file.schema.span);
                self.error(error.with_help(
                    "such as `{ type: object, required: [name], properties: { name: { type: \
                     string, minLength: 1, maxLength: 100 } } }`",
                ));
                None
            }
        }
    }

    fn outcome(&mut self, file: &Spanned<ExpectFile>) -> Outcome {
        if file.status.is_none() {
            let message = "nothing is expected of the status";
            let error = Diagnostic::error("generate-status", message, file.span);
            self.error(error.with_help("add it, such as `status: 400`"));
        }
        Outcome { expect: self.expectations(file), claim: self.claim_of(file) }
    }
}

/// Returns the part of the request that belongs elsewhere, and its place.
fn has_more(file: &RequestFile) -> Option<(&'static str, Span)> {
    let expect = file.expect.as_ref().map(|expect| ("an `expect`", expect.span));
    let json = file.json.as_ref().map(|json| ("a body", json.span));
    let body = file.body.as_ref().map(|body| ("a body", body.span));
    let capture = file.capture.as_ref().map(|capture| ("a `capture`", capture.span));
    [json, body, expect, capture].into_iter().flatten().next()
}
