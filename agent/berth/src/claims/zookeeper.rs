//! Intents, claims and fault records.
//!
//! An outcome that is not known is read back: by the record's own bytes, which no other writer can have written.

mod chroot;
mod faults;
mod lock;
mod records;
#[cfg(test)]
mod tests;

use crate::zookeeper::{Failure, NotDone, Zookeeper, called};
use async_trait::async_trait;
use berth_lifecycle::ports::{Claims, ClaimsError, Locked, Turn};
use berth_plan::BrokerId;
use berth_plan::records::{Claim, FaultRecord, Intent, Revision, SlotRecords};
use lock::{Lock, Patience};
use records::{data, listed, record_of, records_of, revision_of};
use std::collections::BTreeMap;
use std::time::Duration;
use zookeeper_client::{Acls, Client, CreateMode, Error, MultiWriteResult};

impl From<NotDone> for ClaimsError {
    fn from(why: NotDone) -> Self {
        match why {
            NotDone::Conflict(sentence) => Self::Conflict(sentence),
            NotDone::Away(sentence) => Self::Away(sentence),
            NotDone::Refused(sentence) => Self::Refused(sentence),
        }
    }
}

impl From<Failure> for ClaimsError {
    fn from(failure: Failure) -> Self {
        NotDone::from(failure).into()
    }
}

#[async_trait]
impl Claims for Zookeeper {
    async fn records(&self) -> Result<BTreeMap<BrokerId, SlotRecords>, ClaimsError> {
        let client = self.client().await?;
        match records_of(&client, &self.paths).await {
            Ok(records) => Ok(records),
            Err(failure) => Err(self.failed(failure).await.into()),
        }
    }

    async fn record(&self, id: BrokerId) -> Result<SlotRecords, ClaimsError> {
        let client = self.client().await?;
        match record_of(&client, &self.paths, id).await {
            Ok(records) => Ok(records),
            Err(failure) => Err(self.failed(failure).await.into()),
        }
    }

    async fn lock(
        &self,
        intent: &Intent,
        within: Duration,
        waiting: &(dyn Fn(String) + Sync),
    ) -> Result<Box<dyn Locked>, ClaimsError> {
        let dir = self.paths.lock();
        self.queued(dir, intent, within, waiting).await.map(|place| Box::new(place) as Box<dyn Locked>)
    }

    async fn turn(
        &self,
        intent: &Intent,
        within: Duration,
        waiting: &(dyn Fn(String) + Sync),
    ) -> Result<Box<dyn Turn>, ClaimsError> {
        let dir = self.paths.leaving();
        self.queued(dir, intent, within, waiting).await.map(|place| Box::new(place) as Box<dyn Turn>)
    }

    async fn hold(
        &self,
        id: BrokerId,
        claim: &Claim,
        revision: Option<Revision>,
        intent: &Intent,
    ) -> Result<Revision, ClaimsError> {
        let client = self.client().await?;
        let (path, bytes) = (self.paths.slot(id), claim.bytes());
        let what = format!("write the claim of slot {id} with its intent");
        // The node's owner is this session and its token this run's, or the transaction must not pass.
        self.intent_is_mine(&client, id, intent).await?;
        let mut writer = client.new_multi_writer();
        let prepared = writer
            .add_check_version(&self.paths.intent(id), 0)
            .and_then(|()| add_write(&mut writer, &path, &bytes, revision))
            .and_then(|()| writer.add_delete(&self.paths.intent(id), Some(0)));
        prepared.map_err(|error| ClaimsError::Refused(format!("{what}: {error}")))?;
        match called(&what, writer.commit()).await {
            Ok(results) => written(&results, revision)
                .ok_or_else(|| ClaimsError::Away(format!("{what}: an answer without a result"))),
            Err(failure) => self.read_back(id, &bytes, revision, failure).await,
        }
    }

    async fn write(
        &self,
        id: BrokerId,
        claim: &Claim,
        revision: Option<Revision>,
    ) -> Result<Revision, ClaimsError> {
        let client = self.client().await?;
        if revision.is_none() {
            self.prepared(&client).await?;
        }
        let (path, bytes) = (self.paths.slot(id), claim.bytes());
        let what = format!("write the claim of slot {id}");
        let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
        let outcome = match revision {
            Some(revision) => called(&what, client.set_data(&path, &bytes, Some(version_of(revision)))).await,
            None => called(&what, client.create(&path, &bytes, &options)).await.map(|(stat, _)| stat),
        };
        match outcome {
            Ok(stat) => Ok(revision_of(&stat)),
            Err(failure) => self.read_back(id, &bytes, revision, failure).await,
        }
    }

    async fn drop_intent(&self, id: BrokerId, intent: &Intent) -> Result<(), ClaimsError> {
        let client = self.client().await?;
        let path = self.paths.intent(id);
        let data = match called(&format!("read {path}"), client.get_data(&path)).await {
            Ok((data, _)) => data,
            Err(Failure::Certain(Error::NoNode, _)) => return Ok(()),
            Err(failure) => return Err(self.failed(failure).await.into()),
        };
        if Intent::read(&data).map_or(true, |seen| seen.token != intent.token) {
            return Ok(());
        }
        match called(&format!("delete {path}"), client.delete(&path, None)).await {
            Ok(()) | Err(Failure::Certain(Error::NoNode, _)) => Ok(()),
            Err(failure) => Err(self.failed(failure).await.into()),
        }
    }

    async fn record_fault(
        &self,
        id: BrokerId,
        fault: &FaultRecord,
        revision: Option<Revision>,
    ) -> Result<(), ClaimsError> {
        let client = self.client().await?;
        if revision.is_none() {
            self.prepared(&client).await?;
        }
        faults::record(self, &client, id, fault, revision).await
    }

    async fn lift_fault(
        &self,
        id: BrokerId,
        claim: &Claim,
        revision: Option<Revision>,
    ) -> Result<Revision, ClaimsError> {
        let client = self.client().await?;
        if revision.is_none() {
            self.prepared(&client).await?;
        }
        faults::lift(self, &client, id, claim, revision).await
    }
}

/// A node's data version. ZooKeeper's are 32 bits wide; a revision of another store matches no version of a node.
fn version_of(revision: Revision) -> i32 {
    i32::try_from(revision.in_store()).unwrap_or(i32::MAX)
}

fn add_write(
    writer: &mut zookeeper_client::MultiWriter<'_>,
    path: &str,
    bytes: &[u8],
    revision: Option<Revision>,
) -> Result<(), Error> {
    match revision {
        Some(revision) => writer.add_set_data(path, bytes, Some(version_of(revision))),
        None => writer.add_create(path, bytes, &CreateMode::Persistent.with_acls(Acls::anyone_all())),
    }
}

fn written(results: &[MultiWriteResult], revision: Option<Revision>) -> Option<Revision> {
    results.iter().find_map(|result| match result {
        MultiWriteResult::SetData { stat } => Some(revision_of(stat)),
        // A created node has version 0; its stat may be missing from the answer (ZOOKEEPER-4667).
        MultiWriteResult::Create { .. } if revision.is_none() => Some(Revision::of_store(0)),
        _ => None,
    })
}

impl Zookeeper {
    /// A place in a queue whose turn has come, after what earlier runs of this instance left is gone.
    async fn queued(
        &self,
        dir: String,
        intent: &Intent,
        within: Duration,
        waiting: &(dyn Fn(String) + Sync),
    ) -> Result<Lock, ClaimsError> {
        let patience = Patience::of(within);
        let client = self.client().await?;
        self.prepared(&client).await?;
        self.cleared(&client, intent).await?;
        match Lock::taken(client, self.paths.clone(), dir, intent, patience, waiting).await {
            Ok(place) => Ok(place),
            Err(error) => {
                // A node whose reply was lost would block the queue until the session ends: end it now.
                self.close().await;
                Err(error)
            }
        }
    }

    /// Deletes the intents and lock nodes of earlier runs of this instance: a dead run's write must not land between
    /// this run's look and its own intent.
    async fn cleared(&self, client: &Client, intent: &Intent) -> Result<(), ClaimsError> {
        for dir in [self.paths.intents(), self.paths.lock(), self.paths.leaving()] {
            let children = match listed(client, &dir).await {
                Ok(children) => children,
                Err(failure) => return Err(self.failed(failure).await.into()),
            };
            for child in children {
                let path = format!("{dir}/{child}");
                let found = match data(client, path.clone()).await {
                    Ok(found) => found,
                    Err(failure) => return Err(self.failed(failure).await.into()),
                };
                let Some((bytes, _)) = found else { continue };
                if Intent::read(&bytes).map_or(true, |seen| seen.instance != intent.instance) {
                    continue;
                }
                match called(&format!("delete {path}"), client.delete(&path, None)).await {
                    Ok(()) | Err(Failure::Certain(Error::NoNode, _)) => {}
                    Err(failure) => return Err(self.failed(failure).await.into()),
                }
            }
        }
        Ok(())
    }

    async fn intent_is_mine(
        &self,
        client: &Client,
        id: BrokerId,
        intent: &Intent,
    ) -> Result<(), ClaimsError> {
        let path = self.paths.intent(id);
        let found = match data(client, path.clone()).await {
            Ok(found) => found,
            Err(failure) => return Err(self.failed(failure).await.into()),
        };
        let owner = client.session_id().0;
        match found {
            Some((bytes, stat))
                if Intent::read(&bytes).is_ok_and(|seen| seen == *intent)
                    && stat.ephemeral_owner == owner =>
            {
                Ok(())
            }
            _ => Err(ClaimsError::Conflict(format!("the intent of slot {id} went with its session"))),
        }
    }

    /// After a write whose outcome is not known, or that met another version: what is there now?
    async fn read_back(
        &self,
        id: BrokerId,
        bytes: &[u8],
        revision: Option<Revision>,
        failure: Failure,
    ) -> Result<Revision, ClaimsError> {
        let error = ClaimsError::from(self.failed(failure).await);
        if matches!(error, ClaimsError::Refused(_)) {
            return Err(error);
        }
        let client = self.client().await?;
        // A follower may be behind the write that is looked for.
        let path = self.paths.slot(id);
        let found = match called(&format!("sync {path}"), client.sync(&path)).await {
            Ok(()) => data(&client, path).await,
            Err(failure) => Err(failure),
        };
        match found {
            Ok(Some((seen, stat))) if seen == bytes => Ok(revision_of(&stat)),
            Ok(found) => {
                let now = found.map(|(_, stat)| revision_of(&stat));
                if now == revision && matches!(error, ClaimsError::Away(_)) {
                    return Err(error);
                }
                let show = |revision: Option<Revision>| {
                    revision.map_or_else(|| "none".to_owned(), |r| r.to_string())
                };
                Err(ClaimsError::Conflict(format!(
                    "the claim of slot {id} is at revision {}, this run decided on {}",
                    show(now),
                    show(revision)
                )))
            }
            Err(failure) => Err(self.failed(failure).await.into()),
        }
    }
}
