//! Reading the records of slots, side by side.

use crate::zookeeper::{Failure, Paths, called};
use berth_plan::BrokerId;
use berth_plan::StoreTime;
use berth_plan::records::{Claim, FaultRecord, Intent, Revision, SlotRecords, Unreadable, Versioned};
use futures_util::future::{join3, try_join_all};
use std::collections::{BTreeMap, BTreeSet};
use zookeeper_client::{Client, Error, Stat};

/// A node's data; none where it is missing.
pub(super) async fn data(client: &Client, path: String) -> Result<Option<(Vec<u8>, Stat)>, Failure> {
    match called(&format!("read {path}"), client.get_data(&path)).await {
        Ok(found) => Ok(Some(found)),
        Err(Failure::Certain(Error::NoNode, _)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The revision of a slot is the data version of its claim's node.
pub(super) fn revision_of(stat: &Stat) -> Revision {
    Revision::of_store(i64::from(stat.version))
}

fn parsed<T>(
    path: &str,
    found: Option<(Vec<u8>, Stat)>,
    read: fn(&[u8]) -> Result<T, Unreadable>,
    unreadable: &mut Option<String>,
) -> Option<(T, Stat)> {
    let (bytes, stat) = found?;
    match read(&bytes) {
        Ok(value) => Some((value, stat)),
        Err(error) => {
            *unreadable = Some(format!("{path}: {error}"));
            None
        }
    }
}

/// A node's children; none where it is missing: nobody has written anything yet.
pub(super) async fn listed(client: &Client, dir: &str) -> Result<Vec<String>, Failure> {
    match called(&format!("list {dir}"), client.list_children(dir)).await {
        Err(Failure::Certain(Error::NoNode, _)) => Ok(Vec::new()),
        children => children,
    }
}

/// All records of a cluster, reads side by side.
///
/// Intents before claims, here and in each slot: one transaction makes a claim of an intent, without the lock. Read the other
/// way round, a slot could show neither, for the claim was not there yet and the intent no longer. One session's reads are
/// answered in the order in which they were sent.
pub(super) async fn records_of(
    client: &Client,
    paths: &Paths,
) -> Result<BTreeMap<BrokerId, SlotRecords>, Failure> {
    let mut ids = BTreeSet::new();
    for dir in [paths.intents(), paths.slots(), paths.faults()] {
        let children = listed(client, &dir).await?;
        ids.extend(children.iter().filter_map(|child| child.parse::<BrokerId>().ok()));
    }
    let records = try_join_all(ids.iter().map(|id| record_of(client, paths, *id))).await?;
    Ok(ids.into_iter().zip(records).collect())
}

/// The records of one slot. One that cannot be read is told as such and is nobody else's trouble.
pub(super) async fn record_of(client: &Client, paths: &Paths, id: BrokerId) -> Result<SlotRecords, Failure> {
    let (slot, intent, fault) = (paths.slot(id), paths.intent(id), paths.fault(id));
    let (intended, claim, faulty) =
        join3(data(client, intent.clone()), data(client, slot.clone()), data(client, fault.clone())).await;
    let mut records = SlotRecords::default();
    let claim = parsed(&slot, claim?, Claim::read, &mut records.unreadable);
    records.claim = claim.map(|(value, stat)| Versioned {
        value,
        revision: revision_of(&stat),
        changed: StoreTime::from_millis(u64::try_from(stat.mtime).unwrap_or(0)),
    });
    records.intent =
        parsed(&intent, intended?, Intent::read, &mut records.unreadable).map(|(intent, _)| intent);
    records.fault =
        parsed(&fault, faulty?, FaultRecord::read, &mut records.unreadable).map(|(fault, _)| fault);
    Ok(records)
}
