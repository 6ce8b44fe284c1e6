//! What a running lab can be asked: its instances, who has what, its volumes, what ZooKeeper holds.

use std::path::PathBuf;
use std::time::Duration;

use super::{InstanceInfo, LabRun, follow};
use crate::error::{Context, Error, Result};
use crate::fabric::Fabric;
use crate::instance::{inside, netns_of, ran};
use crate::netns;
use crate::volume::Volume;
use crate::znodes::Nodes;

impl LabRun {
    /// The lab's id.
    pub fn id(&self) -> &str {
        self.inner.ledger.id()
    }

    /// Where the logs and the journal of this lab are.
    pub fn logs(&self) -> PathBuf {
        self.inner.ledger.logs()
    }

    /// The namespace of clients and services.
    pub fn srv(&self) -> &str {
        self.inner.fabric.srv()
    }

    /// The VPC.
    pub fn fabric(&self) -> &Fabric {
        &self.inner.fabric
    }

    /// The network namespace of an instance.
    pub fn netns(&self, instance: &InstanceInfo) -> String {
        netns_of(self.id(), &instance.id)
    }

    /// All instances so far, in order of their launch.
    pub fn instances(&self) -> Vec<InstanceInfo> {
        let shared = self.inner.shared();
        shared.order.iter().filter_map(|id| shared.instances.get(id).cloned()).collect()
    }

    /// The instance that holds a slot's volume, by the region's journal.
    pub fn holder(&self, slot: u32) -> Option<InstanceInfo> {
        let made = self.slots.iter().find(|s| s.id == slot)?;
        let shared = self.inner.shared();
        shared.held.get(&made.volume).and_then(|id| shared.instances.get(id).cloned())
    }

    /// The instance that has this volume or network interface attached, by the region's journal.
    pub fn has(&self, resource: &str) -> Option<String> {
        self.inner.shared().held.get(resource).cloned()
    }

    /// The instance that `slot 1`, `instance 0`, a label or an id means.
    pub fn find(&self, who: &str) -> Result<InstanceInfo> {
        let all = self.instances();
        let found = match who.split_once(' ') {
            Some(("slot", n)) => n.parse().ok().and_then(|n| self.holder(n)),
            Some(("instance", n)) => n.parse::<usize>().ok().and_then(|n| all.get(n).cloned()),
            _ => all.iter().find(|known| known.label == who || known.id == who).cloned(),
        };
        found.ok_or_else(|| {
            let known: Vec<String> =
                all.iter().map(|k| format!("{} ({}, {})", k.label, k.id, k.state)).collect();
            Error::new(format!("no instance is {who:?}; there are: {}", known.join(", ")))
        })
    }

    /// A command inside an instance.
    pub fn command(&self, instance: &InstanceInfo, program: &str) -> Result<tokio::process::Command> {
        let pid1 = instance.pid1.ok_or_else(|| Error::new(format!("{} is not up", instance.label)))?;
        Ok(inside(pid1, &self.inner.environment, program))
    }

    /// The lab's volume of this id.
    pub fn volume(&self, id: &str) -> Option<Volume> {
        self.inner.shared().volumes.get(id).cloned()
    }

    /// The lab's volume of this id, made where none has been attached yet: a test may write to it beforehand.
    pub fn image(&self, id: &str) -> Result<Volume> {
        follow::volume_of(&self.inner, id)
    }

    /// Once it is attached in EC2, the device of this volume appears so much later.
    pub fn appears_late(&self, volume: &str, by: Duration) {
        self.inner.shared().late.insert(volume.to_owned(), by);
    }

    /// The nodes at and below these paths of the cluster's ZooKeeper, read from the clients' place.
    pub async fn znodes(&self, paths: &[&str]) -> Result<Nodes> {
        let said = self.zookeeper("znodes", paths).await?;
        serde_json::from_str(&said).context(|| "understand what ZooKeeper holds".into())
    }

    /// Writes a node of the cluster's ZooKeeper.
    pub async fn put_znode(&self, path: &str, data: &str) -> Result<()> {
        self.zookeeper("znode", &[path, data]).await.map(drop)
    }

    async fn zookeeper(&self, deed: &str, arguments: &[&str]) -> Result<String> {
        let hosts = self.ensemble.lock().await.as_ref().map(|e| e.hosts()).unwrap_or_default();
        let program = crate::image::lab_binary()?;
        let mut command =
            tokio::process::Command::from(netns::command(self.srv(), &program.to_string_lossy()));
        command.arg(deed).arg(hosts).args(arguments);
        let done = ran(command, Duration::from_secs(30)).await?;
        if done.code != 0 {
            return Err(Error::new(format!("ask ZooKeeper: {}", done.err.trim())));
        }
        Ok(done.out)
    }
}
