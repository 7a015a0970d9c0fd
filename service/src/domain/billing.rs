//! Reads Stripe's events, and the request to buy a plan.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Issue, plan::Plan};

/// An event of Stripe that says how a subscription has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionEvent {
    /// Stripe's identifier of the event, by which each event is applied once.
    pub id: String,
    /// The time of the event, in seconds since 1970.
    pub created: i64,
    /// The kind of change.
    pub change: Change,
    /// The plan and the status before the change, if either was another one.
    pub previous: Option<Standing>,
    /// The subscription as it was at that time.
    pub subscription: Subscription,
}

/// A kind of change of a subscription, in the order in which they happen to one. Stripe's instants are
/// whole seconds, and it delivers in any order: of one second, this order decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The subscription is new.
    Created,
    /// Something about it is another.
    Updated,
    /// It has ended.
    Deleted,
}

impl Change {
    fn of(kind: &str) -> Option<Self> {
        match kind.strip_prefix("customer.subscription.")? {
            "created" => Some(Self::Created),
            "updated" | "paused" | "resumed" => Some(Self::Updated),
            "deleted" => Some(Self::Deleted),
            _ => None,
        }
    }

    /// Returns the place in the order, as the database stores it.
    pub const fn rank(self) -> i64 {
        match self {
            Self::Created => 0,
            Self::Updated => 1,
            Self::Deleted => 2,
        }
    }
}

/// What a subscription gives: the plan, and the status in Stripe's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The plan.
    pub plan: Plan,
    /// The status.
    pub status: String,
}

/// A subscription to a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Stripe's identifier of the subscription.
    pub id: String,
    /// The user who has it. The checkout put this identifier into the subscription's metadata.
    pub user: String,
    /// Stripe's identifier of the customer.
    pub customer: String,
    /// The plan that was bought.
    pub plan: Plan,
    /// The status in Stripe's words, such as `active`.
    pub status: String,
    /// The end of the period that is paid for, in seconds since 1970.
    pub period_end: Option<i64>,
}

/// The reason why a signed body is no change of a subscription of this service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// A member is absent or has the wrong type, so the body is not an event of Stripe.
    #[error("{member} must be {expected}")]
    Malformed {
        /// The path of the member, such as `data.object.id`.
        member: &'static str,
        /// The value that would be right, as in "must be a string".
        expected: &'static str,
    },
    /// The event is well-formed and changes nothing here.
    #[error(transparent)]
    Ignored(#[from] IgnoredEvent),
}

/// The reason why a well-formed event changes nothing. It is for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IgnoredEvent {
    /// The event is about something else, such as an invoice.
    #[error("not a change of a subscription")]
    OtherType,
    /// The subscription was not made by a checkout of this service.
    #[error("a subscription without metadata.user_id")]
    NoUser,
    /// The subscription is to something that this service does not sell.
    #[error("a price that is not in STRIPE_PRICES")]
    UnknownPrice,
}

/// The statuses under which a user has the plan. While a subscription is `past_due`, Stripe still
/// tries to collect the money.
const ENTITLED: [&str; 3] = ["active", "trialing", "past_due"];
/// A plan is had this long after the end of the period that was paid for, in seconds. The event that
/// begins the next period may be late: Stripe sends one again for three days
/// (<https://docs.stripe.com/webhooks#retries>). When none comes for longer, the subscription is over, or
/// nobody listens.
pub const PERIOD_GRACE_SECONDS: i64 = 3 * 24 * 60 * 60;
/// The largest number of bytes of an identifier. Stripe documents that its own stay below it.
const MAX_ID_BYTES: usize = 255;
const AN_IDENTIFIER: &str = "an identifier";

impl Subscription {
    /// Returns true if its owner has the plan.
    pub fn entitled(&self) -> bool {
        ENTITLED.contains(&self.status.as_str())
    }
}

impl SubscriptionEvent {
    /// Reads an event. `prices` maps Stripe's identifiers of prices to plans.
    ///
    /// # Errors
    /// [`EventError`] when the body is not an event, or changes nothing here.
    pub fn from_json(event: &Value, prices: &BTreeMap<String, Plan>) -> Result<Self, EventError> {
        let id = identifier(event, "id").ok_or(malformed("id", AN_IDENTIFIER))?;
        let kind = event.get("type").and_then(Value::as_str);
        let kind = kind.ok_or(malformed("type", "a string"))?;
        let created = event.get("created").and_then(Value::as_i64);
        // Instants are compared in milliseconds, which must be exact in the database.
        let created = created
            .filter(|at| (0..=super::MAX_INTEGER / 1000).contains(at))
            .ok_or(malformed("created", "an instant in seconds"))?;
        let change = Change::of(kind).ok_or(IgnoredEvent::OtherType)?;
        let object = event.pointer("/data/object").ok_or(malformed("data.object", "an object"))?;
        let subscription = Subscription::from_json(object, prices)?;
        let previous = previous(event, &subscription, prices);
        Ok(Self { id, created, change, previous, subscription })
    }
}

/// Reads `data.previous_attributes`, which has what an update has changed:
/// <https://docs.stripe.com/api/events/object#event_object-data-previous_attributes>.
fn previous(
    event: &Value,
    now: &Subscription,
    prices: &BTreeMap<String, Plan>,
) -> Option<Standing> {
    let before = event.pointer("/data/previous_attributes")?;
    let price = before.pointer("/items/data/0/price/id").and_then(Value::as_str);
    let plan = price.and_then(|price| prices.get(price)).copied().unwrap_or(now.plan);
    let status = identifier(before, "status").unwrap_or_else(|| now.status.clone());
    (plan != now.plan || status != now.status).then_some(Standing { plan, status })
}

impl Subscription {
    fn from_json(object: &Value, prices: &BTreeMap<String, Plan>) -> Result<Self, EventError> {
        let required =
            |name: &str, member| identifier(object, name).ok_or(malformed(member, AN_IDENTIFIER));
        let id = required("id", "data.object.id")?;
        let customer = required("customer", "data.object.customer")?;
        let status = required("status", "data.object.status")?;
        let user = object.get("metadata").and_then(|metadata| identifier(metadata, "user_id"));
        let user = user.ok_or(IgnoredEvent::NoUser)?;
        let item = object.pointer("/items/data/0").unwrap_or(&Value::Null);
        let price = item.pointer("/price/id").and_then(Value::as_str).unwrap_or_default();
        let plan = prices.get(price).copied().ok_or(IgnoredEvent::UnknownPrice)?;
        // Newer versions of Stripe's API have the end of the period in the item, older ones in the
        // subscription.
        let end = |of: &Value| of.get("current_period_end").and_then(Value::as_i64);
        let period_end = end(item)
            .or_else(|| end(object))
            .filter(|at| (0..=super::MAX_INTEGER / 1000).contains(at));
        Ok(Self { id, user, customer, plan, status, period_end })
    }
}

const fn malformed(member: &'static str, expected: &'static str) -> EventError {
    EventError::Malformed { member, expected }
}

fn identifier(object: &Value, name: &str) -> Option<String> {
    let text = object.get(name)?.as_str()?;
    (1..=MAX_ID_BYTES).contains(&text.len()).then(|| text.to_owned())
}

/// Reads the request to buy a plan: `{"plan": "growth"}`.
///
/// # Errors
/// An [`Issue`] for the violated rule.
pub fn plan_from_json(body: &Value) -> Result<Plan, Vec<Issue>> {
    let object = body.as_object().ok_or_else(|| vec![Issue::new("", "must be an object")])?;
    let plan = object.get("plan").and_then(Value::as_str).and_then(Plan::sold);
    let known = "must be one of startup, growth, scale, enterprise";
    plan.ok_or_else(|| vec![Issue::new("plan", known)])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> Value {
        json!({
            "id": "evt_1", "type": "customer.subscription.updated", "created": 7,
            "data": {"object": {
                "id": "sub_1", "customer": "cus_1", "status": "active",
                "metadata": {"user_id": "ann"},
                "items": {"data": [{"price": {"id": "price_g"}, "current_period_end": 9}]},
            }},
        })
    }

    fn read(event: &Value) -> Result<SubscriptionEvent, EventError> {
        let prices = BTreeMap::from([("price_g".to_owned(), Plan::Growth)]);
        SubscriptionEvent::from_json(event, &prices)
    }

    #[test]
    fn a_subscription_is_read_in_either_version() {
        let read_ = read(&event()).unwrap();
        let expected = Subscription {
            id: "sub_1".into(),
            user: "ann".into(),
            customer: "cus_1".into(),
            plan: Plan::Growth,
            status: "active".into(),
            period_end: Some(9),
        };
        assert_eq!((read_.id.as_str(), read_.created), ("evt_1", 7));
        assert_eq!((read_.change, read_.previous), (Change::Updated, None));
        assert_eq!(read_.subscription, expected);
        let mut older = event();
        older["data"]["object"]["items"]["data"][0] = json!({"price": {"id": "price_g"}});
        older["data"]["object"]["current_period_end"] = json!(8);
        assert_eq!(read(&older).unwrap().subscription.period_end, Some(8));
        for (status, entitled) in [
            ("active", true),
            ("trialing", true),
            ("past_due", true),
            ("canceled", false),
            ("unpaid", false),
            ("incomplete", false),
            ("paused", false),
        ] {
            let subscription = Subscription { status: status.into(), ..expected.clone() };
            assert_eq!(subscription.entitled(), entitled, "{status}");
        }
    }

    #[test]
    fn a_change_says_what_was_before() {
        let before = |attributes: Value| {
            let mut event = event();
            event["data"]["previous_attributes"] = attributes;
            let previous = read(&event).unwrap().previous;
            previous.map(|standing| (standing.plan, standing.status))
        };
        let items = |price: &str| json!({"data": [{"price": {"id": price}}]});
        let trial = Some((Plan::Growth, "trialing".to_owned()));
        assert_eq!(before(json!({"status": "trialing"})), trial);
        assert_eq!(before(json!({"status": "trialing", "items": items("price_g")})), trial);
        for nothing in [
            json!({}),
            json!(null),
            json!({"quantity": 2}),
            json!({"status": "active"}),
            json!({"status": 7}),
            json!({"items": items("price_other")}),
        ] {
            assert_eq!(before(nothing.clone()), None, "{nothing}");
        }
        assert!(Change::Created < Change::Updated && Change::Updated < Change::Deleted);
    }

    #[test]
    fn other_events_are_ignored_and_malformed_ones_are_refused() {
        let with = |pointer: &str, value: Value| {
            let mut event = event();
            *event.pointer_mut(pointer).unwrap() = value;
            read(&event)
        };
        for (pointer, value) in [
            ("/type", json!("invoice.paid")),
            ("/type", json!("customer.subscription.trial_will_end")),
            ("/data/object/metadata", json!({})),
            ("/data/object/metadata/user_id", json!("")),
            ("/data/object/items/data", json!([])),
            ("/data/object/items/data/0/price/id", json!("price_other")),
        ] {
            let error = with(pointer, value).unwrap_err();
            assert!(matches!(error, EventError::Ignored(_)), "{pointer}: {error:?}");
        }
        for (pointer, value) in [
            ("/id", json!(7)),
            ("/id", json!("")),
            ("/id", json!("x".repeat(MAX_ID_BYTES + 1))),
            ("/type", json!(null)),
            ("/created", json!("7")),
            ("/created", json!(-1)),
            ("/created", json!(1.5)),
            ("/data", json!({})),
            ("/data/object/id", json!(null)),
            ("/data/object/customer", json!({})),
            ("/data/object/status", json!(1)),
        ] {
            let error = with(pointer, value).unwrap_err();
            assert!(matches!(error, EventError::Malformed { .. }), "{pointer}: {error:?}");
        }
        assert!(with("/id", json!("x".repeat(MAX_ID_BYTES))).is_ok());
    }

    #[test]
    fn only_plans_with_a_price_can_be_bought() {
        assert_eq!(plan_from_json(&json!({"plan": "growth"})), Ok(Plan::Growth));
        for bad in
            [json!({}), json!({"plan": "free"}), json!({"plan": null}), json!({"plan": "Growth"})]
        {
            assert_eq!(plan_from_json(&bad).unwrap_err()[0].path, "plan");
        }
    }
}
