//! A target that speaks before it is asked.
//!
//! RFC 9112, 9.2: what comes when nothing was asked is no answer to anything, however much it looks
//! like one. On a connection that carries requests, it looks like one that came quickly. So one
//! connection asks nothing, before a load, and listens.

use std::time::Duration;

use reqwest::Url;
use tokio::io::AsyncReadExt as _;

use super::place::Place;

/// How long a target has to say something. A server that is busy enough to need longer will be
/// found out by the load itself, as connections are looked at before they are used. It is short
/// since a server that serves one connection at a time is kept from all others by this one.
const LISTEN: Duration = Duration::from_millis(100);

/// What is wrong with a target that says something unsolicited.
pub(crate) async fn listen(target: &Url) -> Option<String> {
    let hears = async {
        // A target that is not there will be found out, too.
        let mut stream = Place::of(target)?.connect().await.ok()?;
        let read = stream.read(&mut [0; 64]).await.ok()?;
        (read > 0).then(|| {
            "the target speaks before it is asked, so what it says answers no request: it is no \
             HTTP server, or one for something else"
                .to_owned()
        })
    };
    tokio::time::timeout(LISTEN, hears).await.ok().flatten()
}
