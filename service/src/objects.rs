//! What single-writer objects do, by class. The platforms host them: they find the object, give it
//! its context, and call one of these two.

use serde_json::Value;

use crate::ai;
use crate::config::{Config, SentryConfig};
use crate::engine::executor::Executor;
use crate::identity::OAuthObject;
use crate::ports::{ActorClass, ActorContext, Meter, PortError, PortResult};
use crate::sentry::{self, Report};

/// Handles a message.
///
/// # Errors
/// When it is not one that the class knows, or its outcome cannot be stored.
pub async fn message<C: ActorContext>(
    class: ActorClass,
    context: &C,
    config: &Config,
    message: Value,
) -> PortResult<Value> {
    match class {
        ActorClass::WorkflowExecutor => executor(context, config).message(message).await,
        ActorClass::OAuth => {
            OAuthObject::new(context, config.oauth.as_ref()).message(message).await
        }
        ActorClass::AiMisses => ai::answer(context, &config.billing.quotas, message).await,
    }
}

/// Handles the alarm, which is spent when its handler starts.
///
/// # Errors
/// When it should ring again.
pub async fn alarm<C: ActorContext>(
    class: ActorClass,
    context: &C,
    config: &Config,
) -> Result<(), PortError> {
    let rung = match class {
        ActorClass::WorkflowExecutor => executor(context, config).alarm().await,
        ActorClass::OAuth => OAuthObject::new(context, config.oauth.as_ref()).alarm().await,
        // It never sets one.
        ActorClass::AiMisses => Ok(()),
    };
    if let (Some(sentry), Err(error)) = (&config.sentry, &rung) {
        report(class, context, sentry, error).await;
    }
    rung
}

/// Reports an alarm that will ring again. What that uses is on no bill: whose object it is, it could
/// not say.
async fn report<C: ActorContext>(
    class: ActorClass,
    context: &C,
    sentry: &SentryConfig,
    error: &PortError,
) {
    let place = format!("alarm of {}", class.name());
    let report = Report::new(context.clock(), context.random(), "alarm failed", place);
    let report = report.tagged("cause", error.cause.kind());
    if let Err(error) = sentry::send(context.http(), sentry, &report, &Meter::default()).await {
        context.log(&format!("a report was not taken: {error}"));
    }
}

fn executor<'a, C: ActorContext>(context: &'a C, config: &'a Config) -> Executor<'a, C> {
    let executor = Executor::new(context, &config.http_allow_list, config.models);
    executor.with_oauth(config.oauth.as_ref())
}
