//! How records are written and read.
//!
//! Two versions of berth may meet in a rolling update: fields that this version does not know survive a rewrite, and a
//! record whose `v` it does not know is refused.

use serde::{Deserialize, Serialize};

/// The record's format that this version writes.
pub const VERSION: u32 = 1;

/// Why a record cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Another format.
    #[error("the record has format v={0}, this berth knows v={VERSION}: use the newer berth here")]
    Version(u64),
    /// Not a record.
    #[error("the record is not the JSON of a berth record")]
    Json(#[source] serde_json::Error),
}

pub(super) fn checked<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, Unreadable> {
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(Unreadable::Json)?;
    match value.get("v").and_then(serde_json::Value::as_u64) {
        Some(v) if v != u64::from(VERSION) => return Err(Unreadable::Version(v)),
        _ => {}
    }
    serde_json::from_value(value).map_err(Unreadable::Json)
}

pub(super) fn written<T: Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).expect("a record of texts and numbers is always JSON")
}
