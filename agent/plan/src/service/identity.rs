//! The disk has the last word on identity: `meta.properties` must agree with the slot and with the cluster.
//!
//! Absence is not agreement. berth reads the file and never writes it.

pub mod empty_start;
mod reset;
#[cfg(test)]
mod tests;

pub use reset::Reset;

use crate::BrokerId;
use std::collections::BTreeMap;

/// What a `meta.properties` says (Kafka, MetaProperties: version 0 with `broker.id`, version 1 with `node.id`; either
/// may have a `directory.id`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaProperties {
    /// The broker that wrote it; none where it names none.
    pub id: Option<BrokerId>,
    /// The cluster that it belongs to.
    pub cluster: Option<String>,
}

impl MetaProperties {
    /// Reads the file. A version that Kafka never wrote, an id that is no number, or a version 1 without what it always
    /// has (Kafka, MetaPropertiesVersion: alwaysHasNodeId, alwaysHasClusterId) is refused with a sentence.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with(['#', '!'])) {
            if let Some((key, value)) = line.split_once(['=', ':']) {
                keys.insert(key.trim(), value.trim());
            }
        }
        let is_first = match keys.get("version").copied() {
            Some("0") => true,
            Some("1") => false,
            Some(other) => return Err(format!("its version={other} is neither 0 nor 1")),
            None => return Err("it has no version".to_owned()),
        };
        let id = match keys.get("node.id").or_else(|| keys.get("broker.id")) {
            Some(text) => Some(text.parse().map_err(|_| format!("its id \"{text}\" is no broker id"))?),
            None => None,
        };
        let cluster = keys.get("cluster.id").map(|id| (*id).to_owned());
        match (is_first, id, &cluster) {
            (false, None, _) => Err("it has version=1 and no node.id".to_owned()),
            (false, _, None) => Err("it has version=1 and no cluster.id".to_owned()),
            _ => Ok(Self { id, cluster }),
        }
    }
}

/// What was found on the mounted volume. Beside a log dir with a `meta.properties`, nothing else is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// `meta.properties` of the log dir, as read or as a sentence.
    pub in_log_dir: Option<Result<MetaProperties, String>>,
    /// The directory of a partition in a log dir that has no `meta.properties`, by its name.
    pub partition_in_log_dir: Option<String>,
    /// Other `meta.properties`, by their paths below the mount.
    pub elsewhere: Vec<String>,
    /// Directories of partitions elsewhere that have no `meta.properties` beside them, by their paths below the mount.
    pub partitions_elsewhere: Vec<String>,
    /// The search was given up after so many entries; none where all was seen.
    pub given_up_after: Option<usize>,
}

/// What the slot and its cluster are known to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected<'a> {
    /// The slot.
    pub id: BrokerId,
    /// `/cluster/id` in ZooKeeper; none where no broker ever joined.
    pub cluster: Option<&'a str>,
    /// Whether a slot of this cluster was ever registered there, by the claims: then the chroot is the right one.
    pub is_known_there: bool,
    /// The log dir, for the sentences.
    pub log_dir: &'a str,
    /// Whether the root of the mount can be the log dir: see [`MOVE_FROM_ROOT`].
    pub root_may_hold_logs: bool,
}

/// The line that moves logs from the root of an ext4 into `data`. e2fsck makes a `lost+found` there wherever it is
/// missing, and Kafka exits at a directory that is no partition (LogManager, parseTopicPartitionName).
pub const MOVE_FROM_ROOT: &str = "mkdir -p data && find . -mindepth 1 -maxdepth 1 ! -name lost+found ! -name data -print0 | xargs -0 mv -t data";

/// Why the service may not start on this disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The disk contradicts the slot: this slot alone is concerned.
    Fault(String),
    /// Something that the operator can mend.
    Configuration(String),
}

/// How the service would start on a disk that is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// On the data of this broker.
    WithData,
    /// On nothing at all: see [`empty_start`].
    Empty,
}

/// The cluster that the disk names, where it is another than `here`.
pub fn other_cluster<'a>(found: &'a Found, here: Option<&str>) -> Option<&'a str> {
    let on_disk = found.in_log_dir.as_ref()?.as_ref().ok()?.cluster.as_deref()?;
    (Some(on_disk) != here).then_some(on_disk)
}

/// Judges the disk.
pub fn agrees(found: &Found, expected: &Expected<'_>) -> Result<Start, Refused> {
    let dir = expected.log_dir;
    let meta = match &found.in_log_dir {
        None => return absent(found, expected),
        Some(Err(why)) => return Err(Refused::Fault(format!("{dir}/meta.properties cannot be used: {why}"))),
        Some(Ok(meta)) => meta,
    };
    // The cluster before the id: with a wrong chroot every disk is another broker's.
    if let Some(on_disk) = other_cluster(found, expected.cluster) {
        return Err(match expected.cluster {
            Some(here) if expected.is_known_there => Refused::Fault(format!(
                "{dir}/meta.properties belongs to cluster {on_disk}, ZooKeeper's /cluster/id is {here}"
            )),
            Some(here) => Refused::Configuration(format!(
                "{dir}/meta.properties belongs to cluster {on_disk}, ZooKeeper's /cluster/id is {here}, and no slot was ever registered there: the chroot in `zookeeper` is another cluster's"
            )),
            None => Refused::Configuration(format!(
                "{dir}/meta.properties belongs to cluster {on_disk}, but ZooKeeper has no /cluster/id: the chroot in `zookeeper` is not this cluster's"
            )),
        });
    }
    match meta.id {
        Some(id) if id != expected.id => Err(Refused::Fault(format!(
            "{dir}/meta.properties says broker {id}, the slot is {}: this is another broker's data",
            expected.id
        ))),
        Some(_) => Ok(Start::WithData),
        None => Err(Refused::Fault(format!(
            "{dir}/meta.properties names no broker: whose data this is cannot be told"
        ))),
    }
}

fn absent(found: &Found, expected: &Expected<'_>) -> Result<Start, Refused> {
    let dir = expected.log_dir;
    if let Some(place) = found.elsewhere.first() {
        if parent(place) == "." && !expected.root_may_hold_logs {
            return Err(Refused::Configuration(format!(
                "{dir} has no meta.properties, but the volume has one at its root, and the root of an ext4 cannot be the log dir; write `log_dir = \"data\"` under [volume] and move the logs there: {MOVE_FROM_ROOT}"
            )));
        }
        return Err(Refused::Configuration(format!(
            "{dir} has no meta.properties, but the volume has one at {place}: write `log_dir = \"{}\"` under [volume]",
            parent(place)
        )));
    }
    if let Some(partition) = &found.partition_in_log_dir {
        return Err(Refused::Fault(format!(
            "{dir} has the partition {partition} and no meta.properties: whose data this is cannot be told"
        )));
    }
    if let Some(place) = found.partitions_elsewhere.first() {
        return Err(Refused::Configuration(format!(
            "{dir} has no meta.properties, but the volume has a partition at {place}: write `log_dir = \"{}\"` under [volume]",
            parent(place)
        )));
    }
    if let Some(entries) = found.given_up_after {
        return Err(Refused::Configuration(format!(
            "{dir} has no meta.properties, and the search for one elsewhere on the volume was given up after {entries} entries: write the `log_dir` that has it under [volume], or take away what is not Kafka's"
        )));
    }
    Ok(Start::Empty)
}

/// The directory of a path below the mount, as `log_dir` names it.
fn parent(place: &str) -> &str {
    place.rsplit_once('/').map_or(".", |(dir, _)| dir)
}
