//! Whose chroot it is, what is made in it, and what of that is taken away again.
//!
//! A chroot that is wrong is often known late: Kafka's own tree may be as new as berth's, and only the disk says which cluster
//! it belongs to. So a run that takes no slot leaves nothing of a tree that it made and that has nothing to remember.

use super::records::{data, listed};
use crate::zookeeper::{Failure, NotDone, Zookeeper, called};
use berth_lifecycle::ports::ClaimsError;
use berth_plan::InstanceId;
use berth_plan::records::Claim;
use std::time::Duration;
use tokio::time::timeout;
use zookeeper_client::{Acls, Client, CreateMode, Error};

/// How long the end of a run may be held up.
const WITHIN: Duration = Duration::from_secs(5);

impl Zookeeper {
    /// Makes what is missing of berth's tree, the chroot included, as Kafka would make its own. Called before the lock: a
    /// command that only looks makes nothing.
    pub(super) async fn prepared(&self, client: &Client) -> Result<(), ClaimsError> {
        self.refuse_other_cluster(client).await?;
        for dir in self.paths.directories() {
            self.make(client, &dir).await?;
        }
        Ok(())
    }

    /// Makes a node, with those above it that are missing.
    async fn make(&self, client: &Client, path: &str) -> Result<(), ClaimsError> {
        let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
        match called(&format!("create {path}"), client.create(path, &[], &options)).await {
            Ok(_) => {
                self.made.lock().expect("no holder of this lock panics").push(path.to_owned());
                Ok(())
            }
            Err(Failure::Certain(Error::NodeExists, _)) => Ok(()),
            Err(Failure::Certain(Error::NoNode, what)) => match path.rsplit_once('/') {
                Some((above, _)) if !above.is_empty() => {
                    Box::pin(self.make(client, above)).await?;
                    Box::pin(self.make(client, path)).await
                }
                _ => Err(ClaimsError::Conflict(what)),
            },
            Err(failure) => Err(failure.into()),
        }
    }

    /// At the end of a run of `me` that has no slot: what it made of the tree goes, where nobody else wrote and nothing is to
    /// be remembered. One transaction of deletes: whoever has come meanwhile keeps it whole.
    pub(crate) async fn leave_no_empty_tree(&self, me: &InstanceId) {
        let made = self.made.lock().expect("no holder of this lock panics").clone();
        if !made.contains(&self.paths.slots()) {
            return;
        }
        match timeout(WITHIN, self.tree_deleted(me, made)).await {
            Ok(Ok(gone)) if !gone.is_empty() => {
                tracing::info!("nothing was held there: deleted {} in ZooKeeper", gone.join(", "));
            }
            Ok(Ok(_)) => {}
            Ok(Err(NotDone::Conflict(why) | NotDone::Away(why) | NotDone::Refused(why))) => {
                tracing::debug!("the tree in ZooKeeper stays: {why}");
            }
            Err(_) => tracing::debug!("the tree in ZooKeeper stays: no answer"),
        }
    }

    /// The nodes that were deleted, none where the tree stays.
    async fn tree_deleted(&self, me: &InstanceId, made: Vec<String>) -> Result<Vec<String>, NotDone> {
        let client = self.client().await?;
        let what = format!("delete {}", self.paths.root());
        let mut writer = client.new_multi_writer();
        let mut prepared = Ok(());
        for slot in listed(&client, &self.paths.slots()).await? {
            let path = format!("{}/{slot}", self.paths.slots());
            let Some((bytes, stat)) = data(&client, path.clone()).await? else { return Ok(Vec::new()) };
            if !Claim::read(&bytes).is_ok_and(|claim| claim.remembers_nothing_but(me)) {
                return Ok(Vec::new());
            }
            prepared = prepared.and_then(|()| writer.add_delete(&path, Some(stat.version)));
        }
        for dir in self.paths.directories().into_iter().chain([self.paths.root()]) {
            prepared = prepared.and_then(|()| writer.add_delete(&dir, None));
        }
        prepared.map_err(|error| NotDone::Refused(format!("{what}: {error}")))?;
        called(&what, writer.commit()).await?;
        let mut gone = vec![self.paths.root()];
        // What is above it was made by this run, or it is nobody's to delete; what has another child refuses.
        let root = self.paths.root();
        let above = made.iter().rev().filter(|path| root.starts_with(&format!("{path}/")));
        for path in above {
            if called(&format!("delete {path}"), client.delete(path, None)).await.is_err() {
                break;
            }
            gone.push(path.clone());
        }
        Ok(gone)
    }

    /// Refuses the chroot of a Kafka cluster that berth knows under another name, before anything is written there: a
    /// chroot has one Kafka cluster, and its brokers' ids are not this cluster's.
    pub(crate) async fn refuse_other_cluster(&self, client: &Client) -> Result<(), ClaimsError> {
        let names = match listed(client, &self.paths.clusters()).await {
            Ok(names) => names,
            Err(failure) => return Err(self.failed(failure).await.into()),
        };
        let Some(other) = names.iter().find(|_| !names.iter().any(|name| name == self.paths.cluster()))
        else {
            return Ok(());
        };
        let has_kafka = match data(client, self.paths.kafka("/cluster/id")).await {
            Ok(found) => found.is_some(),
            Err(failure) => return Err(self.failed(failure).await.into()),
        };
        if !has_kafka {
            return Ok(());
        }
        Err(ClaimsError::Refused(format!(
            "the Kafka cluster at {} in ZooKeeper is known to berth as {other}, and not as {}: correct the chroot in `zookeeper`, or `cluster`",
            if self.paths.kafka("").is_empty() { "/".to_owned() } else { self.paths.kafka("") },
            self.paths.cluster()
        )))
    }
}
