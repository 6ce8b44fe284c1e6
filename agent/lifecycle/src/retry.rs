//! Waiting and trying again: full jitter, one deadline, and a word of what is waited for.

use crate::{Agent, Step, Trouble};
use berth_plan::time::millis;
use std::time::Duration;

/// How fast tries follow each other: jitter over the upper three quarters of a bound that doubles (AWS Architecture Blog,
/// "Exponential Backoff And Jitter").
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The first bound.
    pub(crate) first: Duration,
    /// The last bound.
    pub(crate) cap: Duration,
}

/// For calls to a control plane.
pub(crate) const CALLS: Pace = Pace { first: Duration::from_millis(500), cap: Duration::from_secs(15) };

/// For looks at what another instance or EC2 does in its own time.
pub(crate) const LOOKS: Pace = Pace { first: Duration::from_secs(1), cap: Duration::from_secs(5) };

impl Pace {
    /// How long to wait after this many tries: by chance, but never less than a quarter of the bound, so that a
    /// look does not follow the last one at once. `random` gives a number below its bound.
    pub(crate) fn wait(self, tries: u32, random: impl Fn(u64) -> u64) -> Duration {
        let bound = millis(self.first.saturating_mul(1 << tries.min(16)).min(self.cap));
        Duration::from_millis(bound / 4 + random(bound - bound / 4))
    }
}

/// Who waits, and for how long it may.
pub(crate) trait Patience: Sync {
    /// Whose clock, chance and timeline are used.
    fn agent(&self) -> &Agent;

    /// Whether the deadline has passed.
    fn is_overdue(&self) -> bool;

    /// This long, but not past the deadline.
    fn within(&self, length: Duration) -> Duration;
}

/// Who only looks has no deadline of its own: its caller bounds it.
impl Patience for Agent {
    fn agent(&self) -> &Agent {
        self
    }

    fn is_overdue(&self) -> bool {
        false
    }

    fn within(&self, length: Duration) -> Duration {
        length
    }
}

/// Sleeps, but not past the deadline.
pub(crate) async fn pause(who: &impl Patience, length: Duration) {
    who.agent().ports.host.sleep(who.within(length)).await;
}

/// Whether trouble is worth another try now.
pub(crate) enum Next {
    /// Yes.
    Again(Trouble),
    /// No.
    Stop(Trouble),
}

impl From<Trouble> for Next {
    fn from(trouble: Trouble) -> Self {
        if trouble.is_passing() { Self::Again(trouble) } else { Self::Stop(trouble) }
    }
}

/// Tries until it succeeds, until it is not worth another try, or until the deadline.
pub(crate) async fn retry<T>(
    who: &impl Patience,
    step: Step,
    mut attempt: impl AsyncFnMut() -> Result<T, Next>,
) -> Result<T, Trouble> {
    let ports = &who.agent().ports;
    let began = ports.host.since_boot();
    let mut tries = 0;
    loop {
        let trouble = match attempt().await {
            Ok(value) => return Ok(value),
            Err(Next::Stop(trouble)) => return Err(trouble),
            Err(Next::Again(trouble)) => trouble,
        };
        let waited = ports.host.since_boot().since(began);
        ports.timeline.waiting(step, &trouble.sentence);
        if who.is_overdue() {
            return Err(trouble.after(waited));
        }
        pause(who, CALLS.wait(tries, |bound| ports.host.random(bound))).await;
        tries += 1;
    }
}
