//! TLS for the whole process: rustls on ring, with the roots of the system.

use rustls::{ClientConfig, client::Resumption};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// Makes ring the provider. Call it before the first client is made; repetitions do nothing.
pub fn install() {
    // Fails when a provider is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What loads make connections with: HTTP/2 if the target offers it, else HTTP/1.1. A connection
/// knows nothing of those before it, as that of a new user would: every handshake is a full one.
///
/// # Errors
/// If the system has no root certificates.
pub(crate) fn client() -> Result<ClientConfig, rustls::Error> {
    install();
    let mut config = ClientConfig::builder().with_platform_verifier()?.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}
