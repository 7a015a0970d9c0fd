//! Cookies. They are for this host alone, out of reach of scripts, and, where browsers come by TLS,
//! of neighbours: `__Host-` (RFC 6265bis §4.1.3). On plain HTTP, which is a developer's machine,
//! browsers refuse that name.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::config::OAuthConfig;

/// A cookie of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
    /// Identifies the browser that began a flow. It comes along when a provider sends the browser
    /// back, which is a link on somebody else's page: `Lax`.
    Browser,
    /// The refresh token. Nobody else's page ever has a reason to make a browser send it: `Strict`.
    Refresh,
}

impl Cookie {
    fn name(self, oauth: &OAuthConfig) -> String {
        let prefix = if oauth.is_secure() { "__Host-" } else { "" };
        let name = match self {
            Self::Browser => "workway-browser",
            Self::Refresh => "workway-refresh",
        };
        format!("{prefix}{name}")
    }

    /// Returns the value of a cookie. One that is there twice means different things to different
    /// readers.
    pub(super) fn read<'a>(self, headers: &'a HeaderMap, oauth: &OAuthConfig) -> Option<&'a str> {
        let name = self.name(oauth);
        let lines =
            headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
        let mut values = pairs.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
        values.next().filter(|value| !value.is_empty() && values.next().is_none())
    }

    /// Sets it for so many seconds; 0 takes it away. Values are base64url and dots.
    pub(super) fn set(self, value: &str, seconds: i64, oauth: &OAuthConfig) -> HeaderValue {
        let name = self.name(oauth);
        let same_site = match self {
            Self::Browser => "Lax",
            Self::Refresh => "Strict",
        };
        let secure = if oauth.is_secure() { "; Secure" } else { "" };
        let text = format!(
            "{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={same_site}{secure}"
        );
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn oauth(url: &str) -> OAuthConfig {
        let config = Config::from_lookup(|name| match name {
            "JWT_SECRET" => Some("s".repeat(32)),
            "PUBLIC_URL" => Some(url.to_owned()),
            "TOKEN_ENCRYPTION_KEY" => {
                Some("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=".to_owned())
            }
            "NOTION_CLIENT_ID" | "NOTION_CLIENT_SECRET" => Some("x".to_owned()),
            _ => None,
        });
        config.unwrap().oauth.unwrap()
    }

    #[test]
    fn by_tls_the_name_is_for_this_host_and_nothing_is_sent_in_the_clear() {
        let secure = Cookie::Refresh.set("v", 5, &oauth("https://api.example.com"));
        let expected =
            "__Host-workway-refresh=v; Path=/; Max-Age=5; HttpOnly; SameSite=Strict; Secure";
        assert_eq!(secure, expected);
        let local = Cookie::Browser.set("v", 0, &oauth("http://127.0.0.1:8787"));
        assert_eq!(local, "workway-browser=v; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn one_value_and_no_other() {
        let oauth = oauth("http://127.0.0.1:8787");
        let read = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| (header::COOKIE, HeaderValue::from_static(line)));
            let headers: HeaderMap = lines.collect();
            Cookie::Refresh.read(&headers, &oauth).map(str::to_owned)
        };
        assert_eq!(read(&["a=b; workway-refresh=v"]).as_deref(), Some("v"));
        for bad in [
            &[][..],
            &["workway-refresh"],
            &["workway-refresh="],
            &["xworkway-refresh=v"],
            &["workway-refresh=v; workway-refresh=w"],
            &["workway-refresh=v", "workway-refresh=v"],
            &["__Host-workway-refresh=v"],
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
