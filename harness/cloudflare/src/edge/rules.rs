//! The rules: from facts to findings.

use std::time::Duration;

use super::{Facts, Finding, NoAnswer, Outcome, Page};

/// Shortest life that HSTS preload lists take: a year.
const HSTS_MIN_AGE: u64 = 31_536_000;
/// A certificate that ends sooner was not renewed as it should have been: authorities renew theirs
/// of ninety days a month before.
const CERTIFICATE_LEFT: Duration = Duration::from_hours(14 * 24);

/// Names a demand, and its source.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Stable.
    pub id: &'static str,
    /// The demand.
    pub demand: &'static str,
    /// The document that states the demand.
    pub source: &'static str,
    judge: fn(&Facts) -> Verdict,
}

/// Says whether a rule holds, and what was observed.
type Verdict = (Outcome, String);

/// Every rule.
pub const RULES: &[Rule] = &[
    Rule {
        id: "EDGE-1",
        demand: "plain HTTP is redirected to the same place on HTTPS, for good (301 or 308)",
        source: "RFC 6797 §7.2",
        judge: redirect,
    },
    Rule {
        id: "EDGE-2",
        demand: "TLS 1.0 and 1.1 are refused",
        source: "RFC 8996",
        judge: old_tls,
    },
    Rule {
        id: "EDGE-3",
        demand: "the certificate is trusted, names the host, and lasts two more weeks",
        source: "RFC 5280 §6, RFC 9525",
        judge: certificate,
    },
    Rule {
        id: "EDGE-4",
        demand: "Strict-Transport-Security has max-age of a year, includeSubDomains and preload",
        source: "RFC 6797 §6.1, hstspreload.org",
        judge: hsts,
    },
    Rule {
        id: "EDGE-5",
        demand: "answers forbid sniffing, framing and referrers",
        source: "OWASP Secure Headers",
        judge: security_headers,
    },
    Rule {
        id: "EDGE-6",
        demand: "an origin that nobody allowed may not read answers",
        source: "Fetch §3.3 (CORS protocol)",
        judge: cors,
    },
    Rule {
        id: "EDGE-7",
        demand: "an answer for one person is never kept by a cache",
        source: "RFC 9111 §5.2.2",
        judge: private,
    },
    Rule {
        id: "EDGE-8",
        demand: "the public catalogue may be kept, by shared caches, too, and has an ETag",
        source: "RFC 9111 §5.2.2.10, RFC 9213",
        judge: public,
    },
];

/// Judges every rule.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let finding = |rule: &Rule| {
        let (outcome, seen) = (rule.judge)(facts);
        Finding {
            id: rule.id.to_owned(),
            rule: rule.demand.to_owned(),
            source: rule.source.to_owned(),
            outcome,
            seen,
        }
    };
    RULES.iter().map(finding).collect()
}

fn when(holds: bool, seen: String) -> Verdict {
    (if holds { Outcome::Holds } else { Outcome::Violated }, seen)
}

fn redirect(facts: &Facts) -> Verdict {
    let page = match &facts.plain {
        Ok(page) => page,
        // Nobody there: nobody can be misled.
        Err(error) => return (Outcome::Unknown, format!("nothing answers plain HTTP: {error}")),
    };
    let target = page.header("location").unwrap_or_default();
    let seen = format!("{} {target}", page.status);
    when(matches!(page.status, 301 | 308) && target == facts.redirect_to, seen)
}

fn old_tls(facts: &Facts) -> Verdict {
    match &facts.old_tls {
        Ok(None) => when(true, "refused".to_owned()),
        Ok(Some(version)) => when(false, format!("the server went on with {version}")),
        Err(error) => (Outcome::Unknown, error.to_string()),
    }
}

fn certificate(facts: &Facts) -> Verdict {
    if let Err(error) = &facts.trusted {
        return when(false, error.to_string());
    }
    match facts.certificate_left {
        Some(left) => {
            let days = left.as_secs() / (24 * 60 * 60);
            when(left >= CERTIFICATE_LEFT, format!("valid for {days} more days"))
        }
        None => (Outcome::Unknown, "its end cannot be read".to_owned()),
    }
}

fn hsts(facts: &Facts) -> Verdict {
    page(&facts.live, |page| {
        let value = page.header("strict-transport-security").unwrap_or_default();
        let directives: Vec<_> = value.split(';').map(|d| d.trim().to_ascii_lowercase()).collect();
        let has = |name: &str| directives.iter().any(|directive| directive == name);
        let age = directives.iter().find_map(|directive| {
            directive.strip_prefix("max-age=")?.trim_matches('"').parse::<u64>().ok()
        });
        let long = age.is_some_and(|age| age >= HSTS_MIN_AGE);
        when(long && has("includesubdomains") && has("preload"), shown(value))
    })
}

fn security_headers(facts: &Facts) -> Verdict {
    page(&facts.live, |page| {
        let value = |name| page.header(name).unwrap_or_default();
        let framing = value("content-security-policy").contains("frame-ancestors 'none'")
            || value("x-frame-options").eq_ignore_ascii_case("deny");
        let lacks = [
            ("x-content-type-options: nosniff", value("x-content-type-options") == "nosniff"),
            ("frame-ancestors 'none'", framing),
            ("referrer-policy", !value("referrer-policy").is_empty()),
        ];
        let lacks: Vec<_> =
            lacks.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
        let seen = if lacks.is_empty() {
            "all there".to_owned()
        } else {
            format!("lacks {}", lacks.join(", "))
        };
        when(lacks.is_empty(), seen)
    })
}

fn cors(facts: &Facts) -> Verdict {
    page(&facts.live, |page| {
        let allowed = page.header("access-control-allow-origin");
        when(allowed.is_none(), allowed.map_or("no origin allowed".to_owned(), shown))
    })
}

fn private(facts: &Facts) -> Verdict {
    page(&facts.private, |page| {
        let control = page.header("cache-control").unwrap_or_default();
        let cached = page.header("cf-cache-status").is_some_and(|status| status == "HIT");
        let seen = format!("{}{}", shown(control), if cached { ", from a cache" } else { "" });
        when(has(control, "no-store") && !has(control, "public") && !cached, seen)
    })
}

fn public(facts: &Facts) -> Verdict {
    page(&facts.catalogue, |page| {
        let control = page.header("cache-control").unwrap_or_default();
        let shared = control.contains("s-maxage=") || page.header("cdn-cache-control").is_some();
        let tagged = page.header("etag").is_some();
        let seen = format!("{}{}", shown(control), if tagged { "" } else { ", no ETag" });
        when(page.status == 200 && has(control, "public") && shared && tagged, seen)
    })
}

fn has(control: &str, directive: &str) -> bool {
    control.split(',').any(|part| part.trim().eq_ignore_ascii_case(directive))
}

fn shown(value: &str) -> String {
    if value.is_empty() { "no such header".to_owned() } else { value.to_owned() }
}

fn page(page: &Result<Page, NoAnswer>, judge: impl FnOnce(&Page) -> Verdict) -> Verdict {
    match page {
        Ok(page) => judge(page),
        Err(error) => (Outcome::Unknown, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(certificate_left: Duration) -> Facts {
        let page = || Ok(Page::default());
        Facts {
            plain: page(),
            redirect_to: String::new(),
            old_tls: Ok(None),
            trusted: Ok(()),
            certificate_left: Some(certificate_left),
            live: page(),
            private: page(),
            catalogue: page(),
        }
    }

    #[test]
    fn a_certificate_lasts_two_more_weeks_or_it_does_not() {
        let judged = |left| certificate(&facts(left)).0;
        assert_eq!(judged(CERTIFICATE_LEFT), Outcome::Holds);
        assert_eq!(
            judged(CERTIFICATE_LEFT.checked_sub(Duration::from_secs(1)).unwrap()),
            Outcome::Violated
        );
        assert_eq!(judged(Duration::ZERO), Outcome::Violated);
    }

    #[test]
    fn what_did_not_answer_refused_nothing() {
        let error = std::io::Error::other("no answer").into();
        let silent = Facts { old_tls: Err(error), ..facts(CERTIFICATE_LEFT) };
        assert_eq!(old_tls(&silent), (Outcome::Unknown, "no answer".to_owned()));
    }
}
