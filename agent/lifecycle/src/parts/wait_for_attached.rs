//! The wait until the kernel shows what EC2 has attached: a link or a device.

use crate::ports::CloudError;
use crate::retry::Patience;
use crate::{Boot, Step, Trouble};
use berth_plan::outcome::Kind;
use std::time::Duration;

/// For how long the kernel is waited for before EC2 is asked for the state of the attachment again.
const APPEARS_WITHIN: Duration = Duration::from_secs(20);

/// How many looks, each after such a wait, must agree that it is not attached: one may be behind.
const AGREEING_LOOKS: u32 = 3;

/// Waits for `shown`, which is woken by the kernel and gives up after the time that it gets. `state` asks EC2 for
/// the state of the attachment to this instance; none where there is none. `what` begins the sentence.
///
/// Ends as an attachment that was undone where it is not attached any more, and as this host's trouble at the deadline.
pub(crate) async fn wait_for_attached<T>(
    boot: &Boot,
    step: Step,
    what: &str,
    mut shown: impl AsyncFnMut(Duration) -> Result<Option<T>, Trouble>,
    mut state: impl AsyncFnMut() -> Result<Option<String>, CloudError>,
) -> Result<T, Trouble> {
    let began = boot.ports.host.since_boot();
    let mut absent = 0;
    loop {
        if let Some(found) = shown(boot.within(APPEARS_WITHIN)).await? {
            return Ok(found);
        }
        let long = boot.ports.host.since_boot().since(began);
        let waited = long.as_secs();
        let seen = state().await;
        absent = if matches!(seen, Ok(None)) { absent + 1 } else { 0 };
        let state = match seen {
            Ok(state) => state.unwrap_or_else(|| "not attached".to_owned()),
            Err(error) => error.to_string(),
        };
        let sentence = format!("{what}, EC2 says \"{state}\" after {waited} s");
        boot.ports.timeline.waiting(step, &sentence);
        if absent >= AGREEING_LOOKS {
            return Err(boot.attach_was_undone(step, sentence));
        }
        // An attach that was accepted just before the deadline is no proof of a host on which nothing appears.
        if boot.is_overdue() && long >= APPEARS_WITHIN {
            return Err(Trouble::new(step, Kind::Host, sentence));
        }
    }
}
