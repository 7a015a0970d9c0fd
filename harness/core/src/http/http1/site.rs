//! Requests as bytes: what is known before the run is written once.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use httparse::Status;
use reqwest::Url;

use super::super::{
    Prepared,
    client::USER_AGENT as OURS,
    prepare::is_secret,
    values::{At, Scope},
};
use super::{
    answer::Wanted,
    pieces::{Piece, Pieces},
};
use crate::plan::{
    Body, Connections, CountExpectation, DistinctExpectation, LoadPlan, RequestPlan, Segment, Step,
    StepId, Subject, Template,
};

/// A request, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    pub(crate) bytes: Bytes,
    /// Whether its answer has no body.
    pub(crate) head_only: bool,
    /// Whether it may be sent twice.
    pub(crate) idempotent: bool,
    /// What of the answer an expectation or a capture looks at.
    pub(crate) wanted: Wanted,
    /// Headers at the beginning that nobody asked for.
    ours: usize,
    length_stated: bool,
}

/// Every request of a load, by [`StepId`].
#[derive(Debug)]
pub(crate) struct Sites(Vec<Option<Site>>);

#[derive(Debug)]
struct Site {
    head: Vec<Piece>,
    body: Vec<Piece>,
    /// The request itself when there is nothing to fill in; else what all requests have in common.
    wire: Wire,
    constant: bool,
}

impl Sites {
    pub(crate) fn new(target: &Url, load: &LoadPlan) -> Self {
        let mut sites = Self(Vec::new());
        for step in load.journeys.iter().flat_map(|journey| Step::flat(&journey.steps)) {
            let Some(request) = step.request() else { continue };
            let mut site = Site::new(target, request, load.connections);
            site.wire.wanted = wanted(load, step);
            let index = request.id.0;
            sites.0.resize_with(sites.0.len().max(index + 1), || None);
            sites.0[index] = Some(site);
        }
        sites
    }

    pub(crate) fn fill(&self, id: StepId, scope: &Scope, at: &At<'_>) -> Result<Wire, String> {
        let site = self.0.get(id.0).and_then(Option::as_ref);
        site.ok_or("a request that is not part of the load")?.fill(scope, at)
    }
}

/// What of the answers to the requests of `step` is looked at.
pub(crate) fn wanted(load: &LoadPlan, step: &Step) -> Wanted {
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

impl Site {
    fn new(target: &Url, request: &RequestPlan, connections: Connections) -> Self {
        let mut head = Pieces::default();
        head.text(&format!("{} ", request.method));
        path(&mut head, target, &request.path);
        head.text(" HTTP/1.1\r\n");
        let ours = our_headers(&mut head, target, request, connections);
        let body = body(&request.body);
        headers(&mut head, request);
        let length_stated = states_length(request, &body);
        if length_stated {
            head.text("content-length: ");
            head.length(&body);
            head.text("\r\n");
        }
        head.text("\r\n");
        let constant = head.constant().zip(body.constant());
        let bytes = constant.as_ref().map(|(head, body)| [head.as_slice(), body].concat());
        let wire = Wire {
            bytes: bytes.unwrap_or_default().into(),
            head_only: request.method == Method::HEAD,
            idempotent: request.method.is_idempotent(),
            wanted: Wanted::default(),
            ours,
            length_stated,
        };
        Self { head: head.0, body: body.0, wire, constant: constant.is_some() }
    }

    fn fill(&self, scope: &Scope, at: &At<'_>) -> Result<Wire, String> {
        if self.constant {
            return Ok(self.wire.clone());
        }
        let mut body = Vec::new();
        for piece in &self.body {
            piece.write(&mut body, 0, scope, at).map_err(|error| format!("body: {error}"))?;
        }
        let mut bytes = Vec::new();
        for piece in &self.head {
            piece.write(&mut bytes, body.len(), scope, at)?;
        }
        bytes.append(&mut body);
        Ok(Wire { bytes: bytes.into(), ..self.wire.clone() })
    }
}

impl Wire {
    /// `bytes` as they are, with nothing in the answer looked at.
    #[cfg(test)]
    pub(crate) fn of_test(bytes: Bytes) -> Self {
        let idempotent = !bytes.starts_with(b"POST");
        let wanted = Wanted::default();
        let (ours, length_stated) = (0, false);
        Self { bytes, head_only: false, idempotent, wanted, ours, length_stated }
    }

    /// The request as it would be for any other client, to be shown.
    pub(crate) fn prepared(&self, target: &Url) -> Option<Prepared> {
        let mut headers = vec![httparse::EMPTY_HEADER; MAX_SHOWN_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let Status::Complete(end) = request.parse(&self.bytes).ok()? else { return None };
        let last = request.headers.len() - usize::from(self.length_stated);
        let mut shown = HeaderMap::new();
        for header in request.headers.get(self.ours..last)? {
            let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
            let mut value = HeaderValue::from_bytes(header.value).ok()?;
            value.set_sensitive(is_secret(&name));
            shown.append(name, value);
        }
        Some(Prepared {
            method: request.method?.parse().ok()?,
            url: target.join(request.path?).ok()?,
            headers: shown,
            body: self.bytes.slice(end..),
        })
    }
}

/// More than a scenario can have without being unreadable itself.
const MAX_SHOWN_HEADERS: usize = 256;

/// The path as a URL has it: without dot segments, and with everything encoded that must be.
fn path(head: &mut Pieces, target: &Url, path: &Template) {
    let names: Vec<_> = path.names().collect();
    let marks: Vec<_> = (0..names.len()).map(|index| mark(path, index)).collect();
    let mut next = marks.iter();
    let marked: String = path
        .segments()
        .iter()
        .map(|segment| match segment {
            Segment::Literal(text) => text.as_str(),
            Segment::Name(_) => next.next().map_or("", String::as_str),
        })
        .collect();
    let base = target.as_str().trim_end_matches('/');
    let target = Url::parse(&format!("{base}{marked}")).map_or(marked, |url| origin_form(&url));
    let mut rest = target.as_str();
    for (name, mark) in names.iter().zip(&marks) {
        // A name before `..` goes with its segment.
        let Some((before, after)) = rest.split_once(mark.as_str()) else { continue };
        head.text(before);
        head.0.push(Piece::Path((*name).to_owned()));
        rest = after;
    }
    head.text(rest);
}

/// Path and query, as a request line has them.
fn origin_form(url: &Url) -> String {
    let query = url.query().map_or(String::new(), |query| format!("?{query}"));
    format!("{}{query}", url.path())
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
    head: &mut Pieces,
    target: &Url,
    request: &RequestPlan,
    connections: Connections,
) -> usize {
    let host = target.host_str().unwrap_or_default();
    let port = target.port().map_or(String::new(), |port| format!(":{port}"));
    let mut ours = 1;
    head.text(&format!("host: {host}{port}\r\n"));
    let close = ("connection".to_owned(), "close");
    let agent = (USER_AGENT.to_string(), OURS);
    let accept = (ACCEPT.to_string(), "*/*");
    for (name, value) in [
        Some(agent).filter(|_| !names(request, &USER_AGENT)),
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

fn headers(head: &mut Pieces, request: &RequestPlan) {
    for (name, template) in &request.headers {
        head.text(&format!("{name}: "));
        head.template(template, |value| Piece::Header(name.clone(), value.to_owned()));
        head.text("\r\n");
    }
    if matches!(request.body, Body::Json(_)) && !names(request, &CONTENT_TYPE) {
        head.text("content-type: application/json\r\n");
    }
    if let Some(user) = request.auth
        && !names(request, &AUTHORIZATION)
    {
        head.text("authorization: ");
        head.0.push(Piece::Token(user));
        head.text("\r\n");
    }
}

fn body(body: &Body) -> Pieces {
    let mut pieces = Pieces::default();
    match body {
        Body::Empty => {}
        Body::Json(json) => pieces.json(json),
        Body::Text(text) => pieces.template(text, |name| Piece::Text(name.to_owned())),
    }
    pieces
}

/// RFC 9110, 8.6: an empty body is stated where one would be expected.
fn states_length(request: &RequestPlan, body: &Pieces) -> bool {
    !body.0.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(&request.method)
}

#[cfg(test)]
mod tests;
