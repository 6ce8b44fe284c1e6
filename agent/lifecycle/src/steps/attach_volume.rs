//! Step 4: the exclusive attach, and the claim that follows it.
//!
//! Only one instance's AttachVolume is accepted; that decides. The claim is written in one transaction that checks
//! the intent, so a run that lost its session cannot write it.

use crate::parts::absences::Absences;
use crate::parts::agreement::Agreement;
use crate::parts::attachments::{outlives_the_instance, worth_another_try};
use crate::parts::held::{Held, write_claim};
use crate::parts::judge::{judge, observed};
use crate::parts::notes;
use crate::parts::slots_seen::{SlotsSeen, observe};
use crate::parts::target::{Target, Targeted};
use crate::parts::unmanaged::mark_unmanaged;
use crate::ports::Refusal;
use crate::retry::{LOOKS, Next, Patience, pause, retry};
use crate::{Boot, Step, Trouble};
use berth_plan::ec2::{InstanceState, Picture, free_device_index, free_device_name};
use berth_plan::outcome::Kind;
use berth_plan::records::{Claim, SlotRecords};
use berth_plan::slot::Slot;
use berth_plan::slot::choose::{Choice, holders, vacancy};
use berth_plan::{BrokerId, InstanceId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const STEP: Step = Step::AttachVolume;

/// Attaches what makes the holder the only one, and writes the claim.
pub(crate) async fn attach_volume(boot: &Boot, targeted: Targeted) -> Result<Held, Trouble> {
    let Targeted { target, picture, absences } = targeted;
    let held = match target {
        Target::Resume(slot, claim) => {
            let started = claim.value.started_by(&boot.me.instance);
            boot.progressed(|p| (p.slot, p.attached, p.started) = (Some(slot.clone()), true, started));
            let held = Held { slot, claim: claim.value, revision: claim.revision };
            let held = resume_claim(boot, held).await?;
            let look = LookAgain::new(boot, absences);
            let slot = attach_exclusively(boot, held.slot.clone(), &picture, look, false).await?;
            Held { slot, ..held }
        }
        Target::Take(slot) => {
            boot.progressed(|p| p.slot = Some(slot.clone()));
            let slot = attach_exclusively(boot, slot, &picture, LookAgain::new(boot, absences), true).await?;
            take_claim(boot, slot).await?
        }
    };
    outlives_the_instance(&boot.me.instance, boot.progress().started, &held.slot)?;
    Ok(held)
}

/// A new boot id of the same instance costs one write; a second run in the same boot none.
async fn resume_claim(boot: &Boot, held: Held) -> Result<Held, Trouble> {
    let holder = boot.holder(&held.slot);
    if held.claim.holder.as_ref() == Some(&holder) {
        return Ok(held);
    }
    let now = boot.ports.host.unix_time();
    write_claim(boot, STEP, held, |claim| claim.taken(holder.clone(), now)).await
}

/// Attaches the part that only one instance can have: the volume, or the interface of slots without a volume. A
/// successor first waits until every holder that was going has gone.
async fn attach_exclusively(
    boot: &Boot,
    mut slot: Slot,
    picture: &Picture,
    mut look: LookAgain<'_>,
    vacate: bool,
) -> Result<Slot, Trouble> {
    let mut taken = Places::of(boot, picture);
    let mut seen = SlotsSeen { picture: picture.clone(), slots: vec![slot.clone()] };
    let mut absent = ABSENT;
    loop {
        // Asked for on every look: a late detach must neither meet a new attachment nor a service on an old one.
        let is_settled = notes::forget_settled_detach(boot.ports.host.as_ref(), &slot, look.looks)
            .map_err(|error| Trouble::host(STEP, error))?;
        if slot.exclusively_on(&boot.me.instance) && is_settled {
            boot.progressed(|p| p.attached = true);
            return Ok(slot);
        }
        let going = if vacate { going_holders(boot, &slot, &seen, &look).await? } else { None };
        let waits_for = match going {
            Some(going) => Trouble::new(STEP, Kind::NoSlot, going),
            None if !is_settled => {
                let sentence = format!("an earlier detach of slot {} to settle", slot.id);
                Trouble::new(STEP, Kind::ControlPlane, sentence)
            }
            None => match try_attach(boot, &slot, &mut taken).await? {
                None => {
                    boot.progressed(|p| p.attached = true);
                    return Ok(slot);
                }
                Some(refused) => refused,
            },
        };
        boot.ports.timeline.waiting(STEP, &waits_for.sentence);
        if boot.is_overdue() {
            let sentence = format!("slot {}: waited until the deadline for {}", slot.id, waits_for.sentence);
            return Err(Trouble { sentence, ..waits_for });
        }
        seen = look.again(&slot).await?;
        match seen.slots.iter().find(|s| s.id == slot.id) {
            Some(fresh) => {
                absent.disagrees();
                slot = fresh.clone();
                boot.progressed(|p| p.slot = Some(slot.clone()));
            }
            None if absent.agrees(boot.ports.host.since_boot()) => {
                let sentence = format!(
                    "slot {} is gone from EC2's answers: its volume or interface was deleted or lost its tags",
                    slot.id
                );
                return Err(Trouble::elsewhere(STEP, sentence));
            }
            // One answer may be behind.
            None => {}
        }
    }
}

/// How many spaced looks must agree that a slot is no longer there.
const ABSENT: Agreement = Agreement::new(3, Duration::from_secs(1));

/// Names and indexes that are in use on this instance.
struct Places {
    devices: BTreeSet<String>,
    indexes: BTreeSet<u32>,
}

impl Places {
    fn of(boot: &Boot, picture: &Picture) -> Self {
        let me = picture.instances.get(&boot.me.instance);
        Self {
            devices: me.map(|me| me.devices.clone()).unwrap_or_default(),
            indexes: me.map(|me| me.indexes.clone()).unwrap_or_default(),
        }
    }
}

/// Repeated looks at a slot's witnesses, spaced.
struct LookAgain<'a> {
    boot: &'a Boot,
    looks: u32,
    absences: Absences,
}

impl<'a> LookAgain<'a> {
    fn new(boot: &'a Boot, absences: Absences) -> Self {
        Self { boot, looks: 0, absences }
    }

    async fn again(&mut self, slot: &Slot) -> Result<SlotsSeen, Trouble> {
        let boot = self.boot;
        pause(boot, LOOKS.wait(self.looks, |bound| boot.ports.host.random(bound))).await;
        self.looks += 1;
        let records = record(boot, slot.id).await?;
        let seen = observe(boot, &holders(std::slice::from_ref(slot), &records)).await?;
        self.absences.count(&seen.picture);
        Ok(seen)
    }
}

async fn record(boot: &Boot, id: BrokerId) -> Result<BTreeMap<BrokerId, SlotRecords>, Trouble> {
    retry(boot, STEP, async || {
        let records = boot.ports.claims.record(id).await.map_err(|error| Trouble::claims(STEP, &error))?;
        Ok(BTreeMap::from([(id, records)]))
    })
    .await
}

/// Looks at all witnesses. A sentence while a holder is still going; trouble where one stays after all.
async fn going_holders(
    boot: &Boot,
    slot: &Slot,
    seen: &SlotsSeen,
    look: &LookAgain<'_>,
) -> Result<Option<String>, Trouble> {
    let records = record(boot, slot.id).await?;
    let registrations = BTreeMap::new();
    let judge = judge(boot, &seen.picture, &records, &look.absences);
    match vacancy(&observed(boot, seen, &records, &registrations, &judge), slot) {
        Ok(Choice::Succeed(_, going)) => {
            let who: Vec<&str> = going.iter().map(InstanceId::as_str).collect();
            Ok(Some(format!("{} to let go of slot {}", who.join(", "), slot.id)))
        }
        Ok(_) => Ok(None),
        // Met for the first time in this look: the next one asks EC2 about it.
        Err(berth_plan::slot::choose::Reason::Unjudged(who)) => {
            let who: Vec<&str> = who.iter().map(InstanceId::as_str).collect();
            Ok(Some(format!("what EC2 says of {}, which holds slot {}", who.join(", "), slot.id)))
        }
        Err(reason) => {
            Err(Trouble::elsewhere(STEP, format!("slot {} is not vacant after all: {reason}", slot.id)))
        }
    }
}

/// One try. None: accepted. Trouble that may pass: what must change before the next try, and whose it is.
async fn try_attach(boot: &Boot, slot: &Slot, taken: &mut Places) -> Result<Option<Trouble>, Trouble> {
    let me = &boot.me.instance;
    // The call may be accepted and its reply lost: giving up looks at the attachment from here on.
    boot.progressed(|p| p.attached = true);
    let attempt = match (&slot.volume, &slot.eni) {
        (Some(volume), _) => {
            let Some(device) = free_device_name(&taken.devices) else {
                let sentence = format!("{me} has no free device name for {}", volume.id);
                return Err(Trouble::new(STEP, Kind::Configuration, sentence));
            };
            let attempt = boot.ports.cloud.attach_volume(&volume.id, me, &device).await;
            if attempt.is_ok() {
                boot.ports.timeline.fact(STEP, &format!("{} accepted as {device} of {me}", volume.id));
            }
            if matches!(&attempt, Err(error) if error.refusal == Refusal::PlaceTaken) {
                taken.devices.insert(device);
            }
            attempt
        }
        (None, Some(eni)) => {
            let index = free_device_index(&taken.indexes);
            mark_unmanaged(boot, eni).await;
            let attempt = boot.ports.cloud.attach_eni(&eni.id, me, index).await;
            if matches!(&attempt, Err(error) if error.refusal == Refusal::PlaceTaken) {
                taken.indexes.insert(index);
            }
            if let Ok(attachment) = &attempt {
                boot.progressed(|p| p.attachment = Some(attachment.clone()));
            }
            attempt.map(|_| ())
        }
        (None, None) => {
            return Err(Trouble::new(STEP, Kind::Configuration, "a slot without parts holds nothing"));
        }
    };
    match attempt {
        Ok(()) => Ok(None),
        Err(error) => worth_another_try(boot, STEP, &error).map(Some),
    }
}

/// Writes the claim of a slot that is attached to me: in one transaction with the check of my intent, for no claim is taken
/// on its revision alone. A write of an earlier run that lands late would otherwise give this instance two claims.
async fn take_claim(boot: &Boot, slot: Slot) -> Result<Held, Trouble> {
    let me = &boot.me.instance;
    let held = retry(boot, STEP, async || {
        let records = boot.ports.claims.record(slot.id).await.map_err(|e| Trouble::claims(STEP, &e))?;
        let (before, revision) = match records.claim {
            Some(claim) if claim.value.holder == Some(boot.holder(&slot)) => {
                return Ok(Held { slot: slot.clone(), claim: claim.value, revision: claim.revision });
            }
            Some(claim) => (claim.value, Some(claim.revision)),
            None => (Claim::vacant(), None),
        };
        if let Some(other) = before.names().filter(|other| *other != me) {
            refuse_living(boot, &slot, other).await?;
        }
        if records.intent.as_ref() != Some(&boot.intent()) {
            // The volume is here and leads back to the slot, unless another is about to take it.
            let sentence = format!(
                "slot {}: the session that held the intent ended before the claim was written; the choice is made again",
                slot.id
            );
            return Err(Next::Stop(Trouble::new(STEP, Kind::ControlPlane, sentence)));
        }
        let claim = before.taken(boot.holder(&slot), boot.ports.host.unix_time());
        match boot.ports.claims.hold(slot.id, &claim, revision, &boot.intent()).await {
            Ok(revision) => Ok(Held { slot: slot.clone(), claim, revision }),
            // What refused it decides at the next read: the claim's revision, or the intent.
            Err(error) => Err(Trouble::claims(STEP, &error).into()),
        }
    })
    .await?;
    boot.ports.timeline.fact(STEP, &format!("claim of slot {} written", held.slot.id));
    Ok(held)
}

/// A live other holder in the claim, though the volume is mine: it is its slot, and what I attached goes back.
async fn refuse_living(boot: &Boot, slot: &Slot, other: &InstanceId) -> Result<(), Next> {
    let asked = BTreeSet::from([other.clone()]);
    let seen = boot.ports.cloud.instances(&asked).await.map_err(|e| Trouble::cloud(STEP, &e))?;
    match seen.get(other).map(|i| &i.state) {
        None | Some(InstanceState::Terminated | InstanceState::ShuttingDown) => Ok(()),
        Some(state) => {
            let sentence = format!("slot {} is claimed by {other}, which is {state}", slot.id);
            Err(Next::Stop(Trouble::elsewhere(STEP, sentence)))
        }
    }
}
