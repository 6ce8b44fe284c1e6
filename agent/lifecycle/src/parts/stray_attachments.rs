//! One slot per instance: what of the cluster is attached to me and is not of my slot is detached.
//!
//! A late commit of a lost reply, or what an earlier run left. Decided on claims read in this very pass; with
//! ZooKeeper away nothing is detached, because this is not called.

use super::attachments::{as_detached, send_detach};
use super::lost_service::stop_lost_service;
use super::slots_seen::{SlotsSeen, observe};
use super::unmanaged::forget_unmanaged;
use crate::ports::Refusal;
use crate::retry::LOOKS;
use crate::{Boot, Step, Trouble};
use berth_plan::ec2::AttachmentState;
use berth_plan::records::{SlotRecords, State};
use berth_plan::slot::Slot;
use berth_plan::slot::choose::superfluous;
use berth_plan::{BrokerId, InstanceId, VolumeId};
use std::collections::BTreeMap;

const STEP: Step = Step::Unwind;

/// Looks anew, and clears: for a run that goes for `kept` and waits, or is at its end.
pub(crate) async fn sweep(boot: &Boot, kept: BrokerId) -> Result<SlotsSeen, Trouble> {
    let (records, seen) = look(boot).await?;
    clear(boot, &seen, &records, Some(kept)).await?;
    Ok(seen)
}

async fn look(boot: &Boot) -> Result<(BTreeMap<BrokerId, SlotRecords>, SlotsSeen), Trouble> {
    let records = boot.ports.claims.records().await.map_err(|error| Trouble::claims(STEP, &error))?;
    let named = records.values().filter_map(|r| r.claim.as_ref()?.value.names().cloned()).collect();
    let seen = observe(boot, &named).await?;
    Ok((records, seen))
}

/// Detaches whatever of the cluster's slots is attached here, for an instance that has none. What still was, by id.
pub(crate) async fn detach_all(boot: &Boot) -> Result<Vec<String>, Trouble> {
    let (records, seen) = look(boot).await?;
    let attached = strays(&boot.me.instance, &seen.slots, &records, None).attached;
    let ids = attached.iter().map(|slot| format!("slot {}", slot.id)).collect();
    clear(boot, &seen, &records, None).await?;
    Ok(ids)
}

/// The end of a boot: where an attach had no answer, or a slot was given up, something may have landed since. What
/// lands later still is for `watch`.
pub(crate) async fn at_the_end(boot: &Boot, kept: BrokerId) {
    if !boot.may_have_strays() {
        return;
    }
    for looks in 0..LAST_LOOKS {
        if let Err(trouble) = sweep(boot, kept).await {
            return tracing::warn!("{trouble}");
        }
        if !boot.has_unfinished() {
            return;
        }
        boot.ports.timeline.waiting(STEP, "what was given up to be seen detached");
        boot.ports.host.sleep(LOOKS.wait(looks, |bound| boot.ports.host.random(bound))).await;
    }
}

/// How many looks the end of a boot takes at what it gave up on the way: 180 s, after which `unfinished` stays in the claim.
const LAST_LOOKS: u32 = 40;

/// What is here and is of no slot that this instance has or goes for.
#[derive(Debug, Default)]
pub(crate) struct Strays<'a> {
    /// Slots of which something is attached here: it is detached.
    pub(crate) attached: Vec<&'a Slot>,
    /// Slots whose claim is given back once nothing of them is attached here.
    pub(crate) claims: Vec<BrokerId>,
}

/// Finds them. `kept` is the slot that this instance goes for; where it goes for none, the slot whose claim names it is
/// kept.
pub(crate) fn strays<'a>(
    me: &InstanceId,
    slots: &'a [Slot],
    records: &BTreeMap<BrokerId, SlotRecords>,
    kept: Option<BrokerId>,
) -> Strays<'a> {
    let claimed = |id: BrokerId| {
        let claim = records.get(&id).and_then(|r| r.claim.as_ref()).map(|c| &c.value);
        claim.is_some_and(|c| c.names() == Some(me) && c.state == State::Held)
    };
    let is_mine = |id: BrokerId| kept.map_or_else(|| claimed(id), |kept| id == kept);
    let attached = slots.iter().filter(|slot| !is_mine(slot.id) && slot.attached_to().contains(me)).collect();
    Strays { attached, claims: unfinished(me, records, kept) }
}

/// Detaches strays and finishes what an earlier run of this instance could not undo.
pub(crate) async fn clear(
    boot: &Boot,
    seen: &SlotsSeen,
    records: &BTreeMap<BrokerId, SlotRecords>,
    kept: Option<BrokerId>,
) -> Result<(), Trouble> {
    let strays = strays(&boot.me.instance, &seen.slots, records, kept);
    for slot in strays.attached {
        detach(boot, slot).await;
    }
    for id in strays.claims {
        finish(boot, seen, records, id).await?;
    }
    Ok(())
}

async fn detach(boot: &Boot, slot: &Slot) {
    let me = &boot.me.instance;
    if let Some(volume) = slot.volume.as_ref().filter(|v| {
        // One that is on its way off was sent already.
        v.attachments.iter().any(|a| a.instance == *me && a.state != AttachmentState::Detaching)
    }) {
        boot.ports.timeline.fact(
            STEP,
            &format!("{} is attached to {me}, which holds another slot or none: detached", volume.id),
        );
        let detached = match left(boot, &volume.id).await {
            Ok(()) => send_detach(boot, &volume.id).await,
            Err(trouble) => Err(trouble.sentence),
        };
        if let Err(error) = detached {
            tracing::warn!(volume = %volume.id, "{error}");
        }
    }
    let attachment = slot
        .eni
        .as_ref()
        .and_then(|eni| eni.attachment.as_ref())
        .filter(|a| a.instance.as_ref() == Some(me) && a.state != AttachmentState::Detaching);
    if let Some(attachment) = attachment {
        boot.ports
            .timeline
            .fact(STEP, &format!("{} on {me} is of another slot than its own: detached", attachment.id));
        match as_detached(boot.ports.cloud.detach_eni(&attachment.id).await) {
            Err(error) if error.refusal != Refusal::NotFound => {
                tracing::warn!(attachment = %attachment.id, %error, "detaching on a later look");
            }
            _ => {
                if let Some(eni) = &slot.eni {
                    forget_unmanaged(boot, eni).await;
                }
            }
        }
    }
}

/// A service on a volume that is not of this instance's slot is a zombie: it ends, and its mount, before the volume goes.
async fn left(boot: &Boot, volume: &VolumeId) -> Result<(), Trouble> {
    let at = &boot.config.mount;
    let mounted = boot.ports.disks.mounted(at).await.map_err(|error| Trouble::disk(STEP, error))?;
    if mounted.and_then(|mounted| mounted.serial).as_deref() != Some(volume.serial().as_str()) {
        return Ok(());
    }
    stop_lost_service(boot, &format!("{volume}, mounted at {at}, is not of this instance's slot")).await
}

fn unfinished(
    me: &InstanceId,
    records: &BTreeMap<BrokerId, SlotRecords>,
    kept: Option<BrokerId>,
) -> Vec<BrokerId> {
    let marked = records.iter().filter(|(_, r)| {
        r.claim.as_ref().is_some_and(|c| c.value.names() == Some(me) && c.value.state == State::Unfinished)
    });
    let mut ids: Vec<BrokerId> = marked.map(|(id, _)| *id).collect();
    if let Some(kept) = kept {
        ids.extend(superfluous(me, kept, records));
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Once enough looks agree that nothing of the slot is attached here, its claim is given back.
async fn finish(
    boot: &Boot,
    seen: &SlotsSeen,
    records: &BTreeMap<BrokerId, SlotRecords>,
    id: BrokerId,
) -> Result<(), Trouble> {
    let attached =
        seen.slots.iter().any(|slot| slot.id == id && slot.attached_to().contains(&boot.me.instance));
    if !boot.nothing_left_of(id, attached) {
        return Ok(());
    }
    let Some(claim) = records.get(&id).and_then(|r| r.claim.as_ref()) else { return Ok(()) };
    if let Some(eni) = seen.slots.iter().find(|slot| slot.id == id).and_then(|slot| slot.eni.as_ref()) {
        forget_unmanaged(boot, eni).await;
    }
    let next = claim.value.given_back(boot.ports.host.unix_time(), "finished what was left to undo");
    match boot.ports.claims.write(id, &next, Some(claim.revision)).await {
        Ok(_) => {
            boot.finished(id);
            let fact = format!("claim of slot {id} given back: nothing of it is attached here");
            boot.ports.timeline.fact(STEP, &fact);
        }
        Err(error) => tracing::warn!(slot = %id, %error, "finishing on a later look"),
    }
    Ok(())
}
