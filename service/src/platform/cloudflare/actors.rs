//! Durable Objects, from the caller's side.

use serde_json::Value;
use worker::{Env, Method, Request, RequestInit, send::SendFuture};

use super::unavailable;
use crate::ports::{ActorClass, Actors, PortError, PortResult, Usage, used};

/// The namespaces of our objects. A message is the body of a POST; so is the reply, with its usage.
#[derive(Clone, Debug)]
pub struct DurableObjects(Env);

impl DurableObjects {
    pub(super) fn new(env: Env) -> Self {
        Self(env)
    }

    async fn send(&self, class: ActorClass, name: &str, message: Value) -> PortResult<Value> {
        let mut init = RequestInit::new();
        init.with_method(Method::Post).with_body(Some(message.to_string().into()));
        // The host of an object's URL means nothing; `.invalid` never resolves.
        let request = Request::new_with_init("https://object.invalid/", &init);
        let request = request.map_err(unavailable("actor"))?;
        // A stub that once threw is dead for good: each call makes its own.
        let namespace = self.0.durable_object(class.binding()).map_err(unavailable("actor"))?;
        let stub = namespace.get_by_name(name).map_err(unavailable("actor"))?;
        let mut response = stub.fetch_with_request(request).await.map_err(unavailable("actor"))?;
        let body = response.text().await.map_err(unavailable("actor"))?;
        if response.status_code() != 200 {
            return Err(PortError::unavailable("actor", body));
        }
        serde_json::from_str(&body).map_err(|error| PortError::unavailable("actor", error))
    }
}

impl Actors for DurableObjects {
    fn call(
        &self,
        class: ActorClass,
        name: &str,
        message: Value,
    ) -> impl Future<Output = PortResult<Value>> + Send {
        let call = Usage { actor_requests: 1, ..Usage::default() };
        let reply = SendFuture::new(self.send(class, name, message));
        async move { used(reply.await, call) }
    }
}
