//! Step 3: the choice under the lock.
//!
//! The lock is held to decide, not to wait: what must be waited for is waited for as an intent's owner.

use crate::parts::absences::Absences;
use crate::parts::agreement::Agreement;
use crate::parts::attachments::attached_by_claim;
use crate::parts::judge::{
    MySlot, find_mine, holders_in_zone, judge, observed, reasons, refuse_unreadable, untagged,
};
use crate::parts::slots_seen::{SlotsSeen, observe};
use crate::parts::stray_attachments;
use crate::parts::target::{Target, Targeted};
use crate::ports::ClaimsError;
use crate::retry::{LOOKS, Next, Patience, pause, retry};
use crate::{Boot, Step, Trouble};
use berth_plan::outcome::Kind;
use berth_plan::records::SlotRecords;
use berth_plan::slot::Slot;
use berth_plan::slot::choose::{Choice, Decision, choose_avoiding};
use berth_plan::{BrokerId, InstanceId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many spaced looks must agree that the resources of my own slot are gone.
const MISSING: Agreement = Agreement::new(3, SPACED);

/// How far apart they are.
const SPACED: Duration = Duration::from_secs(5);

/// For how long the lock is waited for at least, near the deadline and past it: a queue that moves is no trouble of the
/// control plane, and who stands in it learns whether a slot is vacant.
const QUEUE_MOVES: Duration = Duration::from_secs(10);

/// Goes for a slot: waits until there is one, or the deadline.
pub(crate) async fn write_intent(boot: &Boot) -> Result<Targeted, Trouble> {
    let (mut named, mut absences, mut tries) = (BTreeSet::new(), Absences::default(), 0);
    let mut missing = MISSING;
    loop {
        let before = records(boot).await?;
        boot.started_by_claims(&before);
        named.extend(holders_in_zone(boot, &before));
        let seen = observe(boot, &named).await?;
        refuse_unreadable(boot, &seen, &before)?;
        absences.count(&seen.picture);
        match find_mine(boot, &seen, &before) {
            MySlot::Held(mine) => {
                let (slot, claim) = *mine;
                stray_attachments::clear(boot, &seen, &before, Some(slot.id)).await?;
                return Ok(Targeted {
                    target: Target::Resume(slot, Box::new(claim)),
                    picture: seen.picture,
                    absences,
                });
            }
            MySlot::Missing(id, claim) => {
                let sentence = untagged(boot, id);
                if missing.agrees(boot.ports.host.since_boot()) {
                    let Some(slot) = attached_by_claim(boot, id, &claim.value).await? else {
                        return Err(Trouble::new(Step::Intend, Kind::Configuration, sentence));
                    };
                    // The tags are for who looks for a slot; whose this one is, claim and attachment say.
                    boot.ports
                        .timeline
                        .fact(Step::Intend, &format!("{sentence}; it is attached here, and kept"));
                    return Ok(Targeted {
                        target: Target::Resume(slot, claim),
                        picture: seen.picture,
                        absences,
                    });
                }
                boot.ports.timeline.waiting(Step::Intend, &format!("another look: {sentence}"));
                boot.ports.host.sleep(SPACED).await;
                continue;
            }
            MySlot::None => {}
        }
        let (decision, records) = decide(boot, &seen, &mut absences).await?;
        if let Some(slot) = chosen_slot(&decision.choice, &seen) {
            boot.ports.timeline.fact(Step::Intend, &chosen(&decision, slot.id));
            stray_attachments::clear(boot, &seen, &records, Some(slot.id)).await?;
            return Ok(Targeted { target: Target::Take(slot), picture: seen.picture, absences });
        }
        match decision.choice {
            Choice::LookAgain(who) => {
                named.extend(who);
                continue;
            }
            Choice::Resume(_) => continue,
            _ => stray_attachments::clear(boot, &seen, &records, None).await?,
        }
        let reasons = reasons(&decision);
        boot.progressed(|p| p.met = None);
        boot.ports.timeline.waiting(Step::Intend, &format!("a vacant slot in {}: {reasons}", boot.me.zone));
        if boot.is_overdue() {
            let sentence = format!(
                "no slot of cluster {} is vacant in {}: {reasons}; none became vacant within {} s",
                boot.config.cluster,
                boot.me.zone,
                boot.config.deadline.as_secs()
            );
            return Err(Trouble::new(Step::Intend, Kind::NoSlot, sentence));
        }
        pause(boot, LOOKS.wait(tries, |bound| boot.ports.host.random(bound))).await;
        tries += 1;
    }
}

/// The slot that an intent was written for.
fn chosen_slot(choice: &Choice, seen: &SlotsSeen) -> Option<Slot> {
    let (Choice::Take(id) | Choice::Succeed(id, _) | Choice::Adopt(id)) = choice else { return None };
    seen.slots.iter().find(|slot| slot.id == *id).cloned()
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

async fn records(boot: &Boot) -> Result<BTreeMap<BrokerId, SlotRecords>, Trouble> {
    retry(boot, Step::Intend, async || {
        boot.ports.claims.records().await.map_err(|error| Trouble::claims(Step::Intend, &error).into())
    })
    .await
}

/// Decides under the lock and, where there is a slot to go for, writes the intent in one transaction with the check
/// of the lock.
async fn decide(
    boot: &Boot,
    seen: &SlotsSeen,
    absences: &mut Absences,
) -> Result<(Decision, BTreeMap<BrokerId, SlotRecords>), Trouble> {
    retry(boot, Step::Intend, async || {
        let trouble = |error| Next::from(Trouble::claims(Step::Intend, &error));
        let intent = boot.intent();
        let waiting =
            |who: String| boot.ports.timeline.waiting(Step::Intend, &format!("the lock, held by {who}"));
        let left = boot.deadline().since(boot.ports.host.since_boot());
        let lock = match boot.ports.claims.lock(&intent, left.max(QUEUE_MOVES), &waiting).await {
            Ok(lock) => lock,
            // It was waited for until the deadline.
            Err(error @ ClaimsError::Busy { .. }) => {
                return Err(Next::Stop(Trouble::claims(Step::Intend, &error)));
            }
            Err(error) => return Err(trouble(error)),
        };
        let read = async {
            let records = lock.records().await.map_err(trouble)?;
            let of_register = |error| Next::from(Trouble::register(Step::Intend, &error));
            Ok((records, boot.ports.registrations.all().await.map_err(of_register)?))
        };
        let (records, registrations) = match read.await {
            Ok(read) => read,
            Err(error) => {
                lock.unlock().await;
                return Err(error);
            }
        };
        absences.clock(lock.taken_at(), boot.ports.host.since_boot());
        let judge = judge(boot, &seen.picture, &records, absences);
        let observed = observed(boot, seen, &records, &registrations, &judge);
        let decision = choose_avoiding(&observed, &boot.undone());
        let intended = match &decision.choice {
            Choice::Take(id) | Choice::Succeed(id, _) if boot.is_overdue() => {
                lock.unlock().await;
                let sentence = format!(
                    "slot {id} is vacant, but this boot's deadline has passed: it is not taken any more"
                );
                let late = || Trouble::new(Step::Intend, Kind::NoSlot, sentence);
                return Err(Next::Stop(boot.progress().met.unwrap_or_else(late)));
            }
            Choice::Take(id) | Choice::Succeed(id, _) | Choice::Adopt(id) => {
                let slot = seen.slots.iter().find(|s| s.id == *id).cloned();
                boot.progressed(|p| p.slot = slot);
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
