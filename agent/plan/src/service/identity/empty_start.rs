//! Whether a broker may come up on an empty log dir.
//!
//! Kafka elects whoever is in the in-sync replicas and lives. A broker that comes back empty, is still listed there and is
//! the first to register leads what it does not have, and every other replica truncates to it: acknowledged records are
//! lost on all of them. So the guard asks who lives and leads, and not who is listed.

#[cfg(test)]
mod tests;

use super::{Refused, Reset};
use crate::BrokerId;
use crate::service::readiness::{Look, Partition};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How many partitions a sentence names.
const NAMED: usize = 3;

/// How a partition that names the broker stands while that broker is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Another broker leads it, is registered now, and the one that is away is not among its in-sync replicas.
    Led,
    /// It is led elsewhere, and the broker that is away is still among its in-sync replicas: it could be elected.
    Listed,
    /// These brokers have it in sync and are registered: the controller has yet to make one of them the leader.
    Electing(Vec<i32>),
    /// These brokers have it in sync, and none of them is registered.
    Down(Vec<i32>),
    /// No other broker has it in sync.
    Alone,
    /// The controller has not made it yet.
    NotMade,
    /// What stands there cannot be read, as a sentence.
    Unreadable(String),
}

/// How one partition stands; none where it is deleted. `live` is who is registered now.
pub fn standing(me: BrokerId, look: &Look, live: &BTreeSet<BrokerId>) -> Option<Standing> {
    let is_me = |id: i32| i64::from(id) == i64::from(me.number());
    let is_live = |id: i32| {
        !is_me(id) && u32::try_from(id).ok().and_then(BrokerId::new).is_some_and(|id| live.contains(&id))
    };
    let state = match look {
        Look::State(state) => state,
        Look::Deleted => return None,
        Look::NoState => return Some(Standing::NotMade),
        Look::Unreadable(sentence) => return Some(Standing::Unreadable(sentence.clone())),
    };
    let others: Vec<i32> = state.isr.iter().copied().filter(|id| !is_me(*id)).collect();
    let living: Vec<i32> = others.iter().copied().filter(|id| is_live(*id)).collect();
    Some(match is_live(state.leader) {
        true if state.isr.iter().any(|id| is_me(*id)) => Standing::Listed,
        true => Standing::Led,
        false if !living.is_empty() => Standing::Electing(living),
        false if !others.is_empty() => Standing::Down(others),
        false => Standing::Alone,
    })
}

/// What is known of a broker that would come up on an empty log dir.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence<'a> {
    /// The slot.
    pub id: BrokerId,
    /// The log dir, for the sentences.
    pub log_dir: &'a str,
    /// Whether this slot's broker was ever registered, by its claim.
    pub registered_before: bool,
    /// The operator's word.
    pub reset: Option<&'a Reset>,
    /// Every partition that names the broker.
    pub partitions: BTreeMap<Partition, Standing>,
    /// Topics that cannot be read, as sentences: they may name the broker.
    pub unreadable: Vec<String>,
}

/// What becomes of an empty start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The broker may come up.
    Accepted,
    /// Not yet: what is waited for.
    Wait(String),
    /// Not on this disk.
    Refused(Refused),
}

/// Judges an empty start. A broker that nobody ever heard of may begin. Any other needs a live leader elsewhere for every
/// partition that names it, and the operator's word; for a partition that nobody else can lead, a word on its loss.
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    let Evidence { id, log_dir, partitions, .. } = evidence;
    let unreadable = partitions.values().find_map(|standing| match standing {
        Standing::Unreadable(sentence) => Some(sentence),
        _ => None,
    });
    if let Some(sentence) = evidence.unreadable.first().or(unreadable) {
        return Verdict::Refused(Refused::Configuration(format!(
            "{log_dir} is empty, and whether the cluster needs what broker {id} had cannot be told: {sentence}"
        )));
    }
    if partitions.is_empty() && !evidence.registered_before {
        return Verdict::Accepted;
    }
    let Some(reset) = evidence.reset else {
        return Verdict::Refused(Refused::Fault(unsaid(evidence)));
    };
    let is_accepted = |partition: &Partition| reset.accept.contains(&partition.to_string());
    let lost: Vec<&Partition> = partitions
        .iter()
        .filter(|(partition, standing)| **standing == Standing::Alone && !is_accepted(partition))
        .map(|(partition, _)| partition)
        .collect();
    if !lost.is_empty() {
        return Verdict::Refused(Refused::Fault(format!(
            "{log_dir} is empty, and no other broker has {} in sync: broker {id} would lead it empty; bring its data back, or accept the loss: berth slot reset {id} --accept-loss",
            few(&lost)
        )));
    }
    // Accepted as lost, but somebody who lives has it: it is not lost, and the word does not count for it.
    let is_had = |standing: &Standing| matches!(standing, Standing::Electing(_) | Standing::Listed);
    let awaited = partitions
        .iter()
        .filter(|(partition, standing)| is_had(standing) || !is_accepted(partition))
        .find_map(|(partition, standing)| waits_for(*id, partition, standing));
    awaited.map_or(Verdict::Accepted, Verdict::Wait)
}

/// Nobody said that the data is lost.
fn unsaid(evidence: &Evidence<'_>) -> String {
    let Evidence { id, log_dir, partitions, .. } = evidence;
    let named: Vec<&Partition> = partitions.keys().collect();
    if named.is_empty() {
        return format!(
            "{log_dir} is empty, but broker {id} was registered on this slot before; bring its data back, or, where it is lost, say so: berth slot reset {id}"
        );
    }
    format!(
        "{log_dir} is empty, but broker {id} has a copy of {}: an empty broker that comes to lead makes the others truncate; bring its data back, or, where it is lost, say so: berth slot reset {id}",
        few(&named)
    )
}

fn waits_for(me: BrokerId, partition: &Partition, standing: &Standing) -> Option<String> {
    match standing {
        Standing::Led | Standing::Alone | Standing::Unreadable(_) => None,
        Standing::Listed => {
            Some(format!("the controller to take broker {me} out of the in-sync replicas of {partition}"))
        }
        Standing::Electing(by) => {
            Some(format!("the controller to make {} the leader of {partition}", brokers(by, "or")))
        }
        Standing::Down(on) => Some(format!(
            "{} to come back, in sync with {partition}; where that copy is lost too: berth slot reset {me} --accept-loss",
            brokers(on, "or")
        )),
        Standing::NotMade => Some(format!("the controller to make {partition}")),
    }
}

/// "broker 1 or 2".
fn brokers(ids: &[i32], and: &str) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!("broker {}", ids.join(&format!(" {and} ")))
}

/// The first partitions by name, and how many more there are.
fn few(partitions: &[&Partition]) -> String {
    let named: Vec<String> = partitions.iter().take(NAMED).map(ToString::to_string).collect();
    match partitions.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Led => f.write_str("led by another broker"),
            Self::Listed => f.write_str("led by another broker, not yet taken out of its in-sync replicas"),
            Self::Electing(by) => write!(f, "no leader yet; in sync on {}, which is up", brokers(by, "and")),
            Self::Down(on) => write!(f, "no leader; in sync on {}, which is down", brokers(on, "and")),
            Self::Alone => f.write_str("in sync on no other broker"),
            Self::NotMade => f.write_str("not made by the controller yet"),
            Self::Unreadable(sentence) => f.write_str(sentence),
        }
    }
}
