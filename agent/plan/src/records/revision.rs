//! The revision of a slot's records, as its store counts it.

use std::fmt;

/// The revision of a slot's claim, as its store counts it: the data version of a node in ZooKeeper.
///
/// Opaque: a decision carries it from the read to the write, and the store alone compares it. It has no order, and
/// nothing of the service's register may be compared with it: two stores need not count alike, and one of them may be
/// no ZooKeeper at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision(i64);

impl Revision {
    /// As the store counts it. For claims stores only.
    pub const fn of_store(number: i64) -> Self {
        Self(number)
    }

    /// The store's own number. For claims stores only.
    pub const fn in_store(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
