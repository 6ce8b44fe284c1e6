//! server.properties: the base file with the identity of the slot written over it.
//!
//! Identity keys are berth's; every other key and every comment is the user's and stays as it was, byte for byte. The
//! format is Java's, read in `format`. A base file that Java itself would not load is refused with its line: Kafka would
//! end before it logs anything of use.

mod format;

pub use format::Malformed;

use format::{escape, logical_lines};
use std::collections::BTreeMap;

/// The keys that berth writes. Found in the base file they are replaced. `node.id` is another spelling of
/// `broker.id`, and Kafka refuses to start where the two differ.
pub const IDENTITY_KEYS: [&str; 8] = [
    "broker.id",
    "node.id",
    "broker.id.generation.enable",
    "broker.rack",
    "listeners",
    "advertised.listeners",
    "log.dirs",
    "zookeeper.connect",
];

/// The identity of a slot, as Kafka reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `broker.id`.
    pub id: crate::BrokerId,
    /// `broker.rack`.
    pub rack: String,
    /// `listeners` and `advertised.listeners`, address filled in.
    pub listeners: Vec<String>,
    /// `log.dirs`.
    pub log_dir: String,
    /// `zookeeper.connect`, chroot included.
    pub zookeeper: String,
}

impl Identity {
    /// The hosts and ports that the broker will advertise.
    pub fn endpoints(&self) -> Vec<super::Endpoint> {
        self.listeners.iter().filter_map(|listener| super::endpoint(listener)).collect()
    }

    fn entries(&self) -> Vec<(&'static str, String)> {
        let listeners = self.listeners.join(",");
        vec![
            ("broker.id", self.id.to_string()),
            ("broker.id.generation.enable", "false".to_owned()),
            ("broker.rack", self.rack.clone()),
            ("listeners", listeners.clone()),
            ("advertised.listeners", listeners),
            ("log.dirs", self.log_dir.clone()),
            ("zookeeper.connect", self.zookeeper.clone()),
        ]
    }
}

/// A written file, and which identity keys of the base file it replaced, by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub bytes: Vec<u8>,
    /// Line of the base file, and key.
    pub replaced: Vec<(usize, String)>,
}

/// Writes the identity over the base file.
pub fn write(base: &[u8], identity: &Identity) -> Result<Written, Malformed> {
    let mut bytes = Vec::with_capacity(base.len() + 512);
    let mut replaced = Vec::new();
    for line in logical_lines(base) {
        match line.key()?.filter(|key| IDENTITY_KEYS.contains(&key.as_str())) {
            Some(key) => replaced.push((line.number, key)),
            None => {
                line.value()?;
                bytes.extend_from_slice(line.bytes);
            }
        }
    }
    bytes.extend_from_slice(block(base, &bytes, identity).as_bytes());
    Ok(Written { bytes, replaced })
}

/// What follows the user's text. Its blank line also ends a continuation that the text leaves open.
fn block(base: &[u8], text: &[u8], identity: &Identity) -> String {
    let has = |end: &[u8]| base.windows(end.len()).any(|bytes| bytes == end);
    let end = match (has(b"\r\n"), has(b"\n"), has(b"\r")) {
        (true, ..) => "\r\n",
        (false, false, true) => "\r",
        _ => "\n",
    };
    let mut block = String::new();
    // A line feed after a bare carriage return would be one line end with it, and no blank line.
    if !text.is_empty() && !text.ends_with(b"\n") && (!text.ends_with(b"\r") || end == "\n") {
        block.push_str(end);
    }
    block.push_str(end);
    block.push_str(&format!("# The identity of slot {}, written by berth at each boot.{end}", identity.id));
    for (key, value) in identity.entries() {
        block.push_str(key);
        block.push('=');
        escape(&value, &mut block);
        block.push_str(end);
    }
    block
}

/// What the file says, the last of several entries of one key counting, as in Java.
pub fn read(file: &[u8]) -> Result<BTreeMap<String, String>, Malformed> {
    let mut entries = BTreeMap::new();
    for line in logical_lines(file) {
        if let Some(key) = line.key()? {
            entries.insert(key, line.value()?);
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
