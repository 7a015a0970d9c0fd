//! The same requests to both platforms must get the same answers: status, headers, body, and what
//! they used of the resources that are billed. Identifiers, instants and cursors are replaced by
//! placeholders in their order of appearance.
//!
//! Not measured here: what the cron's statements use, and the ping of the health report: no answer
//! says so.
//!
//! Allowed to differ, and so neither among the requests nor compared:
//! - Budgets: the platform's limiter counts over a window of its own. Each person stays below it.
//! - What the server in front of the code decides: request lines and headers that are not HTTP,
//!   and header sections past its limits. `wrangler dev` puts Node before the Worker.
//! - What a search uses: one platform has vectors of its own, the other asks the public API for them.
//! - How often a stream of events says that it is alive, and which of two requests with one
//!   Idempotency-Key at the same time is told to come again: chance.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::{collections::BTreeMap, time::Duration};

use crate::proof::{Host, answers, requests};
use regex::{Captures, Regex};
use reqwest::{Client, Method, Url, header::HeaderMap, redirect::Policy};
use serde_json::Value;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path_regex};
use workway::target::TargetSpec;
use workway_service::{
    app::FLUSH_DELAY,
    config::RATE_PERIOD_SECONDS,
    routes::{self, ROUTES, Route},
};

/// Headers that are part of the API.
const HEADERS: [&str; 23] = [
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "cache-control",
    "cdn-cache-control",
    "content-security-policy",
    "content-type",
    "etag",
    "idempotency-replayed",
    "location",
    "referrer-policy",
    "retry-after",
    "set-cookie",
    "strict-transport-security",
    "vary",
    "workway-usage",
    "www-authenticate",
    "x-content-type-options",
    "x-request-id",
];
/// What is asked of the transcript.
const LEAST: usize = 300;

/// One exchange, as text, and the captures that later requests use.
struct Player<'a> {
    host: &'a Host,
    /// Goes nowhere by itself.
    client: Client,
    base: Url,
    known: BTreeMap<String, String>,
    /// Cookies of the one browser.
    jar: BTreeMap<String, String>,
}

impl Player<'_> {
    /// Puts captures into a text: `{w0}` is what was captured as `w0`.
    fn filled(&self, text: &str) -> String {
        self.known.iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value)
        })
    }

    /// Lets the windows of the limiter pass that remember something.
    async fn forget(&self) {
        let window = Duration::from_secs(RATE_PERIOD_SECONDS.into());
        match &self.host.target().control {
            Some(control) => drop(control.advance(2 * window).await.unwrap()),
            // Its windows are not sliding.
            None => tokio::time::sleep(window).await,
        }
    }

    /// Keeps what later requests bring back.
    fn note(&mut self, request: &requests::Request, headers: &HeaderMap) {
        if let Some(name) = request.state {
            let location = headers.get("location").unwrap_or_else(|| panic!("{request:?}"));
            let location: Url = location.to_str().unwrap().parse().unwrap();
            let (_, state) = location.query_pairs().find(|(key, _)| key == "state").unwrap();
            self.known.insert(name.to_owned(), state.into_owned());
        }
        for cookie in headers.get_all("set-cookie").iter().filter(|_| request.by_browser) {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (key, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.jar.remove(key);
            } else {
                self.jar.insert(key.to_owned(), value.to_owned());
            }
        }
    }

    async fn play(&mut self, request: &requests::Request) -> String {
        let path = self.filled(&request.path);
        if request.when_finished {
            let run = path.rsplit('/').next().unwrap();
            self.host.caller().finished(run, &request.subject).await;
        }
        if request.when_settled {
            tokio::time::sleep(FLUSH_DELAY + Duration::from_secs(2)).await;
        }
        if request.when_forgotten {
            self.forget().await;
        }
        let mut sent = self.client.request(
            request.method.clone(),
            format!("{}{path}", self.base.as_str().trim_end_matches('/')),
        );
        for value in &request.authorization {
            sent = sent.header("authorization", self.filled(value));
        }
        for (name, value) in &request.headers {
            sent = sent.header(*name, value);
        }
        if request.by_browser && !self.jar.is_empty() {
            let pairs: Vec<_> =
                self.jar.iter().map(|(key, value)| format!("{key}={value}")).collect();
            sent = sent.header("cookie", pairs.join("; "));
        }
        if let Some(body) = &request.body {
            let text = String::from_utf8(body.clone()).map(|text| self.filled(&text).into_bytes());
            sent = sent.body(text.unwrap_or_else(|_| body.clone()));
        }
        let response = sent.send().await.unwrap();
        let status = response.status().as_u16();
        self.note(request, response.headers());
        let headers = HEADERS.iter().filter_map(|name| {
            let values: Vec<_> = response
                .headers()
                .get_all(*name)
                .iter()
                .map(|value| value.to_str().unwrap().to_owned())
                .collect();
            (!values.is_empty()).then(|| format!("{name}: {}\n", values.join(" + ")))
        });
        let headers: String = headers.collect();
        // How often a quiet stream says that it is alive is chance.
        let body = response.text().await.unwrap().replace(":\n\n", "");
        if status == 201 {
            // What is created in one millisecond is in random order.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if let Some((name, member)) = request.capture {
            let value: Value = serde_json::from_str(&body).unwrap_or_default();
            let value = value[member].as_str().unwrap_or("nothing");
            self.known.insert(name.to_owned(), value.to_owned());
        }
        format!("{} {}\n{status}\n{headers}{body}", request.method, request.path)
    }
}

/// Answers 503 twice to each path under `/flaky`, 422 under `/refuse`, else 200.
async fn upstream() -> MockServer {
    let server = MockServer::start().await;
    answers::mount(&server).await;
    let busy = |n| ResponseTemplate::new(n);
    let mock = |pattern: &str| Mock::given(path_regex(pattern));
    mock("^/flaky").respond_with(busy(503)).up_to_n_times(2).mount(&server).await;
    mock("^/refuse").respond_with(busy(422)).mount(&server).await;
    let fine = ResponseTemplate::new(200).set_body_string("{\"ok\":true}");
    mock("^/").respond_with(fine).mount(&server).await;
    server
}

async fn transcript(spec: TargetSpec) -> Vec<String> {
    let upstream = upstream().await;
    let mut host = Host::new(spec, Some(upstream.uri().parse().unwrap()));
    host.start().await;
    let mut player = Player {
        client: Client::builder().no_proxy().redirect(Policy::none()).build().unwrap(),
        base: host.target().url.clone(),
        known: BTreeMap::from([("upstream".to_owned(), upstream.uri())]),
        jar: BTreeMap::new(),
        host: &host,
    };
    let mut exchanges = Vec::new();
    for request in requests::all() {
        exchanges.push(player.play(&request).await);
    }
    host.stop().await;
    comparable(&exchanges)
}

fn comparable(exchanges: &[String]) -> Vec<String> {
    let id = Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap();
    let instant = Regex::new("\\b1[0-9]{12}\\b").unwrap();
    let cursor = Regex::new("\"next\":\"[^\"]+\"").unwrap();
    let address = Regex::new("127\\.0\\.0\\.1(:|%3A)[0-9]+").unwrap();
    // Of flows and sessions: nobody could tell beforehand.
    let secret = Regex::new(
        "(\\b(?:state|code_challenge|workway-browser|workway-refresh)=|\"access_token\":\")[A-Za-z0-9._-]+",
    );
    let secret = secret.unwrap();
    // What a search uses, and the sum that it is in.
    let search = Regex::new("\"(search|total)\":\\{[^}]*\\}").unwrap();
    // Its requests on a bill: natively the vectors are nowhere else.
    let billed = Regex::new("(\"resource\":\"outbound_requests\",\"amount\"):\"[0-9]+\"").unwrap();
    let mut seen = BTreeMap::new();
    let mut placeholder = |text: &str| {
        let text = search.replace_all(text, "\"$1\":<other>");
        let text = billed.replace_all(&text, "$1:<other>");
        let text = id.replace_all(&text, |found: &Captures<'_>| {
            let next = seen.len() + 1;
            format!("<id {}>", seen.entry(found[0].to_owned()).or_insert(next))
        });
        let text = secret.replace_all(&text, "$1<secret>");
        let text = instant.replace_all(&text, "<instant>");
        let text = cursor.replace_all(&text, "\"next\":\"<cursor>\"");
        address.replace_all(&text, "<address>").into_owned()
    };
    exchanges.iter().map(|text| placeholder(text)).collect()
}

/// What one line of usage says, for the count of what was compared.
fn with_usage(exchanges: &[String]) -> usize {
    exchanges
        .iter()
        .filter(|text| text.contains("workway-usage: ") || text.contains("\"usage\":"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Worker's tools: scripts/test-long runs it"]
async fn both_platforms_give_the_same_answers() {
    let native = transcript(TargetSpec::Embedded).await;
    let worker = transcript(TargetSpec::Wrangler).await;
    assert!(native.len() >= LEAST, "{}", native.len());
    assert_eq!(native.len(), worker.len());
    let pairs: Vec<_> = native.iter().zip(&worker).filter(|(one, other)| one != other).collect();
    for (native, worker) in pairs.iter().take(20) {
        println!("---- {}", native.lines().next().unwrap());
        for (native, worker) in native.lines().zip(worker.lines()).filter(|(a, b)| a != b) {
            println!("natively:   {native}\non workerd: {worker}");
        }
    }
    let mut statuses = BTreeMap::<_, usize>::new();
    for exchange in &native {
        *statuses.entry(exchange.lines().nth(1).unwrap()).or_default() += 1;
    }
    println!("{} exchanges by status: {statuses:?}", native.len());
    println!("{} of them say what was used", with_usage(&native));
    assert!(statuses.keys().all(|status| !status.starts_with('5')), "{statuses:?}");
    assert!(pairs.is_empty(), "{} of {} differ", pairs.len(), native.len());
}

/// Whether a request of the list goes to a route.
fn goes_to(route: &Route, exchange: &str) -> bool {
    let method = match route.method {
        routes::Method::Get => "GET",
        routes::Method::Post => "POST",
        routes::Method::Put => "PUT",
        routes::Method::Delete => "DELETE",
    };
    let Some((asked, path)) = exchange.lines().next().unwrap().split_once(' ') else {
        return false;
    };
    let path = path.split('?').next().unwrap();
    let (known, asked_for): (Vec<_>, Vec<_>) =
        (route.path.split('/').collect(), path.split('/').collect());
    let fits = |(known, part): (&&str, &&str)| known == part || known.starts_with('{');
    asked == method && known.len() == asked_for.len() && known.iter().zip(&asked_for).all(fits)
}

/// Every route is asked, and has done what it is for: each status of its answers came. But one: the
/// health of a service that is well.
fn every_route_answers(exchanges: &[String]) {
    for route in ROUTES {
        let statuses: Vec<_> = exchanges
            .iter()
            .filter(|exchange| goes_to(route, exchange))
            .map(|exchange| exchange.lines().nth(1).unwrap().parse::<u16>().unwrap())
            .collect();
        let wanted = route.answers.iter().filter(|status| **status < 500);
        for status in wanted {
            assert!(statuses.contains(status), "{route:?}: {status} is not among {statuses:?}");
        }
    }
}

/// Natively alone: the list is sound, and no bad input is answered with a 5xx.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_of_the_list_is_a_server_error() {
    let native = transcript(TargetSpec::Embedded).await;
    assert!(native.len() >= LEAST, "{}", native.len());
    for status in
        ["200", "201", "202", "204", "304", "400", "401", "403", "404", "405", "413", "415", "422"]
    {
        let found = native.iter().any(|text| text.lines().nth(1) == Some(status));
        assert!(found, "nothing was answered with {status}");
    }
    for exchange in &native {
        let status = exchange.lines().nth(1).unwrap();
        assert!(!status.starts_with('5') && status != "429", "{exchange}");
    }
    every_route_answers(&native);
    let found = native.iter().filter(|text| text.starts_with("POST /search\n200"));
    assert!(
        found.clone().any(|text| text.contains("\"name\":\"the lighthouse\"")),
        "{:?}",
        found.collect::<Vec<_>>()
    );
    let methods: Vec<_> = [Method::GET, Method::POST].map(|m| format!("{m} ")).into();
    assert!(methods.iter().all(|method| native.iter().any(|text| text.starts_with(method))));
}
