//! Signatures of Stripe's webhooks. <https://docs.stripe.com/webhooks#verify-manually>

use axum::http::{HeaderMap, HeaderName};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::config::Secret;
use crate::domain::Millis;

/// A signature may be so old, or so far ahead of our clock, in seconds: Stripe's own tolerance.
pub const TOLERANCE_SECONDS: i64 = 300;
/// Longest `Stripe-Signature` looked at, in bytes: a dozen signatures.
pub const MAX_SIGNATURE_BYTES: usize = 2_048;

/// The largest number of signatures of scheme `v1` in a header. Stripe sends one for each secret, and
/// a secret has at most two versions while it is rotated. More of them are refused, because checking
/// them is work that an unsigned request could cause.
const MAX_SIGNATURES: usize = 4;

const STRIPE_SIGNATURE: HeaderName = HeaderName::from_static("stripe-signature");

/// Returns whether `body`, byte for byte as received, was signed just now with one of `secrets`.
pub fn is_signed(headers: &HeaderMap, body: &[u8], secrets: &[Secret], now: Millis) -> bool {
    let mut values = headers.get_all(STRIPE_SIGNATURE).into_iter();
    let value = values.next().filter(|_| values.next().is_none());
    let Some(signature) = value.and_then(|value| Signature::parse(value.to_str().ok()?)) else {
        return false;
    };
    if (now.div_euclid(1000) - signature.timestamp).abs() > TOLERANCE_SECONDS {
        return false;
    }
    let mut matches = false;
    for secret in secrets {
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else { continue };
        // The body is hashed once for each secret, however many signatures there are.
        let mac = mac.chain_update(signature.text).chain_update(b".").chain_update(body);
        for signature in &signature.macs {
            // Each comparison takes the same time, and all are made.
            matches |= mac.clone().verify_slice(signature).is_ok();
        }
    }
    matches
}

#[derive(Debug, PartialEq)]
struct Signature<'a> {
    /// The timestamp as it is written, which is what was signed.
    text: &'a str,
    timestamp: i64,
    /// Those of scheme `v1`: several while a secret is rotated. Other schemes are ignored.
    macs: Vec<Vec<u8>>,
}

impl<'a> Signature<'a> {
    /// Reads `t=1492774577,v1=5257a8…,v0=6ffbb5…`.
    fn parse(value: &'a str) -> Option<Self> {
        let mut text = None;
        let mut macs = Vec::new();
        if value.len() > MAX_SIGNATURE_BYTES {
            return None;
        }
        for part in value.split(',') {
            match part.trim().split_once('=')? {
                // Two of them mean different things to different readers.
                ("t", _) if text.is_some() => return None,
                ("t", at) => text = Some(at),
                ("v1", _) if macs.len() == MAX_SIGNATURES => return None,
                ("v1", mac) => macs.push(from_hex(mac).unwrap_or_default()),
                _ => {}
            }
        }
        let text = text.filter(|at| !at.is_empty() && at.bytes().all(|b| b.is_ascii_digit()))?;
        Some(Self { text, timestamp: text.parse().ok()?, macs })
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use axum::http::HeaderValue;

    use super::*;

    const NOW: i64 = 1_700_000_000;
    const BODY: &[u8] = b"{\"id\":\"evt_1\"}";

    fn mac(secret: &str, at: &str, body: &[u8]) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        let mac = mac.chain_update(at).chain_update(b".").chain_update(body).finalize();
        mac.into_bytes().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    fn passes(values: &[&str]) -> bool {
        let values = values.iter().map(|v| (STRIPE_SIGNATURE, HeaderValue::from_str(v).unwrap()));
        let secrets = ["new", "old"].map(Secret::new);
        is_signed(&values.collect(), BODY, &secrets, NOW * 1000 + 999)
    }

    #[test]
    fn what_is_signed_now_by_a_live_secret_passes() {
        let at = NOW.to_string();
        let (new, old) = (mac("new", &at, BODY), mac("old", &at, BODY));
        assert!(passes(&[&format!("t={at},v1={new}")]));
        assert!(passes(&[&format!("t={at},v1={old},v0=abc")]));
        assert!(passes(&[&format!("v1={},v1={new}, t={at}", "0".repeat(64))]));
        assert!(passes(&[&format!("t={at},v1=zz,v1={}", new.to_uppercase())]));
    }

    #[test]
    fn signatures_at_the_limit_and_one_past_it() {
        let at = NOW.to_string();
        let good = mac("new", &at, BODY);
        for filler in ["", "zz", &"0".repeat(64)] {
            let before = format!(",v1={filler}");
            let fits = before.repeat(MAX_SIGNATURES - 1);
            assert!(passes(&[&format!("t={at}{fits},v1={good}")]), "{filler}");
            assert!(!passes(&[&format!("t={at}{fits}{before},v1={good}")]), "{filler}");
        }
    }

    #[test]
    fn instants_at_the_tolerance_and_one_second_past_it() {
        let at = |offset: i64| {
            let at = (NOW + offset).to_string();
            passes(&[&format!("t={at},v1={}", mac("new", &at, BODY))])
        };
        assert!(at(-TOLERANCE_SECONDS) && at(TOLERANCE_SECONDS));
        assert!(!at(-TOLERANCE_SECONDS - 1) && !at(TOLERANCE_SECONDS + 1));
        assert!(!at(-NOW) && !at(i64::MAX - NOW));
    }

    #[test]
    fn forged_and_broken_signatures() {
        let at = NOW.to_string();
        let good = mac("new", &at, BODY);
        let long = format!("t={at},v1={good},v0={}", "0".repeat(MAX_SIGNATURE_BYTES));
        for bad in [
            "",
            "t=",
            "v1=",
            "t=1",
            &good,
            &format!("t={at}"),
            &format!("v1={good}"),
            &format!("t={at},v0={good}"),
            &format!("t={at},v1="),
            &format!("t={at},v1={}", &good[2..]),
            &format!("t={at},v1={}0", &good[1..]),
            &format!("t={at},v1={good}00"),
            &format!("t={at},v1={}", mac("other", &at, BODY)),
            &format!("t={at},v1={}", mac("new", &at, b"{}")),
            &format!("t={at},t={at},v1={good}"),
            &format!("t=+{at},v1={}", mac("new", &format!("+{at}"), BODY)),
            &format!("t= {at},v1={good}"),
            &format!("t={at}.0,v1={good}"),
            &format!("t={at};v1={good}"),
            &long,
        ] {
            assert!(!passes(&[bad]), "{bad}");
        }
        assert!(!passes(&[]));
        let good = format!("t={at},v1={good}");
        assert!(!passes(&[&good, &good]), "two headers");
        let headers =
            HeaderMap::from_iter([(STRIPE_SIGNATURE, HeaderValue::from_str(&good).unwrap())]);
        assert!(!is_signed(&headers, BODY, &[], NOW * 1000), "without a secret nothing is signed");
    }
}
