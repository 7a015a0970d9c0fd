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
    served.unwrap_or_else(|(exit, message)| output::fail(exit, &message))
}

type Served = Result<Exit, (Exit, String)>;

async fn upstreams_only(
    arguments: &Arguments,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Served {
    let listener = listen(arguments.port).await?;
    announce(&listener)?;
    upstream::serve(listener, stop)
        .await
        .map_err(|error| (Exit::Internal, format!("the stub broke: {error}")))?;
    Ok(Exit::Pass)
}

#[cfg(not(feature = "service"))]
#[expect(clippy::unused_async, reason = "as the one with the service")]
async fn api(_: &Arguments, _: impl Future<Output = ()>) -> Served {
    let message = "this build has no service (feature `service`); there is --upstreams-only";
    Err((Exit::Usage, message.to_owned()))
}

#[cfg(feature = "service")]
async fn api(arguments: &Arguments, stop: impl Future<Output = ()>) -> Served {
    use workway_service::platform::native::Server;

    let (listener, stub) = match &arguments.upstream {
        Some(_) => (listen(arguments.port).await?, None),
        None => listen_pair(arguments.port).await.map(|(api, stub)| (api, Some(stub)))?,
    };
    let scratch = tempfile::tempdir().map_err(|e| (Exit::Internal, format!("no folder: {e}")))?;
    let state = arguments.state.clone().unwrap_or_else(|| scratch.path().to_owned());
    let origin = match (&arguments.upstream, &stub) {
        (None, Some(stub)) => stub.local_addr().map(upstream::origin),
        (upstream, _) => Ok(upstream.clone().unwrap_or_default()),
    };
    let origin = origin.map_err(|error| (Exit::Internal, error.to_string()))?;
    let address = listener.local_addr().map_err(|e| (Exit::Internal, e.to_string()))?;
    let config = config(address, &origin).map_err(|error| (Exit::Usage, error.to_string()))?;

    // The stub first: `announce` tells others that both are there.
    #[expect(clippy::disallowed_methods, reason = "the stub is a server of its own")]
    let stub = stub.map(|stub| tokio::spawn(upstream::serve(stub, std::future::pending())));
    let server = match seeded(arguments)? {
        Some(seeded) => {
            let mut config = config;
            seeded.configure(&mut config);
            Server::open_with(listener, &state, config, &seeded).await
        }
        None => Server::open(listener, &state, config).await,
    };
    let server = server.map_err(|error| (Exit::Usage, error.to_string()))?;
    announce_at(address)?;
    let kept = if arguments.state.is_some() { "kept" } else { "removed at the end" };
    output::say(&format!("upstream stub: {origin}"));
    output::say(&format!("state: {} ({kept})", state.display()));
    output::say("a token: workway lab token --sub me");
    server.run(stop).await;
    if let Some(stub) = stub {
        stub.abort();
    }
    Ok(Exit::Pass)
}

/// Returns the changes to put around the service, if a defect is asked for.
#[cfg(feature = "service")]
fn seeded(arguments: &Arguments) -> Result<Option<crate::prove::Seeded>, (Exit, String)> {
    use crate::{
        prove::{Seeded, find},
        token::{local_secret, secret_from_environment},
    };

    let Some(id) = &arguments.defect else { return Ok(None) };
    let secret = secret_from_environment().unwrap_or_else(local_secret);
    let seeded = find(id).and_then(|defect| Seeded::new(defect, secret));
    seeded.map(Some).map_err(|error| (Exit::Usage, error.to_string()))
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
    #[error("{0}")]
    NoUrl(String),
    #[error("give an origin such as http://127.0.0.1:8788")]
    NotBare,
}

/// Reads an origin. The steps of workflows may go there, so nothing is taken for granted.
fn origin(text: &str) -> Result<String, OriginError> {
    let url = reqwest::Url::parse(text).map_err(|error| OriginError::NoUrl(error.to_string()))?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !bare || !url.username().is_empty() {
        return Err(OriginError::NotBare);
    }
    Ok(url.origin().ascii_serialization())
}

/// Listens on loopback only: the published secret signs tokens for it.
async fn listen(port: u16) -> Result<TcpListener, (Exit, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            let help = "stop what uses it, or choose another with --port (0 picks a free one)";
            (Exit::Usage, format!("port {port} is in use; {help}"))
        }
        _ => (Exit::Usage, format!("cannot listen on {address}: {error}")),
    })
}

/// Listens on two neighbouring ports: for the API, and for the stub.
#[cfg(feature = "service")]
async fn listen_pair(port: u16) -> Result<(TcpListener, TcpListener), (Exit, String)> {
    if port != 0 {
        let next = port.checked_add(1).ok_or_else(|| {
            (Exit::Usage, "the stub needs the next port: choose one below 65535".to_owned())
        })?;
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
    Err((Exit::Usage, "no two neighbouring ports are free; choose one with --port".to_owned()))
}

fn announce(listener: &TcpListener) -> Result<(), (Exit, String)> {
    let address = listener.local_addr().map_err(|error| (Exit::Internal, error.to_string()))?;
    announce_at(address)
}

/// Prints the URL alone on the first line of stdout, for the program that started this one.
fn announce_at(address: SocketAddr) -> Result<(), (Exit, String)> {
    output::result(&format!("http://{address}\n"))
        .map_err(|error| (Exit::ReportNotWritten, format!("stdout: {error}")))
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
