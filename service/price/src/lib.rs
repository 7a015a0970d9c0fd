//! Defines the resources that a platform bills, price books, and bills. The service uses them to price
//! a caller's month, and the harness to price a run, so that the arithmetic exists once.
//!
//! All arithmetic is on exact decimals; a bill is rounded once, where it is shown.

mod bill;
mod book;
mod resource;

pub use bill::{Bill, Line, Origin, Origins, UnknownPrice, cents};
pub use book::{Band, BookError, BuiltIn, Entry, FieldProblem, ModelPrice, Price, PriceBook};
pub use resource::{Amounts, Resource, UnknownResource};
pub use rust_decimal::Decimal;

/// The books that come with the program. The first one is the default.
pub const BOOKS: [BuiltIn; 2] = [
    BuiltIn::new(
        "cloudflare-2026-11",
        include_str!(concat!(env!("OUT_DIR"), "/cloudflare-2026-11.json")),
    ),
    BuiltIn::new("workway-guide", include_str!(concat!(env!("OUT_DIR"), "/workway-guide.json"))),
];

#[cfg(test)]
#[cfg(feature = "files")]
mod tests;
