//! The operator's word that a slot's data is lost.

use crate::UnixTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// "The data of this slot is lost, its broker may come up on an empty log dir": the operator's word, from `berth slot
/// reset`. It is one of two conditions; the other is that the cluster has a live leader elsewhere for every partition
/// that names the broker. Spent when the broker has registered once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// Unix time, milliseconds.
    pub at: UnixTime,
    /// Who said it: user and host.
    pub by: String,
    /// The partitions, as `topic-N`, whose loss was accepted. It counts for exactly those.
    #[serde(default)]
    pub accept: BTreeSet<String>,
}
