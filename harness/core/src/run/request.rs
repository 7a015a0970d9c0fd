//! Turns the template of a request into a request that can be sent.
//!
//! A step that runs once is rendered part by part ([`prepare`]). The requests of a load over plain
//! HTTP are written before the run, so that only values are filled in when they are due.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT as AGENT},
};
use reqwest::Url;

use segment::{Segment, Segments};

use super::values::{At, Scope};
use crate::{
    http::{
        EncodedRequest, Prepared, Request, USER_AGENT, Wanted, authority, is_secret, origin_form,
        states_length,
    },
    plan::{
        Body, Connections, CountExpectation, Destination, DistinctExpectation, LoadPlan,
        RequestPlan, Segment as Part, Step, StepId, Subject, Template, TemplateError,
    },
};

mod segment;

/// Says why a request cannot be built.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BuildError {
    /// A template has a name without a value.
    #[error("{place}: {source}")]
    Template {
        /// The part of the request that the template is for.
        place: String,
        source: TemplateError,
    },
    /// A value does not fit into a header.
    #[error("header {0}: control characters in the value")]
    HeaderValue(HeaderName),
    /// The user has no token in this iteration.
    #[error("nobody to send it as")]
    NoUser,
    /// The request goes to the stub of upstreams, which is not known.
    #[error("no upstream stub is known")]
    NoUpstream,
    /// The path does not make a URL.
    #[error("`{url}` is not a URL: {problem}")]
    NotAUrl { url: String, problem: String },
}

impl BuildError {
    fn template(place: impl Into<String>) -> impl FnOnce(TemplateError) -> Self {
        move |source| Self::Template { place: place.into(), source }
    }
}

/// Builds the requests of a worker.
#[derive(Debug)]
pub(crate) enum RequestBuilder {
    /// The requests of steps that run once, whose answers are kept whole.
    Once,
    /// The requests of a load, by [`StepId`].
    Load(Vec<Option<RequestTemplate>>),
}

/// A request of a load.
#[derive(Debug)]
pub(crate) struct RequestTemplate {
    /// The parts of the answer that an expectation or a capture reads.
    wanted: Wanted,
    /// The request as bytes; `None` where the target speaks TLS, and maybe HTTP/2.
    encoded: Option<EncodedTemplate>,
}

#[derive(Debug)]
struct EncodedTemplate {
    head: Vec<Segment>,
    body: Vec<Segment>,
    /// The request itself when there is nothing to fill in; else what all requests have in common.
    request: EncodedRequest,
    constant: bool,
}

impl RequestBuilder {
    /// Makes the templates of the requests of `load`.
    pub(crate) fn load(target: &Url, load: &LoadPlan) -> Self {
        let mut templates = Vec::new();
        for step in load.journeys.iter().flat_map(|journey| Step::flat(&journey.steps)) {
            let Some(request) = step.request() else { continue };
            let encoded = (target.scheme() == "http")
                .then(|| EncodedTemplate::new(target, request, load.connections));
            let index = request.id.0;
            templates.resize_with(templates.len().max(index + 1), || None);
            templates[index] = Some(RequestTemplate { wanted: wanted(load, step), encoded });
        }
        Self::Load(templates)
    }

    /// Says whether these are the requests of a load.
    pub(crate) fn is_load(&self) -> bool {
        matches!(self, Self::Load(_))
    }

    /// Fills the templates of a request in.
    ///
    /// # Errors
    /// If a name has no value, or a value does not fit.
    pub(crate) fn build(
        &self,
        request: &RequestPlan,
        scope: &Scope,
        names: &At<'_>,
    ) -> Result<Request, BuildError> {
        match self.template(request.id).and_then(|template| template.encoded.as_ref()) {
            Some(template) => template.fill(scope, names).map(Request::Encoded),
            None => prepare(request, scope, names).map(Request::Prepared),
        }
    }

    /// Says what of an answer is looked at.
    pub(crate) fn wanted(&self, step: StepId) -> Wanted {
        self.template(step).map_or(Wanted::ALL, |template| template.wanted)
    }

    fn template(&self, step: StepId) -> Option<&RequestTemplate> {
        match self {
            Self::Once => None,
            Self::Load(templates) => templates.get(step.0).and_then(Option::as_ref),
        }
    }
}

/// Renders the parts of `request`.
///
/// # Errors
/// If a name has no value, or a value does not fit.
pub(crate) fn prepare(
    request: &RequestPlan,
    scope: &Scope,
    names: &At<'_>,
) -> Result<Prepared, BuildError> {
    let path = request.path.render_path(names).map_err(BuildError::template("path"))?;
    let context = scope.context();
    let base = match request.to {
        Destination::Target => &context.target,
        Destination::Upstream => context.upstream.as_ref().ok_or(BuildError::NoUpstream)?,
    };
    let url = format!("{base}{path}");
    let url = Url::parse(&url)
        .map_err(|error| BuildError::NotAUrl { url, problem: error.to_string() })?;
    let mut headers = rendered_headers(request, names)?;
    let body = rendered_body(&request.body, &mut headers, names)?;
    if let Some(user) = request.auth
        && !headers.contains_key(AUTHORIZATION)
    {
        let user = context.virtual_users.get(user, scope.iteration).ok_or(BuildError::NoUser)?;
        headers.insert(AUTHORIZATION, user.authorization.clone());
    }
    Ok(Prepared { method: request.method.clone(), url, headers, body })
}

fn rendered_headers(request: &RequestPlan, names: &At<'_>) -> Result<HeaderMap, BuildError> {
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 2);
    for (name, template) in &request.headers {
        let text = template
            .render(names)
            .map_err(|source| BuildError::template(format!("header {name}"))(source))?;
        let mut value = HeaderValue::from_bytes(text.as_bytes())
            .map_err(|_| BuildError::HeaderValue(name.clone()))?;
        value.set_sensitive(is_secret(name));
        headers.append(name, value);
    }
    Ok(headers)
}

fn rendered_body(
    body: &Body,
    headers: &mut HeaderMap,
    names: &At<'_>,
) -> Result<Bytes, BuildError> {
    let rendered = match body {
        Body::Empty => Ok(Bytes::new()),
        Body::Text(template) => template.render(names).map(Bytes::from),
        Body::Json(template) => {
            let json = HeaderValue::from_static("application/json");
            headers.entry(CONTENT_TYPE).or_insert(json);
            template.render(names).map(|value| value.to_string().into())
        }
    };
    rendered.map_err(BuildError::template("body"))
}

/// Says what of the answers to the requests of `step` is looked at.
fn wanted(load: &LoadPlan, step: &Step) -> Wanted {
    let counts: &[CountExpectation] =
        if let Step::Burst(burst) = step { &burst.counts } else { &[] };
    let counted = counts.iter().flat_map(|count| &count.matching);
    let expected = step.request().into_iter().flat_map(|request| &request.expect);
    let also = step.request().into_iter().flat_map(|request| &request.also);
    let also = also.flat_map(|also| &also.expect);
    let captured = step.request().into_iter().flat_map(|request| &request.capture);
    let distinct: &[DistinctExpectation] =
        if let Step::Burst(burst) = step { &burst.distinct } else { &[] };
    let subjects = expected.chain(counted).chain(also).map(|expectation| &expectation.subject);
    let subjects = subjects.chain(distinct.iter().map(|distinct| &distinct.subject));
    let mut wanted = Wanted { headers: load.metered, body: false };
    for subject in subjects.chain(captured.map(|capture| &capture.subject)) {
        wanted.headers |= matches!(subject, Subject::Header(_));
        wanted.body |= matches!(subject, Subject::Json(_) | Subject::Text);
    }
    wanted
}

impl EncodedTemplate {
    fn new(target: &Url, request: &RequestPlan, connections: Connections) -> Self {
        let mut head = Segments::default();
        head.text(&format!("{} ", request.method));
        path(&mut head, target, &request.path);
        head.text(" HTTP/1.1\r\n");
        let ours = our_headers(&mut head, target, request, connections);
        let body = body(&request.body);
        headers(&mut head, request);
        let length_stated = states_length(&request.method, body.0.is_empty());
        if length_stated {
            head.text("content-length: ");
            head.length(&body);
            head.text("\r\n");
        }
        head.text("\r\n");
        let constant = head.constant().zip(body.constant());
        let bytes = constant.as_ref().map(|(head, body)| [head.as_slice(), body].concat());
        let request = EncodedRequest {
            bytes: bytes.unwrap_or_default().into(),
            head_only: request.method == http::Method::HEAD,
            ours,
            length_stated,
        };
        Self { head: head.0, body: body.0, request, constant: constant.is_some() }
    }

    fn fill(&self, scope: &Scope, at: &At<'_>) -> Result<EncodedRequest, BuildError> {
        if self.constant {
            return Ok(self.request.clone());
        }
        let mut body = Vec::new();
        for segment in &self.body {
            segment.write(&mut body, 0, scope, at)?;
        }
        let mut bytes = Vec::new();
        for segment in &self.head {
            segment.write(&mut bytes, body.len(), scope, at)?;
        }
        bytes.append(&mut body);
        Ok(EncodedRequest { bytes: bytes.into(), ..self.request.clone() })
    }
}

/// The path as a URL has it: without dot segments, and with everything encoded that must be.
fn path(head: &mut Segments, target: &Url, path: &Template) {
    let names: Vec<_> = path.names().collect();
    let marks: Vec<_> = (0..names.len()).map(|index| mark(path, index)).collect();
    let mut next = marks.iter();
    let marked: String = path
        .segments()
        .iter()
        .map(|segment| match segment {
            Part::Literal(text) => text.as_str(),
            Part::Name(_) => next.next().map_or("", String::as_str),
        })
        .collect();
    let base = target.as_str().trim_end_matches('/');
    let target = Url::parse(&format!("{base}{marked}")).map_or(marked, |url| origin_form(&url));
    let mut rest = target.as_str();
    for (name, mark) in names.iter().zip(&marks) {
        // A name before `..` goes with its segment.
        let Some((before, after)) = rest.split_once(mark.as_str()) else { continue };
        head.text(before);
        head.0.push(Segment::Path((*name).to_owned()));
        rest = after;
    }
    head.text(rest);
}

/// Letters that stand for a name and appear nowhere else in the path.
fn mark(path: &Template, index: usize) -> String {
    let mut mark = "name".to_owned();
    while path.source().contains(&mark) {
        mark.push('x');
    }
    format!("{mark}{index}end")
}

fn our_headers(
    head: &mut Segments,
    target: &Url,
    request: &RequestPlan,
    connections: Connections,
) -> usize {
    let mut ours = 1;
    head.text(&format!("host: {}\r\n", authority(target)));
    let close = ("connection".to_owned(), "close");
    let agent = (AGENT.to_string(), USER_AGENT);
    let accept = (ACCEPT.to_string(), "*/*");
    for (name, value) in [
        Some(agent).filter(|_| !names(request, &AGENT)),
        Some(accept).filter(|_| !names(request, &ACCEPT)),
        Some(close).filter(|_| connections == Connections::PerOperation),
    ]
    .into_iter()
    .flatten()
    {
        head.text(&format!("{name}: {value}\r\n"));
        ours += 1;
    }
    ours
}

fn names(request: &RequestPlan, name: &HeaderName) -> bool {
    request.headers.iter().any(|(other, _)| other == name)
}

fn headers(head: &mut Segments, request: &RequestPlan) {
    for (name, template) in &request.headers {
        head.text(&format!("{name}: "));
        head.template(template, |value| Segment::Header(name.clone(), value.to_owned()));
        head.text("\r\n");
    }
    if matches!(request.body, Body::Json(_)) && !names(request, &CONTENT_TYPE) {
        head.text("content-type: application/json\r\n");
    }
    if let Some(user) = request.auth
        && !names(request, &AUTHORIZATION)
    {
        head.text("authorization: ");
        head.0.push(Segment::Token(user));
        head.text("\r\n");
    }
}

fn body(body: &Body) -> Segments {
    let mut segments = Segments::default();
    match body {
        Body::Empty => {}
        Body::Json(json) => segments.json(json),
        Body::Text(text) => segments.template(text, |name| Segment::Text(name.to_owned())),
    }
    segments
}

#[cfg(test)]
mod tests;
