//! The records of a cluster and its slots: claims, intents, faults, and the replacement permit.

mod claim;
mod codec;
mod fault;
mod intent;
mod permit;
mod revision;

pub use claim::{Claim, DiskRecord, HISTORY, Holder, KnownSince, Owner, Registered, Started, State};
pub use codec::{Unreadable, VERSION};
pub use fault::{FaultCode, FaultRecord};
pub use intent::Intent;
pub use permit::{Permit, PermitState, Reason, Replacement, Taking};
pub use revision::Revision;

use crate::StoreTime;

/// A record and its revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// The revision read: a write names it.
    pub revision: Revision,
    /// When the record was changed last, Unix milliseconds by the store's clock.
    pub changed: StoreTime,
}

/// All records of one slot.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SlotRecords {
    /// Who holds it; none where nobody ever did.
    pub claim: Option<Versioned<Claim>>,
    /// Who is about to take it.
    pub intent: Option<Intent>,
    /// Why it is passed over.
    pub fault: Option<FaultRecord>,
    /// A record of it that this berth cannot read, as a sentence.
    pub unreadable: Option<String>,
}
