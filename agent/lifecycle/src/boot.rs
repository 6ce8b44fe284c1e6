//! The story of a boot.

use crate::settle::{After, settle};
use crate::steps::{
    attach_eni, configure, hold, intend, network, ready, refuse_unfit, start, storage, tell_success,
    told_success,
};
use crate::{Run, Step, Trouble, strays};
use berth_plan::BrokerId;
use futures_util::future::try_join;

/// How a boot ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The broker of this slot is ready, and that was told.
    Ready(BrokerId),
    /// Nothing to do now, and why.
    NotNow(String),
    /// It gave up: the sentence, and the exit code.
    GaveUp(String, u8),
}

/// Boots: takes the slot, brings what belongs to it, starts the service, tells the truth. Safe to run again after a
/// crash between any two lines.
pub async fn boot(run: &Run) -> Ended {
    loop {
        let trouble = match attempt(run).await {
            Ok(ended) => return ended,
            Err(trouble) => trouble,
        };
        tracing::warn!(step = %trouble.step, kind = ?trouble.kind, "{}", trouble.sentence);
        match settle(run, trouble).await {
            After::Again => {}
            After::Ended(sentence, exit) => return Ended::GaveUp(sentence, exit),
        }
    }
}

async fn attempt(run: &Run) -> Result<Ended, Trouble> {
    if let Some(why) = refuse_unfit(&run.me)? {
        return Ok(Ended::NotNow(why));
    }
    run.begins();
    let aimed = timed(run, Step::Intend, intend(run)).await?;
    let picture = aimed.picture.clone();
    let held = timed(run, Step::AttachVolume, hold(run, aimed)).await?;
    let address = async {
        timed(run, Step::AttachEni, attach_eni(run, &held, &picture)).await?;
        timed(run, Step::Network, network(run, &held)).await
    };
    let disk = timed(run, Step::Storage, storage(run, held.clone()));
    let ((), held) = try_join(address, disk).await?;
    timed(run, Step::Configure, async { configure(run, &held) }).await?;
    let (held, registration) = timed(run, Step::Start, start(run, held)).await?;
    if told_success(run) {
        return Ok(Ended::Ready(held.slot.id));
    }
    timed(run, Step::Ready, ready(run, &held, &registration)).await?;
    timed(run, Step::Signal, tell_success(run)).await?;
    strays::at_the_end(run, held.slot.id).await;
    Ok(Ended::Ready(held.slot.id))
}

/// Shows a step in the timeline.
async fn timed<T>(
    run: &Run,
    step: Step,
    doing: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    run.ports.timeline.began(step);
    let result = doing.await;
    match &result {
        Ok(_) => run.ports.timeline.ended(step, "done"),
        Err(trouble) => run.ports.timeline.ended(step, &trouble.sentence),
    }
    result
}
