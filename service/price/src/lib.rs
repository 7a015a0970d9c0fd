//! What a platform bills: resources, price books, and bills. The service prices a caller's month with
//! it, the harness a run; the arithmetic is here once, and needs neither of the two.
//!
//! All of it is on exact decimals; a bill is rounded once, where it is shown.

mod bill;
mod book;
mod resource;

pub use bill::{Bill, Line, Origin, Origins, UnknownPrice, cents};
pub use book::{Band, BookError, BuiltIn, Entry, ModelPrice, Price, PriceBook};
pub use resource::{Amounts, Resource, UnknownResource};
pub use rust_decimal::Decimal;

/// The books that come with the program; the first is the one to take when nobody says.
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
