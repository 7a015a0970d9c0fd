//! The TLS provider of the process.

/// Makes ring the provider. Call it before the first client is made; repetitions do nothing.
pub fn install() {
    // Fails when a provider is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
