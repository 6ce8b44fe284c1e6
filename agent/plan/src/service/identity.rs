//! The disk has the last word on identity: `meta.properties` must agree with the slot and with the cluster.
//!
//! Absence is not agreement. berth reads the file and never writes it.

#[cfg(test)]
mod tests;

use crate::BrokerId;
use std::collections::BTreeMap;

/// What a `meta.properties` says (Kafka, MetaProperties: version 0 with `broker.id`, version 1 with `node.id`; either
/// may bear a `directory.id`).
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

/// What was found on the mounted volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// `meta.properties` of the log dir, as read or as a sentence.
    pub in_log_dir: Option<Result<MetaProperties, String>>,
    /// Places of other `meta.properties`, at the root of the mount and one level down.
    pub elsewhere: Vec<String>,
}

/// What the slot and its cluster are known to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected<'a> {
    /// The slot.
    pub id: BrokerId,
    /// `/cluster/id` in ZooKeeper; none where no broker ever joined.
    pub cluster: Option<&'a str>,
    /// Whether this slot's broker was ever registered, by its claim.
    pub registered_before: bool,
    /// A partition whose only in-sync replica this broker is, by ZooKeeper: its data is on no other broker.
    pub only_copy: Option<&'a str>,
    /// The log dir, for the sentences.
    pub log_dir: &'a str,
}

/// Why the service may not start on this disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The disk contradicts the slot: this slot alone is concerned.
    Fault(String),
    /// Something that the operator can mend.
    Configuration(String),
}

/// Whether the volume bears no `meta.properties` at all: starting on it would be an empty start.
pub fn is_empty(found: &Found) -> bool {
    found.in_log_dir.is_none() && found.elsewhere.is_empty()
}

/// Judges the disk.
pub fn agrees(found: &Found, expected: &Expected<'_>) -> Result<(), Refused> {
    let dir = expected.log_dir;
    let meta = match &found.in_log_dir {
        None => return absent(found, expected),
        Some(Err(why)) => return Err(Refused::Fault(format!("{dir}/meta.properties cannot be used: {why}"))),
        Some(Ok(meta)) => meta,
    };
    match meta.id {
        Some(id) if id != expected.id => {
            return Err(Refused::Fault(format!(
                "{dir}/meta.properties says broker {id}, the slot is {}: this is another broker's data",
                expected.id
            )));
        }
        Some(_) => {}
        None => {
            return Err(Refused::Fault(format!(
                "{dir}/meta.properties names no broker: whose data this is cannot be told"
            )));
        }
    }
    match (&meta.cluster, expected.cluster) {
        (Some(on_disk), Some(here)) if on_disk != here => Err(Refused::Fault(format!(
            "{dir}/meta.properties belongs to cluster {on_disk}, ZooKeeper's /cluster/id is {here}"
        ))),
        (Some(on_disk), None) => Err(Refused::Configuration(format!(
            "{dir}/meta.properties belongs to cluster {on_disk}, but ZooKeeper has no /cluster/id: the chroot in `zookeeper` is not this cluster's"
        ))),
        _ => Ok(()),
    }
}

fn absent(found: &Found, expected: &Expected<'_>) -> Result<(), Refused> {
    if let Some(place) = found.elsewhere.first() {
        let line = match place.strip_suffix("/meta.properties") {
            None | Some("") => "\".\"".to_owned(),
            Some(dir) => format!("\"{dir}\""),
        };
        return Err(Refused::Configuration(format!(
            "{} has no meta.properties, but the volume has one at {place}: write `log_dir = {line}` under [volume]",
            expected.log_dir
        )));
    }
    if let Some(partition) = expected.only_copy {
        return Err(Refused::Fault(format!(
            "{} is empty, but ZooKeeper has broker {} as the only in-sync replica of {partition}: an empty broker would truncate its followers; bring its data back under the log dir",
            expected.log_dir, expected.id
        )));
    }
    if expected.registered_before {
        return Err(Refused::Fault(format!(
            "{dir} is empty, but broker {id} was registered on this slot before: an empty broker that was the last in-sync replica truncates its followers; give the slot its data back, or, where other brokers have all of it in sync, delete slots/{id} and faults/{id} below berth's node in ZooKeeper",
            dir = expected.log_dir,
            id = expected.id
        )));
    }
    Ok(())
}
