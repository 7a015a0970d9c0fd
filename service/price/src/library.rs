//! Chooses the book that holds on a day.

use toml_datetime::{Date, Datetime};

use super::{
    book::PriceBook,
    file::{BookError, BuiltIn},
};

/// The publisher of the books that a bill is made with by default.
pub const CLOUDFLARE: &str = "Cloudflare";

macro_rules! built_in {
    ($name:literal) => {
        BuiltIn::new($name, include_str!(concat!(env!("OUT_DIR"), "/", $name, ".json")))
    };
}

/// The books that come with the program, in the order of their days.
pub const BOOKS: [BuiltIn; 3] =
    [built_in!("cloudflare-2026-11"), built_in!("cloudflare-2026-12"), built_in!("workway-guide")];

/// Two books of a publisher hold on the same day, so that a bill of that day could use either.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "price books {first} and {second} are both of {publisher} and both hold on {day}: end the one on \
     the day before the other begins (`valid_until`)"
)]
pub struct Overlap {
    /// The book that begins first.
    pub first: String,
    /// The other book.
    pub second: String,
    /// The publisher of both.
    pub publisher: String,
    /// The first day on which both hold.
    pub day: Date,
}

/// No book holds on a day.
#[derive(Debug, thiserror::Error)]
pub enum NoBook {
    /// A book cannot be read.
    #[error(transparent)]
    Book(#[from] BookError),
    /// Two books hold on the same day.
    #[error(transparent)]
    Overlap(#[from] Overlap),
    /// No book of the publisher begins as early.
    #[error("no price book of {publisher} holds on {day}; there are {known}")]
    None {
        /// The publisher.
        publisher: String,
        /// The day.
        day: Date,
        /// The books that there are, with their days.
        known: String,
    },
}

/// A text is no day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no day like 2026-12-01")]
pub struct NotADay(String);

/// Reads a day such as `2026-12-01`.
///
/// # Errors
/// [`NotADay`], also for a day with a time.
pub fn day(text: &str) -> Result<Date, NotADay> {
    let read = text.parse::<Datetime>().ok().filter(|read| read.time.is_none());
    read.and_then(|read| read.date).ok_or_else(|| NotADay(text.to_owned()))
}

/// Checks that no two books of a publisher hold on the same day, and returns the books in the order
/// of their days.
///
/// # Errors
/// [`Overlap`] names the two.
pub fn in_order(mut books: Vec<PriceBook>) -> Result<Vec<PriceBook>, Overlap> {
    books.sort_by_key(|book| (book.publisher.clone(), book.valid_from));
    for pair in books.windows(2) {
        let [first, second] = pair else { continue };
        if first.publisher == second.publisher && first.holds_on(second.valid_from) {
            return Err(Overlap {
                first: first.name.clone(),
                second: second.name.clone(),
                publisher: first.publisher.clone(),
                day: second.valid_from,
            });
        }
    }
    Ok(books)
}

/// Returns Cloudflare's book for a day, from those that come with the program.
///
/// # Errors
/// [`NoBook`] for a day before the first book. The last book has no end.
pub fn on(day: Date) -> Result<PriceBook, NoBook> {
    let books = BOOKS.iter().map(BuiltIn::open).collect::<Result<Vec<_>, _>>()?;
    let books = in_order(books)?;
    let of_cloudflare = |book: &&PriceBook| book.publisher == CLOUDFLARE;
    let found = books.iter().filter(of_cloudflare).find(|book| book.holds_on(day));
    found.cloned().ok_or_else(|| {
        let known = books.iter().filter(of_cloudflare);
        let known = known.map(|book| format!("{} ({})", book.name, book.validity()));
        NoBook::None {
            publisher: CLOUDFLARE.to_owned(),
            day,
            known: known.collect::<Vec<_>>().join(", "),
        }
    })
}
