//! Every key of the configuration: its table, type, default and meaning. The reference page is held against this.

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its table; empty at the top.
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// Its default as TOML; none where it must be given.
    pub default: Option<&'static str>,
    /// What it means.
    pub meaning: &'static str,
}

/// A key's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A string.
    Text,
    /// A list of strings.
    Texts,
}

impl Type {
    /// As a sentence says it.
    pub(super) fn article(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Texts => "a list of strings",
        }
    }
}

impl Key {
    /// `table.name`, as sentences and the reference page say it.
    pub fn path(&self) -> String {
        if self.table.is_empty() { self.name.to_owned() } else { format!("{}.{}", self.table, self.name) }
    }
}

const fn key(
    table: &'static str,
    name: &'static str,
    kind: Type,
    default: Option<&'static str>,
    meaning: &'static str,
) -> Key {
    Key { table, name, kind, default, meaning }
}

/// All keys.
pub const KEYS: &[Key] = &[
    key(
        "",
        "cluster",
        Type::Text,
        None,
        "the cluster: every resource of it has the tag berth:cluster=<this>",
    ),
    key("", "zookeeper", Type::Text, None, "hosts and chroot, as Kafka's zookeeper.connect"),
    key("slots", "name", Type::Text, Some("\"KAFKA-{id}\""), "the Name tag of a slot's interface and volume"),
    key(
        "slots",
        "attach",
        Type::Texts,
        Some("[\"eni\", \"volume\"]"),
        "what a slot consists of: eni, volume or both",
    ),
    key("volume", "mount", Type::Text, Some("\"/kafkalogs\""), "where the volume is mounted"),
    key(
        "volume",
        "log_dir",
        Type::Text,
        Some("\"data\""),
        "the log dir below the mount; \".\" where the logs lie at its root",
    ),
    key("volume", "options", Type::Text, Some("\"noatime\""), "mount options"),
    key("kafka", "unit", Type::Text, Some("\"kafka.service\""), "the systemd unit that berth starts"),
    key(
        "kafka",
        "user",
        Type::Text,
        Some("\"kafka\""),
        "the user that owns the log dir and reads server.properties",
    ),
    key(
        "kafka",
        "base",
        Type::Text,
        Some("\"/etc/kafka/server.properties.base\""),
        "the user's server.properties, without identity",
    ),
    key(
        "kafka",
        "properties",
        Type::Text,
        Some("\"/etc/kafka/server.properties\""),
        "the file that berth writes",
    ),
    key("kafka", "rack", Type::Text, Some("\"{zone}\""), "broker.rack; {zone} and {zone-id} are filled in"),
    key(
        "kafka",
        "listeners",
        Type::Texts,
        Some("[\"PLAINTEXT://{address}:9092\"]"),
        "listeners and advertised.listeners; {address} is the slot's address",
    ),
    key("kafka", "ready", Type::Text, Some("\"in-sync\""), "what success means: in-sync or registered"),
    key("boot", "deadline", Type::Text, Some("\"30m\""), "how long a boot may take before it gives up"),
    key(
        "boot",
        "stack",
        Type::Text,
        Some("\"auto\""),
        "the CloudFormation stack that is told: auto (from the instance's tags), none, or its name",
    ),
    key(
        "boot",
        "resource",
        Type::Text,
        Some("\"auto\""),
        "the logical id of the group in that stack: auto (from the instance's tags), or its id",
    ),
    key(
        "boot",
        "group",
        Type::Text,
        Some("\"auto\""),
        "the Auto Scaling group that is told: auto (from the instance's tags), none, or its name",
    ),
];
