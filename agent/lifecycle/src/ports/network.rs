//! The kernel's links, addresses, routes and rules.

use async_trait::async_trait;
use berth_plan::network::{Act, Seen};
use berth_plan::{MacAddress, Millis};
use std::net::Ipv4Addr;

/// A call to the kernel that failed: what was tried, on which link, what the kernel said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NetworkError(pub String);

/// How a connection attempt from the slot's address ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// An answer came: accepted, or refused by the peer itself.
    Answered,
    /// No answer.
    Silent(String),
}

/// The kernel by netlink.
#[async_trait]
pub trait Network: Send + Sync {
    /// Waits until a link with this address is there: woken by the kernel, not by a clock. False when the time has passed.
    async fn appeared(&self, mac: MacAddress, within: Millis) -> Result<bool, NetworkError>;

    /// What the kernel holds of the link with this address, and of berth's marks; none where there is no such link.
    async fn look(&self, mac: MacAddress) -> Result<Option<Seen>, NetworkError>;

    /// What bears berth's marks, whatever became of the link: an interface that is pulled out takes its addresses and
    /// routes along and leaves the rules. A `Seen` without a link.
    async fn marks(&self) -> Result<Seen, NetworkError>;

    /// Carries out one act on the link of `seen`.
    async fn apply(&self, seen: &Seen, act: &Act) -> Result<(), NetworkError>;

    /// The index of the link by which a packet from `from` to `to` would leave: `ip route get to from`.
    async fn way_out(&self, from: Ipv4Addr, to: Ipv4Addr) -> Result<u32, NetworkError>;

    /// Opens a TCP connection from `from` to `to`, a `host:port`, and closes it at once.
    async fn reach(&self, from: Ipv4Addr, to: &str, within: Millis) -> Reached;
}
