//! Defines the reasons why an attempt of a step fails, and which of them are worth another attempt.

use crate::{
    domain::{Issue, outbound::CallError, output::OutputError, workflow::StepError},
    identity::Provider,
};

/// The reason why an attempt of a step failed. The message is for the owner of the run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The settings of the step violate a rule, or refer to an output that does not exist.
    #[error(transparent)]
    Config(#[from] StepError),
    /// The settings of an `http` step make no request that may be sent.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The settings of an `ai.summarize` step make no request for a summary.
    #[error("{}", summary_issues(.0))]
    Summary(Vec<Issue>),
    /// The output exceeds what a step may keep.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The other side did not answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The request was refused before it left, for example because it leads to a private address.
    #[error("the request was refused")]
    RequestRefused,
    /// The other side could not be reached, for the reason that the HTTP client gives.
    #[error("{0}")]
    Unreachable(String),
    /// The other side of an `http` step answered with a status that is no success.
    #[error("answered with status {status}")]
    Status {
        /// The status code.
        status: u16,
        /// True if another attempt could succeed.
        retry: bool,
    },
    /// The owner has no AI operation left in this month.
    #[error("the AI operations of this month are used up")]
    OverQuota,
    /// The model will not summarise this content.
    #[error("the model refused the content")]
    ModelRefused,
    /// The models are down, or too slow.
    #[error("the model gave no answer")]
    ModelUnavailable,
    /// The operator has not configured the provider.
    #[error("this deployment has no {}", .0.name())]
    NoProvider(Provider),
    /// The object that holds the owner's tokens could not be reached.
    #[error("{} could not be reached", .0.name())]
    ProviderUnreachable(Provider),
    /// The provider did not issue an access token this time.
    #[error("{} gave no token this time", .0.name())]
    NoToken(Provider),
    /// The owner has not connected the provider, or must connect it again.
    #[error("{name} is not connected: visit /oauth/{name}/authorize", name = .0.name())]
    NotConnected(Provider),
    /// The provider refused the access token. The next attempt gets another one.
    #[error("{} did not accept the token", .0.name())]
    TokenRefused(Provider),
    /// The provider answered with a status that is no success.
    #[error("{} answered with status {status}", provider.name())]
    ProviderStatus {
        /// The provider.
        provider: Provider,
        /// The status code.
        status: u16,
        /// True if another attempt could succeed.
        retry: bool,
    },
    /// The provider did not answer a question, which can be asked again.
    #[error("{} gave no answer", .0.name())]
    NoAnswer(Provider),
    /// The provider answered with something else than JSON.
    #[error("{} answered with something else than JSON", .0.name())]
    NotJson(Provider),
    /// Notion may have created the page or not.
    #[error(
        "notion gave no whole answer; whether it made the page is not known, and a second attempt \
         could make another"
    )]
    UnknownOutcome,
    /// The host of the attempt died.
    #[error("the attempt was interrupted; whether it took effect is not known")]
    Interrupted {
        /// True if the step may be repeated although it may have taken effect.
        retry: bool,
    },
    /// The owner cancelled the run during the attempt.
    #[error("the run was cancelled")]
    RunCancelled,
    /// The run reached its deadline during the attempt.
    #[error("the run ran out of time")]
    RunTimedOut,
    /// The stored state of the run, or its row, cannot be read.
    #[error("the run could not be read again")]
    Unreadable,
    /// The state machine asked for an attempt of a step that it carries out itself.
    #[error("cannot be attempted")]
    NoAttempt,
}

impl Failure {
    /// Returns true if another attempt could succeed.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Timeout
            | Self::RequestRefused
            | Self::Unreachable(_)
            | Self::ModelUnavailable
            | Self::ProviderUnreachable(_)
            | Self::NoToken(_)
            | Self::TokenRefused(_)
            | Self::NoAnswer(_)
            | Self::NotJson(_) => true,
            Self::Status { retry, .. }
            | Self::ProviderStatus { retry, .. }
            | Self::Interrupted { retry } => *retry,
            Self::Config(_)
            | Self::Call(_)
            | Self::Summary(_)
            | Self::Output(_)
            | Self::OverQuota
            | Self::ModelRefused
            | Self::NoProvider(_)
            | Self::NotConnected(_)
            | Self::UnknownOutcome
            | Self::RunCancelled
            | Self::RunTimedOut
            | Self::Unreadable
            | Self::NoAttempt => false,
        }
    }
}

fn summary_issues(issues: &[Issue]) -> String {
    let texts = issues.iter().map(|issue| format!("config.{} {}", issue.path, issue.message));
    texts.collect::<Vec<_>>().join("; ")
}
