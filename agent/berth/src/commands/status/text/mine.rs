//! What of the facts is this instance's own: who it is, which slot it has, whether it came back to it.

use super::super::facts::{Asked, Facts, InstanceFacts};
use berth_plan::records::Claim;
use berth_plan::{BrokerId, InstanceId, UnixTime};

/// This instance, as far as it is known.
pub(super) fn me(facts: &Facts) -> Option<&InstanceId> {
    match &facts.instance {
        InstanceFacts::Known { id, .. } | InstanceFacts::ByRun { id, .. } => Some(id),
        InstanceFacts::Away { .. } => None,
    }
}

/// Which slot it has: by the claims; with ZooKeeper away, by the note of this boot.
pub(super) fn slot(facts: &Facts) -> Option<BrokerId> {
    match &facts.slot {
        Asked::Known(slot) => *slot,
        Asked::Away { .. } => facts.gate.slot,
    }
}

/// Whether a record names this instance.
pub(super) fn is_mine(facts: &Facts, named: Option<&InstanceId>) -> bool {
    named.is_some() && named == me(facts)
}

/// When the holder came back to it in another boot, if that was the last that it did.
pub(super) fn resumed(claim: &Claim) -> Option<UnixTime> {
    claim.history.last().filter(|owner| owner.why.starts_with("resumed")).map(|owner| owner.at)
}

/// Whether it did.
pub(super) fn is_resumed(claim: &Claim) -> bool {
    resumed(claim).is_some()
}
