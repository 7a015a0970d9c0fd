//! Stripe, plans and their quotas.

use std::collections::BTreeMap;

use url::Url;

use super::{ConfigError, Secret, base};
use crate::domain::plan::{Plan, Quotas};

/// What is agreed with Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Billing {
    /// Where its API is.
    pub api: String,
    /// The key for its API; without it nothing can be bought here.
    pub secret_key: Option<Secret>,
    /// What its webhooks are signed with: while one is rotated, both.
    pub webhook_secrets: Vec<Secret>,
    /// The plan of each price, by Stripe's identifier.
    pub prices: BTreeMap<String, Plan>,
    /// The page that checkouts lead back to.
    pub return_url: String,
    /// What each plan includes.
    pub quotas: Quotas,
}

impl Billing {
    /// The price of a plan, if it is sold.
    pub fn price(&self, plan: Plan) -> Option<&str> {
        let mut prices = self.prices.iter().filter(|(_, sold)| **sold == plan);
        prices.next().map(|(price, _)| price.as_str())
    }
}

/// Reads `STRIPE_SECRET_KEY`, `STRIPE_WEBHOOK_SECRET`, `STRIPE_WEBHOOK_SECRET_PREVIOUS`,
/// `STRIPE_PRICES` (`startup=price_1,growth=price_2`), `STRIPE_API`, `CHECKOUT_RETURN_URL` and
/// `PLAN_QUOTAS` (see [`Quotas::parse`]).
pub(super) fn billing(lookup: &impl Fn(&str) -> Option<String>) -> Result<Billing, ConfigError> {
    let get = |name| lookup(name).filter(|value| !value.is_empty());
    let wrong = |name| move |problem| ConfigError { name, problem };
    let secrets = ["STRIPE_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRET_PREVIOUS"];
    let return_url =
        get("CHECKOUT_RETURN_URL").unwrap_or_else(|| "http://localhost:3000/billing".to_owned());
    match Url::parse(&return_url) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) && url.query().is_none() => {}
        _ => {
            let problem = "must be a URL of a page, without a query".to_owned();
            return Err(ConfigError { name: "CHECKOUT_RETURN_URL", problem });
        }
    }
    Ok(Billing {
        api: base(lookup, "STRIPE_API", "https://api.stripe.com")?,
        secret_key: get("STRIPE_SECRET_KEY").map(Secret::new),
        webhook_secrets: secrets.into_iter().filter_map(get).map(Secret::new).collect(),
        prices: prices(&get("STRIPE_PRICES").unwrap_or_default())
            .map_err(wrong("STRIPE_PRICES"))?,
        return_url,
        quotas: Quotas::parse(&get("PLAN_QUOTAS").unwrap_or_default())
            .map_err(wrong("PLAN_QUOTAS"))?,
    })
}

fn prices(text: &str) -> Result<BTreeMap<String, Plan>, String> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let parsed = entries.map(|entry| {
        let (plan, price) = entry
            .split_once('=')
            .ok_or_else(|| format!("`{entry}` is not like `startup=price_123`"))?;
        let plan = Plan::sold(plan).ok_or_else(|| {
            format!(
                "`{plan}` is no plan that is sold; those are startup, growth, scale, enterprise"
            )
        })?;
        Ok((price.to_owned(), plan))
    });
    parsed.collect()
}
