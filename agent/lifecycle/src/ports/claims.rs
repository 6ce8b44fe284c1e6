//! Lock, intents and records, in whatever store a cluster keeps them.
//!
//! An adapter resolves unknown outcomes itself, by reading back: what it returns is certain, or says that it is not.

use async_trait::async_trait;
use berth_plan::records::{Claim, FaultRecord, Intent, Revision, SlotRecords};
use berth_plan::{BrokerId, StoreTime};
use std::collections::BTreeMap;
use std::time::Duration;

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimsError {
    /// The record is not at the revision that the decision was made on, or the intent is gone.
    #[error("{0}")]
    Conflict(String),
    /// The store is not reachable, or the session was lost: the write may or may not have been made.
    #[error("{0}")]
    Away(String),
    /// The store refuses: the operator must mend it.
    #[error("{0}")]
    Refused(String),
    /// Another instance has the lock and has not given it back in time. Nothing of this run is in the queue any more.
    #[error(
        "the lock is held by {holder}, and was waited for {} s; where the berth of {holder} hangs, end it there (systemctl stop berth) or terminate that instance",
        waited.as_secs()
    )]
    Busy {
        /// The instance whose turn it is.
        holder: String,
        /// For how long.
        waited: Duration,
    },
}

/// The durable side of the protocol.
#[async_trait]
pub trait Claims: Send + Sync {
    /// All records, read without the lock.
    async fn records(&self) -> Result<BTreeMap<BrokerId, SlotRecords>, ClaimsError>;

    /// The records of one slot.
    async fn record(&self, id: BrokerId) -> Result<SlotRecords, ClaimsError>;

    /// Deletes the intents and lock nodes that earlier runs of this instance left, then waits for the lock, for this
    /// long: past it the place in the queue is given back ([`ClaimsError::Busy`]). The name of the instance
    /// whose turn it is goes to `waiting`.
    async fn lock(
        &self,
        intent: &Intent,
        within: Duration,
        waiting: &(dyn Fn(String) + Sync),
    ) -> Result<Box<dyn Locked>, ClaimsError>;

    /// Waits for the turn to leave, as `lock` waits for the lock and beside it: one instance of the cluster at a time looks
    /// whether it may go, and stops. It ends with the session.
    async fn turn(
        &self,
        intent: &Intent,
        within: Duration,
        waiting: &(dyn Fn(String) + Sync),
    ) -> Result<Box<dyn Turn>, ClaimsError>;

    /// One transaction: check my intent, set the claim at the revision read, delete the intent. The revision now.
    async fn hold(
        &self,
        id: BrokerId,
        claim: &Claim,
        revision: Option<Revision>,
        intent: &Intent,
    ) -> Result<Revision, ClaimsError>;

    /// Sets the claim at the revision read; none creates it. The revision now.
    async fn write(
        &self,
        id: BrokerId,
        claim: &Claim,
        revision: Option<Revision>,
    ) -> Result<Revision, ClaimsError>;

    /// Deletes the intent of this run, known by its token; done where it is gone or another's.
    async fn drop_intent(&self, id: BrokerId, intent: &Intent) -> Result<(), ClaimsError>;

    /// One transaction: check that the slot is at the revision read, set the fault. Where the slot has no claim yet, a
    /// vacant one is made. A write that lands late, after `lift_fault`, is so refused.
    async fn record_fault(
        &self,
        id: BrokerId,
        fault: &FaultRecord,
        revision: Option<Revision>,
    ) -> Result<(), ClaimsError>;

    /// One transaction: set the claim at the revision read (none creates it), delete the fault. The revision now: it
    /// rises even where the claim stays as it was.
    async fn lift_fault(
        &self,
        id: BrokerId,
        claim: &Claim,
        revision: Option<Revision>,
    ) -> Result<Revision, ClaimsError>;
}

/// The turn to leave, held.
#[async_trait]
pub trait Turn: Send + Sync {
    /// Gives it to the next and waits until it is given.
    async fn end(self: Box<Self>);
}

/// The lock, held.
#[async_trait]
pub trait Locked: Send + Sync {
    /// All records, read after the lock was taken, on its session.
    async fn records(&self) -> Result<BTreeMap<BrokerId, SlotRecords>, ClaimsError>;

    /// When the place in the queue was taken, by the store's clock.
    fn taken_at(&self) -> StoreTime;

    /// One transaction: check my lock node, create the intent.
    async fn intend(&self, id: BrokerId, intent: &Intent) -> Result<(), ClaimsError>;

    /// Gives the lock back and waits until it is.
    async fn unlock(self: Box<Self>);
}
