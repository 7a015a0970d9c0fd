//! Defines the resources that a platform bills, price books, and bills. The service uses them to price
//! a caller's month, and the harness to price a run, so that the arithmetic exists once.
//!
//! All arithmetic is on exact decimals; a bill is rounded once, where it is shown.

mod bill;
mod book;
mod file;
mod library;
mod resource;

pub use bill::{Bill, BillError, Line, MAX_AMOUNT, Origin, Origins, cents};
pub use book::{Band, Conversion, DAYS, Entry, ModelPrice, Price, PriceBook, Rate, Source, When};
pub use file::{BookError, BuiltIn, FieldProblem, MAX_BOOK, MAX_USD};
pub use library::{BOOKS, CLOUDFLARE, NoBook, NotADay, Overlap, day, in_order, on};
pub use resource::{Amounts, Resource, UnknownResource};
pub use rust_decimal::Decimal;
pub use toml_datetime::Date;

#[cfg(test)]
#[cfg(feature = "files")]
mod tests;
