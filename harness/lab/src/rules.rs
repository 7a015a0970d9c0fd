//! The rules that scenarios may name without defining them.

use std::sync::{Arc, LazyLock};

use crate::plan::Rule;

/// A line of the table: id, what must hold, where that is written.
type Line = (&'static str, &'static str, &'static str);

/// Rate limits, input, caching, durable runs, authentication. The text behind a source's name is
/// in the source itself.
const TABLE: &[Line] = &[
    ("RL1", "a burst inside one window is admitted up to the limit, exactly", "the declared limit"),
    ("RL2", "no period admits more than its model allows", "the declared algorithm"),
    ("RL3", "a fresh key is admitted up to the limit", "Cloudflare rate limit binding: accuracy"),
    ("RL5", "one key's requests do not use up another's budget", "Cloudflare rate limit binding"),
    (
        "RL6",
        "spelling the same request differently does not mint a new budget",
        "Cloudflare rate limit binding: best practices",
    ),
    ("RL7", "a refusal is a 429 that no cache may store", "RFC 6585 section 4"),
    ("RL8", "Retry-After is there, and true", "RFC 9110 section 10.2.3"),
    ("RL10", "refused requests have no effect and cost nothing", "the effects ledger"),
    ("RL11", "who is not authenticated is counted as declared", "the declared order of guards"),
    ("RL12", "after idle periods the whole budget is back, and no more", "the declared algorithm"),
    ("IV1", "an invalid value is refused with 4xx and has no effect", "RFC 9110 section 15.5.1"),
    ("IV2", "a valid value at either end of its range is accepted", "the declared schema"),
    ("IV3", "lengths are counted in the declared unit", "JSON Schema maxLength"),
    ("IV4", "numbers and their look-alikes are told apart", "the declared schema"),
    ("IV5", "text that is not JSON is refused with 400", "RFC 8259 sections 2 and 8.1"),
    ("IV6", "duplicate keys are treated as declared", "RFC 8259 section 4, RFC 7493 section 2.3"),
    ("IV7", "unknown keys are treated as declared", "the declared schema"),
    ("IV8", "deep nesting is refused quickly", "the declared limit"),
    ("IV9", "a body past the limit is refused with 413", "RFC 9110 section 15.5.14"),
    ("IV10", "a wrong Content-Type is refused with 415", "RFC 9110 sections 8.3.1 and 15.5.16"),
    ("IV11", "a wrong method is refused with 405 and Allow", "RFC 9110 section 15.5.6"),
    ("IV12", "an error is a problem document that leaks nothing", "RFC 9457"),
    ("IV13", "spelling the same JSON differently does not change the verdict", "RFC 8259"),
    ("IV14", "path and query parameters are checked", "RFC 3986"),
    ("IV15", "another's id answers as one that does not exist", "OWASP API1:2023"),
    ("IV16", "a step reaches no address that is not allowed", "OWASP API7:2023"),
    ("CA1", "within its time to live an answer is reused", "RFC 9111 section 4.2"),
    ("CA2", "nothing is served past its time to live", "RFC 9111 section 4.2.4"),
    ("CA3", "nothing expires before its time to live", "the declared time to live"),
    ("CA4", "the key has everything that the answer depends on", "RFC 9111 section 4.1"),
    ("CA5", "what the answer does not depend on is not in the key", "the declared key"),
    ("CA6", "nothing of one caller is reused for another", "RFC 9111 section 3.5"),
    ("CA7", "private answers are not stored", "RFC 9111 section 5.2.2"),
    ("CA8", "shared caches are told their own time to live", "RFC 9111 section 5.2.2.10, RFC 9213"),
    ("CA10", "a validator that matches gives 304 without a body", "RFC 9111 section 4.3"),
    ("CA11", "Vary names what the answer depends on", "RFC 9111 section 4.1"),
    ("CA13", "the same at the same time costs one call", "the declared coalescing"),
    ("CA14", "whoever waits for another is told at once when that fails", "the declared deadlines"),
    ("CA15", "errors are not stored", "RFC 9111 section 3"),
    ("CA20", "an answer to HEAD is none to GET", "RFC 9111 section 4"),
    ("CA21", "each answer has headers of its own", "the declared headers"),
    ("WF1", "only legal transitions; what is final stays", "the declared states"),
    ("WF2", "an acknowledged run is there after a crash", "rules of Durable Objects"),
    ("WF3", "every run ends", "alarms are delivered at least once"),
    ("WF4", "each step has its effect once", "the effects ledger"),
    ("WF5", "steps run in order, on what the earlier ones gave", "the declared steps"),
    ("WF6", "a run is resumed, not restarted", "rules of Workflows"),
    ("WF7", "one idempotency key gives one run", "draft-ietf-httpapi-idempotency-key-header-07"),
    ("WF8", "attempts are bounded", "the declared retries"),
    ("WF9", "deadlines are kept", "the declared timeouts"),
    ("WF10", "after a cancellation no step begins", "the declared states"),
    ("WF11", "answers about a run have an order that explains them", "Wing and Gong 1993"),
    ("WF13", "runs do not mix", "rules of Durable Objects"),
    ("WF15", "every run is listed exactly once", "the declared pagination"),
    ("WF16", "events are in order, without gaps, and resumable", "WHATWG server-sent events"),
    ("AU1", "a token that is not signed as declared is refused", "RFC 8725 section 3"),
    ("AU2", "a token is refused before nbf and after exp", "RFC 7519 section 4.1"),
    ("AU3", "a token for somebody else is refused", "RFC 7519 section 4.1"),
    ("AU4", "401 says how to authenticate, 403 what is missing", "RFC 6750 section 3"),
    ("AU5", "nobody reaches what is another's", "OWASP API1:2023"),
    ("AU6", "origins are allowed exactly", "the Fetch standard: CORS protocol"),
    ("AU7", "an event that is not signed as declared is refused", "Stripe: verify signatures"),
    ("AU8", "each event counts once, and an older one changes nothing", "Stripe: webhooks"),
    ("AU10", "a flow begins with state and PKCE, and ends in its browser", "RFC 9700 section 2.1"),
    ("AU11", "secrets are in no answer", "OWASP API3:2023"),
    ("AU12", "a token of a session that is over is refused", "the declared sessions"),
    ("CO1", "what is reported as used is what was used", "the effects ledger"),
    ("CO5", "what failed, and what was known already, is not counted", "the declared quota"),
    ("CO7", "what was used is counted by calendar month", "the declared quota"),
    ("CO8", "a quota admits its number, exactly, and at once as one by one", "the declared quota"),
    ("CO10", "what a plan includes is there as soon as the plan is", "the declared plans"),
    ("OP1", "the health is told without asking those who bill", "the declared route"),
];

static RULES: LazyLock<Vec<Arc<Rule>>> = LazyLock::new(|| {
    let rule = |&(id, says, source): &Line| {
        Arc::new(Rule { id: id.to_owned(), says: says.to_owned(), source: source.to_owned() })
    };
    TABLE.iter().map(rule).collect()
});

/// Returns all of them.
pub fn all() -> &'static [Arc<Rule>] {
    &RULES
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique() {
        let ids: BTreeSet<_> = all().iter().map(|rule| &rule.id).collect();
        assert_eq!(ids.len(), all().len());
    }
}
