//! Keeps the vectors of workflows up to date, by which search finds them.
//!
//! A statement that changes a workflow also adds a row to the outbox, by a trigger. The vector is
//! updated right after the response, or by the next cron trigger if that fails. Until then search
//! finds the workflow by its old content, or not at all. It never shows it to those who may not see
//! it: see [`crate::store::SearchStore::visible`].

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::circuit_open;
use crate::domain::Millis;
use crate::ports::{Cause, Clock, Platform, PortError, Ports, Vector};
use crate::store::{OutdatedVector, SearchDocument, SearchStore};

/// The number of vectors that one cron trigger updates. Each is a call of a model and one of the
/// index.
pub const CATCH_UP: i64 = 20;
/// The pause before the update of a vector is tried again, in milliseconds.
const RETRY: Millis = 60_000;

/// The group of readers of a published workflow.
const EVERYONE: &str = "everyone";

/// Returns the group that only `user` is in. It is a hash, so that it fits into the 64 bytes by which
/// Vectorize filters.
fn only(user: &str) -> String {
    let digest = Sha256::new_with_prefix("workway reader:").chain_update(user).finalize();
    format!("user:{}", URL_SAFE_NO_PAD.encode(digest))
}

/// Returns the groups that `user` is in.
pub fn readers_of(user: &str) -> Vec<String> {
    vec![EVERYONE.to_owned(), only(user)]
}

/// Updates the vector of a workflow after the response, at the expense of `account`. If that fails,
/// the cron trigger does it.
pub fn refresh_later<P: Platform>(platform: &P, account: &str, workflow: &str) {
    if platform.ai().is_none() || platform.vectors().is_none() {
        return;
    }
    let ports = Ports::new(platform.clone());
    let workflow = workflow.to_owned();
    let account = account.to_owned();
    platform.wait_until(async move {
        match SearchStore::new(ports.database()).outdated(&workflow).await {
            Ok(Some(outdated)) => refresh(&ports, &outdated).await,
            Ok(None) => {}
            Err(error) => ports.log(&format!("search: {error}")),
        }
        if let Err(error) = ports.bill(&account, Cause::ScheduledTasks).await {
            ports.log(&format!("usage: {error}"));
        }
    });
}

/// Updates the vectors of the workflows in the outbox. A cron trigger calls this.
///
/// # Errors
/// [`PortError`] when the outbox cannot be read. A workflow whose vector cannot be updated stays in
/// it.
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

async fn refresh<P: Platform>(ports: &Ports<P>, outdated: &OutdatedVector) {
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
    outdated: &OutdatedVector,
) -> Result<(), PortError> {
    let missing = || PortError::unavailable("search", "this deployment has none");
    let (ai, vectors) = ports.ai().zip(ports.vectors()).ok_or_else(missing)?;
    let id = &outdated.workflow_id;
    match store.document(id).await? {
        Some(document) => {
            let text = text_of(&document);
            let clock = ports.clock();
            let permit = ports.breaker().admit(clock.now()).ok_or_else(circuit_open)?;
            let embedded = ai.embed(&text).await;
            permit.report(&embedded, clock.now());
            let values = embedded?;
            let readers = match document.published_at {
                Some(_) => EVERYONE.to_owned(),
                None => only(&document.user_id),
            };
            let vector = Vector { id: id.clone(), values, readers };
            vectors.upsert(vector).await?;
        }
        None => vectors.delete(id).await?,
    }
    store.done(outdated).await
}

/// Returns the text by which a workflow is found.
fn text_of(document: &SearchDocument) -> String {
    format!("{}\n{}", document.name, document.description)
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
