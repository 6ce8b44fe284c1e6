//! When a permit is over, and who may say so: anybody who sees it.
//!
//! While a request may still arrive, or the subject lives and will be replaced, nobody may: the next one who asks would be the
//! second at once.

use super::look::{Fleet, Life, Look, Stands};
use super::{Health, LEASE, NOT_ENDED_WITHIN, PermitSeen};
use crate::InstanceId;
use crate::records::{Permit, PermitState, Revision, Versioned};
use std::fmt;
use std::time::Duration;

/// What to do about the permit. As a sentence, it says so and why.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// Nobody has it.
    Free,
    /// Look at its subject and the fleet, then decide again. All reads begin after it was read at this revision.
    Look {
        /// The permit's revision.
        under: Revision,
    },
    /// It goes on: why.
    Keep(String),
    /// Call its subject healthy, then look again: the permit is not over while a living subject is unhealthy.
    SetHealthy {
        /// The subject.
        subject: InstanceId,
        /// Why.
        why: String,
    },
    /// Write this record at this revision: it is over.
    Write {
        /// The record.
        permit: Box<Permit>,
        /// The revision read.
        at: Revision,
        /// Why.
        why: String,
    },
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.write_str("nobody has the permit"),
            Self::Look { .. } => f.write_str("the permit's subject is looked at"),
            Self::Keep(why) => write!(f, "the permit goes on: {why}"),
            Self::SetHealthy { subject, why } => write!(f, "{subject} is called healthy again: {why}"),
            Self::Write { why, .. } => write!(f, "the permit is over: {why}"),
        }
    }
}

/// Whether the permit is over, for whoever has read it and looked. `deadline` is how long a replacement may take.
pub fn end(seen: &PermitSeen, look: Option<&Look>, deadline: Duration) -> End {
    let Some(held) = seen.held() else { return End::Free };
    let Some(look) = look.filter(|look| look.under == Some(held.revision)) else {
        return End::Look { under: held.revision };
    };
    if held.value.state == PermitState::Asking && seen.unchanged < NOT_ENDED_WITHIN {
        let wait = NOT_ENDED_WITHIN.as_secs();
        return End::Keep(format!("an ask may still arrive, {wait} s after it was announced"));
    }
    let id = &held.value.subject;
    let subject = match &look.subject {
        Ok(subject) => subject,
        Err(away) => return End::Keep(format!("{id} cannot be looked at: {away}")),
    };
    let slot = look.fleet.as_ref().ok().and_then(|fleet| fleet.slot(held.value.slot));
    let recovered = subject.has_recovered(&held.value.reason, slot.map(|slot| &slot.stands));
    let late = seen.age() >= deadline;
    let over_time = || format!("{id} was not replaced within {} min", deadline.as_secs() / 60);
    match (subject.life, subject.health) {
        (Life::Going, Health::Unhealthy) => return End::Keep(format!("{id} is on its way out")),
        (Life::Living, Health::Unhealthy) if recovered => {
            return End::SetHealthy { subject: id.clone(), why: "it is well again".to_owned() };
        }
        (Life::Living, Health::Unhealthy) if late => {
            return End::SetHealthy { subject: id.clone(), why: over_time() };
        }
        (Life::Living, Health::Unhealthy) => {
            return End::Keep(format!("Auto Scaling has {id} as unhealthy and replaces it"));
        }
        (Life::Living, Health::Healthy) if recovered => return over(held, format!("{id} is well again")),
        (Life::Gone, _) => {
            if let Some(why) = look.fleet.as_ref().ok().and_then(|fleet| succeeded(held, fleet)) {
                return over(held, why);
            }
        }
        (Life::Living | Life::Going, Health::Healthy) => {}
    }
    if late {
        return over(held, over_time());
    }
    if seen.unchanged >= LEASE {
        let (owner, silent) = (&held.value.owner, LEASE.as_secs() / 60);
        return over(held, format!("{owner}, who had it, has been silent for {silent} min"));
    }
    End::Keep(match subject.life {
        Life::Gone => format!("{id} is terminated, and its successor has not come"),
        Life::Going => format!("{id} is on its way out"),
        Life::Living => format!("{} has it, to have {id} replaced", held.value.owner),
    })
}

/// Why nothing more is to come for the slot of a subject that is terminated; none while something is.
fn succeeded(held: &Versioned<Permit>, fleet: &Fleet) -> Option<String> {
    let (id, subject) = (held.value.slot, &held.value.subject);
    let Some(slot) = fleet.slot(id) else { return Some(format!("there is no slot {id}")) };
    match &slot.stands {
        Stands::Held { by, .. } if by != subject => Some(format!("{by} has slot {id} in place of {subject}")),
        _ if !fleet.will_be_filled(slot) => {
            Some(format!("{subject} is gone and nobody will come for slot {id}"))
        }
        _ => None,
    }
}

fn over(held: &Versioned<Permit>, why: String) -> End {
    End::Write { permit: Box::new(held.ended(&why)), at: held.revision, why }
}

#[cfg(test)]
mod tests;
