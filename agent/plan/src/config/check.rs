//! The configuration as the program uses it: every value checked once.

use super::connect::connect;
use super::layer::{Layers, Place, Refused, Value};
use super::listeners::listeners;
use super::values::{self, Telling};
use crate::ids::{GroupName, StackName};
use crate::remote_text;
use crate::slot::{NamePattern, Parts};
use crate::{Zone, ZoneId};
use std::time::Duration;

/// What success means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// The broker is back in sync.
    InSync,
    /// The broker is registered.
    Registered,
}

/// The rack cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`kafka.rack` is \"{rack}\", and the metadata service has no placement/availability-zone-id (404): write {{zone}} for the zone's name"
)]
pub struct NoZoneId {
    rack: String,
}

/// The two keys that have no default.
const UNREAD: &str = "cluster = \"unread\"\nzookeeper = \"127.0.0.1:1\"\n";

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `cluster`.
    pub cluster: String,
    /// `host:port` of each ZooKeeper server.
    pub zookeeper_hosts: Vec<String>,
    /// The chroot, with its leading slash; empty where there is none.
    pub chroot: String,
    /// `slots.name`.
    pub name: NamePattern,
    /// `slots.attach`.
    pub parts: Parts,
    /// `volume.mount`, absolute.
    pub mount: String,
    /// The log dir, absolute.
    pub log_dir: String,
    /// `volume.options`.
    pub mount_options: Vec<String>,
    /// `kafka.unit`.
    pub unit: String,
    /// `kafka.user`.
    pub user: String,
    /// `kafka.base`.
    pub base: String,
    /// `kafka.properties`.
    pub properties: String,
    /// `kafka.rack`, not filled in.
    pub rack: String,
    /// `kafka.listeners`, not filled in.
    pub listeners: Vec<String>,
    /// `kafka.ready`.
    pub ready: Ready,
    /// `boot.deadline`.
    pub deadline: Duration,
    /// `boot.stack`.
    pub stack: Telling,
    /// `boot.resource`; none is "from the tags".
    pub resource: Option<String>,
    /// `boot.group`.
    pub group: Telling,
}

impl Config {
    /// Kafka's `zookeeper.connect`.
    pub fn zookeeper_connect(&self) -> String {
        format!("{}{}", self.zookeeper_hosts.join(","), self.chroot)
    }

    /// `broker.rack` of an instance in this zone. An empty rack is never written: Kafka would place replicas by it.
    pub fn rack_in(&self, zone: &Zone, id: Option<&ZoneId>) -> Result<String, NoZoneId> {
        let rack = self.rack.replace("{zone}", zone.as_str());
        match id {
            Some(id) => Ok(rack.replace("{zone-id}", id.as_str())),
            None if rack.contains("{zone-id}") => Err(NoZoneId { rack: self.rack.clone() }),
            None => Ok(rack),
        }
    }

    /// Defaults alone, for a boot whose configuration cannot be read: good for telling the stack that the tags name, and
    /// for nothing else. Cluster and ZooKeeper are nobody's.
    pub fn unread() -> Self {
        let mut layers = Layers::default();
        layers
            .over("", UNREAD)
            .and_then(|()| Self::of(&layers))
            .expect("the two required keys, and the defaults, are a configuration: a test says so")
    }

    /// Checks what the layers add up to.
    pub fn of(layers: &Layers) -> Result<Self, Refused> {
        let from = From(layers);
        let (hosts, chroot) = from.parsed("", "zookeeper", connect)?;
        let mount = from.parsed("volume", "mount", values::mount)?;
        let log_dir = from.parsed("volume", "log_dir", |text| values::log_dir(&mount, text))?;
        let (base, properties) = from.two_files("base", "properties")?;
        Ok(Self {
            cluster: from.parsed("", "cluster", values::cluster)?,
            zookeeper_hosts: hosts,
            chroot,
            name: from.parsed("slots", "name", values::name)?,
            parts: from.listed("slots", "attach", values::parts)?,
            mount,
            log_dir,
            mount_options: from.parsed("volume", "options", values::mount_options)?,
            unit: from.parsed("kafka", "unit", values::unit)?,
            user: from.parsed("kafka", "user", values::word)?,
            base,
            properties,
            rack: from.parsed("kafka", "rack", values::rack)?,
            listeners: from.listed("kafka", "listeners", listeners)?,
            ready: from.parsed("kafka", "ready", |text| match text {
                "in-sync" => Ok(Ready::InSync),
                "registered" => Ok(Ready::Registered),
                _ => Err(format!("\"{text}\" is neither \"in-sync\" nor \"registered\"")),
            })?,
            deadline: from.parsed("boot", "deadline", values::duration)?,
            stack: from.parsed("boot", "stack", values::telling::<StackName>)?,
            resource: from.parsed("boot", "resource", values::resource)?,
            group: from.parsed("boot", "group", values::telling::<GroupName>)?,
        })
    }
}

struct From<'a>(&'a Layers);

impl From<'_> {
    fn parsed<T>(
        &self,
        table: &str,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Refused> {
        let (value, place) = self.0.get(table, name)?;
        let Value::Text(text) = value else { unreachable!("the schema says that {name} is a string") };
        parse(&text).map_err(|sentence| refused(place, table, name, &sentence))
    }

    fn listed<T>(
        &self,
        table: &str,
        name: &str,
        parse: impl Fn(&[String]) -> Result<T, String>,
    ) -> Result<T, Refused> {
        let (value, place) = self.0.get(table, name)?;
        let Value::Texts(texts) = value else { unreachable!("the schema says that {name} is a list") };
        parse(&texts).map_err(|sentence| refused(place, table, name, &sentence))
    }
}

impl From<'_> {
    /// Two keys of [kafka] that must not name one file: what berth writes would be read as the base of the next boot.
    fn two_files(&self, read: &str, written: &str) -> Result<(String, String), Refused> {
        let (base, properties) =
            (self.parsed("kafka", read, values::absolute)?, self.parsed("kafka", written, values::absolute)?);
        if base != properties {
            return Ok((base, properties));
        }
        let places = (self.0.get("kafka", read)?.1, self.0.get("kafka", written)?.1);
        // At the key that somebody wrote; the other may be a default.
        let (name, place, other, at) = if places.1.line > 0 {
            (written, places.1, read, places.0)
        } else {
            (read, places.0, written, places.1)
        };
        let sentence = format!(
            "\"{base}\" is `kafka.{other}` too ({at}): berth writes the one and only reads the other"
        );
        Err(refused(place, "kafka", name, &sentence))
    }
}

fn refused(place: Place, table: &str, name: &str, sentence: &str) -> Refused {
    let dot = if table.is_empty() { "" } else { "." };
    Refused { place, sentence: format!("`{table}{dot}{name}`: {}", remote_text::visible(sentence)) }
}

#[cfg(test)]
mod tests;
