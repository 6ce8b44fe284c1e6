//! The replacement permit: who may ask Auto Scaling to replace an instance, when, and when that right is over.
//!
//! One a cluster, so that a bad hour cannot empty it. The permit is its **subject's**, the instance to be replaced, not its
//! owner's: whoever may ask for that subject goes on with it. Each rule here was a hole without it: `tests/permit_search`
//! takes each of them out and shows what happens then.

mod ask;
mod end;
mod look;
mod lost_peer;

pub use ask::{Ask, Asker, Case, Progress, ask};
pub use end::{End, end};
pub use look::{
    Fleet, Group, Health, Life, Look, SlotNow, Stands, Storm, Subject, explained, holds_back,
    is_registered_itself, storm,
};
pub use lost_peer::{Evidence, UNREGISTERED_FOR, Witness, may_ask_for};

use crate::records::{Permit, Versioned};
use std::time::Duration;

/// From the beginning of the look at the fleet until the ask is on its way: whoever took longer was paused, and starts over.
pub const SENT_WITHIN: Duration = Duration::from_secs(10);

/// For how long after `asking` was written the permit is not ended: the time for a request that was sent within
/// [`SENT_WITHIN`] to arrive, or to be certain not to. Whoever sends gives it less than the difference, retries included.
pub const NOT_ENDED_WITHIN: Duration = Duration::from_secs(60);

/// An owner that has not changed the record for so long is silent.
pub const LEASE: Duration = Duration::from_secs(300);

/// The permit as an observer has read it.
#[derive(Debug, Clone, PartialEq)]
pub struct PermitSeen {
    /// The record; none where there never was one.
    pub record: Option<Versioned<Permit>>,
    /// For how long this observer has found it at this very revision, in good reads, by its own clock since boot. It is at
    /// least as old as that; no two clocks are compared.
    pub unchanged: Duration,
}

impl PermitSeen {
    /// The permit, where it is somebody's.
    pub fn held(&self) -> Option<&Versioned<Permit>> {
        self.record.as_ref().filter(|record| record.value.is_held())
    }

    /// For how long the subject has had it, at least: between two changes by the store's clock alone, and since the last
    /// change by the observer's.
    pub fn age(&self) -> Duration {
        let between = self.held().map(|record| record.changed.since(record.since())).unwrap_or_default();
        between + self.unchanged
    }
}

#[cfg(test)]
mod samples;
