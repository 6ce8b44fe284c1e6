//! The disk has the last word on identity: `meta.properties` must agree with the slot and with the cluster.
//!
//! Absence is not agreement. berth reads the file and never writes it.

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
    /// Reads the file. A version that Kafka never wrote, or an id that is no number, is refused with a sentence.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with(['#', '!'])) {
            if let Some((key, value)) = line.split_once(['=', ':']) {
                keys.insert(key.trim(), value.trim());
            }
        }
        match keys.get("version").copied() {
            Some("0" | "1") => {}
            Some(other) => return Err(format!("its version={other} is neither 0 nor 1")),
            None => return Err("it has no version".to_owned()),
        }
        let id = match keys.get("node.id").or_else(|| keys.get("broker.id")) {
            Some(text) => Some(text.parse().map_err(|_| format!("its id \"{text}\" is no broker id"))?),
            None => None,
        };
        Ok(Self { id, cluster: keys.get("cluster.id").map(|id| (*id).to_owned()) })
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
        _ => {}
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
    if expected.registered_before {
        return Err(Refused::Fault(format!(
            "{dir} is empty, but broker {id} was registered on this slot before: an empty broker that was the last in-sync replica truncates its followers; give the slot its data back, or, where other brokers have all of it in sync, delete slots/{id} and faults/{id} below berth's node in ZooKeeper",
            dir = expected.log_dir,
            id = expected.id
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(cluster: Option<&str>, registered_before: bool) -> Expected<'_> {
        Expected { id: BrokerId::new(1).unwrap(), cluster, registered_before, log_dir: "/kafkalogs/data" }
    }

    fn found(text: &str) -> Found {
        Found { in_log_dir: Some(MetaProperties::read(text)), elsewhere: vec![] }
    }

    const NOTHING: Found = Found { in_log_dir: None, elsewhere: Vec::new() };

    #[test]
    fn agrees_with_both_versions_in_any_order() {
        for text in [
            "#\n#Sun Nov 22 07:49:47 UTC 2026\nbroker.id=1\nversion=0\ncluster.id=abc\n",
            "node.id=1\ndirectory.id=x\nversion=1\ncluster.id=abc\n",
            "cluster.id=abc\r\nversion=0\r\nbroker.id=1\r\n",
        ] {
            assert_eq!(agrees(&found(text), &expected(Some("abc"), true)), Ok(()), "{text}");
        }
    }

    #[test]
    fn another_brokers_or_clusters_disk_is_this_slots_fault() {
        let other = agrees(&found("version=0\nbroker.id=2\ncluster.id=abc"), &expected(Some("abc"), false));
        assert!(matches!(other, Err(Refused::Fault(s)) if s.contains("broker 2")));
        let foreign = agrees(&found("version=0\nbroker.id=1\ncluster.id=xyz"), &expected(Some("abc"), false));
        assert!(matches!(foreign, Err(Refused::Fault(s)) if s.contains("xyz")));
        let broken = agrees(&found("version=7\nbroker.id=1"), &expected(Some("abc"), false));
        assert!(matches!(broken, Err(Refused::Fault(s)) if s.contains("version=7")));
    }

    #[test]
    fn a_disk_with_a_cluster_where_zookeeper_has_none_means_a_wrong_chroot() {
        let refused = agrees(&found("version=0\nbroker.id=1\ncluster.id=xyz"), &expected(None, false));
        assert!(matches!(refused, Err(Refused::Configuration(s)) if s.contains("chroot")));
    }

    #[test]
    fn an_empty_disk_is_accepted_only_for_a_slot_that_never_registered() {
        assert_eq!(agrees(&NOTHING, &expected(Some("abc"), false)), Ok(()));
        let refused = agrees(&NOTHING, &expected(Some("abc"), true));
        assert!(matches!(refused, Err(Refused::Fault(s)) if s.contains("registered on this slot before")));
    }

    #[test]
    fn logs_at_the_root_of_the_volume_name_the_line_to_write() {
        for (place, line) in
            [("meta.properties", "log_dir = \".\""), ("logs/meta.properties", "log_dir = \"logs\"")]
        {
            let found = Found { elsewhere: vec![place.to_owned()], ..NOTHING };
            let refused = agrees(&found, &expected(Some("abc"), false));
            assert!(matches!(&refused, Err(Refused::Configuration(s)) if s.contains(line)), "{refused:?}");
        }
    }
}
