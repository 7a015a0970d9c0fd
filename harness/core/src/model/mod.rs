//! Holds the words that every layer shares: places in a file, kinds of errors, capabilities, the clock.

mod capability;
pub mod clock;
mod error;
pub mod glob;
mod name;
mod value;

pub use capability::Capability;
pub use error::ErrorKind;
pub(crate) use error::{Stage, causes, classify};
pub use name::{MAX_NAME_CHARS, NAME_RULE, is_name, is_part};
pub(crate) use value::{clipped, equal, read_number, shown};
