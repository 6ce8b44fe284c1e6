//! A fault of one slot, as it is recorded.

use super::codec::{Unreadable, checked, written};
use crate::InstanceId;
use serde::{Deserialize, Serialize};

/// A fault of one slot: the persistent node at `faults/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// Format of the record.
    pub v: u32,
    /// One word.
    pub code: String,
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
