//! Step 11: what was seen is told, once a boot.
//!
//! CloudFormation counts signals for whatever operation of the stack is under way. A boot that found its slot started
//! when it began is no outcome of a launch: a reboot in mid-update must not count for the batch.

use crate::parts::notes;
use crate::ports::{Receipt, SignalError};
use crate::retry::Pace;
use crate::{Boot, Step, Trouble};
use berth_plan::UnixTime;
use berth_plan::outcome::Kind;
use std::fmt;
use std::time::Duration;

const STEP: Step = Step::Signal;

/// State file: what this boot has told, and when, as `success 1700000000000`.
const TOLD: &str = "told";

/// What a boot tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Success,
    Failure,
    /// Ready, and not told: the slot was started in an earlier boot.
    Resumed,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Resumed => "resumed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.word().fmt(f)
    }
}

/// What this boot has told, and when; no time where an older berth wrote it.
fn told(boot: &Boot) -> Result<Option<(Outcome, Option<UnixTime>)>, Trouble> {
    let text = boot.ports.host.recall(TOLD).map_err(|e| Trouble::host(STEP, e))?;
    Ok(text.map(|text| {
        let (word, at) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let outcome = match word {
            "success" => Outcome::Success,
            "resumed" => Outcome::Resumed,
            _ => Outcome::Failure,
        };
        (outcome, at.parse().ok())
    }))
}

fn note(boot: &Boot, outcome: Outcome) -> Result<(), Trouble> {
    let text = format!("{outcome} {}", boot.ports.host.unix_time());
    boot.ports.host.note(TOLD, &text).map_err(|e| Trouble::host(STEP, e))
}

/// Whether this boot has come to its good end before, and said so where it was to be said.
pub(crate) fn has_signalled_success(boot: &Boot) -> bool {
    matches!(told(boot), Ok(Some((Outcome::Success | Outcome::Resumed, _))))
}

/// SignalResource SUCCESS; nothing where this boot told an outcome already, or resumed a slot whose start was told.
pub(crate) async fn signal_success(boot: &Boot) -> Result<(), Trouble> {
    signal(boot, Outcome::Success).await
}

/// SignalResource FAILURE; nothing where this boot told an outcome already, or resumed a slot whose start was told.
pub(crate) async fn signal_failure(boot: &Boot) -> Result<(), Trouble> {
    signal(boot, Outcome::Failure).await
}

async fn signal(boot: &Boot, outcome: Outcome) -> Result<(), Trouble> {
    if let Some((before, at)) = told(boot)? {
        let ago = at.map_or(0, |at| boot.ports.host.unix_time().since(at).as_secs());
        let fact = match (before, outcome) {
            (Outcome::Failure, Outcome::Success) => format!(
                "the broker is ready now; CloudFormation was told failure {ago} s ago and takes one outcome of a boot: repeat the operation of the stack"
            ),
            _ => format!("this boot has told {before} already"),
        };
        boot.ports.timeline.fact(STEP, &fact);
        return Ok(());
    }
    if boot.progress().resumed && !notes::start_is_untold(boot.ports.host.as_ref(), &boot.me.instance) {
        let fact =
            "nothing is told to CloudFormation: this slot was started in an earlier boot of this instance";
        boot.ports.timeline.fact(STEP, fact);
        // A failure of it may still become a good end.
        return if outcome == Outcome::Success { note(boot, Outcome::Resumed) } else { Ok(()) };
    }
    let receipt =
        deliver(boot, async || boot.ports.signals.outcome(outcome == Outcome::Success).await).await?;
    note(boot, outcome)?;
    if let Err(error) = notes::note_told(boot.ports.host.as_ref(), &boot.me.instance) {
        tracing::warn!(%error, "a reboot of this instance may tell its outcome again");
    }
    let fact = match receipt {
        Receipt::Heard => format!("SignalResource {} accepted", outcome.word().to_uppercase()),
        Receipt::Nobody(why) => format!("{outcome}, and nobody to tell: {why}"),
    };
    boot.ports.timeline.fact(STEP, &fact);
    Ok(())
}

/// State file: this boot has called its instance unhealthy.
const CALLED_UNHEALTHY: &str = "called-unhealthy";

/// Asks Auto Scaling to replace this instance.
pub(crate) async fn report_unhealthy(boot: &Boot) -> Result<(), Trouble> {
    let receipt = deliver(boot, async || boot.ports.signals.health(false).await).await?;
    if let Err(error) = boot.ports.host.note(CALLED_UNHEALTHY, "") {
        tracing::warn!(%error, "a later run of this boot cannot take the word back");
    }
    let fact = match receipt {
        Receipt::Heard => format!("SetInstanceHealth Unhealthy of {} accepted", boot.me.instance),
        Receipt::Nobody(why) => format!("unhealthy, and nobody to tell: {why}"),
    };
    boot.ports.timeline.fact(STEP, &fact);
    Ok(())
}

/// A later run of a boot that gave up is ready after all: the group should not replace it. One try; it may be too late.
pub(crate) async fn take_back_unhealthy(boot: &Boot) {
    let host = &boot.ports.host;
    if !matches!(host.recall(CALLED_UNHEALTHY), Ok(Some(_))) {
        return;
    }
    let fact = match boot.ports.signals.health(true).await {
        Ok(_) => {
            format!("{} was called unhealthy in this boot, and is called healthy again", boot.me.instance)
        }
        Err(error) => format!(
            "{} was called unhealthy in this boot, and that could not be taken back: {error}",
            boot.me.instance
        ),
    };
    boot.ports.timeline.fact(STEP, &fact);
    if let Err(error) = host.forget(CALLED_UNHEALTHY) {
        tracing::debug!(%error, "it is taken back once more");
    }
}

/// For how long an outcome is told: no stack listens longer (CloudFormation, "CreationPolicy": a Timeout is at most
/// PT12H; "UpdatePolicy": a PauseTime at most PT1H).
const LISTENED_TO: Duration = Duration::from_secs(12 * 3_600);

/// Slower than other calls in the end: it may go on for hours.
const PACE: Pace = Pace { first: Duration::from_millis(500), cap: Duration::from_secs(60) };

/// Tells until it is heard. The boot's own deadline does not count: a failure is told after it.
async fn deliver(
    boot: &Boot,
    telling: impl AsyncFn() -> Result<Receipt, SignalError>,
) -> Result<Receipt, Trouble> {
    let host = &boot.ports.host;
    let began = host.since_boot();
    let mut tries = 0;
    loop {
        let sentence = match telling().await {
            Ok(receipt) => return Ok(receipt),
            Err(SignalError::Final(sentence)) => {
                return Err(Trouble::new(STEP, Kind::Configuration, sentence));
            }
            Err(SignalError::Passing(sentence)) => sentence,
        };
        boot.ports.timeline.waiting(STEP, &sentence);
        let waited = host.since_boot().since(began);
        if waited >= LISTENED_TO {
            return Err(Trouble::new(STEP, Kind::ControlPlane, sentence).after(waited));
        }
        host.sleep(PACE.wait(tries, |bound| host.random(bound))).await;
        tries += 1;
    }
}
