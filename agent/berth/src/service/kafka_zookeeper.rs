//! Kafka's own tree in ZooKeeper mode: `/brokers`, `/cluster`, `/admin`.

use crate::zookeeper::{Failure, NotDone, Zookeeper, called};
use async_trait::async_trait;
use berth_lifecycle::ports::{RegisterError, Registrations};
use berth_plan::BrokerId;
use berth_plan::remote_text::bounded;
use berth_plan::service::leaving::MinInSync;
use berth_plan::service::readiness::{Assignment, Assignments, Look, Partition, PartitionState};
use berth_plan::service::{Incarnation, Registration};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use zookeeper_client::{Client, Error, Stat};

/// Reads under way at once.
const PIPELINED: usize = 64;

#[derive(Deserialize)]
struct BrokerNode {
    #[serde(default)]
    endpoints: Vec<String>,
    host: Option<String>,
    #[serde(default)]
    port: i32,
}

impl BrokerNode {
    fn endpoints(&self) -> Vec<(String, u16)> {
        let listed = self.endpoints.iter().filter_map(|endpoint| {
            let (_, address) = endpoint.split_once("://")?;
            let (host, port) = address.rsplit_once(':')?;
            Some((bounded(host), port.parse().ok()?))
        });
        let old = self.host.iter().filter_map(|host| Some((bounded(host), u16::try_from(self.port).ok()?)));
        let endpoints: Vec<_> = listed.collect();
        if endpoints.is_empty() { old.collect() } else { endpoints }
    }
}

#[derive(Deserialize)]
struct TopicNode {
    partitions: BTreeMap<String, Vec<u32>>,
    #[serde(default)]
    adding_replicas: BTreeMap<String, Vec<u32>>,
    #[serde(default)]
    removing_replicas: BTreeMap<String, Vec<u32>>,
}

#[derive(Deserialize)]
struct StateNode {
    leader: i32,
    isr: Vec<i32>,
}

#[derive(Deserialize)]
struct ClusterNode {
    id: String,
}

fn json<T: for<'a> Deserialize<'a>>(path: &str, data: &[u8]) -> Result<T, RegisterError> {
    serde_json::from_slice(data).map_err(|error| {
        let why = bounded(&error.to_string());
        RegisterError::Refused(format!("{path} is not what Kafka writes there: {why}"))
    })
}

/// A node of `/config`: what was set, as texts.
#[derive(Deserialize)]
struct ConfigNode {
    #[serde(default)]
    config: BTreeMap<String, String>,
}

/// The partitions of one topic, or why its node cannot be read.
type Topic = Result<Vec<(Partition, Assignment)>, String>;

impl From<NotDone> for RegisterError {
    fn from(why: NotDone) -> Self {
        match why {
            // Nothing is written here: what was not as expected is read again.
            NotDone::Away(sentence) | NotDone::Conflict(sentence) => Self::Away(sentence),
            NotDone::Refused(sentence) => Self::Refused(sentence),
        }
    }
}

impl Zookeeper {
    /// What is read next is not older than this call.
    async fn synced(&self, client: &Client, path: &str) -> Result<(), RegisterError> {
        match called(&format!("sync {path}"), client.sync(path)).await {
            Ok(()) => Ok(()),
            Err(failure) => Err(self.failed(failure).await.into()),
        }
    }

    async fn node(&self, client: &Client, path: &str) -> Result<Option<(Vec<u8>, Stat)>, RegisterError> {
        match called(&format!("read {path}"), client.get_data(path)).await {
            Ok(found) => Ok(Some(found)),
            Err(Failure::Certain(Error::NoNode, _)) => Ok(None),
            Err(failure) => Err(self.failed(failure).await.into()),
        }
    }

    async fn children(&self, client: &Client, path: &str) -> Result<Vec<String>, RegisterError> {
        match called(&format!("list {path}"), client.list_children(path)).await {
            Ok(children) => Ok(children),
            Err(Failure::Certain(Error::NoNode, _)) => Ok(Vec::new()),
            Err(failure) => Err(self.failed(failure).await.into()),
        }
    }

    async fn registration(
        &self,
        client: &Client,
        id: BrokerId,
    ) -> Result<Option<Registration>, RegisterError> {
        let path = self.paths.kafka(&format!("/brokers/ids/{id}"));
        let Some((data, stat)) = self.node(client, &path).await? else { return Ok(None) };
        // One that cannot be read is registered all the same: the id is taken, and nobody else is concerned.
        let endpoints = match json::<BrokerNode>(&path, &data) {
            Ok(node) => node.endpoints(),
            Err(error) => {
                tracing::warn!("{error}");
                Vec::new()
            }
        };
        Ok(Some(Registration { id, incarnation: Incarnation::of_register(stat.czxid), endpoints }))
    }

    /// The partitions of a topic; none where it is gone; a sentence where its node cannot be read.
    async fn topic(&self, client: &Client, topic: String) -> Result<Topic, RegisterError> {
        let path = self.paths.kafka(&format!("/brokers/topics/{topic}"));
        let Some((data, _)) = self.node(client, &path).await? else { return Ok(Ok(Vec::new())) };
        Ok(json::<TopicNode>(&path, &data).map_err(|error| error.to_string()).and_then(|node| {
            let of = |map: &BTreeMap<String, Vec<u32>>, key: &str| map.get(key).cloned().unwrap_or_default();
            let assignments = node.partitions.iter().map(|(key, replicas)| {
                let number =
                    key.parse().map_err(|_| format!("{path} has a partition \"{}\"", bounded(key)))?;
                let partition = Partition { topic: topic.clone(), number };
                let (adding, removing) = (of(&node.adding_replicas, key), of(&node.removing_replicas, key));
                Ok((partition, Assignment { replicas: replicas.clone(), adding, removing }))
            });
            assignments.collect()
        }))
    }

    async fn state(
        &self,
        client: &Client,
        partition: Partition,
        deleted: &BTreeSet<String>,
        since: Option<Incarnation>,
    ) -> Result<Look, RegisterError> {
        if deleted.contains(&partition.topic) {
            return Ok(Look::Deleted);
        }
        let topic = self.paths.kafka(&format!("/brokers/topics/{}", partition.topic));
        let path = format!("{topic}/partitions/{}/state", partition.number);
        let Some((data, stat)) = self.node(client, &path).await? else {
            let known = self.node(client, &topic).await?.is_some();
            return Ok(if known { Look::NoState } else { Look::Deleted });
        };
        let node: StateNode = match json(&path, &data) {
            Ok(node) => node,
            Err(error) => return Ok(Look::Unreadable(error.to_string())),
        };
        // One ensemble counts both: the order of its transactions is the order of what happened.
        let changed_since = since.is_some_and(|since| stat.mzxid > since.in_register());
        Ok(Look::State(PartitionState { leader: node.leader, isr: node.isr, changed_since }))
    }

    /// `min.insync.replicas` of a node of `/config`; none where it says nothing, or nothing that can be read.
    async fn min_in_sync_at(&self, client: &Client, path: String) -> Result<Option<usize>, RegisterError> {
        let Some((data, _)) = self.node(client, &path).await? else { return Ok(None) };
        match json::<ConfigNode>(&path, &data) {
            Ok(node) => Ok(node.config.get("min.insync.replicas").and_then(|text| text.trim().parse().ok())),
            Err(error) => {
                tracing::warn!("{error}");
                Ok(None)
            }
        }
    }

    async fn deleted(&self, client: &Client) -> Result<BTreeSet<String>, RegisterError> {
        Ok(self.children(client, &self.paths.kafka("/admin/delete_topics")).await?.into_iter().collect())
    }
}

#[async_trait]
impl Registrations for Zookeeper {
    async fn all(&self) -> Result<BTreeMap<BrokerId, Registration>, RegisterError> {
        let client = self.client().await?;
        let ids = self.children(&client, &self.paths.kafka("/brokers/ids")).await?;
        let ids: Vec<BrokerId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        let found: Vec<Option<Registration>> = stream::iter(ids)
            .map(|id| self.registration(&client, id))
            .buffered(PIPELINED)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().map(|registration| (registration.id, registration)).collect())
    }

    async fn of(&self, id: BrokerId) -> Result<Option<Registration>, RegisterError> {
        let client = self.client().await?;
        // A session that was opened anew may be with a follower that still shows a registration of before.
        self.synced(&client, &self.paths.kafka("/brokers/ids")).await?;
        self.registration(&client, id).await
    }

    async fn changed(&self, id: BrokerId, within: Duration) {
        let path = self.paths.kafka(&format!("/brokers/ids/{id}"));
        let Ok(client) = self.client().await else { return sleep(within).await };
        match called(&format!("watch {path}"), client.check_and_watch_stat(&path)).await {
            Ok((_, watcher)) => {
                let _ = timeout(within, watcher.changed()).await;
            }
            Err(_) => sleep(within).await,
        }
    }

    async fn cluster(&self) -> Result<Option<String>, RegisterError> {
        let path = self.paths.kafka("/cluster/id");
        let Some((data, _)) = self.node(&self.client().await?, &path).await? else { return Ok(None) };
        Ok(Some(json::<ClusterNode>(&path, &data)?.id))
    }

    async fn assignments(&self) -> Result<Assignments, RegisterError> {
        let client = self.client().await?;
        let root = self.paths.kafka("/brokers/topics");
        self.synced(&client, &root).await?;
        let deleted = self.deleted(&client).await?;
        let topics = self.children(&client, &root).await?;
        let topics: Vec<String> = topics.into_iter().filter(|topic| !deleted.contains(topic)).collect();
        let found: Vec<Topic> = stream::iter(topics)
            .map(|topic| self.topic(&client, topic))
            .buffered(PIPELINED)
            .try_collect()
            .await?;
        let mut assignments = Assignments::default();
        for topic in found {
            match topic {
                Ok(partitions) => assignments.partitions.extend(partitions),
                Err(sentence) => assignments.unreadable.push(sentence),
            }
        }
        Ok(assignments)
    }

    async fn min_in_sync(&self, topics: &BTreeSet<String>) -> Result<MinInSync, RegisterError> {
        let client = self.client().await?;
        // Dynamic settings (Kafka, DynamicBrokerConfig and TopicConfigHandler): one node a topic, one for all brokers.
        let default = self.min_in_sync_at(&client, self.paths.kafka("/config/brokers/<default>")).await?;
        let of_topics: Vec<(String, Option<usize>)> = stream::iter(topics.clone())
            .map(|topic| async {
                let path = self.paths.kafka(&format!("/config/topics/{topic}"));
                Ok::<_, RegisterError>((topic, self.min_in_sync_at(&client, path).await?))
            })
            .buffered(PIPELINED)
            .try_collect()
            .await?;
        let topics = of_topics.into_iter().filter_map(|(topic, min)| Some((topic, min?))).collect();
        Ok(MinInSync { topics, default, file: None })
    }

    async fn look(
        &self,
        partitions: &[Partition],
        since: Option<Incarnation>,
    ) -> Result<BTreeMap<Partition, Look>, RegisterError> {
        let client = self.client().await?;
        let deleted = self.deleted(&client).await?;
        let looks: Vec<Look> = stream::iter(partitions.to_vec())
            .map(|partition| self.state(&client, partition, &deleted, since))
            .buffered(PIPELINED)
            .try_collect()
            .await?;
        Ok(partitions.iter().cloned().zip(looks).collect())
    }
}
