//! Durable runs. [`machine`] decides and does nothing; [`executor`] does what it decided, inside
//! the run's own single-writer object.

mod ai_step;
pub mod executor;
mod http_step;
pub mod machine;
mod provider_step;
