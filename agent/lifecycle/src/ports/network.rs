//! The kernel's links, addresses, routes and rules.

use async_trait::async_trait;
use berth_plan::MacAddress;
use berth_plan::network::{Act, Seen};
use std::net::Ipv4Addr;
use std::time::Duration;

/// A call to the kernel that failed: what was tried, on which link, what the kernel said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NetworkError(pub String);

/// How a connection attempt from the slot's address ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// An answer came: accepted, or refused by the peer itself.
    Answered,
    /// No answer: which peer, and of each of its addresses what became of the attempt.
    Silent(String),
}

/// The kernel by rtnetlink(7) and /proc/sys, and connections from the slot's address.
///
/// Looks may be repeated at will. An act that is done already succeeds: what is to be added is there, what is to be
/// removed is gone.
#[async_trait]
pub trait Network: Send + Sync {
    /// Waits until a link with this address is there, woken by the kernel (RTM_NEWLINK) and not by a clock. Calls `waiting`
    /// once, where it is not there at the first look. False when `within` has passed.
    async fn wait_for_link(
        &self,
        mac: MacAddress,
        within: Duration,
        waiting: &(dyn Fn() + Sync),
    ) -> Result<bool, NetworkError>;

    /// What the kernel holds of the link with this address, and of berth's marks; none where there is no such link.
    async fn link(&self, mac: MacAddress) -> Result<Option<Seen>, NetworkError>;

    /// What has berth's marks, whatever became of the link: an interface that is pulled out takes its addresses and
    /// routes along and leaves the rules. A `Seen` without a link.
    async fn marked(&self) -> Result<Seen, NetworkError>;

    /// Carries out one act on the link of `seen`. An error where that link has another name by now.
    async fn apply(&self, seen: &Seen, act: &Act) -> Result<(), NetworkError>;

    /// The index of the link by which a packet from `from` to `to` would leave: `ip route get TO from FROM`.
    async fn route_lookup(&self, from: Ipv4Addr, to: Ipv4Addr) -> Result<u32, NetworkError>;

    /// Opens a TCP connection from `from` to a `host:port` and closes it at once: to all IPv4 addresses of the name side by
    /// side, and one that answers is enough. `within` for the resolver, and for each address.
    async fn reach(&self, from: Ipv4Addr, to: &str, within: Duration) -> Reached;
}
