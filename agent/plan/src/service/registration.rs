//! Entries of the service's own register.

use crate::BrokerId;
use serde::{Deserialize, Serialize};

/// Which registration of an id it is, as the register counts it: the transaction id of the node's creation in ZooKeeper
/// mode (czxid).
///
/// Opaque: it is asked only whether two are the same. The claims' revisions are another count, in another store maybe,
/// and are never compared with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(i64);

impl Incarnation {
    /// As the register counts it. For the register's adapter only.
    pub const fn of_register(number: i64) -> Self {
        Self(number)
    }

    /// The register's own number. For the register's adapter only.
    pub const fn in_register(self) -> i64 {
        self.0
    }
}

/// A broker's entry in the service's own register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The id.
    pub id: BrokerId,
    /// Which registration of the id it is.
    pub incarnation: Incarnation,
    /// The hosts and ports that it advertises.
    pub endpoints: Vec<(String, u16)>,
}
