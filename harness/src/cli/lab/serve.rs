//! `workway lab serve`

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use clap::Args;
use tokio::{io::AsyncReadExt, net::TcpListener};

use crate::cli::{output, signals::Signals};
use crate::{exit::Exit, upstream};

/// Pairs of ports that are tried before giving up.
#[cfg(feature = "service")]
const PORT_TRIES: usize = 64;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Port of the API; the stub takes the next one. 0 picks a free pair.
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Folder for the state, which is made if absent; without it the state goes with the process.
    #[arg(long, value_name = "DIR", conflicts_with = "upstreams_only")]
    state: Option<PathBuf>,
    /// Origin of an upstream stub that runs already, in place of one of its own; such as
    /// `workway lab serve --upstreams-only` starts.
    #[arg(long, value_name = "URL", conflicts_with = "upstreams_only", value_parser = origin)]
    upstream: Option<String>,
    /// Only the stub of what the API calls, on the port itself.
    #[arg(long)]
    upstreams_only: bool,
    /// Serve with a deliberate defect of the catalogue (`workway lab prove --list`).
    #[arg(long, value_name = "ID", hide = true, conflicts_with = "upstreams_only")]
    defect: Option<String>,
    /// End when standard input does: whoever started this holds its other end.
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

pub(in crate::cli) async fn serve(arguments: &Arguments) -> Exit {
    // Before anyone hears that we are there: they may end us at once.
    let signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return output::fail(Exit::Internal, &format!("signals: {error}")),
    };
    let stop = stopped(signals, arguments.until_stdin_closes);
    let served = if arguments.upstreams_only {
        upstreams_only(arguments, stop).await
    } else {
        api(arguments, stop).await
    };
    served.unwrap_or_else(|error| output::fail(error.exit(), &error.to_string()))
}

type Served = Result<Exit, ServeError>;

/// Says why there is no server.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[cfg(not(feature = "service"))]
    #[error("this build has no service (feature `service`); there is --upstreams-only")]
    NoService,
    #[error(
        "port {0} is in use; stop what uses it, or choose another with --port (0 picks a free one)"
    )]
    PortInUse(u16),
    #[error("cannot listen on {address}: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    #[cfg(feature = "service")]
    #[error("the stub needs the next port: choose one below 65535")]
    NoNextPort,
    #[cfg(feature = "service")]
    #[error("no two neighbouring ports are free; choose one with --port")]
    NoPair,
    #[cfg(feature = "service")]
    #[error("no folder: {0}")]
    Folder(io::Error),
    #[error(transparent)]
    Address(io::Error),
    #[error("the stub broke: {0}")]
    Stub(io::Error),
    #[cfg(feature = "service")]
    #[error(transparent)]
    Configure(#[from] ConfigureError),
    #[cfg(feature = "service")]
    #[error(transparent)]
    Defect(#[from] crate::prove::DefectError),
    #[cfg(feature = "service")]
    #[error(transparent)]
    Open(#[from] workway_service::platform::native::ServeError),
    #[cfg(feature = "service")]
    #[error(transparent)]
    State(#[from] workway_service::platform::native::StateError),
    #[error("stdout: {0}")]
    Stdout(io::Error),
}

impl ServeError {
    fn exit(&self) -> Exit {
        match self {
            #[cfg(feature = "service")]
            Self::Folder(_) => Exit::Internal,
            Self::Address(_) | Self::Stub(_) => Exit::Internal,
            Self::Stdout(_) => Exit::ReportNotWritten,
            _ => Exit::Usage,
        }
    }
}

async fn upstreams_only(
    arguments: &Arguments,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Served {
    let listener = listen(arguments.port).await?;
    announce(&listener)?;
    upstream::serve(listener, stop).await.map_err(ServeError::Stub)?;
    Ok(Exit::Pass)
}

#[cfg(not(feature = "service"))]
#[expect(clippy::unused_async, reason = "as the one with the service")]
async fn api(_: &Arguments, _: impl Future<Output = ()>) -> Served {
    Err(ServeError::NoService)
}

#[cfg(feature = "service")]
async fn api(arguments: &Arguments, stop: impl Future<Output = ()>) -> Served {
    use workway_service::platform::native::Server;

    // Clients, databases and the servers that workflows call need one each.
    crate::run::raise_descriptors();
    let (listener, stub) = match &arguments.upstream {
        Some(_) => (listen(arguments.port).await?, None),
        None => listen_pair(arguments.port).await.map(|(api, stub)| (api, Some(stub)))?,
    };
    let scratch = tempfile::tempdir().map_err(ServeError::Folder)?;
    let state = arguments.state.clone().unwrap_or_else(|| scratch.path().to_owned());
    let origin = match (&arguments.upstream, &stub) {
        (None, Some(stub)) => stub.local_addr().map(upstream::origin),
        (upstream, _) => Ok(upstream.clone().unwrap_or_default()),
    };
    let origin = origin.map_err(ServeError::Address)?;
    let address = listener.local_addr().map_err(ServeError::Address)?;
    let mut config = config(address, &origin)?;

    // The stub first: `announce` tells others that both are there.
    #[expect(clippy::disallowed_methods, reason = "the stub is a server of its own")]
    let stub = stub.map(|stub| tokio::spawn(upstream::serve(stub, std::future::pending())));
    let seeded = seeded(arguments)?;
    seeded.configure(&mut config);
    let server = Server::open_with(listener, &state, config, &seeded).await?;
    announce_at(address)?;
    let kept = if arguments.state.is_some() { "kept" } else { "removed at the end" };
    output::say(&format!("upstream stub: {origin}"));
    output::say(&format!("state: {} ({kept})", state.display()));
    output::say("a token: workway lab token --sub me");
    server.run(stop).await?;
    if let Some(stub) = stub {
        stub.abort();
    }
    Ok(Exit::Pass)
}

/// Returns the layers to put around the service: those of the defect that is asked for.
#[cfg(feature = "service")]
fn seeded(arguments: &Arguments) -> Result<crate::prove::Seeded, crate::prove::DefectError> {
    use crate::{
        prove::{Seeded, find},
        token::{local_secret, secret_from_environment},
    };

    let secret = secret_from_environment().unwrap_or_else(local_secret);
    match &arguments.defect {
        Some(id) => find(id).and_then(|defect| Seeded::new(defect, secret)),
        None => Ok(Seeded::without_defect(secret)),
    }
}

/// Says why the service cannot be configured.
#[cfg(feature = "service")]
#[derive(Debug, thiserror::Error)]
enum ConfigureError {
    /// The secret, which the user knows by another name.
    #[error("{}: {}", crate::token::SECRET_VARIABLE, .0.problem)]
    Secret(workway_service::config::ConfigError),
    /// Another variable is wrong.
    #[error(transparent)]
    Other(workway_service::config::ConfigError),
}

#[cfg(feature = "service")]
fn config(
    api: SocketAddr,
    upstream: &str,
) -> Result<workway_service::config::Config, ConfigureError> {
    use crate::{
        target::VARIABLES,
        token::{local_secret, secret_from_environment},
    };

    let secret = secret_from_environment().unwrap_or_else(local_secret);
    let settings = crate::upstream::settings(&crate::upstream::origin(api), upstream);
    let of_the_stub = |name: &str| {
        settings.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    };
    workway_service::config::Config::from_lookup(|name| match name {
        "JWT_SECRET" => Some(secret.expose().to_owned()),
        _ if VARIABLES.contains(&name) => std::env::var(name).ok().or_else(|| of_the_stub(name)),
        _ => of_the_stub(name),
    })
    .map_err(|error| match error.name {
        "JWT_SECRET" => ConfigureError::Secret(error),
        _ => ConfigureError::Other(error),
    })
}

/// Says why a text is no origin.
#[derive(Clone, Debug, thiserror::Error)]
enum OriginError {
    #[error(transparent)]
    NoUrl(<reqwest::Url as std::str::FromStr>::Err),
    #[error("give an origin such as http://127.0.0.1:8788")]
    NotBare,
}

/// Reads an origin. The steps of workflows may go there, so nothing is taken for granted.
fn origin(text: &str) -> Result<String, OriginError> {
    let url = reqwest::Url::parse(text).map_err(OriginError::NoUrl)?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !bare || !url.username().is_empty() {
        return Err(OriginError::NotBare);
    }
    Ok(url.origin().ascii_serialization())
}

/// Listens on loopback only: the published secret signs tokens for it.
async fn listen(port: u16) -> Result<TcpListener, ServeError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => ServeError::PortInUse(port),
        _ => ServeError::Listen { address, error },
    })
}

/// Listens on two neighbouring ports: for the API, and for the stub.
#[cfg(feature = "service")]
async fn listen_pair(port: u16) -> Result<(TcpListener, TcpListener), ServeError> {
    if port != 0 {
        let next = port.checked_add(1).ok_or(ServeError::NoNextPort)?;
        return Ok((listen(port).await?, listen(next).await?));
    }
    for _ in 0..PORT_TRIES {
        let api = listen(0).await?;
        let next = api.local_addr().ok().and_then(|address| address.port().checked_add(1));
        if let Some(next) = next
            && let Ok(stub) = listen(next).await
        {
            return Ok((api, stub));
        }
    }
    Err(ServeError::NoPair)
}

fn announce(listener: &TcpListener) -> Result<(), ServeError> {
    announce_at(listener.local_addr().map_err(ServeError::Address)?)
}

/// Prints the URL alone on the first line of stdout, for the program that started this one.
fn announce_at(address: SocketAddr) -> Result<(), ServeError> {
    output::result(&format!("http://{address}\n")).map_err(ServeError::Stdout)
}

async fn stopped(mut signals: Signals, until_stdin_closes: bool) {
    let closed = async {
        if until_stdin_closes {
            let mut rest = Vec::new();
            let _ = tokio::io::stdin().read_to_end(&mut rest).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        _ = signals.next() => {}
        () = closed => {}
    }
}
