//! The vectors of workflows: what search finds them by.
//!
//! Whoever changes a workflow leaves a row in the outbox with the same statement. Its vector is
//! brought up to date right after the answer, or by the next cron should that fail: until then
//! search shows the workflow as it was, or not at all. Never to others: see
//! [`crate::store::SearchStore::visible`].

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::left_alone;
use crate::domain::Millis;
use crate::ports::{Cause, Clock, Platform, PortError, Ports, Vector};
use crate::store::{Outdated, SearchStore, Subject};

/// Workflows that one cron looks after: each is a call of a model and one of the index.
pub const CATCH_UP: i64 = 20;
/// A workflow whose vector could not be made is tried again after this.
const RETRY: Millis = 60_000;

/// Who may find a published workflow.
const EVERYONE: &str = "everyone";

/// The group that only `user` is in. Hashed, so that it fits the 64 bytes that are filtered by.
fn only(user: &str) -> String {
    let digest = Sha256::new_with_prefix("workway reader:").chain_update(user).finalize();
    format!("user:{}", URL_SAFE_NO_PAD.encode(digest))
}

/// The groups that `user` is in.
pub fn readers_of(user: &str) -> Vec<String> {
    vec![EVERYONE.to_owned(), only(user)]
}

/// Brings the vector of a workflow up to date after the answer, at the expense of `account`; if
/// that fails, the cron will.
pub fn refresh_later<P: Platform>(platform: &P, account: &str, workflow: &str) {
    if platform.ai().is_none() || platform.vectors().is_none() {
        return;
    }
    let (ports, workflow) = (Ports::new(platform.clone()), workflow.to_owned());
    let account = account.to_owned();
    platform.wait_until(async move {
        match SearchStore::new(ports.database()).outdated(&workflow).await {
            Ok(Some(outdated)) => refresh(&ports, &outdated).await,
            Ok(None) => {}
            Err(error) => ports.log(&format!("search: {error}")),
        }
        if let Err(error) = ports.bill(&account, Cause::Upkeep).await {
            ports.log(&format!("usage: {error}"));
        }
    });
}

/// Looks after what is in the outbox. For a cron trigger.
///
/// # Errors
/// When the outbox cannot be read. What fails stays in it.
pub async fn catch_up<P: Platform>(ports: &Ports<P>) -> Result<(), PortError> {
    if ports.ai().is_none() || ports.vectors().is_none() {
        return Ok(());
    }
    let store = SearchStore::new(ports.database());
    for outdated in store.due(ports.now(), CATCH_UP).await? {
        refresh(ports, &outdated).await;
    }
    Ok(())
}

async fn refresh<P: Platform>(ports: &Ports<P>, outdated: &Outdated) {
    let store = SearchStore::new(ports.database());
    if let Err(error) = try_refresh(ports, &store, outdated).await {
        ports.log(&format!("search: workflow {}: {error}", outdated.workflow_id));
        let again = ports.now() + RETRY;
        if let Err(error) = store.later(&outdated.workflow_id, again).await {
            ports.log(&format!("search: {error}"));
        }
    }
}

async fn try_refresh<P: Platform>(
    ports: &Ports<P>,
    store: &SearchStore<'_, P::Database>,
    outdated: &Outdated,
) -> Result<(), PortError> {
    let missing = || PortError::unavailable("search", "this deployment has none");
    let (ai, vectors) = ports.ai().zip(ports.vectors()).ok_or_else(missing)?;
    let id = &outdated.workflow_id;
    match store.subject(id).await? {
        Some(subject) => {
            let text = text_of(&subject);
            let clock = ports.clock();
            let leave = ports.breaker().admit(clock.now()).ok_or_else(left_alone)?;
            let embedded = ai.embed(&text).await;
            leave.note(&embedded, clock.now());
            let values = embedded?;
            let readers = match subject.published_at {
                Some(_) => EVERYONE.to_owned(),
                None => only(&subject.user_id),
            };
            let vector = Vector { id: id.clone(), values, readers };
            vectors.upsert(vector).await?;
        }
        None => vectors.delete(id).await?,
    }
    store.done(outdated).await
}

/// What a workflow is found by.
fn text_of(subject: &Subject) -> String {
    format!("{}\n{}", subject.name, subject.description)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_fit_what_vectorize_filters_by_and_are_not_each_other() {
        let long = "x".repeat(96);
        assert!(readers_of(&long).iter().all(|readers| readers.len() <= 64));
        assert_ne!(only("ann"), only("bob"));
        assert!(!only("ann").contains("ann"));
        assert_ne!(only(EVERYONE), EVERYONE);
    }
}
