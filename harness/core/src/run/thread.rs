//! Threads that run futures that never leave them.

use std::thread;

use tokio::{
    runtime::{Builder, LocalOptions},
    sync::oneshot,
};

/// The reason why a thread gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ThreadError {
    /// The system refused a thread or what a runtime needs.
    #[error("{0}")]
    NotStarted(String),
    /// It panicked, which only a defect of ours can cause.
    #[error("a thread panicked")]
    Panicked,
}

/// Runs `work` to its end on a new thread.
pub(super) async fn on_own_thread<T, F>(
    name: String,
    work: impl FnOnce() -> F + Send + 'static,
) -> Result<T, ThreadError>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let (sender, receiver) = oneshot::channel();
    let body = move || {
        let result = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
            .map(|runtime| runtime.block_on(async { work().await }))
            .map_err(|error| ThreadError::NotStarted(format!("no runtime: {error}")));
        // Nobody waits any more when the run was given up.
        let _ = sender.send(result);
    };
    thread::Builder::new()
        .name(name)
        .spawn(body)
        .map_err(|error| ThreadError::NotStarted(format!("no thread: {error}")))?;
    receiver.await.unwrap_or(Err(ThreadError::Panicked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn results_and_panics_come_back() {
        let work = async |number: u32| number + 1;
        let result = on_own_thread("t".into(), move || work(1)).await;
        assert_eq!(result, Ok(2));
        let result: Result<(), _> =
            on_own_thread("t".into(), || async { panic!("a test of panics") }).await;
        assert_eq!(result, Err(ThreadError::Panicked));
    }
}
