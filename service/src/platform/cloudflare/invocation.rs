//! The request that is being worked on.
//!
//! The router and its ports live as long as the isolate; the right to go on after a response
//! belongs to a request. So whoever polls the work of a request says whose it is.

use std::{cell::RefCell, future::poll_fn, pin::pin, rc::Rc};

use worker::Context;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Context>>> = const { RefCell::new(None) };
}

/// Does `work` as part of the request that `context` belongs to.
pub(super) async fn during<T>(context: Context, work: impl Future<Output = T>) -> T {
    let context = Some(Rc::new(context));
    let mut work = pin!(work);
    poll_fn(|task| {
        let outer = CURRENT.replace(context.clone());
        let polled = work.as_mut().poll(task);
        CURRENT.set(outer);
        polled
    })
    .await
}

/// Does `work` after the response to the current request; without one, as long as the runtime
/// lets it.
pub(super) fn wait_until(work: impl Future<Output = ()> + 'static) {
    match CURRENT.with_borrow(Clone::clone) {
        Some(context) => context.wait_until(work),
        None => worker::wasm_bindgen_futures::spawn_local(work),
    }
}
