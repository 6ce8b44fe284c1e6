//! Faults of slots: written at the slot's revision, lifted by raising it.
//!
//! A request may land late, long after its run is dead. One that names the revision it was decided on is refused once
//! somebody has lifted the fault.

use super::records::{data, revision_of};
use super::{add_write, version_of, written};
use crate::zookeeper::{Zookeeper, called};
use berth_lifecycle::ports::ClaimsError;
use berth_plan::BrokerId;
use berth_plan::records::{Claim, FaultRecord, Revision};
use zookeeper_client::{Acls, Client, CreateMode, Error, MultiWriter};

/// One transaction: the slot at its revision, and the fault.
pub(super) async fn record(
    zookeeper: &Zookeeper,
    client: &Client,
    id: BrokerId,
    fault: &FaultRecord,
    revision: Option<Revision>,
) -> Result<(), ClaimsError> {
    let what = format!("record the fault of slot {id}");
    let (slot, path, bytes) = (zookeeper.paths.slot(id), zookeeper.paths.fault(id), fault.bytes());
    let is_there = read(zookeeper, client, &path).await?.is_some();
    let mut writer = client.new_multi_writer();
    let prepared = match revision {
        Some(revision) => writer.add_check_version(&slot, version_of(revision)),
        None => add_write(&mut writer, &slot, &Claim::vacant().bytes(), None),
    };
    let prepared = prepared.and_then(|()| add_fault(&mut writer, &path, &bytes, is_there));
    prepared.map_err(|error| ClaimsError::Refused(format!("{what}: {error}")))?;
    let failure = match called(&what, writer.commit()).await {
        Ok(_) => return Ok(()),
        Err(failure) => failure,
    };
    let error = ClaimsError::from(zookeeper.failed(failure).await);
    if matches!(error, ClaimsError::Refused(_)) {
        return Err(error);
    }
    // The reply may have been lost after the commit: no other run writes these bytes.
    match fresh(zookeeper, &path).await? {
        Some((seen, _)) if seen == bytes => Ok(()),
        _ => Err(error),
    }
}

fn add_fault(writer: &mut MultiWriter<'_>, path: &str, bytes: &[u8], is_there: bool) -> Result<(), Error> {
    if is_there {
        return writer.add_set_data(path, bytes, None);
    }
    writer.add_create(path, bytes, &CreateMode::Persistent.with_acls(Acls::anyone_all()))
}

/// One transaction: the claim written at its revision, and the fault gone.
pub(super) async fn lift(
    zookeeper: &Zookeeper,
    client: &Client,
    id: BrokerId,
    claim: &Claim,
    revision: Option<Revision>,
) -> Result<Revision, ClaimsError> {
    let what = format!("lift the fault of slot {id}");
    let (slot, path, bytes) = (zookeeper.paths.slot(id), zookeeper.paths.fault(id), claim.bytes());
    let is_there = read(zookeeper, client, &path).await?.is_some();
    let mut writer = client.new_multi_writer();
    let mut prepared = add_write(&mut writer, &slot, &bytes, revision);
    if is_there {
        prepared = prepared.and_then(|()| writer.add_delete(&path, None));
    }
    prepared.map_err(|error| ClaimsError::Refused(format!("{what}: {error}")))?;
    let failure = match called(&what, writer.commit()).await {
        Ok(results) => {
            return written(&results, revision)
                .ok_or_else(|| ClaimsError::Away(format!("{what}: an answer without a result")));
        }
        Err(failure) => failure,
    };
    let error = ClaimsError::from(zookeeper.failed(failure).await);
    if matches!(error, ClaimsError::Refused(_)) {
        return Err(error);
    }
    // The claim's bytes may be the same as before: its revision tells whether it was written, but not of a claim that was to be
    // made and is there already. Then the fault tells.
    let next = Revision::of_store(revision.map_or(0, |revision| revision.in_store() + 1));
    match (fresh(zookeeper, &slot).await?, fresh(zookeeper, &path).await?) {
        (Some((seen, now)), None) if seen == bytes && now == next => Ok(now),
        _ => Err(error),
    }
}

type Node = Option<(Vec<u8>, Revision)>;

async fn read(zookeeper: &Zookeeper, client: &Client, path: &str) -> Result<Node, ClaimsError> {
    match data(client, path.to_owned()).await {
        Ok(found) => Ok(found.map(|(bytes, stat)| (bytes, revision_of(&stat)))),
        Err(failure) => Err(zookeeper.failed(failure).await.into()),
    }
}

/// A node as it is now: a follower may be behind the write that is looked for.
async fn fresh(zookeeper: &Zookeeper, path: &str) -> Result<Node, ClaimsError> {
    let client = zookeeper.client().await?;
    match called(&format!("sync {path}"), client.sync(path)).await {
        Ok(()) => read(zookeeper, &client, path).await,
        Err(failure) => Err(zookeeper.failed(failure).await.into()),
    }
}
