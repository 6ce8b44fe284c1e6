//! Step 11: what was seen is told, once a boot.

use crate::ports::{Receipt, SignalError};
use crate::retry::{Next, retry};
use crate::{Boot, Step, Trouble};
use berth_plan::outcome::Kind;

const STEP: Step = Step::Signal;

/// State file: what this boot has told.
const TOLD: &str = "told";

/// Whether this boot has told success.
pub(crate) fn has_signalled_success(boot: &Boot) -> bool {
    matches!(boot.ports.host.recall(TOLD), Ok(Some(text)) if text == "success")
}

/// Tells success; nothing where this boot told an outcome already.
pub(crate) async fn signal_success(boot: &Boot) -> Result<(), Trouble> {
    tell(boot, true).await
}

/// Tells failure; nothing where this boot told an outcome already.
pub(crate) async fn signal_failure(boot: &Boot) -> Result<(), Trouble> {
    tell(boot, false).await
}

async fn tell(boot: &Boot, success: bool) -> Result<(), Trouble> {
    if let Some(told) = boot.ports.host.recall(TOLD).map_err(|e| Trouble::host(STEP, e))? {
        boot.ports.timeline.fact(STEP, &format!("this boot has told {told} already"));
        return Ok(());
    }
    let word = if success { "success" } else { "failure" };
    let receipt = delivered(boot, async || boot.ports.signals.outcome(success).await).await?;
    boot.ports.host.note(TOLD, word).map_err(|e| Trouble::host(STEP, e))?;
    let fact = match receipt {
        Receipt::Heard => format!("{word} told to CloudFormation"),
        Receipt::Nobody(why) => format!("{word}, and nobody to tell: {why}"),
    };
    boot.ports.timeline.fact(STEP, &fact);
    Ok(())
}

/// Asks Auto Scaling to replace this instance.
pub(crate) async fn report_unhealthy(boot: &Boot) -> Result<(), Trouble> {
    let fact = match delivered(boot, async || boot.ports.signals.unhealthy().await).await? {
        Receipt::Heard => format!("{} told unhealthy to Auto Scaling", boot.me.instance),
        Receipt::Nobody(why) => format!("unhealthy, and nobody to tell: {why}"),
    };
    boot.ports.timeline.fact(STEP, &fact);
    Ok(())
}

/// How often a telling is tried after the deadline: the group and the stack have time-outs of their own.
const TRIES: u32 = 8;

async fn delivered(
    boot: &Boot,
    telling: impl AsyncFn() -> Result<Receipt, SignalError>,
) -> Result<Receipt, Trouble> {
    let mut last = None;
    for tries in 0..TRIES {
        match telling().await {
            Ok(receipt) => return Ok(receipt),
            Err(SignalError::Final(sentence)) => {
                return Err(Trouble::new(STEP, Kind::Configuration, sentence));
            }
            Err(SignalError::Passing(sentence)) => {
                boot.ports.timeline.waiting(STEP, &sentence);
                last = Some(Trouble::new(STEP, Kind::ControlPlane, sentence));
            }
        }
        let pause = crate::retry::CALLS.wait(tries, |bound| boot.ports.host.random(bound));
        boot.ports.host.sleep(pause).await;
    }
    // Before the deadline it is retried like any other call.
    retry(boot, STEP, async || match telling().await {
        Ok(receipt) => Ok(receipt),
        Err(SignalError::Passing(s)) => Err(Next::Again(Trouble::new(STEP, Kind::ControlPlane, s))),
        Err(SignalError::Final(s)) => Err(Next::Stop(Trouble::new(STEP, Kind::Configuration, s))),
    })
    .await
    .map_err(|trouble| last.unwrap_or(trouble))
}
