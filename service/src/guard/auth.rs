//! Authentication, and the rate limit that depends on it.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{ClientAddress, Problem, bill::Payer, ports_of, token};
use crate::app::App;
use crate::identity;
use crate::ports::{Admission, Clock, Platform, Ports};

/// The person whose token a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The identifier of the person.
    pub subject: String,
    /// The session of their token, if it belongs to one.
    pub session: Option<String>,
    pub(super) scope: String,
}

/// A permission of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Allows reading the caller's own resources.
    Read,
    /// Allows creating, changing and running them.
    Write,
    /// Allows seeing what a request used.
    Meter,
}

impl Scope {
    /// Returns the name of the scope, as it is written in a token.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Meter => "meter",
        }
    }
}

impl Caller {
    /// Returns whether the token has this scope.
    pub(super) fn has(&self, scope: Scope) -> bool {
        self.scope.split(' ').any(|name| name == scope.name())
    }

    /// Refuses a caller without this scope.
    ///
    /// # Errors
    /// 403.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        if self.has(scope) { Ok(()) } else { Err(Problem::missing_scope(scope.name())) }
    }
}

/// Lets signed-in callers within their budget pass, as a [`Caller`] extension. They pay for the
/// request.
pub async fn authenticate<P: Platform>(
    State(app): State<App<P>>,
    mut request: Request,
    next: Next,
) -> Response {
    let ports = ports_of(&app, request.extensions());
    let caller = signed(&app, request.headers());
    let key =
        caller.as_ref().map_or_else(|| address_key(&request), |c| format!("user:{}", c.subject));
    if let Err(problem) = admit(&app, &ports, &key).await {
        return problem.into_response();
    }
    let caller = match require_session(&ports, caller).await {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    if let Some(payer) = request.extensions().get::<Payer>() {
        payer.set(caller.clone());
    }
    request.extensions_mut().insert(caller);

    let mut response = next.run(request).await;
    let private = HeaderValue::from_static("private, no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, private);
    response
}

/// Returns the caller that these headers name, for routes that work without one.
///
/// # Errors
/// 401 when they name none, 503 when the session cannot be looked up.
pub async fn caller_of<P: Platform>(
    app: &App<P>,
    ports: &Ports<P>,
    headers: &HeaderMap,
) -> Result<Caller, Problem> {
    require_session(ports, signed(app, headers)).await
}

/// Returns the caller that a token names, if this service has signed it.
fn signed<P: Platform>(app: &App<P>, headers: &HeaderMap) -> Option<Caller> {
    let (token, now) = (bearer(headers)?, app.platform.clock().now());
    let mut keys = app.config.signing_keys();
    let claims = keys.find_map(|key| token::verify(token, key, now).ok())?;
    Some(Caller { subject: claims.sub, session: claims.sid, scope: claims.scope })
}

/// Refuses a token whose session has ended.
async fn require_session<P: Platform>(
    ports: &Ports<P>,
    caller: Option<Caller>,
) -> Result<Caller, Problem> {
    let caller = caller.ok_or_else(Problem::unauthorized)?;
    let Some(session) = &caller.session else { return Ok(caller) };
    if identity::is_live(ports, &caller.subject, session).await? {
        Ok(caller)
    } else {
        Err(Problem::unauthorized())
    }
}

/// Lets anyone within the budget of their address pass.
pub async fn limit_by_address<P: Platform>(
    State(app): State<App<P>>,
    request: Request,
    next: Next,
) -> Response {
    let ports = ports_of(&app, request.extensions());
    match admit(&app, &ports, &address_key(&request)).await {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Admits everybody when the limiter is down: it protects a budget, and the database behind it has
/// limits of its own. Closed, it would take the whole API down with it.
async fn admit<P: Platform>(app: &App<P>, ports: &Ports<P>, key: &str) -> Result<(), Problem> {
    match ports.rate_limiter().admit(key).await {
        Ok(Admission::Admitted) => Ok(()),
        Ok(Admission::Refused { retry_after }) => {
            // Where the limiter says only yes or no, its period is an upper bound.
            let period = Duration::from_secs(app.config.rate_limit.period_seconds.into());
            Err(Problem::rate_limited(retry_after.unwrap_or(period)))
        }
        Err(error) => {
            ports.log(&format!("rate limiter: {error}"));
            Ok(())
        }
    }
}

fn address_key(request: &Request) -> String {
    let address = request.extensions().get::<ClientAddress>();
    address.map_or_else(|| "ip:unknown".to_owned(), |address| address.limiter_key())
}

/// Returns the token of exactly one `Authorization: Bearer` header. The scheme is case-insensitive
/// (RFC 9110 §11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).into_iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let values = values.iter().map(|v| (header::AUTHORIZATION, HeaderValue::from_static(v)));
        values.collect()
    }

    #[test]
    fn one_bearer_header_and_nothing_else() {
        assert_eq!(bearer(&headers(&["Bearer x.y.z"])), Some("x.y.z"));
        assert_eq!(bearer(&headers(&["bEARER  x"])), Some("x"));
        for bad in [&[][..], &["Bearer"], &["Basic x"], &["x"], &["Bearer x", "Bearer x"]] {
            assert_eq!(bearer(&headers(bad)), None, "{bad:?}");
        }
    }

    #[test]
    fn scopes_are_whole_words() {
        let caller = Caller { subject: "ann".into(), session: None, scope: "reader write".into() };
        assert!(!caller.has(Scope::Read));
        assert!(caller.has(Scope::Write));
        assert!(caller.require(Scope::Meter).is_err());
    }
}
