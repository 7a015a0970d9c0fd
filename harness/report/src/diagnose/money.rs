//! Causes of usage and of money that are too much.

use rust_decimal::Decimal;
use workway_price::Resource;

use super::{
    MOST, NOTABLE,
    case::{Case, Money, Side},
    used,
};
use crate::{
    model::usage::{RunUsage, StepUsage, Tally},
    record::float,
};

/// Why it uses or costs too much. Without a resource, it is about all of them together.
pub(super) fn causes(case: &Case<'_>, resource: Option<Resource>) -> Vec<String> {
    let mut causes = Vec::new();
    if let Some(resource) = resource {
        causes.extend(cache(case).filter(|_| of_models(resource)));
        causes.extend(user(case, resource).map(|who| with_money(case, resource, &who)));
    } else {
        let money = case.money.first().filter(|money| money.usd > Decimal::ZERO);
        let dearest = money.map(|money| money.resource);
        causes.extend(cache(case).filter(|_| dearest.is_some_and(of_models)));
        causes.extend(dearest.map(|resource| dear(case, resource)));
    }
    causes.truncate(MOST);
    causes
}

const fn of_models(resource: Resource) -> bool {
    matches!(
        resource,
        Resource::AiInputTokens
            | Resource::AiOutputTokens
            | Resource::AiMillineurons
            | Resource::OutboundRequests
    )
}

/// The resource that costs most, or most more than before, and who uses it.
fn dear(case: &Case<'_>, resource: Resource) -> String {
    let who = user(case, resource).unwrap_or_else(|| match case.base {
        Some(_) => format!("it uses more {}", resource.label()),
        None => format!("most of it is {}", resource.label()),
    });
    with_money(case, resource, &who)
}

fn with_money(case: &Case<'_>, resource: Resource, who: &str) -> String {
    // What is within the plan's allotment costs nothing.
    let of = |money: &&Money| money.resource == resource && !money.usd.is_zero();
    let Some(money) = case.money.iter().find(of) else { return who.to_owned() };
    let usd = money.usd;
    if case.base.is_some() {
        return format!("{who}; {usd:+} USD a month at Scale");
    }
    let all: Decimal = case.money.iter().map(|money| money.usd).sum();
    let share = (!all.is_zero()).then(|| (usd * Decimal::ONE_HUNDRED / all).round());
    let share = share.map_or(String::new(), |share| format!(", {share} % of what is used"));
    format!("{who}; {usd} USD a month at Scale{share}")
}

/// A user of resources: a step, or what goes on after the answers.
struct User {
    name: String,
    /// How often it happened.
    count: f64,
    /// Units together.
    units: f64,
}

fn users(usage: &RunUsage, resource: Resource) -> Vec<User> {
    let of = |name: String, tally: &Tally| User {
        name,
        count: float(tally.count),
        units: used::units(tally, resource),
    };
    let step = |step: &StepUsage| of(used::name(&step.name), &step.used.all());
    let mut users: Vec<_> = usage.steps.iter().map(step).collect();
    users.push(of("a durable run".to_owned(), &usage.runs));
    users.push(of("work in the background".to_owned(), &usage.background));
    users
}

/// Who uses most of a resource, or most more than before.
fn user(case: &Case<'_>, resource: Resource) -> Option<String> {
    let (head, label) = (case.head.usage?, resource.label());
    let each = |user: &User| if user.count > 0.0 { user.units / user.count } else { 0.0 };
    let Some(base) = case.base.as_ref().map(|base| base.usage) else {
        let users = users(head, resource);
        let all: f64 = users.iter().map(|user| user.units).sum();
        let most = users.into_iter().max_by(|a, b| a.units.total_cmp(&b.units))?;
        return (most.units > 0.0).then(|| {
            let share = 100.0 * most.units / all;
            format!("{} uses {:.2} {label} each time, {share:.0} % of all", most.name, each(&most))
        });
    };
    let before = users(base?, resource);
    let more = |user: &User| {
        let known = before.iter().find(|known| known.name == user.name);
        let from = known.map_or(0.0, each);
        (each(user) - from, from)
    };
    let weight = |user: &User| more(user).0 * user.count;
    let users = users(head, resource);
    let most = users.iter().max_by(|a, b| weight(a).total_cmp(&weight(b)))?;
    let (rise, from) = more(most);
    (rise > 0.0).then(|| {
        let to = each(most);
        format!("{} uses {rise:+.2} {label} each time ({from:.2} -> {to:.2})", most.name)
    })
}

/// A step that asks models more often, by the part of its answers that asked none.
fn cache(case: &Case<'_>) -> Option<String> {
    let rate = |side: &Side<'_>, step: &StepUsage, other: Option<&StepUsage>| {
        used::hit_rate(used::of(side, &step.name)?, other)
    };
    let steps = &case.head.usage?.steps;
    let Some(base) = &case.base else {
        let asks = |step: &&StepUsage| step.used.with_model.count > 0;
        let worst = steps.iter().filter(asks).max_by_key(|step| step.used.with_model.count)?;
        let rate = rate(&case.head, worst, None)?;
        let name = used::name(&worst.name);
        return Some(format!("the cache hit rate of {name} is {rate:.2}"));
    };
    let falls = steps.iter().filter_map(|step| {
        let to = rate(&case.head, step, used::of(base, &step.name))?;
        let from = rate(base, step, Some(step))?;
        Some((step, from, to))
    });
    let (step, from, to) = falls.max_by(|a, b| (a.1 - a.2).total_cmp(&(b.1 - b.2)))?;
    let name = used::name(&step.name);
    (from - to >= NOTABLE)
        .then(|| format!("the cache hit rate of {name} fell from {from:.2} to {to:.2}"))
}
