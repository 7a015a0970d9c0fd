//! Executes runs durably. [`machine`] is a pure state machine that decides what happens next;
//! [`executor`] carries its decisions out, inside the single-writer object of the run.

mod ai_step;
pub mod executor;
mod failure;
mod http_step;
pub mod machine;
mod provider_step;
