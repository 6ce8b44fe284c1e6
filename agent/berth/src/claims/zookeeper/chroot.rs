//! Whose chroot it is, and what is made in it.

use super::records::{data, listed};
use crate::zookeeper::{Failure, Zookeeper, called};
use berth_lifecycle::ports::ClaimsError;
use zookeeper_client::{Acls, Client, CreateMode, Error};

impl Zookeeper {
    /// Makes what is missing of berth's tree, the chroot included, as Kafka would make its own. Called before the lock: a
    /// command that only looks makes nothing.
    pub(super) async fn prepared(&self, client: &Client) -> Result<(), ClaimsError> {
        self.refuse_other_cluster(client).await?;
        let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
        for dir in self.paths.directories() {
            match called(&format!("create {dir}"), client.mkdir(&dir, &options)).await {
                Ok(()) | Err(Failure::Certain(Error::NodeExists, _)) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(())
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
