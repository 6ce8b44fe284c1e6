//! `/brokers`, `/cluster` and the states of partitions.

use crate::broker::{CHROOT, ELDER, registration};
use crate::runs::Caller;
use crate::world::State;
use crate::zookeeper::Node;
use async_trait::async_trait;
use berth_lifecycle::ports::{RegisterError, Registrations};
use berth_plan::BrokerId;
use berth_plan::service::leaving::MinInSync;
use berth_plan::service::readiness::{Assignment, Assignments, Look, Partition, PartitionState};
use berth_plan::service::{Incarnation, Registration};
use berth_plan::time::millis;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Brokers(pub(crate) Arc<Caller>);

/// The node of a partition's state.
pub(crate) fn state(number: u32) -> String {
    format!("{CHROOT}/states/{number}")
}

fn read(id: BrokerId, node: &Node) -> Registration {
    let text = String::from_utf8_lossy(&node.data);
    let at = text.split_once(' ').and_then(|(_, at)| at.rsplit_once(':'));
    let endpoints = at.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    let endpoints = endpoints.into_iter().collect();
    Registration { id, incarnation: Incarnation::of_register(node.czxid), endpoints }
}

impl Brokers {
    async fn ask<T>(
        &self,
        name: &'static str,
        look: impl FnOnce(&mut State, u64) -> Result<T, RegisterError> + Send + 'static,
    ) -> Result<T, RegisterError> {
        self.0.zookeeper(name, None, look).await
    }
}

/// The first in-sync replica that lives; −1 where none does.
pub(crate) fn leader(s: &State, isr: &[i32]) -> i32 {
    let lives = |id: &i32| u32::try_from(*id).is_ok_and(|id| s.zk.nodes.contains_key(&registration(id)));
    isr.iter().copied().find(lives).unwrap_or(-1)
}

#[async_trait]
impl Registrations for Brokers {
    async fn all(&self) -> Result<BTreeMap<BrokerId, Registration>, RegisterError> {
        let all = |s: &mut State, _| {
            let prefix = format!("{CHROOT}/brokers/ids");
            let parsed = s.zk.below(&prefix).filter_map(|(name, node)| Some((name.parse().ok()?, node)));
            Ok(parsed.map(|(id, node)| (id, read(id, node))).collect())
        };
        self.ask("all registrations", all).await
    }

    async fn of(&self, id: BrokerId) -> Result<Option<Registration>, RegisterError> {
        let of =
            move |s: &mut State, _| Ok(s.zk.nodes.get(&registration(id.number())).map(|node| read(id, node)));
        self.ask("registration", of).await
    }

    async fn changed(&self, id: BrokerId, within: Duration) {
        let path = registration(id.number());
        let stamp = |s: &mut State| s.zk.nodes.get(&path).map(|node| node.mzxid);
        let before = self.0.world.with(stamp);
        self.0.world.until(millis(within), |s| (stamp(s) != before).then_some(())).await;
        self.0.still().await;
    }

    async fn cluster(&self) -> Result<Option<String>, RegisterError> {
        let cluster = |s: &mut State, _| {
            let node = s.zk.nodes.get(&format!("{CHROOT}/cluster/id"));
            Ok(node.map(|node| String::from_utf8_lossy(&node.data).into_owned()))
        };
        self.ask("cluster", cluster).await
    }

    async fn assignments(&self) -> Result<Assignments, RegisterError> {
        let assignments = |s: &mut State, _| {
            // Nobody gives a partition to a broker that was never there.
            let replicas: Vec<u32> = [ELDER].into_iter().chain(s.rules.known.iter().copied()).collect();
            let one = |number| {
                let partition = Partition { topic: "payments".to_owned(), number };
                (partition, Assignment { replicas: replicas.clone(), ..Default::default() })
            };
            let partitions = (0..s.rules.partitions).map(one).collect();
            Ok(Assignments { partitions, unreadable: s.rules.odd_topics.clone() })
        };
        self.ask("assignments", assignments).await
    }

    async fn min_in_sync(&self, _topics: &BTreeSet<String>) -> Result<MinInSync, RegisterError> {
        let min = |s: &mut State, _| Ok(MinInSync { default: s.rules.min_in_sync, ..MinInSync::default() });
        self.ask("min in sync", min).await
    }

    async fn look(
        &self,
        partitions: &[Partition],
        since: Option<Incarnation>,
    ) -> Result<BTreeMap<Partition, Look>, RegisterError> {
        let partitions = partitions.to_vec();
        let look = move |s: &mut State, _| {
            let one = |partition: Partition| {
                let Some(node) = s.zk.nodes.get(&state(partition.number)) else {
                    return (partition, Look::NoState);
                };
                let Ok(isr) = serde_json::from_slice::<Vec<i32>>(&node.data) else {
                    let odd = format!("{} is not what Kafka writes there", state(partition.number));
                    return (partition, Look::Unreadable(odd));
                };
                let leader = leader(s, &isr);
                let changed_since = since.is_some_and(|since| node.mzxid > since.in_register());
                (partition, Look::State(PartitionState { leader, isr, changed_since }))
            };
            Ok(partitions.into_iter().map(one).collect())
        };
        self.ask("partitions", look).await
    }
}
