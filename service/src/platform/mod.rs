//! The ports, implemented: on Cloudflare Workers and natively.

#[cfg(target_arch = "wasm32")]
pub mod cloudflare;
#[cfg(not(target_arch = "wasm32"))]
pub mod native;
mod rest;
mod shapes;
