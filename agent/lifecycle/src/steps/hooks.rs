//! Life-cycle hooks: Auto Scaling waits for their word before it takes an instance into service, or lets it go.
//!
//! They are asked for at each transition: a group may be older than its hook.

use crate::ports::{Hook, Receipt, SignalError, Transition};
use crate::retry::CALLS;
use crate::{Boot, Step};
use futures_util::future::{Either, select};
use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

const STEP: Step = Step::Signal;

/// For how long the word to a hook is repeated before something else goes on.
pub(crate) const TOLD_SOON: Duration = Duration::from_secs(60);

/// For how long it is repeated in the end: no hook has a longer time-out (API reference, PutLifecycleHook: 7,200 s).
pub(crate) const TOLD_AT_LAST: Duration = Duration::from_secs(7_200);

/// The first heartbeat: no hook has a time-out below 30 s (API reference, PutLifecycleHook). What ends sooner asks for none.
const FIRST_HEARTBEAT: Duration = Duration::from_secs(20);

/// How often hooks are looked for at least.
const LOOK_AGAIN: Duration = Duration::from_secs(100);

/// The hooks of the transition that this instance's group has; none where nobody answered in time. Where they cannot be known
/// that is told, and ends nothing.
pub(crate) async fn find_hooks(boot: &Boot, transition: Transition, within: Duration) -> Option<Vec<Hook>> {
    match repeated(boot, within, async || boot.ports.signals.hooks(transition).await).await {
        Ok(hooks) => Some(hooks),
        Err(Untold::Final(why)) => {
            untold(boot, &format!("the hooks of this group are not known: {why}"));
            Some(Vec::new())
        }
        Err(Untold::Passing(why)) => {
            untold(boot, &format!("the hooks of this group are not known: {why}"));
            None
        }
    }
}

/// Finds and completes the hooks of the transition, with CONTINUE where the instance proceeds, else with ABANDON. Whether
/// everything was said that could be: what was not heard is told and ends nothing, and another try may be. Safe to repeat.
pub(crate) async fn complete_hooks(
    boot: &Boot,
    transition: Transition,
    proceeds: bool,
    within: Duration,
) -> bool {
    match find_hooks(boot, transition, within).await {
        Some(hooks) => complete_found(boot, hooks, proceeds, within).await,
        None => false,
    }
}

/// As [`complete_hooks`], of hooks that were found.
pub(crate) async fn complete_found(boot: &Boot, hooks: Vec<Hook>, proceeds: bool, within: Duration) -> bool {
    let word = if proceeds { "CONTINUE" } else { "ABANDON" };
    let mut is_said = true;
    for hook in hooks {
        let name = &hook.name;
        match repeated(boot, within, async || boot.ports.signals.complete_hook(&hook, proceeds).await).await {
            Ok(Receipt::Heard) => {
                boot.ports.timeline.fact(STEP, &format!("hook {name} is completed with {word}"));
            }
            Ok(Receipt::Nobody(why)) => {
                boot.ports
                    .timeline
                    .fact(STEP, &format!("hook {name} does not wait for this instance: {why}"));
            }
            Err(error) => {
                is_said &= matches!(error, Untold::Final(_));
                let (Untold::Final(why) | Untold::Passing(why)) = error;
                untold(boot, &format!("hook {name} was not completed with {word}: {why}"));
            }
        }
    }
    is_said
}

/// Why a word was not heard.
enum Untold {
    /// Another try would not help.
    Final(String),
    /// One may.
    Passing(String),
}

fn untold(boot: &Boot, sentence: &str) {
    boot.ports.timeline.fact(STEP, &format!("{sentence}; its time-out ends the wait"));
}

async fn repeated<T>(
    boot: &Boot,
    within: Duration,
    telling: impl AsyncFn() -> Result<T, SignalError>,
) -> Result<T, Untold> {
    let host = &boot.ports.host;
    let began = host.since_boot();
    let mut tries = 0;
    loop {
        let sentence = match telling().await {
            Ok(told) => return Ok(told),
            Err(SignalError::Final(sentence)) => return Err(Untold::Final(sentence)),
            Err(SignalError::Passing(sentence)) => sentence,
        };
        let waited = host.since_boot().since(began);
        if waited >= within {
            return Err(Untold::Passing(format!("{sentence}; tried for {} s", waited.as_secs())));
        }
        boot.ports.timeline.waiting(STEP, &sentence);
        host.sleep(CALLS.wait(tries, |bound| host.random(bound))).await;
        tries += 1;
    }
}

/// Does the work that the transition's hooks wait for, and keeps them waiting meanwhile.
pub(crate) async fn while_hooks_wait<T>(
    boot: &Boot,
    transition: Transition,
    work: impl Future<Output = T>,
) -> T {
    match select(pin!(work), pin!(keep_hooks_waiting(boot, transition))).await {
        Either::Left((done, _)) => done,
        Either::Right((never, _)) => match never {},
    }
}

/// Sends heartbeats of the transition's hooks, three in each time-out. Hooks are looked for again and again: one may be made
/// later, wait later (an instance that leaves its warm pool), or not be shown by a look that failed.
async fn keep_hooks_waiting(boot: &Boot, transition: Transition) -> Infallible {
    let host = &boot.ports.host;
    host.sleep(FIRST_HEARTBEAT).await;
    loop {
        let Ok(hooks) = boot.ports.signals.hooks(transition).await else {
            host.sleep(FIRST_HEARTBEAT).await;
            continue;
        };
        for hook in &hooks {
            // One that waits for nobody was completed, or waits later; a refusal is told when it is completed.
            let _ = boot.ports.signals.extend_hook(hook).await;
        }
        let shortest = hooks.iter().map(|hook| hook.timeout / 3).min();
        host.sleep(shortest.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN)).await;
    }
}
