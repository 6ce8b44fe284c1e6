//! The service's own view of its cluster: who is registered, and how its partitions stand.

use async_trait::async_trait;
use berth_plan::BrokerId;
use berth_plan::service::leaving::MinInSync;
use berth_plan::service::readiness::{Assignments, Look, Partition};
use berth_plan::service::{Incarnation, Registration};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Why the register could not be read. Nothing is ever written there.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// It is not reachable.
    #[error("{0}")]
    Away(String),
    /// It refuses, or what stands there is not what the service writes: the operator must mend it.
    #[error("{0}")]
    Refused(String),
}

/// `/brokers`, `/cluster` and `/admin` of Kafka in ZooKeeper mode.
#[async_trait]
pub trait Registrations: Send + Sync {
    /// All of `/brokers/ids`. One that cannot be read is there without endpoints: it is nobody else's trouble.
    async fn all(&self) -> Result<BTreeMap<BrokerId, Registration>, RegisterError>;

    /// `/brokers/ids/<id>`, not older than the call.
    async fn of(&self, id: BrokerId) -> Result<Option<Registration>, RegisterError>;

    /// Waits until `/brokers/ids/<id>` comes, goes or changes, or the time has passed.
    async fn changed(&self, id: BrokerId, within: Duration);

    /// `/cluster/id`; none where no broker ever joined.
    async fn cluster(&self) -> Result<Option<String>, RegisterError>;

    /// After a `sync`, the assignment of every partition, without topics that are being deleted. Topics that cannot be
    /// read are named.
    async fn assignments(&self) -> Result<Assignments, RegisterError>;

    /// `min.insync.replicas` as these topics and the cluster's dynamic default have it. What cannot be read counts as silent:
    /// it is nobody's word, and the file's counts.
    async fn min_in_sync(&self, topics: &BTreeSet<String>) -> Result<MinInSync, RegisterError>;

    /// The states of these partitions, at most 64 reads under way at once. Each says whether it was changed after the
    /// registration `since`; without one, none was.
    async fn look(
        &self,
        partitions: &[Partition],
        since: Option<Incarnation>,
    ) -> Result<BTreeMap<Partition, Look>, RegisterError>;
}
