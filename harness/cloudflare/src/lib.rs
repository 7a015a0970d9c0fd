//! Cloudflare for `workway`: Workers under `wrangler dev`, what Workers bill, prices and bills,
//! analytics, and the edge of a domain.
#![forbid(unsafe_code)]

use workway_core::{http, model};

pub mod analytics;
pub mod cost;
pub mod edge;
pub mod process;
pub mod wrangler;
