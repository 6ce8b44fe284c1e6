//! Which slot this instance takes: mine first, else the lowest of my zone whose holders are gone or going.
//!
//! The claim is one of three witnesses of a holder, the attachments of volume and interface are the others; a slot is
//! vacant when all of them are gone or me. A slot that is being released is not skipped: its successor waits for it.

use crate::records::{Claim, SlotRecords, State};
use crate::service::Registration;
use crate::slot::holder::Standing;
use crate::slot::{Defect, Slot};
use crate::{BrokerId, InstanceId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// All that the choice looks at. The records were read under the lock, the slots before it.
pub struct Observed<'a> {
    /// This instance.
    pub me: &'a InstanceId,
    /// The slots of my zone, lowest first.
    pub slots: &'a [Slot],
    /// The records of the slots.
    pub records: &'a BTreeMap<BrokerId, SlotRecords>,
    /// The service's own register.
    pub registrations: &'a BTreeMap<BrokerId, Registration>,
    /// How a holder of this slot stands.
    pub standing: &'a dyn Fn(BrokerId, &InstanceId) -> Standing,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// This slot is mine already, by its claim.
    Resume(BrokerId),
    /// Its volume is attached to me and no claim names anybody: go on with it.
    Adopt(BrokerId),
    /// It is vacant.
    Take(BrokerId),
    /// Its holder is on its way out: wait for it.
    Succeed(BrokerId, Vec<InstanceId>),
    /// A lower slot has a holder that was not looked up before the lock: look, then choose again.
    LookAgain(BTreeSet<InstanceId>),
    /// Nothing to take now.
    Nothing,
}

/// The choice, and a reason for every slot passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What to do.
    pub choice: Choice,
    /// The slots before it, and why they were not taken.
    pub passed: Vec<(BrokerId, Reason)>,
}

/// Why a slot is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A holder keeps it.
    Held(String),
    /// A holder was not looked up before the lock.
    Unjudged(Vec<InstanceId>),
    /// Another instance is about to take it.
    Intended(InstanceId),
    /// A fault marks it.
    Faulty(String),
    /// EC2's picture of it cannot be used.
    Defective(Defect),
    /// A broker without a known holder is registered under its id.
    Stranger(String),
    /// One of its records cannot be read.
    Unreadable(String),
    /// This instance gave it up and has something of it left to undo.
    Unfinished(Vec<String>),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(why) => why.fmt(f),
            Self::Unjudged(who) => write!(f, "held by {}, not looked up yet", joined(who)),
            Self::Intended(who) => write!(f, "{who} is about to take it"),
            Self::Faulty(why) => write!(f, "marked faulty: {why}"),
            Self::Unreadable(why) => why.fmt(f),
            Self::Defective(defect) => defect.fmt(f),
            Self::Stranger(host) => {
                write!(f, "a broker at {host} is registered under this id, and no holder is known")
            }
            Self::Unfinished(left) => {
                write!(f, "given up by this instance, still to undo: {}", left.join(", "))
            }
        }
    }
}

fn joined(who: &[InstanceId]) -> String {
    who.iter().map(InstanceId::as_str).collect::<Vec<_>>().join(", ")
}

/// The instances that witnesses name and that must be looked up before the lock is taken.
pub fn holders(slots: &[Slot], records: &BTreeMap<BrokerId, SlotRecords>) -> BTreeSet<InstanceId> {
    let attached = slots.iter().flat_map(|slot| slot.attached_to().into_iter().cloned());
    let claimed = records.values().filter_map(|r| r.claim.as_ref()?.value.names().cloned());
    attached.chain(claimed).collect()
}

/// Decides. Pure, and the whole of it: what it says is what happens.
pub fn choose(observed: &Observed<'_>) -> Decision {
    if let Some(id) = mine(observed) {
        return Decision { choice: Choice::Resume(id), passed: Vec::new() };
    }
    let adopted = observed.slots.iter().find(|slot| adoptable(observed, slot));
    if let Some(slot) = adopted {
        return Decision { choice: Choice::Adopt(slot.id), passed: Vec::new() };
    }
    let mut passed = Vec::with_capacity(observed.slots.len());
    for slot in observed.slots {
        let reason = match vacancy(observed, slot) {
            Ok(choice) => return Decision { choice: unless_unjudged(&passed, choice), passed },
            Err(reason) => reason,
        };
        passed.push((slot.id, reason));
    }
    Decision { choice: unless_unjudged(&passed, Choice::Nothing), passed }
}

/// The choice, and another slot than `avoided` where one can be taken: EC2 undid the attachment of those in this run.
pub fn choose_avoiding(observed: &Observed<'_>, avoided: &BTreeSet<BrokerId>) -> Decision {
    let first = choose(observed);
    let is_avoided =
        matches!(&first.choice, Choice::Take(id) | Choice::Succeed(id, _) if avoided.contains(id));
    if !is_avoided {
        return first;
    }
    let slots: Vec<Slot> =
        observed.slots.iter().filter(|slot| !avoided.contains(&slot.id)).cloned().collect();
    let other = choose(&Observed { slots: &slots, ..*observed });
    if other.choice == Choice::Nothing { first } else { other }
}

/// A lower slot whose holder was not looked up may yet be the one to take.
fn unless_unjudged(passed: &[(BrokerId, Reason)], choice: Choice) -> Choice {
    let unjudged = passed.iter().filter_map(|(_, reason)| match reason {
        Reason::Unjudged(who) => Some(who),
        _ => None,
    });
    let unjudged: BTreeSet<InstanceId> = unjudged.flatten().cloned().collect();
    if unjudged.is_empty() { choice } else { Choice::LookAgain(unjudged) }
}

/// The slot whose claim names me. Of two, the one whose volume is attached to me counts; then a started one.
fn mine(observed: &Observed<'_>) -> Option<BrokerId> {
    let named = observed.records.iter().filter_map(|(id, records)| {
        let claim = &records.claim.as_ref()?.value;
        (claim.state == State::Held && claim.names() == Some(observed.me)).then_some((*id, claim))
    });
    let attached = |id: BrokerId| observed.slots.iter().any(|s| s.id == id && s.exclusively_on(observed.me));
    let faulty = |id: BrokerId| {
        let slot = observed.slots.iter().find(|slot| slot.id == id);
        slot.is_some_and(|slot| current_fault(slot, observed.records.get(&id)).is_some())
    };
    named
        .max_by_key(|(id, claim)| (attached(*id), claim.started.is_some(), std::cmp::Reverse(*id)))
        .filter(|(id, claim)| claim.started.is_some() || !faulty(*id))
        .map(|(id, _)| id)
}

/// The other claims that name me beside `kept`: to be finished.
pub fn superfluous(
    me: &InstanceId,
    kept: BrokerId,
    records: &BTreeMap<BrokerId, SlotRecords>,
) -> Vec<BrokerId> {
    let names_me = |r: &SlotRecords| r.claim.as_ref().is_some_and(|c| c.value.names() == Some(me));
    records.iter().filter(|(id, r)| **id != kept && names_me(r)).map(|(id, _)| *id).collect()
}

fn current_fault<'a>(slot: &Slot, records: Option<&'a SlotRecords>) -> Option<&'a str> {
    let fault = records?.fault.as_ref()?;
    slot.is_printed(&fault.seen_on).then_some(fault.reason.as_str())
}

fn covering_intent<'a>(me: &InstanceId, records: Option<&'a SlotRecords>) -> Option<&'a InstanceId> {
    let intent = records?.intent.as_ref()?;
    (intent.instance != *me).then_some(&intent.instance)
}

fn adoptable(observed: &Observed<'_>, slot: &Slot) -> bool {
    if !slot.exclusively_on(observed.me) {
        return false;
    }
    let records = observed.records.get(&slot.id);
    let claimed = records.and_then(|r| r.claim.as_ref()).and_then(|c| c.value.names());
    claimed.is_none()
        && records.is_none_or(|r| r.unreadable.is_none())
        && slot.defect.as_ref().is_none_or(Defect::is_of_the_attachment)
        && current_fault(slot, records).is_none()
        && covering_intent(observed.me, records).is_none()
}

/// Judges one slot that is not mine: [`Choice::Take`], [`Choice::Succeed`], or why neither. A successor calls it at each
/// look, because a holder that was going may stay after all.
pub fn vacancy(observed: &Observed<'_>, slot: &Slot) -> Result<Choice, Reason> {
    if let Some(defect) = &slot.defect {
        return Err(Reason::Defective(defect.clone()));
    }
    let records = observed.records.get(&slot.id);
    if let Some(why) = records.and_then(|r| r.unreadable.as_ref()) {
        return Err(Reason::Unreadable(why.clone()));
    }
    if let Some(why) = current_fault(slot, records) {
        return Err(Reason::Faulty(why.to_owned()));
    }
    if let Some(other) = covering_intent(observed.me, records) {
        return Err(Reason::Intended(other.clone()));
    }
    let claim: Option<&Claim> = records.and_then(|r| r.claim.as_ref()).map(|versioned| &versioned.value);
    if let Some(claim) = claim
        && claim.state == State::Unfinished
        && claim.names() == Some(observed.me)
    {
        return Err(Reason::Unfinished(claim.left.clone()));
    }
    let witnesses = slot.witnesses().chain(claim.and_then(Claim::names));
    let (mut going, mut unjudged, mut last) = (Vec::new(), Vec::new(), None);
    for holder in witnesses {
        // Mostly all three name the same one.
        if last.replace(holder) == Some(holder) {
            continue;
        }
        match (observed.standing)(slot.id, holder) {
            Standing::Me | Standing::Gone => {}
            Standing::Going(_) if going.contains(holder) => {}
            Standing::Going(_) => going.push(holder.clone()),
            Standing::Taken(why) => return Err(Reason::Held(why)),
            Standing::NotLookedUp if unjudged.contains(holder) => {}
            Standing::NotLookedUp => unjudged.push(holder.clone()),
        }
    }
    if !unjudged.is_empty() {
        return Err(Reason::Unjudged(unjudged));
    }
    if let Some(registration) = observed.registrations.get(&slot.id)
        && last.is_none()
        && !held_before(claim)
    {
        let host = registration.endpoints.first().map_or("an unknown host", |(host, _)| host.as_str());
        return Err(Reason::Stranger(host.to_owned()));
    }
    if going.is_empty() { Ok(Choice::Take(slot.id)) } else { Ok(Choice::Succeed(slot.id, going)) }
}

/// A claim that was given back knows who was registered: the stale registration is not a stranger's.
fn held_before(claim: Option<&Claim>) -> bool {
    claim.is_some_and(|claim| claim.state == State::Free && claim.registered.is_some())
}

#[cfg(test)]
mod tests;
