//! A browser, as far as cookies and redirects go, and the providers that it meets.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use reqwest::{Method, Response, Url, header::HeaderMap};
use serde_json::{Value, json};
use wiremock::{
    Mock, Request, ResponseTemplate,
    matchers::{method, path},
};
use workway_service::identity::challenge;

use super::client::{Api, GOOGLE_SECRET, NOTION_SECRET, read};

pub(crate) const SUB: &str = "110169484474386276334";

/// Keeps cookies; follows nothing by itself.
pub(crate) struct Browser<'a> {
    api: &'a Api,
    pub(crate) jar: BTreeMap<String, String>,
    /// The headers of all answers.
    pub(crate) seen: Vec<HeaderMap>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(api: &'a Api) -> Self {
        Self { api, jar: BTreeMap::new(), seen: Vec::new() }
    }

    pub(crate) async fn send(&mut self, method: Method, path: &str, origin: &str) -> Response {
        let mut request = self.api.client.request(method, format!("{}{path}", self.api.base));
        let cookies: Vec<_> =
            self.jar.iter().map(|(key, value)| format!("{key}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        if !origin.is_empty() {
            request = request.header("origin", origin);
        }
        let response = request.send().await.unwrap();
        self.seen.push(response.headers().clone());
        for cookie in response.headers().get_all("set-cookie") {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
            assert!(attributes.contains("HttpOnly"), "{attributes}");
            let (key, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.jar.remove(key);
            } else {
                self.jar.insert(key.to_owned(), value.to_owned());
            }
        }
        response
    }

    pub(crate) async fn get(&mut self, path: &str) -> Response {
        self.send(Method::GET, path, "").await
    }

    pub(crate) async fn post(&mut self, path: &str) -> Response {
        self.send(Method::POST, path, "").await
    }

    /// Goes to the consent page; its URL.
    pub(crate) async fn leave(&mut self, provider: &str, query: &str) -> Url {
        let left = self.get(&format!("/oauth/{provider}/authorize{query}")).await;
        assert_eq!(left.status(), 302, "{left:?}");
        left.headers()["location"].to_str().unwrap().parse().unwrap()
    }

    /// Signs in; the answer.
    pub(crate) async fn sign_in(&mut self, providers: &Providers) -> Value {
        let consent = self.leave("google", "").await;
        let state = providers.ask(&consent);
        let back = self.get(&format!("/oauth/google/callback?code=good&state={state}")).await;
        let (status, body) = read(back).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Connects Notion; the answer.
    pub(crate) async fn connect(&mut self, providers: &Providers) -> Value {
        let consent = self.leave("notion", "").await;
        let state = providers.ask(&consent);
        let back = self.get(&format!("/oauth/notion/callback?code=good&state={state}")).await;
        let (status, body) = read(back).await;
        assert_eq!(status, 200, "{body}");
        body
    }
}

/// Google and Notion.
#[derive(Clone, Default)]
pub(crate) struct Providers(Arc<Mutex<Book>>);

/// What they remember, and how they answer.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) challenge: String,
    /// Lifetime of the tokens for a code; of others it is an hour.
    pub(crate) first_lifetime: Option<i64>,
    pub(crate) refreshes: usize,
    pub(crate) revoked: Vec<String>,
    /// Refreshes are answered with this.
    pub(crate) refuse_refresh: Option<u16>,
}

impl Providers {
    pub(crate) async fn mount(api: &Api) -> Self {
        let providers = Self::default();
        let mock = |name: &str, at: &str| Mock::given(method(name)).and(path(at));
        for (provider, at) in [("google", "/google/token"), ("notion", "/notion/v1/oauth/token")] {
            let own = providers.clone();
            mock("POST", at)
                .respond_with(move |request: &Request| own.token(provider, request))
                .mount(&api.upstream)
                .await;
        }
        for at in ["/google/revoke", "/notion/v1/oauth/revoke"] {
            let own = providers.clone();
            let revoke = move |request: &Request| {
                own.book().revoked.push(String::from_utf8_lossy(&request.body).into_owned());
                ResponseTemplate::new(200)
            };
            mock("POST", at).respond_with(revoke).mount(&api.upstream).await;
        }
        let ann =
            json!({"sub": SUB, "name": "Ann", "email": "ann@example.com", "email_verified": true});
        let userinfo = move |request: &Request| {
            let known =
                request.headers["authorization"].to_str().unwrap().contains("google-access");
            if known {
                ResponseTemplate::new(200).set_body_json(&ann)
            } else {
                ResponseTemplate::new(401)
            }
        };
        mock("GET", "/google/v1/userinfo").respond_with(userinfo).mount(&api.upstream).await;
        providers
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap()
    }

    /// The consent page is asked for; the state that it was given.
    pub(crate) fn ask(&self, consent: &Url) -> String {
        let query: BTreeMap<_, _> = consent.query_pairs().into_owned().collect();
        self.book().challenge = query.get("code_challenge").cloned().unwrap_or_default();
        query["state"].clone()
    }

    fn token(&self, provider: &str, request: &Request) -> ResponseTemplate {
        let text = String::from_utf8(request.body.clone()).unwrap();
        let (members, ours): (BTreeMap<String, String>, bool) = if provider == "google" {
            let members: BTreeMap<_, _> =
                url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
            let ours = members["client_secret"] == GOOGLE_SECRET;
            (members, ours)
        } else {
            use base64::Engine;
            let basic =
                base64::engine::general_purpose::STANDARD.encode(format!("client:{NOTION_SECRET}"));
            let ours = request.headers["authorization"] == format!("Basic {basic}").as_str();
            (serde_json::from_str(&text).unwrap(), ours)
        };
        let refused =
            || ResponseTemplate::new(400).set_body_json(json!({"error": "invalid_grant"}));
        let mut book = self.book();
        let answer = |number: usize, lifetime: Option<i64>| {
            ResponseTemplate::new(200).set_body_json(json!({
                "access_token": format!("{provider}-access-{number}"),
                "refresh_token": format!("{provider}-refresh-{number}"),
                "expires_in": lifetime,
                "workspace_name": "Ann's workspace",
            }))
        };
        if members["grant_type"] == "refresh_token" {
            book.refreshes += 1;
            return match book.refuse_refresh {
                Some(status) => ResponseTemplate::new(status),
                // Time for others to want it, too.
                None => answer(book.refreshes, Some(3600)).set_delay(Duration::from_millis(100)),
            };
        }
        let proven = provider == "notion"
            || members.get("code_verifier").is_some_and(|key| challenge(key) == book.challenge);
        if !ours || !proven || members["code"] != "good" {
            return refused();
        }
        answer(0, Some(book.first_lifetime.unwrap_or(3600)))
    }
}

/// How many objects have a state whose name begins so.
pub(crate) fn objects(api: &Api, prefix: &str) -> i64 {
    let file = api.state.path().join("objects.sqlite");
    let connection = rusqlite::Connection::open(file).unwrap();
    let count =
        "SELECT count(*) FROM objects JOIN object_states USING (id) WHERE name LIKE ?1 || '%'";
    connection.query_row(count, [prefix], |row| row.get(0)).unwrap()
}
