//! What single-writer objects do, by class. The platforms host them: they find the object, give it
//! its context, and call one of these two.

use serde_json::Value;

use crate::ai;
use crate::config::Config;
use crate::engine::executor::Executor;
use crate::ports::{ActorClass, ActorContext, PortError, PortResult};

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
        ActorClass::WorkflowExecutor => {
            Executor::new(context, &config.http_allow_list, config.models).message(message).await
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
    match class {
        ActorClass::WorkflowExecutor => {
            Executor::new(context, &config.http_allow_list, config.models).alarm().await
        }
        // It never sets one.
        ActorClass::AiMisses => Ok(()),
    }
}
