//! Life-cycle hooks: Auto Scaling waits for their word before it lets an instance into service, or lets it go.

use crate::ports::{Receipt, SignalError, Transition};
use crate::retry::{CALLS, Pace};
use crate::{Boot, Step};
use std::time::Duration;

const STEP: Step = Step::Signal;

/// For how long the end of a terminate hook is told: it has a time-out of its own, and the instance may go at any moment.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

const PACE: Pace = CALLS;

/// Completes the terminate hook with CONTINUE, whatever became of the release: ABANDON would end the instance just the same
/// and skip the other hooks. Returns the sentence of what was not heard; the hook's time-out then ends it.
pub(crate) async fn complete_terminate_hook(boot: &Boot) -> Option<String> {
    let host = &boot.ports.host;
    let began = host.since_boot();
    for tries in 0.. {
        let sentence = match boot.ports.signals.complete_hook(Transition::Terminating, true).await {
            Ok(Receipt::Heard) => {
                boot.ports.timeline.fact(STEP, "the terminate hook is completed with CONTINUE");
                return None;
            }
            Ok(Receipt::Nobody(why)) => {
                boot.ports.timeline.fact(STEP, &format!("no terminate hook waits: {why}"));
                return None;
            }
            Err(SignalError::Final(sentence)) => return Some(sentence),
            Err(SignalError::Passing(sentence)) => sentence,
        };
        boot.ports.timeline.waiting(STEP, &sentence);
        if host.since_boot().since(began) >= TOLD_WITHIN {
            return Some(format!("{sentence}; tried for {} s", TOLD_WITHIN.as_secs()));
        }
        host.sleep(PACE.wait(tries, |bound| host.random(bound))).await;
    }
    None
}
