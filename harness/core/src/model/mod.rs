//! Holds the words that every layer shares: places in a file, kinds of errors, capabilities, the clock.

mod capability;
pub mod clock;
mod error;
pub mod glob;
mod secret;
mod signal;
pub mod stub;
pub mod usage;

pub use capability::Capability;
pub use error::ErrorKind;
pub use error::{Stage, causes, classify};
pub use secret::Secret;
pub use signal::Signal;
