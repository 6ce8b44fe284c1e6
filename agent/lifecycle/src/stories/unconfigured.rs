//! The story of a boot that has no configuration it could use: nothing is touched, and the stack hears of it.

use crate::Boot;
use crate::steps::signal_failure;

/// Tells FAILURE, once a boot; nothing where a slot is started for this instance: its broker may be up.
pub async fn unconfigured(boot: &Boot) {
    if boot.progress().started {
        return;
    }
    if let Err(untold) = signal_failure(boot).await {
        tracing::error!("failure could not be told: {untold}");
    }
}
