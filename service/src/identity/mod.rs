//! Signs people in, and keeps their sessions and their connections with other services.
//!
//! Everything that must happen once or in order is decided in objects of the class `OAuth`.

mod flow;
mod messages;
mod oauth_object;
mod person;
mod provider;
mod sessions;

pub use flow::{FLOW_LIFETIME, Flow, MAX_CODE, challenge, id_of, is_secret, new_id, secret, state};
pub use messages::{ConnectionView, PersonClient, PersonView, TokenReply, begin_flow, take_flow};
pub use oauth_object::OAuthObject;
pub(crate) use oauth_object::REFRESH_WAIT;
pub use person::{MAX_SESSIONS, SESSION_LIFETIME, TOKEN_MARGIN, person_id};
pub(crate) use provider::TIMEOUT;
pub use provider::{
    MAX_TOKEN, Profile, Provider, ProviderError, Tokens, create_page, profile, tokens, userinfo,
};
pub use sessions::{REVOCATION_STALENESS, ended, is_live};
