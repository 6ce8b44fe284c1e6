//! The story of a boot that has no configuration it could use: nothing is touched, and the stack hears of it.

use crate::Run;
use crate::steps::tell_failure;

/// Tells FAILURE, once a boot; nothing where a slot is started for this instance: its broker may be up.
pub async fn unconfigured(run: &Run) {
    if run.progress().started {
        return;
    }
    if let Err(untold) = tell_failure(run).await {
        tracing::error!("failure could not be told: {untold}");
    }
}
