//! What every request gets, whatever becomes of it: an id and a meter.

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};

use crate::domain::id;
use crate::ports::{Clock, Meter, Platform, Random};
use crate::routes::App;

/// What the request used, as an RFC 8941 dictionary.
pub const USAGE_HEADER: HeaderName = HeaderName::from_static("workway-usage");

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Adds a [`Meter`] to the request and `X-Request-Id` to the response.
pub async fn observe<P: Platform>(
    State(app): State<App<P>>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(Meter::default());
    let mut response = next.run(request).await;
    let mut entropy = [0; id::ENTROPY];
    if app.platform.random().fill(&mut entropy).is_ok() {
        let id = id::new(app.platform.clock().now(), entropy);
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
    }
    response
}
