//! A target that speaks HTTP over TLS, with a certificate of its own.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use rustls::{HandshakeKind, ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_rustls::TlsAcceptor;

/// What a target saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Connections that were made secure.
    pub(crate) connections: AtomicUsize,
    /// Those of them that went on with the keys of an earlier one.
    pub(crate) resumed: AtomicUsize,
    /// The requests: version, method, path, and the host they name.
    pub(crate) requests: Mutex<Vec<(Version, String)>>,
}

/// A target on a runtime of its own.
pub(crate) struct Secure {
    pub(crate) address: SocketAddr,
    /// Its certificate, which is its own root.
    pub(crate) certificate: rcgen::Certificate,
    pub(crate) seen: Arc<Seen>,
    _runtime: Runtime,
}

impl Secure {
    /// For the name `localhost`; it offers these protocols, and ends every connection after
    /// `lives`.
    pub(crate) fn start(protocols: &[&str], lives: Duration) -> Self {
        let keys = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(keys.signing_key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![keys.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Seen>::default();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (handle, noted) = (runtime.handle().clone(), Arc::clone(&seen));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serve(acceptor.clone(), stream, Arc::clone(&noted));
                handle.spawn(tokio::time::timeout(lives, serving));
            }
        });
        Self { address, certificate: keys.cert, seen, _runtime: runtime }
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(SeqCst)
    }

    /// The versions of its requests, each once.
    pub(crate) fn versions(&self) -> Vec<Version> {
        let mut versions: Vec<_> =
            self.seen.requests.lock().unwrap().iter().map(|(version, _)| *version).collect();
        versions.dedup();
        versions
    }
}

async fn serve(acceptor: TlsAcceptor, stream: tokio::net::TcpStream, seen: Arc<Seen>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    seen.connections.fetch_add(1, SeqCst);
    if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
        seen.resumed.fetch_add(1, SeqCst);
    }
    let service = service_fn(move |request| answer(request, Arc::clone(&seen)));
    let _ =
        Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// `/big` is longer than the harness reads, `/never` is what it says, `/break` ends the stream.
async fn answer(
    request: Request<Incoming>,
    seen: Arc<Seen>,
) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let host = request.headers().get("host").and_then(|host| host.to_str().ok());
    let host = host.or(request.uri().authority().map(http::uri::Authority::as_str)).unwrap_or("");
    let line = format!("{} {} {host}", request.method(), request.uri().path());
    seen.requests.lock().unwrap().push((request.version(), line));
    let body = match request.uri().path() {
        "/big" => vec![b'x'; 8 * 1024 * 1024 + 1],
        "/never" => std::future::pending::<Result<_, Infallible>>().await?,
        "/break" => return Err("broken off".into()),
        _ => b"hi".to_vec(),
    };
    Ok(Response::builder().header("x-a", "b").body(Full::new(body.into()))?)
}
