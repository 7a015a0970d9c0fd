//! Requests that `http` steps send, and where they may go.

use serde_json::{Map, Value};
use url::Url;

/// Methods an `http` step may use.
pub const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// The origins that `http` steps may call. Empty allows nothing: a Worker cannot pin the address
/// that a name resolves to, so the list of hosts is the control against request forgery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<String>);

impl AllowList {
    /// Reads origins (`https://api.example.com`) separated by commas.
    ///
    /// # Errors
    /// The first entry that is not an `http` or `https` origin.
    pub fn parse(text: &str) -> Result<Self, String> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(origin_of).collect::<Result<_, _>>().map(Self)
    }

    /// This list and the origins of `more`.
    pub fn with<'a>(&self, more: impl Iterator<Item = &'a Url>) -> Self {
        let more = more.map(|url| url.origin().ascii_serialization());
        Self(self.0.iter().cloned().chain(more).collect())
    }

    /// Whether the list has the origin of `url`.
    pub fn allows(&self, url: &Url) -> bool {
        self.0.contains(&url.origin().ascii_serialization())
    }
}

fn origin_of(entry: &str) -> Result<String, String> {
    let url = Url::parse(entry).map_err(|error| format!("`{entry}`: {error}"))?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare || !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() {
        return Err(format!("`{entry}` is not an origin such as https://api.example.com"));
    }
    Ok(url.origin().ascii_serialization())
}

/// What an `http` step will send.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpCall {
    /// One of [`METHODS`].
    pub method: String,
    /// Absolute, on the allow-list, without credentials.
    pub url: String,
    /// Sent as JSON.
    pub body: Option<Value>,
}

impl HttpCall {
    /// Reads a step's configuration: `url`, and optionally `method` (GET) and `body`.
    ///
    /// # Errors
    /// What to change in the configuration. No retry can help.
    pub fn from_config(config: &Map<String, Value>, allowed: &AllowList) -> Result<Self, String> {
        let text = config.get("url").ok_or("config.url is required")?;
        let text = text.as_str().ok_or("config.url must be a string")?;
        let url = Url::parse(text).map_err(|error| format!("config.url is not a URL: {error}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("config.url must not hold credentials".to_owned());
        }
        if !allowed.allows(&url) {
            return Err("config.url is not on the list of allowed origins".to_owned());
        }
        let method = match config.get("method") {
            None => "GET".to_owned(),
            Some(Value::String(method)) if METHODS.contains(&method.as_str()) => method.clone(),
            Some(_) => return Err(format!("config.method must be one of {}", METHODS.join(", "))),
        };
        let body = config.get("body").cloned();
        // `fetch` refuses to send one.
        if method == "GET" && body.is_some() {
            return Err("config.body needs a method other than GET".to_owned());
        }
        Ok(Self { method, url: url.into(), body })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(config: &Value) -> Result<HttpCall, String> {
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
        assert_eq!(call(&config).unwrap_err(), "config.body needs a method other than GET");
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
