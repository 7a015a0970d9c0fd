//! Links the tests of the native service once, into one program.
#![cfg(not(target_arch = "wasm32"))]

mod api;
mod control;
mod expand;
mod invariants;
mod limits;
mod secrets;
