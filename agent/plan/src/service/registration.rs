//! Entries of the service's own register.

use crate::BrokerId;

/// A broker's entry in the service's own register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The id.
    pub id: BrokerId,
    /// ZooKeeper's transaction id of the node's creation: a later registration has a higher one.
    pub czxid: i64,
    /// The hosts and ports that it advertises.
    pub endpoints: Vec<(String, u16)>,
}
