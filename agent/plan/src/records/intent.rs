//! "I am about to take this slot."

use super::codec::{Unreadable, checked, written};
use crate::{BootId, InstanceId, Token};
use serde::{Deserialize, Serialize};

/// "I am about to take this slot": the ephemeral node at `intents/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Format of the record.
    pub v: u32,
    /// Whose it is.
    pub instance: InstanceId,
    /// In which kernel boot.
    pub boot: BootId,
    /// Of which run of berth.
    pub token: Token,
}

impl Intent {
    /// Reads a record.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        checked(bytes)
    }

    /// The record's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        written(self)
    }
}
