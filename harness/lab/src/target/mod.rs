//! Starts or names the target of a test: the embedded service, the Worker under `wrangler dev`, or
//! any URL.

mod control;
mod embedded;
mod limiter;
mod operate;
mod probe;
mod remote;
mod revision;
mod wrangler;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use reqwest::Url;
use tempfile::TempDir;

pub use control::{ClockFace, Control, ControlError, Counters, Rest};
pub use operate::OperateError;
pub use probe::SelfCheck;
pub use remote::{BadTarget, is_loopback};
pub use revision::{Built, build};

use crate::{
    http::question,
    model::{Secret, TargetKind},
    plan::Limiter,
    process::{Process, ProcessError},
    run::Monitored,
    upstream::{Identity, PAGE_ORIGIN, STUB_NAME},
    wrangler::{DevServer, MissingTool, ProcessGroup, SERVES},
};

/// Names the target that the user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetSpec {
    /// The service of this repository, natively, as a child process.
    Embedded,
    /// The service of this repository as a Worker, under `wrangler dev`.
    Wrangler,
    /// Something that runs already.
    Url(Url),
}

/// Holds the options for reaching a target.
#[derive(Clone, Debug, Default)]
pub struct TargetOptions {
    /// Allow addresses other than loopback.
    pub allow_remote: bool,
    /// The upstream stub, if one runs already: of a URL target, where it is not on the port after
    /// the target; of the others, in place of one of their own.
    pub upstream: Option<Url>,
    /// The program `workway`, if it is not the one that runs now.
    pub program: Option<PathBuf>,
    /// The folder for the state, which outlives the target; otherwise it has one of its own.
    pub state: Option<PathBuf>,
    /// The Worker is built already, and is what it should be.
    pub built: bool,
    /// Variables of the service for a target that is started, of [`VARIABLES`].
    pub variables: Vec<(&'static str, String)>,
    /// A deliberate defect of the embedded service, by its name in the catalogue.
    pub defect: Option<String>,
}

/// A target that answers.
#[derive(Debug)]
pub struct Target {
    /// Base URL; paths are appended to it.
    pub url: Url,
    /// Base URL of the upstream stub that it calls, if known.
    pub upstream: Option<Url>,
    /// The secret that it verifies tokens with, if known.
    pub secret: Option<Secret>,
    /// The secret that it verifies webhooks with, if known.
    pub webhook: Option<Secret>,
    /// An origin whose pages may read its answers, if one is known.
    pub page_origin: Option<String>,
    /// The properties of its limiter that a probe found.
    limiter: Option<Limiter>,
    /// The kind of the target.
    pub kind: TargetKind,
    /// The control socket, if it has one.
    pub control: Option<Control>,
    /// The process that answers at `url`, if it was started here and not killed.
    service: Option<Process>,
    /// The process that answers at `upstream`, if it was started here.
    stub: Option<Process>,
    /// The parameters for starting it again.
    launch: Option<Launch>,
    /// The lead of its clock over the system's when it was killed, in milliseconds.
    ahead: i64,
    /// State that nobody asked to keep; removed when the processes are gone.
    _scratch: Option<TempDir>,
}

/// Holds the parameters with which a target is started again at the same address, on the same
/// state.
#[derive(Clone, Debug)]
enum Launch {
    Embedded(embedded::Launch),
    Wrangler(DevServer),
}

/// Says why there is no target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A remote address without the flag.
    #[error(
        "{0} is not a loopback address; add --allow-remote if you may send requests to it and \
         mean to"
    )]
    Remote(String),
    /// Nothing answers at the URL.
    #[error("nothing answers at {url}: {error}")]
    Unreachable {
        /// The target.
        url: Url,
        /// The cause.
        error: io::Error,
    },
    /// Something that the target needs is not there.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A process of the target did not start, or ended.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// Says what a target needs and does not have.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// The program was built without the service.
    #[error("this build has no embedded service (feature `service`); name another --target")]
    Service,
    /// The current folder is outside of the repository.
    #[error(
        "no service/wrangler.toml in this folder or above it: `--target wrangler` builds the \
         Worker of this repository; start your own with `wrangler dev` and give its URL"
    )]
    Worker,
    /// A tool of the Worker is not installed.
    #[error("{0}: run scripts/setup, which needs npm")]
    Tool(#[from] MissingTool),
    /// A revision is named outside of the repository.
    #[error(
        "`{0}` is neither `embedded`, `wrangler` nor a URL, and a revision of this repository only \
         inside of it"
    )]
    Repository(String),
    /// The repository has no such revision.
    #[error("`{0}` is neither `embedded`, `wrangler`, a URL, nor a revision of this repository")]
    Revision(String),
}

/// A variable of the service: origins whose pages may read its answers, comma separated.
pub const CORS_VARIABLE: &str = "CORS_ALLOWED_ORIGINS";
/// An origin whose pages may read answers of a target that was not started here.
const PAGE_VARIABLE: &str = "WORKWAY_PAGE_ORIGIN";
/// A variable of the service: `on` writes the usage of a request before its answer leaves.
pub const USAGE_VARIABLE: &str = "USAGE_BEFORE_ANSWER";
/// A variable of the service: requests of each caller in a period. On workerd its binding decides.
pub const RATE_VARIABLE: &str = "RATE_LIMIT";
/// A variable of the service: that period, in seconds.
pub const PERIOD_VARIABLE: &str = "RATE_PERIOD";
/// A variable of the service: changes of what plans include.
pub const QUOTAS_VARIABLE: &str = "PLAN_QUOTAS";
/// Variables of the service that may differ from start to start; the harness decides all others.
pub const VARIABLES: [&str; 5] =
    [CORS_VARIABLE, USAGE_VARIABLE, RATE_VARIABLE, PERIOD_VARIABLE, QUOTAS_VARIABLE];

impl TargetSpec {
    /// Reads `embedded`, `wrangler` or a URL.
    ///
    /// # Errors
    /// [`BadTarget`].
    pub fn parse(text: &str) -> Result<Self, BadTarget> {
        match text {
            "embedded" => Ok(Self::Embedded),
            "wrangler" => Ok(Self::Wrangler),
            url => remote::parse_url(url).map(Self::Url),
        }
    }

    /// Returns the kind of the target.
    pub const fn kind(&self) -> TargetKind {
        match self {
            Self::Embedded => TargetKind::Embedded,
            Self::Wrangler => TargetKind::Wrangler,
            Self::Url(_) => TargetKind::Url,
        }
    }

    /// Starts it, or finds it, and waits until it answers.
    ///
    /// # Errors
    /// [`TargetError`].
    pub async fn start(&self, options: &TargetOptions) -> Result<Target, TargetError> {
        match self {
            Self::Embedded => embedded::start(options).await,
            Self::Wrangler => wrangler::start(options).await,
            Self::Url(url) => remote::find(url, options).await,
        }
    }
}

impl Target {
    /// Stops what was started for it.
    pub async fn stop(self) {
        for process in self.service.into_iter().chain(self.stub) {
            process.stop().await;
        }
    }

    /// Ends what was started for it as a crash would: at once, without a word.
    pub async fn kill(self) {
        for process in self.service.into_iter().chain(self.stub) {
            process.kill().await;
        }
    }

    /// Returns the development server, if it runs on one that was started for it.
    pub fn server(&self) -> Option<Arc<dyn Monitored + Send + Sync>> {
        if self.kind != TargetKind::Wrangler {
            return None;
        }
        Some(Arc::new(ProcessGroup::of(self.service.as_ref()?, SERVES)?))
    }

    /// Returns whether every process that was started for it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.service.iter_mut().chain(&mut self.stub).all(Process::is_alive)
    }
}

/// Returns the first of the origins that are configured for a target that is started here: the
/// usual one, unless somebody asks for others.
fn page_origin(options: &TargetOptions) -> Option<String> {
    let told = options.variables.iter().find(|(name, _)| *name == CORS_VARIABLE);
    let first = told.map_or(Some(PAGE_ORIGIN), |(_, origins)| origins.split(',').next());
    first.map(str::trim).filter(|origin| !origin.is_empty()).map(str::to_owned)
}

/// Asks the stub at `url` who it is, if there is one.
async fn identify(client: &reqwest::Client, url: &Url) -> Option<Identity> {
    let request = client.get(url.join("/_workway/identity").ok()?).timeout(Duration::from_secs(1));
    let text = question::read_text(request.send().await.ok()?).await.ok()?;
    serde_json::from_str::<Identity>(&text).ok().filter(|identity| identity.stub == STUB_NAME)
}

/// Creates a client for the harness's own questions.
fn client() -> reqwest::Client {
    // Without options that can be wrong, building only fails without a TLS provider.
    question::client().build().unwrap_or_default()
}

/// Returns the nearest folder, from the current one upwards, that holds `path`.
pub fn repository_with(path: &str) -> Option<PathBuf> {
    let start = std::env::current_dir().ok()?;
    start.ancestors().find(|folder| folder.join(path).exists()).map(PathBuf::from)
}
