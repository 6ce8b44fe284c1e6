//! Step 3: the choice under the lock.
//!
//! The lock is held to decide, not to wait: what must be waited for is waited for as an intent's owner.

use super::absences::Absences;
use super::observe::{SlotsSeen, observe};
use crate::patience::{LOOKS, Next, retry};
use crate::strays;
use crate::{Run, Step, Trouble};
use berth_plan::choose::{Choice, Decision, Sight, choose};
use berth_plan::claim::{Claim, SlotRecords, Versioned};
use berth_plan::holder::{Standing, standing};
use berth_plan::picture::{Picture, Slot};
use berth_plan::telling::Kind;
use berth_plan::{BrokerId, InstanceId, Millis};
use std::collections::{BTreeMap, BTreeSet};

/// What this run goes for.
pub(crate) enum Aim {
    /// The slot is mine by its claim.
    Resume(Slot, Box<Versioned<Claim>>),
    /// An intent for it is mine.
    Take(Slot),
}

/// What this run goes for, and what it saw on the way.
pub(crate) struct Aimed {
    pub(crate) aim: Aim,
    pub(crate) picture: Picture,
    pub(crate) absences: Absences,
}

/// How many spaced looks must agree that the resources of my own slot are gone.
const MISSING_LOOKS: u32 = 3;

/// How far apart they are.
const SPACED: Millis = 5_000;

/// Goes for a slot: waits until there is one, or the deadline.
pub(crate) async fn intend(run: &Run) -> Result<Aimed, Trouble> {
    let (mut named, mut absences, mut tries, mut missing) = (BTreeSet::new(), Absences::default(), 0, 0);
    loop {
        let before = records(run).await?;
        run.started_by_claims(&before);
        named.extend(holders_in_zone(run, &before));
        let seen = observe(run, &named).await?;
        refuse_unreadable(run, &seen, &before)?;
        absences.count(&seen.picture);
        match resumed(run, &seen, &before) {
            Resumed::Mine(mine) => {
                let (slot, claim) = *mine;
                strays::clear(run, &seen, &before, Some(slot.id)).await?;
                return Ok(Aimed {
                    aim: Aim::Resume(slot, Box::new(claim)),
                    picture: seen.picture,
                    absences,
                });
            }
            Resumed::Missing(sentence) => {
                missing += 1;
                if missing >= MISSING_LOOKS {
                    return Err(Trouble::new(Step::Intend, Kind::Configuration, sentence));
                }
                run.ports.timeline.waiting(Step::Intend, &format!("another look: {sentence}"));
                run.ports.host.sleep(SPACED).await;
                continue;
            }
            Resumed::Not => {}
        }
        let (decision, records) = decide(run, &seen, &mut absences).await?;
        if let Some(slot) = chosen_slot(&decision.choice, &seen) {
            run.ports.timeline.fact(Step::Intend, &chosen(&decision, slot.id));
            strays::clear(run, &seen, &records, Some(slot.id)).await?;
            return Ok(Aimed { aim: Aim::Take(slot), picture: seen.picture, absences });
        }
        match decision.choice {
            Choice::LookAgain(who) => {
                named.extend(who);
                continue;
            }
            Choice::Resume(_) => continue,
            _ => strays::clear(run, &seen, &records, None).await?,
        }
        let reasons = reasons(&decision);
        run.ports.timeline.waiting(Step::Intend, &format!("a vacant slot in {}: {reasons}", run.me.zone));
        if run.is_overdue() {
            let sentence = format!(
                "no slot of cluster {} is vacant in {}: {reasons}; none became vacant within {} s",
                run.config.cluster,
                run.me.zone,
                run.config.deadline / 1000
            );
            return Err(Trouble::new(Step::Intend, Kind::NoSlot, sentence));
        }
        run.pause(LOOKS.wait(tries, |bound| run.ports.host.random(bound))).await;
        tries += 1;
    }
}

/// The slot that an intent was written for.
fn chosen_slot(choice: &Choice, seen: &SlotsSeen) -> Option<Slot> {
    let (Choice::Take(id) | Choice::Succeed(id, _) | Choice::Adopt(id)) = choice else { return None };
    seen.slots.iter().find(|slot| slot.id == *id).cloned()
}

/// A record that this berth cannot read is a reason to pass its slot over, but not where the slot may be mine.
pub(crate) fn refuse_unreadable(
    run: &Run,
    seen: &SlotsSeen,
    records: &BTreeMap<BrokerId, SlotRecords>,
) -> Result<(), Trouble> {
    let mine = seen.slots.iter().filter(|slot| slot.exclusively_on(&run.me.instance));
    let unreadable = mine.filter_map(|slot| records.get(&slot.id)?.unreadable.clone()).next();
    unreadable.map_or(Ok(()), |sentence| Err(Trouble::new(Step::Intend, Kind::Configuration, sentence)))
}

/// The holders that the claims of my zone's slots name. Those of other zones are not this instance's to judge.
pub(crate) fn holders_in_zone(run: &Run, records: &BTreeMap<BrokerId, SlotRecords>) -> BTreeSet<InstanceId> {
    let holders = records.values().filter_map(|r| r.claim.as_ref()?.value.holder.as_ref());
    holders.filter(|holder| holder.zone == run.me.zone).map(|holder| holder.instance.clone()).collect()
}

fn chosen(decision: &Decision, id: BrokerId) -> String {
    let how = match &decision.choice {
        Choice::Succeed(_, going) => {
            let who: Vec<&str> = going.iter().map(InstanceId::as_str).collect();
            format!("slot {id} chosen, as successor of {}", who.join(", "))
        }
        Choice::Adopt(_) => {
            format!("slot {id} chosen: its volume is attached to this instance and no claim names anybody")
        }
        _ => format!("slot {id} chosen: the lowest vacant one of its zone"),
    };
    if decision.passed.is_empty() { how } else { format!("{how}; passed over: {}", reasons(decision)) }
}

pub(crate) fn reasons(decision: &Decision) -> String {
    let shown: Vec<String> =
        decision.passed.iter().take(5).map(|(id, why)| format!("slot {id}: {why}")).collect();
    match decision.passed.len().checked_sub(5) {
        None | Some(0) => shown.join("; "),
        Some(more) => format!("{}; and {more} more", shown.join("; ")),
    }
}

async fn records(run: &Run) -> Result<BTreeMap<BrokerId, SlotRecords>, Trouble> {
    retry(run, Step::Intend, async || {
        run.ports.claims.records().await.map_err(|error| Trouble::claims(Step::Intend, &error).into())
    })
    .await
}

/// Whether a claim names me.
pub(crate) enum Resumed {
    Mine(Box<(Slot, Versioned<Claim>)>),
    /// It does, but nothing of its slot was seen.
    Missing(String),
    Not,
}

/// My own slot needs no lock: nobody else may change a claim that names a living instance.
pub(crate) fn resumed(run: &Run, seen: &SlotsSeen, records: &BTreeMap<BrokerId, SlotRecords>) -> Resumed {
    let nobody = BTreeMap::new();
    let decision = choose(&sight(run, seen, records, &nobody, &|_, _| Standing::NotLookedUp));
    let Choice::Resume(id) = decision.choice else { return Resumed::Not };
    let Some(slot) = seen.slots.iter().find(|slot| slot.id == id) else {
        return Resumed::Missing(format!(
            "slot {id} is this instance's by its claim, but nothing in {} bears the tags berth:cluster={} and Name={}",
            run.me.zone,
            run.config.cluster,
            run.name(id)
        ));
    };
    let claim = records.get(&id).and_then(|r| r.claim.clone()).expect("only a slot with a claim is resumed");
    run.ports.timeline.fact(Step::Intend, &format!("slot {id} is this instance's already"));
    Resumed::Mine(Box::new((slot.clone(), claim)))
}

/// What the choice looks at.
pub(crate) fn sight<'a>(
    run: &'a Run,
    seen: &'a SlotsSeen,
    records: &'a BTreeMap<BrokerId, SlotRecords>,
    registrations: &'a BTreeMap<BrokerId, berth_plan::claim::Registration>,
    standing: &'a dyn Fn(BrokerId, &InstanceId) -> Standing,
) -> Sight<'a> {
    Sight { me: &run.me.instance, slots: &seen.slots, records, registrations, standing }
}

/// How the holders of a slot stand, by the picture and, for one that EC2 does not know, by ZooKeeper's clock.
pub(crate) fn judge<'a>(
    run: &'a Run,
    picture: &'a Picture,
    records: &'a BTreeMap<BrokerId, SlotRecords>,
    absences: &'a Absences,
) -> impl Fn(BrokerId, &InstanceId) -> Standing + 'a {
    move |id, holder| {
        let claim =
            records.get(&id).and_then(|r| r.claim.as_ref()).filter(|c| c.value.names() == Some(holder));
        let absence = absences.of(holder, claim.map(|claim| claim.changed), run.ports.host.since_boot());
        standing(&run.me.instance, holder, picture, absence)
    }
}

/// Decides under the lock and, where there is a slot to go for, writes the intent in one transaction with the check
/// of the lock.
async fn decide(
    run: &Run,
    seen: &SlotsSeen,
    absences: &mut Absences,
) -> Result<(Decision, BTreeMap<BrokerId, SlotRecords>), Trouble> {
    retry(run, Step::Intend, async || {
        let trouble = |error| Next::from(Trouble::claims(Step::Intend, &error));
        let intent = run.intent();
        let waiting =
            |who: String| run.ports.timeline.waiting(Step::Intend, &format!("the lock, held by {who}"));
        let lock = run.ports.claims.lock(&intent, &waiting).await.map_err(trouble)?;
        let read = async {
            let records = lock.records().await?;
            Ok((records, run.ports.registrations.all().await?))
        };
        let (records, registrations) = match read.await {
            Ok(read) => read,
            Err(error) => {
                lock.unlock().await;
                return Err(trouble(error));
            }
        };
        absences.clock(lock.taken_at(), run.ports.host.since_boot());
        let judge = judge(run, &seen.picture, &records, absences);
        let decision = choose(&sight(run, seen, &records, &registrations, &judge));
        let intended = match &decision.choice {
            Choice::Take(id) | Choice::Succeed(id, _) | Choice::Adopt(id) => {
                let slot = seen.slots.iter().find(|s| s.id == *id).cloned();
                run.progressed(|p| p.slot = slot);
                lock.intend(*id, &intent).await
            }
            _ => Ok(()),
        };
        lock.unlock().await;
        intended.map_err(trouble)?;
        drop(judge);
        Ok((decision, records))
    })
    .await
}
