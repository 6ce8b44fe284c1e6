//! What a run that wants an instance replaced does next.
//!
//! The order is fixed: look under the permit, write `asking` anew, send. Each step names the revision of the one before, so
//! that whoever was overtaken starts over.

use super::look::{Life, Look, Stands, Storm, storm};
use super::lost_peer::{Evidence, may_ask_for};
use super::{Health, PermitSeen, SENT_WITHIN};
use crate::records::{Permit, Reason, Revision, Taking};
use crate::{BrokerId, InstanceId, SinceBoot, Token};
use std::fmt;

/// The run that would ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// Its instance.
    pub instance: InstanceId,
    /// Its token.
    pub token: Token,
}

/// Who should be replaced, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The slot.
    pub slot: BrokerId,
    /// Its holder.
    pub subject: InstanceId,
    /// What is wrong with it.
    pub reason: Reason,
    /// What is known against a peer.
    pub evidence: Evidence,
}

/// How far this run has come since it last began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Progress<'a> {
    /// Nothing was looked at.
    Nothing,
    /// The fleet was looked at.
    Looked(&'a Look),
    /// After that look `asking` was written, and got this revision.
    Asking(&'a Look, Revision),
}

/// What to do next. As a sentence, it says so and why.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// Look at subject and fleet, then decide again. All reads begin after the permit was read at this revision.
    Look {
        /// The permit's revision; none where there is no record.
        under: Option<Revision>,
    },
    /// Write this record at this revision (none creates it), read it, and look again.
    Take {
        /// The record.
        permit: Box<Permit>,
        /// The revision read.
        at: Option<Revision>,
    },
    /// Write this record at this revision, then decide again.
    WriteAsking {
        /// The record.
        permit: Box<Permit>,
        /// The revision read.
        at: Revision,
    },
    /// Call the subject unhealthy, now. The request starts before this moment or not at all.
    Send {
        /// The subject.
        subject: InstanceId,
        /// By the clock of the run's host.
        before: SinceBoot,
    },
    /// Not now: what is waited for.
    Wait(String),
    /// Not by berth: what an operator has to decide.
    Operator(String),
    /// There is no reason for it, or somebody else's replacing is under way.
    No(String),
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Look { .. } => f.write_str("the fleet is looked at under the permit"),
            Self::Take { permit, .. } => {
                write!(f, "the permit is taken to have {} of slot {} replaced", permit.subject, permit.slot)
            }
            Self::WriteAsking { permit, .. } => {
                write!(
                    f,
                    "Auto Scaling is about to be asked to replace {}: {}",
                    permit.subject, permit.reason
                )
            }
            Self::Send { subject, .. } => write!(f, "{subject} is called unhealthy"),
            Self::Wait(why) | Self::Operator(why) | Self::No(why) => f.write_str(why),
        }
    }
}

/// What `asker` does next to have the subject of `case` replaced. `seen` is the permit as it was read last.
pub fn ask(asker: &Asker, case: &Case, seen: &PermitSeen, progress: Progress<'_>, now: SinceBoot) -> Ask {
    if let Err(why) = may_ask_for(&asker.instance, &case.subject, &case.reason, &case.evidence) {
        return Ask::No(why);
    }
    if let Some(held) = seen.held().filter(|held| held.value.subject != case.subject) {
        let (slot, subject) = (held.value.slot, &held.value.subject);
        return Ask::Wait(format!("the permit is that of slot {slot}, to have {subject} replaced"));
    }
    let under = seen.record.as_ref().map(|record| record.revision);
    let in_time = |look: &Look| now < look.began + SENT_WITHIN;
    match progress {
        Progress::Asking(look, written) if under == Some(written) && in_time(look) => {
            Ask::Send { subject: case.subject.clone(), before: look.began + SENT_WITHIN }
        }
        Progress::Looked(look) if look.under == under && in_time(look) => judged(asker, case, seen, look),
        _ => Ask::Look { under },
    }
}

/// What a look under the permit allows.
fn judged(asker: &Asker, case: &Case, seen: &PermitSeen, look: &Look) -> Ask {
    let (slot, id) = (case.slot, &case.subject);
    let (subject, fleet) = match (&look.subject, &look.fleet) {
        (Ok(subject), Ok(fleet)) => (subject, fleet),
        (Err(away), _) | (_, Err(away)) => {
            return Ask::Wait(format!("nobody is asked for while something is away: {away}"));
        }
    };
    let stands = fleet.slot(slot).map(|slot| &slot.stands);
    if subject.life != Life::Living {
        return Ask::No(format!("{id} is on its way out already"));
    }
    if !matches!(stands, Some(Stands::Held { by, .. }) if by == id) {
        return Ask::No(format!("slot {slot} is not held by {id}"));
    }
    if subject.health == Health::Unhealthy {
        return Ask::Wait(format!("Auto Scaling has {id} as unhealthy: it is waited for"));
    }
    if let Some(why) = &subject.explained {
        return Ask::No(format!("{id} is not called unhealthy: {why}"));
    }
    if subject.has_recovered(&case.reason, stands) {
        return Ask::No(format!("{id} is well again"));
    }
    if let Some(before) = stalled_before(case, seen) {
        let why = format!(
            "the volume of slot {slot} stalls on {id} as it did on {before}: the fault is the slot's, and no third \
             host is asked for"
        );
        return Ask::Operator(why);
    }
    if let Some(why) = &fleet.group.holds_back {
        return Ask::Wait(format!("{id} would stay unhealthy without being replaced: {why}"));
    }
    match storm(slot, fleet) {
        Some(Storm::Down(others)) => Ask::Operator(held_back(slot, &others)),
        Some(Storm::Filling(others)) => {
            let others = others.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            Ask::Wait(format!("slot {others} is vacant and somebody will come for it: it goes first"))
        }
        None => allowed(asker, case, seen),
    }
}

fn allowed(asker: &Asker, case: &Case, seen: &PermitSeen) -> Ask {
    let Asker { instance, token } = asker.clone();
    if let Some(held) = seen.held() {
        return Ask::WriteAsking { permit: Box::new(held.asking(instance, token)), at: held.revision };
    }
    let (subject, reason) = (case.subject.clone(), case.reason.clone());
    let taking = Taking { slot: case.slot, subject, reason, owner: instance, token };
    let before = seen.record.as_ref();
    let permit = Permit::taken(before.map(|record| &record.value), taking);
    Ask::Take { permit: Box::new(permit), at: before.map(|record| record.revision) }
}

/// The former holder that was replaced because this volume stalled under it, where that was the slot's last replacement.
fn stalled_before<'a>(case: &Case, seen: &'a PermitSeen) -> Option<&'a InstanceId> {
    let history = seen.record.as_ref()?.value.history.iter();
    let last = history.rev().find(|replacement| replacement.slot == case.slot)?;
    let again = case.reason == Reason::VolumeStalled && last.reason == Reason::VolumeStalled;
    (again && last.subject != case.subject).then_some(&last.subject)
}

fn held_back(slot: BrokerId, others: &[(BrokerId, InstanceId)]) -> String {
    let others = others.iter().map(|(other, holder)| format!("slot {other} ({holder})"));
    let others = others.collect::<Vec<_>>().join(", ");
    format!(
        "nobody asks to be replaced: {others} is not registered either, and the cluster would lose two; \
         `berth replace {slot}` is the operator's word"
    )
}

#[cfg(test)]
mod tests;
