//! Step 4: the exclusive attach, and the claim that follows it.
//!
//! Only one instance's AttachVolume is accepted; that decides. The claim is written in one transaction that checks
//! the intent, so a run that lost its session cannot write it.

use super::absences::Absences;
use super::intend::{Aim, Aimed, judge, sight};
use super::observe::{SlotsSeen, observe};
use super::storage::updated;
use crate::notes;
use crate::patience::{LOOKS, Next, retry};
use crate::ports::{CloudError, Refusal};
use crate::{Run, Step, Trouble};
use berth_plan::choose::{Choice, holders, vacancy};
use berth_plan::claim::{Claim, SlotRecords};
use berth_plan::picture::{Picture, Slot, free_device_index, free_device_name};
use berth_plan::telling::Kind;
use berth_plan::{BrokerId, InstanceId};
use std::collections::{BTreeMap, BTreeSet};

/// A slot that is attached and claimed.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) slot: Slot,
    pub(crate) claim: Claim,
    pub(crate) version: i32,
}

const STEP: Step = Step::AttachVolume;

/// Attaches what makes the holder the only one, and writes the claim.
pub(crate) async fn hold(run: &Run, aimed: Aimed) -> Result<Held, Trouble> {
    let Aimed { aim, picture, absences } = aimed;
    let held = match aim {
        Aim::Resume(slot, claim) => {
            let started = claim.value.started_by(&run.me.instance);
            run.progressed(|p| (p.slot, p.attached, p.started) = (Some(slot.clone()), true, started));
            let held = resumed(run, slot, claim.value, claim.version).await?;
            let look = LookAgain::new(run, absences);
            let slot = attach_exclusively(run, held.slot.clone(), &picture, look, false).await?;
            Held { slot, ..held }
        }
        Aim::Take(slot) => {
            run.progressed(|p| p.slot = Some(slot.clone()));
            let slot = attach_exclusively(run, slot, &picture, LookAgain::new(run, absences), true).await?;
            claim(run, slot).await?
        }
    };
    outlives_the_instance(run, &held.slot)?;
    Ok(held)
}

/// A volume that would be deleted with the instance is nobody's to keep data on.
pub(crate) fn outlives_the_instance(run: &Run, slot: &Slot) -> Result<(), Trouble> {
    let Some(volume) = &slot.volume else { return Ok(()) };
    let me = &run.me.instance;
    let Some(mine) = volume.attachments.iter().find(|a| a.instance == *me && a.delete_on_termination) else {
        return Ok(());
    };
    let advice = if run.progress().started {
        format!(
            "aws ec2 modify-instance-attribute --instance-id {me} --block-device-mappings DeviceName={},Ebs={{DeleteOnTermination=false}}",
            mine.device
        )
    } else {
        // It goes back with the slot, and AttachVolume never says so.
        "it is detached; start berth again, which attaches it itself".to_owned()
    };
    let sentence = format!(
        "the attachment of {} to {me} says DeleteOnTermination=true: its data would go with the instance; {advice}",
        volume.id
    );
    Err(Trouble::new(STEP, Kind::Configuration, sentence))
}

/// A new boot id of the same instance costs one write; a second run in the same boot none.
async fn resumed(run: &Run, slot: Slot, claim: Claim, version: i32) -> Result<Held, Trouble> {
    let holder = run.holder(&slot);
    if claim.holder.as_ref() == Some(&holder) {
        return Ok(Held { slot, claim, version });
    }
    let next = claim.taken(holder, run.ports.host.unix_time());
    let written = updated(run, STEP, slot.id, &next, version).await?;
    Ok(Held { slot, claim: next, version: written.version })
}

/// Attaches the part that only one instance can have: the volume, or the interface of slots without a volume. A
/// successor first waits until every holder that was going has gone.
async fn attach_exclusively(
    run: &Run,
    mut slot: Slot,
    picture: &Picture,
    mut look: LookAgain<'_>,
    vacate: bool,
) -> Result<Slot, Trouble> {
    let mut taken = Places::of(run, picture);
    let mut seen = SlotsSeen { picture: picture.clone(), slots: vec![slot.clone()] };
    loop {
        // Asked for on every look: a late detach must neither meet a new attachment nor a service on an old one.
        let is_settled = notes::detach_has_settled(run, &slot, look.looks)?;
        if slot.exclusively_on(&run.me.instance) && is_settled {
            run.progressed(|p| p.attached = true);
            return Ok(slot);
        }
        let going = if vacate { wait_for_holders(run, &slot, &seen, &look).await? } else { None };
        let waits_for = match going {
            Some(going) => going,
            None if !is_settled => format!("an earlier detach of slot {} to settle", slot.id),
            None => match try_attach(run, &slot, &mut taken).await? {
                None => {
                    run.progressed(|p| p.attached = true);
                    return Ok(slot);
                }
                Some(state) => state,
            },
        };
        run.ports.timeline.waiting(STEP, &waits_for);
        if run.is_overdue() {
            return Err(Trouble::new(
                STEP,
                Kind::NoSlot,
                format!("slot {}: waited until the deadline for {waits_for}", slot.id),
            ));
        }
        seen = look.again(&slot).await?;
        let Some(fresh) = seen.slots.iter().find(|s| s.id == slot.id) else {
            return Err(Trouble::elsewhere(STEP, format!("slot {} is no longer in EC2's picture", slot.id)));
        };
        slot = fresh.clone();
        run.progressed(|p| p.slot = Some(slot.clone()));
    }
}

/// Names and indexes that are in use on this instance.
struct Places {
    devices: BTreeSet<String>,
    indexes: BTreeSet<u32>,
}

impl Places {
    fn of(run: &Run, picture: &Picture) -> Self {
        let me = picture.instances.get(&run.me.instance);
        Self {
            devices: me.map(|me| me.devices.clone()).unwrap_or_default(),
            indexes: me.map(|me| me.indexes.clone()).unwrap_or_default(),
        }
    }
}

/// Repeated looks at a slot's witnesses, spaced.
struct LookAgain<'a> {
    run: &'a Run,
    looks: u32,
    absences: Absences,
}

impl<'a> LookAgain<'a> {
    fn new(run: &'a Run, absences: Absences) -> Self {
        Self { run, looks: 0, absences }
    }

    async fn again(&mut self, slot: &Slot) -> Result<SlotsSeen, Trouble> {
        let run = self.run;
        run.pause(LOOKS.wait(self.looks, |bound| run.ports.host.random(bound))).await;
        self.looks += 1;
        let records = record(run, slot.id).await?;
        let seen = observe(run, &holders(std::slice::from_ref(slot), &records)).await?;
        self.absences.count(&seen.picture);
        Ok(seen)
    }
}

async fn record(run: &Run, id: BrokerId) -> Result<BTreeMap<BrokerId, SlotRecords>, Trouble> {
    retry(run, STEP, async || {
        let records = run.ports.claims.record(id).await.map_err(|error| Trouble::claims(STEP, &error))?;
        Ok(BTreeMap::from([(id, records)]))
    })
    .await
}

/// Looks at all witnesses. A sentence while a holder is still going; trouble where one stays after all.
async fn wait_for_holders(
    run: &Run,
    slot: &Slot,
    seen: &SlotsSeen,
    look: &LookAgain<'_>,
) -> Result<Option<String>, Trouble> {
    let records = record(run, slot.id).await?;
    let registrations = BTreeMap::new();
    let judge = judge(run, &seen.picture, &records, &look.absences);
    match vacancy(&sight(run, seen, &records, &registrations, &judge), slot) {
        Ok(Choice::Succeed(_, going)) => {
            let who: Vec<&str> = going.iter().map(InstanceId::as_str).collect();
            Ok(Some(format!("{} to let go of slot {}", who.join(", "), slot.id)))
        }
        Ok(_) => Ok(None),
        // Met for the first time in this look: the next one asks EC2 about it.
        Err(berth_plan::choose::Reason::Unjudged(who)) => {
            let who: Vec<&str> = who.iter().map(InstanceId::as_str).collect();
            Ok(Some(format!("what EC2 says of {}, which holds slot {}", who.join(", "), slot.id)))
        }
        Err(reason) => {
            Err(Trouble::elsewhere(STEP, format!("slot {} is not vacant after all: {reason}", slot.id)))
        }
    }
}

/// One try. None: accepted. A sentence: what must change before the next try.
async fn try_attach(run: &Run, slot: &Slot, taken: &mut Places) -> Result<Option<String>, Trouble> {
    let me = &run.me.instance;
    // The call may be accepted and its reply lost: giving up looks at the attachment from here on.
    run.progressed(|p| p.attached = true);
    let attempt = match (&slot.volume, &slot.eni) {
        (Some(volume), _) => {
            let Some(device) = free_device_name(&taken.devices) else {
                let sentence = format!("{me} has no free device name for {}", volume.id);
                return Err(Trouble::new(STEP, Kind::Configuration, sentence));
            };
            let attempt = run.ports.cloud.attach_volume(&volume.id, me, &device).await;
            if attempt.is_ok() {
                run.ports.timeline.fact(STEP, &format!("{} accepted as {device} of {me}", volume.id));
            }
            if matches!(&attempt, Err(error) if error.refusal == Refusal::PlaceTaken) {
                taken.devices.insert(device);
            }
            attempt
        }
        (None, Some(eni)) => {
            let index = free_device_index(&taken.indexes);
            let attempt = run.ports.cloud.attach_eni(&eni.id, me, index).await;
            if matches!(&attempt, Err(error) if error.refusal == Refusal::PlaceTaken) {
                taken.indexes.insert(index);
            }
            if let Ok(attachment) = &attempt {
                run.progressed(|p| p.attachment = Some(attachment.clone()));
            }
            attempt.map(|_| ())
        }
        (None, None) => {
            return Err(Trouble::new(STEP, Kind::Configuration, "a slot without parts holds nothing"));
        }
    };
    match attempt {
        Ok(()) => Ok(None),
        Err(error) => worth_another_try(run, error).map(Some),
    }
}

/// Whether an attach that was not accepted may be on a later try.
pub(super) fn worth_another_try(run: &Run, error: CloudError) -> Result<String, Trouble> {
    if error.refusal == Refusal::Unknown {
        run.expects_strays();
    }
    let trouble = Trouble::cloud(STEP, &error);
    if trouble.kind == Kind::Configuration { Err(trouble) } else { Ok(error.to_string()) }
}

/// Writes the claim of a slot that is attached to me.
async fn claim(run: &Run, slot: Slot) -> Result<Held, Trouble> {
    let held = retry(run, STEP, async || {
        let records = run.ports.claims.record(slot.id).await.map_err(|e| Trouble::claims(STEP, &e))?;
        let (before, version) = match records.claim {
            Some(claim)
                if claim.value.names() == Some(&run.me.instance)
                    && claim.value.holder == Some(run.holder(&slot)) =>
            {
                return Ok(Held { slot: slot.clone(), claim: claim.value, version: claim.version });
            }
            Some(claim) => (claim.value, Some(claim.version)),
            None => (Claim::vacant(), None),
        };
        if let Some(other) = before.names().filter(|other| **other != run.me.instance) {
            refuse_living(run, &slot, other).await?;
        }
        let claim = before.taken(run.holder(&slot), run.ports.host.unix_time());
        let intended = records.intent.as_ref() == Some(&run.intent());
        // Without the intent (the session that held it expired) the version alone guards the write.
        let written = if intended {
            run.ports.claims.hold(slot.id, &claim, version, &run.intent()).await
        } else if records.intent.is_some_and(|other| other.instance != run.me.instance) {
            return Err(Next::Stop(Trouble::elsewhere(
                STEP,
                format!("another instance intends slot {}", slot.id),
            )));
        } else {
            run.ports.claims.write(slot.id, &claim, version).await
        };
        match written {
            Ok(written) => Ok(Held { slot: slot.clone(), claim, version: written.version }),
            Err(error) => Err(Trouble::claims(STEP, &error).into()),
        }
    })
    .await?;
    run.ports.timeline.fact(STEP, &format!("claim of slot {} written", held.slot.id));
    Ok(held)
}

/// A live other holder in the claim, though the volume is mine: it is its slot, and what I attached goes back.
async fn refuse_living(run: &Run, slot: &Slot, other: &InstanceId) -> Result<(), Next> {
    let asked = BTreeSet::from([other.clone()]);
    let seen = run.ports.cloud.instances(&asked).await.map_err(|e| Trouble::cloud(STEP, &e))?;
    match seen.get(other).map(|i| i.state.as_str()) {
        None | Some("terminated" | "shutting-down") => Ok(()),
        Some(state) => {
            let sentence = format!("slot {} is claimed by {other}, which is {state}", slot.id);
            Err(Next::Stop(Trouble::elsewhere(STEP, sentence)))
        }
    }
}
