//! Where requests go to.

use std::{cell::OnceCell, io, net::SocketAddr};

use reqwest::Url;
use tokio::net::TcpStream;

use super::exchange::SendError;
use crate::model::{ErrorKind, Stage};

/// A host and a port, looked up once: a run goes to one place.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) url: Url,
    pub(crate) host: String,
    port: u16,
    addresses: OnceCell<Vec<SocketAddr>>,
}

impl Place {
    /// Where `target` is; `None` if it names no host or port.
    pub(crate) fn of(target: &Url) -> Option<Self> {
        let host = target.host_str()?.trim_matches(['[', ']']).to_owned();
        let port = target.port_or_known_default()?;
        Some(Self { url: target.clone(), host, port, addresses: OnceCell::new() })
    }

    /// A new connection to the first address that takes one.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn connect(&self) -> Result<TcpStream, SendError> {
        let mut error = io::Error::from(io::ErrorKind::NotFound);
        for address in self.addresses().await? {
            match open(*address).await {
                Ok(stream) => return Ok(stream),
                Err(other) => error = other,
            }
        }
        Err(SendError::system(&error, Stage::Head))
    }

    async fn addresses(&self) -> Result<&[SocketAddr], SendError> {
        let Self { host, port, addresses, .. } = self;
        if let Some(known) = addresses.get() {
            return Ok(known);
        }
        let found = tokio::net::lookup_host((host.as_str(), *port)).await.map_err(|error| {
            SendError { kind: ErrorKind::Dns, detail: format!("{host}: {error}") }
        })?;
        let found: Vec<_> = found.collect();
        Ok(addresses.get_or_init(|| found))
    }
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
