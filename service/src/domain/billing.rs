//! What Stripe tells, and what is asked of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Issue, plan::Plan};

/// A change of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionEvent {
    /// Stripe's identifier of the event.
    pub id: String,
    /// When it happened, in seconds since 1970.
    pub created: i64,
    /// The subscription as it was then.
    pub subscription: Subscription,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Stripe's identifier.
    pub id: String,
    /// Who has it: what the checkout was marked with.
    pub user: String,
    /// Stripe's identifier of the customer.
    pub customer: String,
    /// What was bought.
    pub plan: Plan,
    /// As Stripe names it.
    pub status: String,
    /// When the period ends that is paid for, in seconds since 1970.
    pub period_end: Option<i64>,
}

/// A signed text that is not about a subscription of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOurs {
    /// Not an event at all.
    Malformed(&'static str),
    /// An event that changes nothing here. Why is for the log.
    Ignored(&'static str),
}

/// Statuses under which the plan is had. `past_due`: Stripe is still trying to collect.
const ENTITLED: [&str; 3] = ["active", "trialing", "past_due"];
/// Longest identifier that is taken, in bytes. Stripe's are documented to stay below it.
const MAX_ID_BYTES: usize = 255;

impl Subscription {
    /// Whether its owner has the plan.
    pub fn entitled(&self) -> bool {
        ENTITLED.contains(&self.status.as_str())
    }
}

impl SubscriptionEvent {
    /// Reads an event, with the plan of each price.
    ///
    /// # Errors
    /// [`NotOurs`].
    pub fn from_json(event: &Value, prices: &BTreeMap<String, Plan>) -> Result<Self, NotOurs> {
        let malformed = NotOurs::Malformed;
        let id = identifier(event, "id").ok_or(malformed("id must be an identifier"))?;
        let kind = event.get("type").and_then(Value::as_str);
        let kind = kind.ok_or(malformed("type must be a string"))?;
        let created = event.get("created").and_then(Value::as_i64);
        let created = created
            .filter(|at| (0..=super::MAX_INTEGER / 1000).contains(at))
            .ok_or(malformed("created must be an instant in seconds"))?;
        let what = kind.strip_prefix("customer.subscription.");
        if !matches!(what, Some("created" | "updated" | "deleted" | "paused" | "resumed")) {
            return Err(NotOurs::Ignored("not a change of a subscription"));
        }
        let object = event.pointer("/data/object").ok_or(malformed("data.object is required"))?;
        let subscription = Subscription::from_json(object, prices)?;
        Ok(Self { id, created, subscription })
    }
}

impl Subscription {
    fn from_json(object: &Value, prices: &BTreeMap<String, Plan>) -> Result<Self, NotOurs> {
        let malformed = NotOurs::Malformed;
        let id = identifier(object, "id").ok_or(malformed("data.object.id is required"))?;
        let customer = identifier(object, "customer");
        let customer = customer.ok_or(malformed("data.object.customer is required"))?;
        let status = identifier(object, "status");
        let status = status.ok_or(malformed("data.object.status is required"))?;
        let user = object.get("metadata").and_then(|metadata| identifier(metadata, "user_id"));
        let user = user.ok_or(NotOurs::Ignored("a subscription without metadata.user_id"))?;
        let item = object.pointer("/items/data/0").unwrap_or(&Value::Null);
        let price = item.pointer("/price/id").and_then(Value::as_str).unwrap_or_default();
        let plan = prices.get(price).copied();
        let plan = plan.ok_or(NotOurs::Ignored("a price that is not in STRIPE_PRICES"))?;
        // Newer versions of Stripe's API have it in the item.
        let end = |of: &Value| of.get("current_period_end").and_then(Value::as_i64);
        let period_end = end(item)
            .or_else(|| end(object))
            .filter(|at| (0..=super::MAX_INTEGER / 1000).contains(at));
        Ok(Self { id, user, customer, plan, status, period_end })
    }
}

fn identifier(object: &Value, name: &str) -> Option<String> {
    let text = object.get(name)?.as_str()?;
    (1..=MAX_ID_BYTES).contains(&text.len()).then(|| text.to_owned())
}

/// Reads a wish to buy: `{"plan": "growth"}`.
///
/// # Errors
/// The violated rule.
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

    fn read(event: &Value) -> Result<SubscriptionEvent, NotOurs> {
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
    fn what_is_not_ours_is_ignored_and_what_is_no_event_is_not() {
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
            assert!(matches!(error, NotOurs::Ignored(_)), "{pointer}: {error:?}");
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
            assert!(matches!(error, NotOurs::Malformed(_)), "{pointer}: {error:?}");
        }
        assert!(with("/id", json!("x".repeat(MAX_ID_BYTES))).is_ok());
    }

    #[test]
    fn only_what_costs_something_is_bought() {
        assert_eq!(plan_from_json(&json!({"plan": "growth"})), Ok(Plan::Growth));
        for bad in
            [json!({}), json!({"plan": "free"}), json!({"plan": null}), json!({"plan": "Growth"})]
        {
            assert_eq!(plan_from_json(&bad).unwrap_err()[0].path, "plan");
        }
    }
}
