//! Who people are: signing in, sessions, and connections with other services.
//!
//! Everything that must happen once or in order is decided in objects of the class `OAuth`.

mod flow;
mod keeper;
mod messages;
mod person;
mod provider;
mod sessions;

pub use flow::{FLOW_LIFETIME, Flow, MAX_CODE, challenge, id_of, is_secret, new_id, secret, state};
pub use keeper::Keeper;
pub(crate) use keeper::REFRESH_WAIT;
pub use messages::{Connected, PersonOf, Shown, TokenReply, begin_flow, take_flow};
pub use person::{MAX_SESSIONS, SESSION_LIFETIME, TOKEN_MARGIN, person_id};
pub(crate) use provider::TIMEOUT;
pub use provider::{
    MAX_TOKEN, Profile, Provider, ProviderError, Tokens, create_page, profile, tokens, userinfo,
};
pub use sessions::{REVOCATION_STALENESS, ended, is_live};
