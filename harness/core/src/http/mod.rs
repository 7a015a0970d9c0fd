//! Sends requests and reads answers, and notes when each part of an exchange was done.
//!
//! One `Client` serves single steps and loads alike, so that both follow the same rules:
//!
//! * HTTP/1.1, in the clear and through TLS, is spoken by `http1`; HTTP/2 is spoken by hyper.
//! * Redirects are answers, bodies are not decoded, proxies are not used.
//! * A request is sent again only where the protocol proves that nobody processed it.
//! * Heads, header counts, bodies and the memory for all bodies together have limits.

mod alarm;
mod budget;
mod client;
mod exchange;
mod http1;
mod http2;
mod place;
mod pool;
pub mod question;
mod request;
mod stream;
pub mod tls;
pub(crate) mod unsolicited;

pub(crate) use budget::Budget;
pub use client::MAX_RESENDS;
pub(crate) use client::{Client, ClientConfig};
pub(crate) use exchange::{Exchange, Phases, Wanted};
pub use exchange::{MAX_BODY, Response, SendError};
pub use http1::read_answer;
pub use request::is_secret;
pub(crate) use request::{
    EncodedRequest, Prepared, Request, USER_AGENT, authority, origin_form, states_length,
};
