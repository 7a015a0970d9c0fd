//! Defines the requests that `http` steps send, and the origins that they may go to.

use serde_json::{Map, Value};
use url::Url;

/// The methods that an `http` step may use.
pub const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// The origins that `http` steps may call. An empty list allows nothing. A Worker cannot pin the
/// address that a name resolves to, so this list is what prevents server-side request forgery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<String>);

/// An entry of an [`AllowList`] that is not an `http` or `https` origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// The entry is not a URL.
    #[error("`{entry}`: {source}")]
    NotAUrl {
        /// The entry as it was written.
        entry: String,
        /// The parser's reason.
        source: url::ParseError,
    },
    /// The entry is a URL with more or less than an origin.
    #[error("`{0}` is not an origin such as https://api.example.com")]
    NotAnOrigin(String),
}

/// The settings of an `http` step make no request that may be sent. A retry cannot help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no URL.
    #[error("config.url is required")]
    NoUrl,
    /// The URL has another type than text.
    #[error("config.url must be a string")]
    UrlNotAString,
    /// The text cannot be parsed as a URL.
    #[error("config.url is not a URL: {0}")]
    NotAUrl(url::ParseError),
    /// The URL has a user name or a password, which would end up in logs.
    #[error("config.url must not hold credentials")]
    Credentials,
    /// The operator has not allowed the origin.
    #[error("config.url is not on the list of allowed origins")]
    NotAllowed,
    /// The method is none of [`METHODS`].
    #[error("config.method must be one of {}", METHODS.join(", "))]
    Method,
    /// A GET has a body, which `fetch` refuses to send.
    #[error("config.body needs a method other than GET")]
    BodyOfGet,
}

impl AllowList {
    /// Reads origins (`https://api.example.com`) separated by commas.
    ///
    /// # Errors
    /// [`OriginError`] for the first entry that is not an `http` or `https` origin.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(origin_of).collect::<Result<_, _>>().map(Self)
    }

    /// Returns this list with the origins of `more`.
    pub fn with<'a>(&self, more: impl Iterator<Item = &'a Url>) -> Self {
        let more = more.map(|url| url.origin().ascii_serialization());
        Self(self.0.iter().cloned().chain(more).collect())
    }

    /// Returns true if the list has the origin of `url`.
    pub fn allows(&self, url: &Url) -> bool {
        self.0.contains(&url.origin().ascii_serialization())
    }
}

fn origin_of(entry: &str) -> Result<String, OriginError> {
    let url = Url::parse(entry)
        .map_err(|source| OriginError::NotAUrl { entry: entry.to_owned(), source })?;
    // An operator who writes a path expects it to restrict the calls, which it would not.
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare || !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() {
        return Err(OriginError::NotAnOrigin(entry.to_owned()));
    }
    Ok(url.origin().ascii_serialization())
}

/// A request that an `http` step will send.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpCall {
    /// The method, which is one of [`METHODS`].
    pub method: String,
    /// The absolute URL. Its origin is allowed, and it has no credentials.
    pub url: String,
    /// The body, which is sent as JSON.
    pub body: Option<Value>,
}

impl HttpCall {
    /// Reads a step's configuration: `url`, and optionally `method` (GET) and `body`.
    ///
    /// # Errors
    /// [`CallError`] for the first rule that the configuration violates.
    pub fn from_config(
        config: &Map<String, Value>,
        allowed: &AllowList,
    ) -> Result<Self, CallError> {
        let text = config.get("url").ok_or(CallError::NoUrl)?;
        let text = text.as_str().ok_or(CallError::UrlNotAString)?;
        let url = Url::parse(text).map_err(CallError::NotAUrl)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(CallError::Credentials);
        }
        if !allowed.allows(&url) {
            return Err(CallError::NotAllowed);
        }
        let method = match config.get("method") {
            None => "GET".to_owned(),
            Some(Value::String(method)) if METHODS.contains(&method.as_str()) => method.clone(),
            Some(_) => return Err(CallError::Method),
        };
        let body = config.get("body").cloned();
        if method == "GET" && body.is_some() {
            return Err(CallError::BodyOfGet);
        }
        Ok(Self { method, url: url.into(), body })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(config: &Value) -> Result<HttpCall, CallError> {
        let allowed = AllowList::parse("http://127.0.0.1:9, https://API.example.com").unwrap();
        HttpCall::from_config(config.as_object().unwrap(), &allowed)
    }

    #[test]
    fn allowed_origins_pass() {
        let call =
            call(&json!({"url": "https://api.example.com:443/x?y", "method": "POST", "body": 1}));
        let expected = HttpCall {
            method: "POST".into(),
            url: "https://api.example.com/x?y".into(),
            body: Some(json!(1)),
        };
        assert_eq!(call.unwrap(), expected);
    }

    #[test]
    fn everything_else_is_refused() {
        for url in [
            "http://127.0.0.1:10/",
            "https://127.0.0.1:9/",
            "http://127.1:8/",
            "http://localhost:9/",
            "https://api.example.com.evil.example/",
            "https://evil.example/#@api.example.com",
            "https://api.example.com@evil.example/",
            "http://u:p@127.0.0.1:9/",
            "file:///etc/passwd",
            "gopher://api.example.com/",
            "//api.example.com",
            "",
            "data:,x",
            "http://[::1]:9/",
        ] {
            assert!(call(&json!({"url": url})).is_err(), "{url}");
        }
        // Other spellings of the same address are that address.
        assert!(call(&json!({"url": "http://2130706433:9/"})).is_ok());
        for config in
            [json!({}), json!({"url": 1}), json!({"url": "http://127.0.0.1:9/", "method": "TRACE"})]
        {
            assert!(call(&config).is_err(), "{config}");
        }
        assert!(
            HttpCall::from_config(
                json!({"url": "http://x/"}).as_object().unwrap(),
                &AllowList::default()
            )
            .is_err()
        );
    }

    #[test]
    fn a_get_with_a_body_is_refused() {
        let mut config = json!({"url": "http://127.0.0.1:9/", "body": null});
        let refused = call(&config).unwrap_err().to_string();
        assert_eq!(refused, "config.body needs a method other than GET");
        config["method"] = json!("DELETE");
        assert_eq!(call(&config).unwrap().body, Some(Value::Null));
    }

    #[test]
    fn a_list_with_something_else_in_it_is_refused() {
        for text in ["*", "https://x/path", "ftp://x", "https://u@x", "x"] {
            assert!(AllowList::parse(text).is_err(), "{text}");
        }
        assert_eq!(AllowList::parse(" , ").unwrap(), AllowList::default());
    }
}
