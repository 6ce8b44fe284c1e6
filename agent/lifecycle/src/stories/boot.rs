//! The story of a boot.

use super::on_trouble::{After, settle};
use crate::parts::repeated::Repeated;
use crate::parts::stray_attachments;
use crate::ports::Transition;
use crate::steps::{
    TOLD_AT_LAST, TOLD_SOON, attach_eni, attach_volume, bring_up_storage, complete_found, complete_hooks,
    configure_network, find_hooks, has_signalled_success, is_for_warm_pool, is_released, prove_identity,
    refuse_unfit, repair_network, signal_success, start_service, take_back_unhealthy, wait_until_in_service,
    wait_until_ready, while_hooks_wait, write_configuration, write_intent,
};
use crate::{Boot, Step, Trouble};
use berth_plan::BrokerId;
use futures_util::future::{join, try_join};

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
pub async fn boot(boot: &Boot) -> Ended {
    while_hooks_wait(boot, Transition::Launching, tried(boot)).await
}

/// Attempt after attempt, until one ends well or there is nothing more to try.
async fn tried(boot: &Boot) -> Ended {
    let mut met = Repeated::default();
    loop {
        let trouble = match attempt(boot).await {
            Ok(ended) => {
                boot.deadline_ends();
                return ended;
            }
            Err(trouble) => trouble,
        };
        if let Some(line) = met.line(&boot.me.instance, &trouble) {
            tracing::warn!("{line}");
        }
        match settle(boot, trouble).await {
            After::Again => {}
            After::Ended(sentence, exit) => return Ended::GaveUp(sentence, exit),
        }
    }
}

async fn attempt(boot: &Boot) -> Result<Ended, Trouble> {
    refuse_unfit(boot)?;
    if let Some(why) = is_released(boot)? {
        return Ok(Ended::NotNow(why));
    }
    if is_for_warm_pool(&boot.me) {
        complete_hooks(boot, Transition::Launching, true, TOLD_SOON).await;
    }
    if let Some(why) = wait_until_in_service(boot).await? {
        return Ok(Ended::NotNow(why));
    }
    boot.begins();
    let targeted = timed(boot, Step::Intend, write_intent(boot)).await?;
    let picture = targeted.picture.clone();
    let held = timed(boot, Step::AttachVolume, attach_volume(boot, targeted)).await?;
    let address = async {
        timed(boot, Step::AttachEni, attach_eni(boot, &held, &picture)).await?;
        timed(boot, Step::Network, configure_network(boot, &held)).await
    };
    let disk = timed(boot, Step::Storage, async {
        let held = bring_up_storage(boot, held.clone()).await?;
        prove_identity(boot, &held).await?;
        Ok(held)
    });
    let (network, held) = try_join(address, disk).await?;
    timed(boot, Step::Configure, write_configuration(boot, &held)).await?;
    let (held, registration) = timed(boot, Step::Start, start_service(boot, held)).await?;
    repair_network(boot, &held, network.as_ref()).await?;
    if has_signalled_success(boot) {
        return Ok(Ended::Ready(held.slot.id));
    }
    let ready = timed(boot, Step::Ready, wait_until_ready(boot, &held, &registration));
    let (ready, hooks) = join(ready, find_hooks(boot, Transition::Launching, TOLD_SOON)).await;
    ready?;
    // Before the signal, whose note ends the boot: a run that is cut between the two says both again.
    let is_said = match hooks {
        Some(hooks) => complete_found(boot, hooks, true, TOLD_SOON).await,
        None => false,
    };
    timed(boot, Step::Signal, signal_success(boot)).await?;
    // A bad hour of Auto Scaling must not end a broker that is ready: its hooks are kept waiting meanwhile.
    if !is_said {
        complete_hooks(boot, Transition::Launching, true, TOLD_AT_LAST).await;
    }
    take_back_unhealthy(boot).await;
    stray_attachments::at_the_end(boot, held.slot.id).await;
    Ok(Ended::Ready(held.slot.id))
}

/// Shows a step in the timeline.
async fn timed<T>(
    boot: &Boot,
    step: Step,
    doing: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    boot.ports.timeline.began(step);
    let result = doing.await;
    match &result {
        Ok(_) => boot.ports.timeline.ended(step, "done"),
        Err(trouble) => boot.ports.timeline.ended(step, &trouble.sentence),
    }
    result
}
