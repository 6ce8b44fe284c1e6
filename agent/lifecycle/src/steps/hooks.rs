//! Life-cycle hooks: Auto Scaling waits for their word before it takes an instance into service, or lets it go.
//!
//! They are asked for at each transition: a group may be older than its hook.

use crate::ports::{Hook, Receipt, SignalError, Transition};
use crate::retry::CALLS;
use crate::{Boot, Step};
use futures_util::future::pending;
use std::time::Duration;

const STEP: Step = Step::Signal;

/// For how long the word to a hook is repeated. It has a time-out of its own.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// The first heartbeat: no hook has a time-out below 30 s (API reference, PutLifecycleHook). What ends sooner asks for none.
const FIRST_HEARTBEAT: Duration = Duration::from_secs(20);

/// When hooks are looked for once more where none was found, or nobody answered. They are always asked for at the end.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// The hooks of the transition that this instance's group has. Where they cannot be known that is told, and ends nothing.
pub(crate) async fn find_hooks(boot: &Boot, transition: Transition) -> Vec<Hook> {
    match repeated(boot, async || boot.ports.signals.hooks(transition).await).await {
        Ok(hooks) => hooks,
        Err(why) => {
            untold(boot, &format!("the hooks of this group are not known: {why}"));
            Vec::new()
        }
    }
}

/// Completes these hooks, with CONTINUE where the instance proceeds, else with ABANDON. What was not heard is told and ends
/// nothing: the hook's own time-out does. Safe to repeat.
pub(crate) async fn complete_hooks(boot: &Boot, hooks: Vec<Hook>, proceeds: bool) {
    let word = if proceeds { "CONTINUE" } else { "ABANDON" };
    for hook in hooks {
        let name = &hook.name;
        match repeated(boot, async || boot.ports.signals.complete_hook(&hook, proceeds).await).await {
            Ok(Receipt::Heard) => {
                boot.ports.timeline.fact(STEP, &format!("hook {name} is completed with {word}"));
            }
            Ok(Receipt::Nobody(why)) => {
                boot.ports
                    .timeline
                    .fact(STEP, &format!("hook {name} does not wait for this instance: {why}"));
            }
            Err(why) => untold(boot, &format!("hook {name} was not completed with {word}: {why}")),
        }
    }
}

fn untold(boot: &Boot, sentence: &str) {
    boot.ports.timeline.fact(STEP, &format!("{sentence}; its time-out ends the wait"));
}

async fn repeated<T>(boot: &Boot, telling: impl AsyncFn() -> Result<T, SignalError>) -> Result<T, String> {
    let host = &boot.ports.host;
    let began = host.since_boot();
    let mut tries = 0;
    loop {
        let sentence = match telling().await {
            Ok(told) => return Ok(told),
            Err(SignalError::Final(sentence)) => return Err(sentence),
            Err(SignalError::Passing(sentence)) => sentence,
        };
        let waited = host.since_boot().since(began);
        if waited >= TOLD_WITHIN {
            return Err(format!("{sentence}; tried for {} s", waited.as_secs()));
        }
        boot.ports.timeline.waiting(STEP, &sentence);
        host.sleep(CALLS.wait(tries, |bound| host.random(bound))).await;
        tries += 1;
    }
}

/// Sends heartbeats of the transition's hooks, three in each time-out. Never ends: whoever does the work that they wait for
/// drops it with that work.
pub(crate) async fn keep_hooks_waiting(boot: &Boot, transition: Transition) {
    let host = &boot.ports.host;
    let mut hooks: Vec<Hook> = Vec::new();
    for pause in [FIRST_HEARTBEAT, LOOK_AGAIN] {
        if hooks.is_empty() {
            host.sleep(pause).await;
            hooks = boot.ports.signals.hooks(transition).await.unwrap_or_default();
        }
    }
    loop {
        let mut living = Vec::new();
        for hook in hooks {
            match boot.ports.signals.extend_hook(&hook).await {
                // One that waits for nobody was completed, or has timed out.
                Ok(Receipt::Nobody(_)) | Err(SignalError::Final(_)) => {}
                Ok(Receipt::Heard) | Err(SignalError::Passing(_)) => living.push(hook),
            }
        }
        hooks = living;
        match hooks.iter().map(|hook| hook.timeout / 3).min() {
            Some(pause) => host.sleep(pause).await,
            None => pending().await,
        }
    }
}
