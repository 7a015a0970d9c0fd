//! Products of Cloudflare that are reached by their binding or, without one, by the public API.

use worker::{
    Env,
    js_sys::Reflect,
    wasm_bindgen::{JsCast, JsValue},
};

use super::Fetcher;
use crate::config::Config;
use crate::platform::rest::Rest;

/// Reaches Workers AI or Vectorize.
#[derive(Clone, Debug)]
pub enum Product {
    /// The binding, in this environment.
    Binding(Env),
    /// The public API.
    Rest(Box<Rest<Fetcher>>),
}

impl Product {
    /// Returns the way to the product of this binding that the deployment has, if it has one.
    pub(super) fn find(env: &Env, config: &Config, binding: &str) -> Option<Self> {
        if has_binding(env, binding) {
            return Some(Self::Binding(env.clone()));
        }
        let account = config.cloudflare.clone()?;
        Some(Self::Rest(Box::new(Rest::new(Fetcher, account))))
    }
}

/// Returns whether a binding is there, of whatever kind.
fn has_binding(env: &Env, name: &str) -> bool {
    let binding = Reflect::get(env.unchecked_ref(), &JsValue::from_str(name));
    binding.is_ok_and(|binding| !binding.is_undefined() && !binding.is_null())
}
