//! A fault of one slot, as it is recorded.

use super::codec::{Unreadable, checked, written};
use crate::InstanceId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a slot's fault is, in one word. A word that this berth does not know is kept as it is: two versions meet in a
/// roll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultCode {
    /// The kernel or e2fsck refuses what is on the device.
    Device,
    /// The device has no bytes.
    EmptyDevice,
    /// It cannot be read.
    Unreadable,
    /// It bears something that berth does not mount.
    Foreign,
    /// Its file system is larger than the device.
    Smaller,
    /// An xfs that somebody else's mkfs never completed.
    Unfinished,
    /// Another file system than the claim remembers.
    Replaced,
    /// No file system where there was one.
    Vanished,
    /// An empty volume that was made from a snapshot.
    Snapshot,
    /// What is mounted is not what the device shows.
    Mounted,
    /// What was formatted is not what the device shows.
    Format,
    /// The disk belongs to another broker or cluster.
    Identity,
    /// EC2 refuses to attach one of its parts.
    Refused,
    /// EC2 accepted an attachment of it and undid it, twice.
    Undone,
    /// Of another version of berth.
    #[serde(untagged)]
    Other(String),
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A fault of one slot: the persistent node at `faults/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// Format of the record.
    pub v: u32,
    /// What it is.
    pub code: FaultCode,
    /// One sentence.
    pub reason: String,
    /// The instance that met it last.
    pub seen_by: InstanceId,
    /// How often it was met.
    pub count: u32,
    /// What it was seen on; when that changes, the fault lapses.
    pub seen_on: String,
}

impl FaultRecord {
    /// Reads a record.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        checked(bytes)
    }

    /// The record's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        written(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_one_word_and_one_of_another_version_is_kept() {
        let words = [
            (FaultCode::EmptyDevice, "empty-device"),
            (FaultCode::Unreadable, "unreadable"),
            (FaultCode::Other("melted".into()), "melted"),
        ];
        for (code, word) in words {
            assert_eq!(code.to_string(), word);
            let record = FaultRecord {
                v: super::super::VERSION,
                code,
                reason: "seen".into(),
                seen_by: "i-0000000000000000a".parse().unwrap(),
                count: 1,
                seen_on: "vol-1".into(),
            };
            let bytes = record.bytes();
            assert!(String::from_utf8_lossy(&bytes).contains(&format!("\"code\":\"{word}\"")));
            assert_eq!(FaultRecord::read(&bytes).unwrap(), record);
        }
    }
}
