//! Step 11: what was seen is told, once a boot.

use crate::patience::{Next, retry};
use crate::ports::{Receipt, SignalError};
use crate::{Run, Step, Trouble};
use berth_plan::telling::Kind;

const STEP: Step = Step::Signal;

/// State file: what this boot has told.
const TOLD: &str = "told";

/// Whether this boot has told success.
pub(crate) fn told_success(run: &Run) -> bool {
    matches!(run.ports.host.recall(TOLD), Ok(Some(text)) if text == "success")
}

/// Tells success; nothing where this boot told an outcome already.
pub(crate) async fn tell_success(run: &Run) -> Result<(), Trouble> {
    tell(run, true).await
}

/// Tells failure; nothing where this boot told an outcome already.
pub(crate) async fn tell_failure(run: &Run) -> Result<(), Trouble> {
    tell(run, false).await
}

async fn tell(run: &Run, success: bool) -> Result<(), Trouble> {
    if let Some(told) = run.ports.host.recall(TOLD).map_err(|e| Trouble::host(STEP, e))? {
        run.ports.timeline.fact(STEP, &format!("this boot has told {told} already"));
        return Ok(());
    }
    let word = if success { "success" } else { "failure" };
    let receipt = delivered(run, async || run.ports.signals.outcome(success).await).await?;
    run.ports.host.note(TOLD, word).map_err(|e| Trouble::host(STEP, e))?;
    let fact = match receipt {
        Receipt::Heard => format!("{word} told to CloudFormation"),
        Receipt::Nobody(why) => format!("{word}, and nobody to tell: {why}"),
    };
    run.ports.timeline.fact(STEP, &fact);
    Ok(())
}

/// Asks Auto Scaling to replace this instance.
pub(crate) async fn tell_unhealthy(run: &Run) -> Result<(), Trouble> {
    let fact = match delivered(run, async || run.ports.signals.unhealthy().await).await? {
        Receipt::Heard => format!("{} told unhealthy to Auto Scaling", run.me.instance),
        Receipt::Nobody(why) => format!("unhealthy, and nobody to tell: {why}"),
    };
    run.ports.timeline.fact(STEP, &fact);
    Ok(())
}

/// How often a telling is tried after the deadline: the group and the stack have time-outs of their own.
const TRIES: u32 = 8;

async fn delivered(
    run: &Run,
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
                run.ports.timeline.waiting(STEP, &sentence);
                last = Some(Trouble::new(STEP, Kind::ControlPlane, sentence));
            }
        }
        let pause = crate::patience::CALLS.wait(tries, |bound| run.ports.host.random(bound));
        run.ports.host.sleep(pause).await;
    }
    // Before the deadline it is retried like any other call.
    retry(run, STEP, async || match telling().await {
        Ok(receipt) => Ok(receipt),
        Err(SignalError::Passing(s)) => Err(Next::Again(Trouble::new(STEP, Kind::ControlPlane, s))),
        Err(SignalError::Final(s)) => Err(Next::Stop(Trouble::new(STEP, Kind::Configuration, s))),
    })
    .await
    .map_err(|trouble| last.unwrap_or(trouble))
}
