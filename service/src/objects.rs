//! Dispatches messages and alarms of single-writer objects to the code of their class. The platforms
//! host the objects: they find one, make its context, and call [`message`] or [`alarm`].

use serde_json::Value;

use crate::ai;
use crate::config::{Config, SentryConfig};
use crate::engine::executor::Executor;
use crate::identity::OAuthObject;
use crate::ports::{ActorClass, ActorContext, ObjectPorts, PortError, PortResult};
use crate::sentry::{self, Report};

/// Handles a message.
///
/// # Errors
/// [`PortError`] when the class does not know the message, or the outcome cannot be stored.
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

/// Handles the alarm. The platform removes an alarm before it calls the handler.
///
/// # Errors
/// [`PortError`] when the alarm should ring again.
pub async fn alarm<C: ActorContext>(
    class: ActorClass,
    context: &C,
    config: &Config,
) -> Result<(), PortError> {
    let rung = match class {
        ActorClass::WorkflowExecutor => executor(context, config).alarm().await,
        ActorClass::OAuth => OAuthObject::new(context, config.oauth.as_ref()).alarm().await,
        // Objects of this class never set an alarm.
        ActorClass::AiMisses => Ok(()),
    };
    if let (Some(sentry), Err(error)) = (&config.sentry, &rung) {
        report(class, context, sentry, error).await;
    }
    rung
}

/// Reports an alarm that will ring again. Its usage is on no bill, because the state that names the
/// owner may be what could not be read.
async fn report<C: ActorContext>(
    class: ActorClass,
    context: &C,
    sentry: &SentryConfig,
    error: &PortError,
) {
    let place = format!("alarm of {}", class.name());
    let report = Report::new(context.clock(), context.random(), "alarm failed", place);
    let report = report.tagged("cause", error.cause.kind());
    let ports = ObjectPorts::new(context);
    if let Err(error) = sentry::send(ports.http(), sentry, &report).await {
        context.log(&format!("a report was not taken: {error}"));
    }
}

fn executor<'a, C: ActorContext>(context: &'a C, config: &'a Config) -> Executor<'a, C> {
    let executor = Executor::new(context, &config.http_allow_list, config.models);
    executor.with_oauth(config.oauth.as_ref())
}
