//! The listening side.

use std::{
    convert::Infallible,
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Request, Version, header},
    response::IntoResponse,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service;

use super::{
    Native,
    control::{Control, Counters},
    layers::{Bare, Layers, Scheduled},
    system::log,
};
use crate::app::App;
use crate::config::Config;
use crate::guard::{ClientAddress, Problem};
use crate::ports::{Clock, Ledger, Platform, PortError};
use crate::routes::router;

/// A request head that takes longer is an attack or a dead peer. axum 0.8 sets no such limit.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests in flight get this long when the server stops.
const DRAIN: Duration = Duration::from_secs(5);
/// Pause between two runs of the scheduled tasks: that of the platform's cron trigger.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// The accept loop's pause when there are no descriptors left.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// The reason why serving did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The state directory cannot be made.
    #[error("cannot use {0} for state: {1}")]
    State(PathBuf, io::Error),
    /// The state cannot be opened.
    #[error("cannot open the state: {0}")]
    Open(#[from] PortError),
    /// The control socket cannot be made.
    #[error("cannot make the control socket in {0}: {1}")]
    Control(PathBuf, io::Error),
}

/// A server, ready to run.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    platform: Native,
    scheduled: Scheduled,
    router: Router,
    counters: Arc<Counters>,
    control: Control,
}

impl Server {
    /// Opens a server for `listener`, with its state in the directory `state`, which is made if absent.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn open(
        listener: TcpListener,
        state: &Path,
        config: Config,
    ) -> Result<Self, ServeError> {
        Self::open_with(listener, state, config, &Bare).await
    }

    /// Opens a server with `layers` around its ports, objects and routes.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn open_with<L: Layers>(
        listener: TcpListener,
        state: &Path,
        config: Config,
        layers: &L,
    ) -> Result<Self, ServeError> {
        std::fs::create_dir_all(state)
            .map_err(|error| ServeError::State(state.to_owned(), error))?;
        let config = Arc::new(config);
        let platform = Native::open_with(state, Arc::clone(&config), layers.objects()).await?;
        let ports = layers.platform(platform.clone());
        let scheduled = Scheduled::new(ports.clone(), Arc::clone(&config));
        let (health, flushes) = (Arc::default(), Arc::default());
        let app = App { platform: ports, config, health, flushes };
        let counters = Arc::<Counters>::default();
        let control =
            Control::open(state, platform.clone(), scheduled.clone(), Arc::clone(&counters))
                .map_err(|error| ServeError::Control(state.to_owned(), error))?;
        let router = layers.router(router(app));
        Ok(Self { listener, platform, scheduled, router, counters, control })
    }

    /// Serves until `stop` is ready; then finishes what is in flight.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let connections = GracefulShutdown::new();
        let accept = async {
            loop {
                match self.listener.accept().await {
                    Ok((stream, peer)) => self.connection(&connections, stream, peer.ip()),
                    Err(error) => {
                        log(&format!("accept: {error}"));
                        tokio::time::sleep(ACCEPT_RETRY).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accept => {}
            () = self.sweep() => {}
            () = self.control.serve() => {}
            () = stop => {}
        }
        drop(self.listener);
        let _ = tokio::time::timeout(DRAIN, connections.shutdown()).await;
        if let Err(error) = self.platform.ledger().flush().await {
            log(&format!("usage: {error}"));
        }
    }

    async fn sweep(&self) {
        loop {
            self.platform.clock().sleep(SWEEP_EVERY).await;
            self.counters.sweeps.fetch_add(1, Relaxed);
            let due = self.platform.clock().now();
            let done = self.scheduled.every_minute(due).await;
            for failure in done.err().into_iter().flat_map(|failures| failures.0) {
                log(&failure.to_string());
            }
        }
    }

    fn connection(&self, connections: &GracefulShutdown, stream: TcpStream, peer: IpAddr) {
        // Small responses must not wait for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let (router, counters) = (self.router.clone(), Arc::clone(&self.counters));
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ClientAddress(peer));
            counters.requests.fetch_add(1, Relaxed);
            let mut router = router.clone();
            async move {
                if !names_one_host(&request) {
                    return Ok(Problem::bad_host().into_response());
                }
                Ok::<_, Infallible>(
                    router.call(request).await.unwrap_or_else(|never| match never {}),
                )
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_READ_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        #[expect(clippy::disallowed_methods, reason = "a task for each connection")]
        tokio::spawn(async move {
            // The peer went away, or sent something that is not HTTP; it has had its answer.
            let _ = connection.await;
        });
    }
}

/// Returns whether a request of HTTP/1.1 names exactly one host (RFC 9112 §3.2). hyper does not
/// look.
fn names_one_host(request: &Request<Body>) -> bool {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    hosts == 1 || (hosts == 0 && request.version() < Version::HTTP_11)
}
