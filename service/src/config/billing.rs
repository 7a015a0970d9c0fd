//! Reads the settings of Stripe, plans and quotas.

use std::collections::BTreeMap;

use url::Url;

use super::{ConfigError, ConfigProblem, Secret, base, wrong};
use crate::domain::plan::{Plan, Quotas};

/// The settings of Stripe, plans and quotas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Billing {
    /// The address of Stripe's API.
    pub api: String,
    /// The key for Stripe's API; without it nothing can be bought.
    pub secret_key: Option<Secret>,
    /// The secrets that webhooks are signed with: two while one is being rotated.
    pub webhook_secrets: Vec<Secret>,
    /// The plan of each price, by Stripe's identifier of the price.
    pub prices: BTreeMap<String, Plan>,
    /// The page that checkouts lead back to.
    pub return_url: String,
    /// The quota of each plan.
    pub quotas: Quotas,
}

impl Billing {
    /// Returns Stripe's identifier of the price of a plan, if the plan is sold.
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
    let secrets = ["STRIPE_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRET_PREVIOUS"];
    let return_url =
        get("CHECKOUT_RETURN_URL").unwrap_or_else(|| "http://localhost:3000/billing".to_owned());
    match Url::parse(&return_url) {
        // The outcome of the checkout is appended as a query.
        Ok(url) if ["http", "https"].contains(&url.scheme()) && url.query().is_none() => {}
        _ => {
            return Err(wrong("CHECKOUT_RETURN_URL")(ConfigProblem::PageUrl));
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

fn prices(text: &str) -> Result<BTreeMap<String, Plan>, ConfigProblem> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let parsed = entries.map(|entry| {
        let (plan, price) =
            entry.split_once('=').ok_or_else(|| ConfigProblem::PriceEntry(entry.to_owned()))?;
        let plan = Plan::sold(plan).ok_or_else(|| ConfigProblem::UnsoldPlan(plan.to_owned()))?;
        Ok((price.to_owned(), plan))
    });
    parsed.collect()
}
