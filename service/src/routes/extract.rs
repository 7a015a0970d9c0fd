//! Parts of a request, with our own errors: axum's are plain text.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use url::form_urlencoded;

use crate::domain::{Issue, id, page::Page};
use crate::guard::Problem;
use crate::identity::Provider;

/// The identifier in the path. What is not one names nothing: 404.
pub(super) struct Id(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) if id::is_id(&text) => Ok(Self(text)),
            _ => Err(Problem::not_found()),
        }
    }
}

/// The provider in the path. What is none names nothing: 404.
pub(super) struct Named(pub(super) Provider);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let name = Path::<String>::from_request_parts(parts, state).await;
        let provider = name.ok().and_then(|Path(name)| Provider::from_name(&name));
        provider.map(Self).ok_or_else(Problem::not_found)
    }
}

/// `limit` and `cursor` of a list, each at most once.
pub(super) struct ListPage(pub(super) Page);

impl<S: Send + Sync> FromRequestParts<S> for ListPage {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let (limit, cursor) =
            (single_parameter(query, "limit")?, single_parameter(query, "cursor")?);
        let page = Page::from_query(limit.as_deref(), cursor.as_deref());
        page.map(Self).map_err(Problem::invalid_input)
    }
}

/// Returns the value of a parameter. One that is there twice means different things to different
/// readers.
pub(super) fn single_parameter(query: &str, name: &str) -> Result<Option<String>, Problem> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
    let first = values.next().map(|(_, value)| value.into_owned());
    if values.next().is_some() {
        return Err(Problem::invalid_input(vec![Issue::new(name, "must be there at most once")]));
    }
    Ok(first)
}
