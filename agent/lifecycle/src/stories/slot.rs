//! What an operator asks and says about slots: who has them, that a fault is mended, that data is lost.
//!
//! It needs the claims and the service's register, and neither EC2 nor the metadata service: it works on any machine that
//! reaches ZooKeeper.

use crate::parts::evidence::evidence;
use crate::ports::{Claims, ClaimsError, RegisterError, Registrations};
use berth_plan::records::{Claim, FaultCode, FaultRecord, Revision, SlotRecords};
use berth_plan::service::Registration;
use berth_plan::service::identity::Reset;
use berth_plan::service::identity::empty_start::Standing;
use berth_plan::service::readiness::Partition;
use berth_plan::{BrokerId, UnixTime};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How often a write is tried where another one came first.
const TRIES: u32 = 3;

/// Who asks, when, and of whom.
pub struct Desk {
    /// The records.
    pub claims: Arc<dyn Claims>,
    /// The service's own view.
    pub registrations: Arc<dyn Registrations>,
    /// Unix time, milliseconds.
    pub at: UnixTime,
    /// User and host, for the record.
    pub by: String,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Undone {
    /// The claims store.
    #[error(transparent)]
    Claims(#[from] ClaimsError),
    /// The service's register.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// What was asked for does not fit the slot.
    #[error("{0}; nothing was changed")]
    Refused(String),
}

/// A slot, as its records and the register show it.
#[derive(Debug, Clone, PartialEq)]
pub struct SlotShown {
    /// Its number.
    pub id: BrokerId,
    /// Its records.
    pub records: SlotRecords,
    /// Its broker, where that is up.
    pub registration: Option<Registration>,
}

/// A reset that was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct ResetDone {
    /// What was recorded.
    pub reset: Reset,
    /// The partitions that name the broker, and how each stands.
    pub partitions: BTreeMap<Partition, Standing>,
    /// The fault that went with it.
    pub lifted: Option<FaultRecord>,
}

impl Desk {
    /// All slots that the records know, by number.
    pub async fn list(&self) -> Result<Vec<SlotShown>, Undone> {
        let mut registrations = self.registrations.all().await?;
        let records = self.claims.records().await?.into_iter();
        Ok(records
            .map(|(id, records)| SlotShown { id, records, registration: registrations.remove(&id) })
            .collect())
    }

    /// One slot.
    pub async fn show(&self, id: BrokerId) -> Result<SlotShown, Undone> {
        let records = self.claims.record(id).await?;
        let registration = self.registrations.of(id).await?;
        if records == SlotRecords::default() && registration.is_none() {
            return Err(Undone::Refused(format!(
                "nobody ever claimed slot {id}, and no broker {id} is registered"
            )));
        }
        Ok(SlotShown { id, records, registration })
    }

    /// Lifts the fault of a slot, and raises the slot's revision: a fault that is still on its way is then refused.
    pub async fn clear(&self, id: BrokerId) -> Result<FaultRecord, Undone> {
        for _ in 1..TRIES {
            match self.try_clear(id).await {
                Err(Undone::Claims(ClaimsError::Conflict(_))) => {}
                done => return done,
            }
        }
        self.try_clear(id).await
    }

    async fn try_clear(&self, id: BrokerId) -> Result<FaultRecord, Undone> {
        let records = readable(id, self.claims.record(id).await?)?;
        let (claim, revision) = claim_of(&records);
        let fault =
            records.fault.ok_or_else(|| Undone::Refused(format!("slot {id} is not marked faulty")))?;
        self.claims.lift_fault(id, &claim, revision).await?;
        Ok(fault)
    }

    /// Records that the slot's data is lost: its broker may come up on an empty log dir once the cluster has a live leader
    /// elsewhere for every partition that names it. `accept_loss` counts for the partitions that nobody who lives has.
    pub async fn reset(&self, id: BrokerId, accept_loss: bool) -> Result<ResetDone, Undone> {
        for _ in 1..TRIES {
            match self.try_reset(id, accept_loss).await {
                Err(Undone::Claims(ClaimsError::Conflict(_))) => {}
                done => return done,
            }
        }
        self.try_reset(id, accept_loss).await
    }

    async fn try_reset(&self, id: BrokerId, accept_loss: bool) -> Result<ResetDone, Undone> {
        if let Some(registration) = self.registrations.of(id).await? {
            let host = registration.endpoints.first().map_or("an unknown host", |(host, _)| host.as_str());
            return Err(Undone::Refused(format!(
                "broker {id} is registered at {host}: it is up, or its session has not ended yet"
            )));
        }
        let records = readable(id, self.claims.record(id).await?)?;
        let (claim, revision) = claim_of(&records);
        let evidence = evidence(self.registrations.as_ref(), id, &claim, "the log dir").await?;
        if let Some(sentence) = evidence.unreadable.first() {
            return Err(Undone::Refused(format!(
                "whether broker {id} has a copy cannot be told: {sentence}"
            )));
        }
        if evidence.partitions.is_empty() && !evidence.registered_before {
            return Err(Undone::Refused(format!(
                "slot {id} needs no reset: its broker was never registered, and no partition names it"
            )));
        }
        let partitions = evidence.partitions;
        let accept = accepted(id, &partitions, accept_loss).map_err(Undone::Refused)?;
        if let Some(said) = claim.reset.as_ref().filter(|said| said.accept == accept) {
            return Err(Undone::Refused(format!(
                "slot {id} was reset by {} already, and its broker has not registered since",
                said.by
            )));
        }
        let reset = Reset { at: self.at, by: self.by.clone(), accept };
        let next = claim.reset(reset.clone());
        // The refusal of an empty log dir is what the reset answers; another fault stays.
        let lifted = records.fault.filter(|fault| fault.code == FaultCode::Identity);
        match lifted {
            Some(_) => self.claims.lift_fault(id, &next, revision).await?,
            None => self.claims.write(id, &next, revision).await?,
        };
        Ok(ResetDone { reset, partitions, lifted })
    }
}

/// A record that this berth cannot read is not written over.
fn readable(id: BrokerId, records: SlotRecords) -> Result<SlotRecords, Undone> {
    match &records.unreadable {
        None => Ok(records),
        Some(sentence) => {
            Err(Undone::Refused(format!("slot {id} has a record that cannot be read: {sentence}")))
        }
    }
}

/// The claim as the operator writes it: that makes no holder younger.
fn claim_of(records: &SlotRecords) -> (Claim, Option<Revision>) {
    match &records.claim {
        Some(claim) => (claim.value.by_operator(claim.changed), Some(claim.revision)),
        None => (Claim::vacant(), None),
    }
}

/// The partitions whose loss is accepted: those that no living broker has in sync.
fn accepted(
    id: BrokerId,
    partitions: &BTreeMap<Partition, Standing>,
    accept_loss: bool,
) -> Result<BTreeSet<String>, String> {
    let of = |is: fn(&Standing) -> bool| -> BTreeSet<String> {
        partitions.iter().filter(|(_, s)| is(s)).map(|(partition, _)| partition.to_string()).collect()
    };
    let alone = of(|standing| *standing == Standing::Alone);
    let lost = of(|standing| matches!(standing, Standing::Alone | Standing::Down(_)));
    match (accept_loss, alone.is_empty(), lost.is_empty()) {
        (true, _, false) => Ok(lost),
        (true, _, true) => Err(format!(
            "a living broker has each partition of broker {id} in sync, and no loss is to accept: berth slot reset {id} is enough"
        )),
        (false, true, _) => Ok(BTreeSet::new()),
        (false, false, _) => {
            let alone: Vec<String> = alone.into_iter().collect();
            Err(format!(
                "no other broker has these in sync: {}; bring the data of broker {id} back, or accept their loss: berth slot reset {id} --accept-loss",
                alone.join(", ")
            ))
        }
    }
}
