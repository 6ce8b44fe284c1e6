//! Waiting and trying again: full jitter, one deadline, and a word of what is waited for.

use crate::run::Run;
use crate::{Step, Trouble};
use berth_plan::Millis;

/// How fast tries follow each other: jitter over the upper three quarters of a bound that doubles (AWS Architecture Blog,
/// "Exponential Backoff And Jitter").
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The first bound.
    pub first: Millis,
    /// The last bound.
    pub cap: Millis,
}

/// For calls to a control plane.
pub const CALLS: Pace = Pace { first: 500, cap: 15_000 };

/// For looks at what another instance or EC2 does in its own time.
pub const LOOKS: Pace = Pace { first: 1_000, cap: 5_000 };

impl Pace {
    /// How long to wait after this many tries: by chance, but never less than a quarter of the bound, so that a
    /// look does not follow the last one at once.
    pub fn wait(self, tries: u32, random: impl Fn(u64) -> u64) -> Millis {
        let bound = self.first.saturating_mul(1 << tries.min(16)).min(self.cap);
        bound / 4 + random(bound - bound / 4)
    }
}

/// Whether trouble is worth another try now.
pub enum Next {
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

/// Tries until it succeeds, until it is not worth another try, or until the run's deadline.
pub async fn retry<T>(
    run: &Run,
    step: Step,
    mut attempt: impl AsyncFnMut() -> Result<T, Next>,
) -> Result<T, Trouble> {
    let began = run.ports.host.since_boot();
    let mut tries = 0;
    loop {
        let trouble = match attempt().await {
            Ok(value) => return Ok(value),
            Err(Next::Stop(trouble)) => return Err(trouble),
            Err(Next::Again(trouble)) => trouble,
        };
        let waited = run.ports.host.since_boot() - began;
        run.ports.timeline.waiting(step, &trouble.sentence);
        if run.is_overdue() {
            return Err(trouble.after(waited));
        }
        let pause = CALLS.wait(tries, |bound| run.ports.host.random(bound));
        run.pause(pause).await;
        tries += 1;
    }
}
