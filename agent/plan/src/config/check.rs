//! The configuration as the program uses it: every value checked once.

use super::layer::{Layers, Place, Refused, Value};
use crate::Millis;
use crate::slot::{NamePattern, Parts};

/// What success means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// The broker is back in sync.
    InSync,
    /// The broker is registered.
    Registered,
}

/// To whom something is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Telling {
    /// As the instance's tags say.
    Auto,
    /// To nobody.
    Nobody,
    /// To this one.
    Named(String),
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
    pub deadline: Millis,
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
        let (hosts, chroot) = from.parsed("", "zookeeper", zookeeper)?;
        let mount = from.parsed("volume", "mount", mount)?;
        let log_dir = from.parsed("volume", "log_dir", |text| log_dir(&mount, text))?;
        let (base, properties) = from.two_files("base", "properties")?;
        Ok(Self {
            cluster: from.parsed("", "cluster", cluster)?,
            zookeeper_hosts: hosts,
            chroot,
            name: from.parsed("slots", "name", |text| {
                NamePattern::new(text)
                    .ok_or_else(|| format!("\"{text}\" must hold {{id}} exactly once, as \"KAFKA-{{id}}\""))
            })?,
            parts: from.listed("slots", "attach", parts)?,
            mount,
            log_dir,
            mount_options: from.parsed("volume", "options", mount_options)?,
            unit: from.parsed("kafka", "unit", unit)?,
            user: from.parsed("kafka", "user", not_empty)?,
            base,
            properties,
            rack: from.parsed("kafka", "rack", |text| filled_in(text, &["{zone}", "{zone-id}"]))?,
            listeners: from.listed("kafka", "listeners", listeners)?,
            ready: from.parsed("kafka", "ready", |text| match text {
                "in-sync" => Ok(Ready::InSync),
                "registered" => Ok(Ready::Registered),
                _ => Err(format!("\"{text}\" is neither \"in-sync\" nor \"registered\"")),
            })?,
            deadline: from.parsed("boot", "deadline", duration)?,
            stack: from.parsed("boot", "stack", telling)?,
            resource: from.parsed("boot", "resource", |t| Ok((t != "auto").then(|| t.to_owned())))?,
            group: from.parsed("boot", "group", telling)?,
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
            (self.parsed("kafka", read, absolute)?, self.parsed("kafka", written, absolute)?);
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
    Refused { place, sentence: format!("`{table}{dot}{name}`: {sentence}") }
}

fn not_empty(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("is empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// A cluster's name is a node name in ZooKeeper and a tag's value.
fn cluster(text: &str) -> Result<String, String> {
    let fits =
        text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) && !text.starts_with('.');
    if text.is_empty() || !fits {
        return Err(format!("\"{text}\" must be letters, digits, '-', '_' and '.', and not begin with '.'"));
    }
    Ok(text.to_owned())
}

/// A path as the kernel has it: `/proc/self/mountinfo` knows no `//` and no `..`, and a mount that is looked for under
/// another spelling is never found.
fn absolute(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    if !text.starts_with('/') || parts.is_empty() {
        return Err(format!("\"{text}\" must be an absolute path, and not /"));
    }
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err(format!("\"{text}\" has a part . or ..: write the path that it leads to"));
    }
    let clean = format!("/{}", parts.join("/"));
    if text.contains("//") {
        return Err(format!("\"{text}\" has an empty part (//): write \"{clean}\""));
    }
    one_spelling(&clean)?;
    Ok(clean)
}

/// Blanks around a value and control characters in it: Kafka and systemd take them off or split at them
/// (`ConfigDef.parseType` trims each string), the kernel does not.
fn one_spelling(text: &str) -> Result<(), String> {
    if let Some(odd) = text.chars().find(|c| c.is_control()) {
        return Err(format!(
            "{text:?} has the character {odd:?}, which no reader after berth keeps: take it out"
        ));
    }
    if text.split('/').any(|part| part.trim() != part) {
        return Err(format!("\"{text}\" has a blank at the end of a name: take it out"));
    }
    Ok(())
}

/// The mount point. The log dir lies below it, and Kafka splits `log.dirs` at commas.
fn mount(text: &str) -> Result<String, String> {
    if text.contains(',') {
        return Err(format!("\"{text}\" has a comma, at which Kafka splits log.dirs: take it out"));
    }
    absolute(text)
}

fn log_dir(mount: &str, text: &str) -> Result<String, String> {
    match text {
        "." => Ok(mount.to_owned()),
        _ if text.is_empty() || text.starts_with('/') || text.contains(',') => {
            Err(format!("\"{text}\" must be one directory below the mount ({mount}), or \".\""))
        }
        _ if text.split('/').any(|part| matches!(part, "." | "..")) => {
            Err(format!("\"{text}\" must not hold . or .."))
        }
        _ if text.contains("//") => {
            let clean: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
            Err(format!("\"{text}\" has an empty part (//): write \"{}\"", clean.join("/")))
        }
        _ => absolute(&format!("{mount}/{text}")),
    }
}

fn zookeeper(text: &str) -> Result<(Vec<String>, String), String> {
    let (hosts, chroot) = text.find('/').map_or((text, ""), |at| text.split_at(at));
    let chroot = chroot.trim_end_matches('/');
    if chroot.split('/').skip(1).any(str::is_empty) {
        return Err(format!("the chroot \"{chroot}\" has an empty part"));
    }
    let hosts: Vec<String> = hosts.split(',').map(str::trim).map(str::to_owned).collect();
    for host in &hosts {
        let (name, port) = host.rsplit_once(':').unwrap_or((host, "2181"));
        let fits =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b));
        if !fits || !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err(format!("\"{host}\" is no host:port; the form is host:2181,host:2181/chroot"));
        }
    }
    let hosts = hosts.into_iter().map(|h| if h.contains(':') { h } else { format!("{h}:2181") }).collect();
    Ok((hosts, chroot.to_owned()))
}

fn parts(texts: &[String]) -> Result<Parts, String> {
    let mut parts = Parts { eni: false, volume: false };
    for text in texts {
        match text.as_str() {
            "eni" => parts.eni = true,
            "volume" => parts.volume = true,
            other => return Err(format!("\"{other}\" is neither \"eni\" nor \"volume\"")),
        }
    }
    if !parts.eni && !parts.volume {
        return Err("a slot needs at least one part: nothing else makes its holder the only one".to_owned());
    }
    Ok(parts)
}

fn unit(text: &str) -> Result<String, String> {
    let fits = text.ends_with(".service")
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@:\\".contains(&b));
    if fits && !text.starts_with('-') {
        Ok(text.to_owned())
    } else {
        Err(format!("\"{text}\" is no name of a service unit, as kafka.service"))
    }
}

fn filled_in(text: &str, known: &[&str]) -> Result<String, String> {
    let rest = known.iter().fold(text.to_owned(), |rest, hole| rest.replace(hole, ""));
    if rest.contains(['{', '}']) {
        return Err(format!("\"{text}\": only {} is filled in here", known.join(" and ")));
    }
    not_empty(text)
}

/// Options for the kernel; words that only fstab(5) knows would reach the file system, which refuses them.
fn mount_options(text: &str) -> Result<Vec<String>, String> {
    const FSTAB: [&str; 8] = ["auto", "noauto", "nofail", "_netdev", "user", "users", "owner", "group"];
    let options: Vec<String> =
        text.split(',').map(str::trim).filter(|o| !o.is_empty()).map(str::to_owned).collect();
    match options.iter().find(|option| FSTAB.contains(&option.as_str()) || option.starts_with("x-")) {
        Some(option) => Err(format!("\"{option}\" is an option of fstab, not of a mount; leave it out")),
        None => Ok(options),
    }
}

fn listeners(texts: &[String]) -> Result<Vec<String>, String> {
    if texts.is_empty() {
        return Err("Kafka needs at least one listener".to_owned());
    }
    for text in texts {
        let port = text.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        if !text.contains("://") || port.is_none() || text.contains(',') {
            return Err(format!("\"{text}\" is no listener, as PLAINTEXT://{{address}}:9092"));
        }
        filled_in(text, &["{address}"])?;
    }
    Ok(texts.to_vec())
}

fn duration(text: &str) -> Result<Millis, String> {
    let refused = || format!("\"{text}\" is no duration of 1 minute to 12 hours, as \"30m\"");
    let millis = humantime::parse_duration(text).map_err(|_| refused())?.as_millis();
    u64::try_from(millis).ok().filter(|ms| (60_000..=43_200_000).contains(ms)).ok_or_else(refused)
}

fn telling(text: &str) -> Result<Telling, String> {
    Ok(match text {
        "auto" => Telling::Auto,
        "none" => Telling::Nobody,
        "" => return Err("is empty: write \"none\" where nobody is told".to_owned()),
        name => Telling::Named(name.to_owned()),
    })
}

#[cfg(test)]
mod tests;
