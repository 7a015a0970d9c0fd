//! What answers said that they used, against what the service says that it billed.

use std::{collections::BTreeMap, sync::Mutex};

use serde_json::Value;

use super::{Answer, Caller};

/// Of one person.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bill {
    pub(crate) answered: u64,
    pub(crate) unanswered: u64,
    /// By resource, as the headers said.
    pub(crate) used: BTreeMap<String, u64>,
}

/// By person.
#[derive(Default)]
pub(crate) struct Bills(Mutex<BTreeMap<String, Bill>>);

/// What the service had written down, of all that was answered.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub(crate) people: usize,
    pub(crate) answered: u64,
    pub(crate) unanswered: u64,
    /// Answered, and not written down.
    pub(crate) missing: u64,
    /// Written down, and not answered.
    pub(crate) beyond: u64,
}

impl Bills {
    /// Takes note of a request of `person`; nothing when no whole answer came.
    pub(crate) fn note(&self, person: &str, answer: Option<&Answer>) {
        let mut bills = self.0.lock().unwrap();
        let bill = bills.entry(person.to_owned()).or_default();
        let Some(answer) = answer else { return bill.unanswered += 1 };
        bill.answered += 1;
        for member in answer.usage.split(", ").filter(|member| !member.is_empty()) {
            let (name, amount) = member.split_once('=').unwrap();
            *bill.used.entry(name.to_owned()).or_default() += amount.parse::<u64>().unwrap();
        }
    }

    pub(crate) fn extend(&self, other: &Self) {
        self.0.lock().unwrap().extend(std::mem::take(&mut *other.0.lock().unwrap()));
    }

    /// Asks the service what each person used. It is never more than what their requests could have
    /// used; where `durable`, what was answered is in it.
    pub(crate) async fn audit(&self, caller: &Caller, durable: bool) -> Audit {
        let mut audit = Audit::default();
        let bills = std::mem::take(&mut *self.0.lock().unwrap());
        for (person, bill) in bills {
            let usage = caller.get("/usage", &person).await.unwrap().body;
            let count = usage["requests"]["count"].as_u64().unwrap();
            assert!(count <= bill.answered + bill.unanswered, "{person}: {bill:?}, {usage}");
            if durable {
                check(&person, &bill, &usage["requests"]);
            }
            audit.people += 1;
            audit.answered += bill.answered;
            audit.unanswered += bill.unanswered;
            audit.missing += bill.answered.saturating_sub(count);
            audit.beyond += count.saturating_sub(bill.answered);
        }
        audit
    }
}

/// The difference comes from requests that got no answer.
fn check(person: &str, bill: &Bill, billed: &Value) {
    let count = billed["count"].as_u64().unwrap();
    assert!(count >= bill.answered, "{person}: {bill:?}, {billed}");
    for (name, used) in &bill.used {
        let amount = billed[name].as_u64().unwrap();
        assert!(amount >= *used, "{person}, {name}: {bill:?}, {billed}");
        let exact = count > bill.answered || amount == *used;
        assert!(exact, "{person}, {name}, all was answered: {bill:?}, {billed}");
    }
}
