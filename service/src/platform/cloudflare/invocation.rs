//! The request that is being worked on.
//!
//! The router and its ports live as long as the isolate; the right to go on after a response
//! belongs to a request. So whoever polls the work of a request says whose it is.

use std::{cell::RefCell, future::poll_fn, pin::pin, rc::Rc};

use axum::body::Body;
use futures_util::{StreamExt, stream};
use worker::{Context, send::SendWrapper};

thread_local! {
    static CURRENT: RefCell<Option<Rc<Context>>> = const { RefCell::new(None) };
}

/// Polls, as part of the request that `context` belongs to.
fn within<T>(context: &Rc<Context>, poll: impl FnOnce() -> T) -> T {
    let outer = CURRENT.replace(Some(Rc::clone(context)));
    let polled = poll();
    CURRENT.set(outer);
    polled
}

/// Does `work` as part of the request that `context` belongs to.
pub(super) async fn during<T>(context: &Rc<Context>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|task| within(context, || work.as_mut().poll(task))).await
}

/// Returns a body that is made as it is sent: also that is part of the request.
pub(super) fn streamed(context: Rc<Context>, body: Body) -> Body {
    let (context, mut pieces) = (SendWrapper::new(context), body.into_data_stream());
    Body::from_stream(stream::poll_fn(move |task| {
        within(&context, || pieces.poll_next_unpin(task))
    }))
}

/// Does `work` after the response to the current request; without one, as long as the runtime
/// lets it.
pub(super) fn wait_until(work: impl Future<Output = ()> + 'static) {
    match CURRENT.with_borrow(Clone::clone) {
        Some(context) => context.wait_until(work),
        None => worker::wasm_bindgen_futures::spawn_local(work),
    }
}
