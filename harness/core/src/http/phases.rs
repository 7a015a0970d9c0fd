//! Where the time of an exchange went.

use std::time::Instant;

use crate::model::Parts;

/// When the parts of an exchange were done, as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// A connection had to be made, and was there at this instant.
    pub connected: Option<Instant>,
    /// It had to be made secure, and was at this instant.
    pub secured: Option<Instant>,
    /// It had to wait for a connection that others were making, until this instant.
    pub joined: Option<Instant>,
    /// The first byte of the answer came.
    pub first_byte: Option<Instant>,
}

impl Phases {
    /// How long the parts took, of an exchange that was sent and ended at these instants.
    pub(crate) fn parts(&self, sent: Option<Instant>, ended: Instant) -> Parts {
        let Self { connected, secured, joined, first_byte } = *self;
        let between =
            |from: Option<Instant>, to: Option<Instant>| Some(to?.saturating_duration_since(from?));
        Parts {
            connect: between(sent, connected),
            tls: between(connected, secured),
            first_byte: between(secured.or(connected).or(joined).or(sent), first_byte),
            body: between(first_byte, Some(ended)),
        }
    }
}
