//! The service's own view of its cluster.

use super::ClaimsError;
use async_trait::async_trait;
use berth_plan::service::Registration;
use berth_plan::service::readiness::{Assignment, Look, Partition};
use berth_plan::{BrokerId, Millis};
use std::collections::BTreeMap;

/// `/brokers`, `/cluster` and `/admin` of Kafka in ZooKeeper mode.
#[async_trait]
pub trait Registrations: Send + Sync {
    /// All of `/brokers/ids`.
    async fn all(&self) -> Result<BTreeMap<BrokerId, Registration>, ClaimsError>;

    /// `/brokers/ids/<id>`.
    async fn of(&self, id: BrokerId) -> Result<Option<Registration>, ClaimsError>;

    /// Waits until `/brokers/ids/<id>` comes, goes or changes, or the time has passed.
    async fn changed(&self, id: BrokerId, within: Millis);

    /// `/cluster/id`; none where no broker ever joined.
    async fn cluster(&self) -> Result<Option<String>, ClaimsError>;

    /// After a `sync`, the assignment of every partition, without topics that are being deleted.
    async fn assignments(&self) -> Result<BTreeMap<Partition, Assignment>, ClaimsError>;

    /// The states of these partitions, at most 64 reads under way at once.
    async fn look(&self, partitions: &[Partition]) -> Result<BTreeMap<Partition, Look>, ClaimsError>;
}
