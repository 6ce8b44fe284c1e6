//! Reading the records of slots, side by side.

use super::{Failure, Paths, called};
use berth_lifecycle::ports::ClaimsError;
use berth_plan::BrokerId;
use berth_plan::claim::{Claim, FaultRecord, Intent, SlotRecords, Unreadable, Versioned};
use futures_util::future::{join3, try_join_all};
use std::collections::{BTreeMap, BTreeSet};
use zookeeper_client::{Client, Error, Stat};

/// Why a record could not be read.
pub(super) enum ReadError {
    Failed(Failure),
    Record(ClaimsError),
}

impl From<Failure> for ReadError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A node's data; none where it is missing.
pub(super) async fn data(client: &Client, path: String) -> Result<Option<(Vec<u8>, Stat)>, Failure> {
    match called(&format!("read {path}"), client.get_data(&path)).await {
        Ok(found) => Ok(Some(found)),
        Err(Failure::Certain(Error::NoNode, _)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn parsed<T>(
    path: String,
    found: Option<(Vec<u8>, Stat)>,
    read: fn(&[u8]) -> Result<T, Unreadable>,
) -> Result<Option<(T, Stat)>, ReadError> {
    let Some((bytes, stat)) = found else { return Ok(None) };
    match read(&bytes) {
        Ok(value) => Ok(Some((value, stat))),
        Err(source) => Err(ReadError::Record(ClaimsError::Record { place: path, source })),
    }
}

/// All records of a cluster, reads side by side.
pub(super) async fn records_of(
    client: &Client,
    paths: &Paths,
) -> Result<BTreeMap<BrokerId, SlotRecords>, ReadError> {
    let mut ids = BTreeSet::new();
    for dir in [paths.slots(), paths.intents(), paths.faults()] {
        let children = called(&format!("list {dir}"), client.list_children(&dir)).await?;
        ids.extend(children.iter().filter_map(|child| child.parse::<BrokerId>().ok()));
    }
    let records = try_join_all(ids.iter().map(|id| record_of(client, paths, *id))).await?;
    Ok(ids.into_iter().zip(records).collect())
}

/// The records of one slot.
pub(super) async fn record_of(
    client: &Client,
    paths: &Paths,
    id: BrokerId,
) -> Result<SlotRecords, ReadError> {
    let (slot, intent, fault) = (paths.slot(id), paths.intent(id), paths.fault(id));
    let (claim, intended, faulty) =
        join3(data(client, slot.clone()), data(client, intent.clone()), data(client, fault.clone())).await;
    let claim = parsed(slot, claim?, Claim::read)?.map(|(value, stat)| Versioned {
        value,
        version: stat.version,
        changed: u64::try_from(stat.mtime).unwrap_or(0),
    });
    Ok(SlotRecords {
        claim,
        intent: parsed(intent, intended?, Intent::read)?.map(|(intent, _)| intent),
        fault: parsed(fault, faulty?, FaultRecord::read)?.map(|(fault, _)| fault),
    })
}
