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
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tower_service::Service;

use super::{
    Native,
    control::{Control, Counters},
    layers::{Bare, Layers, Scheduled},
    state::{StateError, StateFolder},
    system::log,
};
use crate::app::App;
use crate::config::Config;
use crate::guard::{ClientAddress, HANDLER_DEADLINE, Problem};
use crate::ports::{Clock, Ledger, Platform, PortError};
use crate::routes::router;
use crate::scheduled;

/// A request head that takes longer is an attack or a dead peer. axum 0.8 sets no such limit.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests in flight get this long when the server stops: each handler ends within its deadline, and then
/// has its answer to write. A process manager must wait longer; 30 seconds are the default of most.
const DRAIN: Duration = Duration::from_secs(26);
const _: () = assert!(DRAIN.as_secs() > HANDLER_DEADLINE.as_secs());
/// Pause between two looks at whether the state is still there.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Pause between two runs of the scheduled tasks: that of the platform's cron trigger.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// The accept loop's pause when there are no descriptors left.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// The reason why serving did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
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
    state: StateFolder,
    /// Ends the streams that would go on until their clients leave.
    stopping: watch::Sender<bool>,
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
        let folder = StateFolder::open(state)?;
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
        let (state, stopping) = (folder, watch::Sender::new(false));
        Ok(Self { listener, platform, scheduled, router, counters, control, state, stopping })
    }

    /// Serves until `stop` is ready; then finishes what is in flight, and closes the state.
    ///
    /// # Errors
    /// [`StateError`] when the state was deleted or replaced, or cannot be written.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), StateError> {
        self.state.note_running()?;
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
        let lost = tokio::select! {
            () = accept => None,
            () = self.sweep() => None,
            () = self.control.serve() => None,
            lost = self.lost() => Some(lost),
            () = stop => None,
        };
        drop(self.listener);
        self.stopping.send_replace(true);
        if let Some(lost) = lost {
            // Whatever is acknowledged from now on is lost, too.
            return Err(lost);
        }
        let _ = tokio::time::timeout(DRAIN, connections.shutdown()).await;
        if let Err(error) = self.platform.ledger().flush().await {
            log(&format!("usage: {error}"));
        }
        if let Err(error) = self.platform.checkpoint().await {
            // The logs hold it, and the next server reads them.
            log(&format!("checkpoint: {error}"));
        }
        Ok(())
    }

    /// Returns when the state is not there any more.
    async fn lost(&self) -> StateError {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Err(lost) = self.state.check() {
                return lost;
            }
        }
    }

    async fn sweep(&self) {
        // An earlier process may have died between writing a run down and telling its executor.
        if let Err(error) = scheduled::at_start(&self.platform).await {
            log(&format!("sweep: {error}"));
        }
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
        let stopping = self.stopping.subscribe();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ClientAddress(peer));
            counters.requests.fetch_add(1, Relaxed);
            let (mut router, stopping) = (router.clone(), stopping.clone());
            async move {
                if !names_one_host(&request) {
                    return Ok(Problem::bad_host().into_response());
                }
                let answer = router.call(request).await.unwrap_or_else(|never| match never {});
                Ok::<_, Infallible>(ending(answer, stopping))
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

/// Lets a stream of events end, after a whole one, when the server stops: its client comes back, and
/// misses nothing.
fn ending(answer: Response, mut stopping: watch::Receiver<bool>) -> Response {
    let kind = answer.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != "text/event-stream") {
        return answer;
    }
    answer.map(|body| {
        let stopped = async move { drop(stopping.wait_for(|stopping| *stopping).await) };
        Body::from_stream(body.into_data_stream().take_until(Box::pin(stopped)))
    })
}

/// Returns whether a request of HTTP/1.1 names exactly one host (RFC 9112 §3.2). hyper does not
/// look.
fn names_one_host(request: &Request<Body>) -> bool {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    hosts == 1 || (hosts == 0 && request.version() < Version::HTTP_11)
}
