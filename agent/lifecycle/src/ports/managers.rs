//! Other programs that configure links on this host: systemd-networkd, NetworkManager, and what builds on them.

use super::NetworkError;
use async_trait::async_trait;
use berth_plan::MacAddress;

/// The other managers of this host's network.
#[async_trait]
pub trait Managers: Send + Sync {
    /// Has them leave the interface with this address alone, whether its link is there or comes later. Those that run have
    /// taken it up when this returns. Safe to repeat: where it is said already nothing is written. Bounded to some
    /// seconds. An error is a sentence: which file or which program, and what it said; the other managers were told.
    async fn mark_unmanaged(&self, mac: MacAddress) -> Result<(), NetworkError>;

    /// Takes that back, for an interface that is not this host's any more; done where nothing was said. Errors as above.
    async fn forget_unmanaged(&self, mac: MacAddress) -> Result<(), NetworkError>;

    /// Takes back all that was ever said: nothing of a slot is left on this host. Errors as above.
    async fn forget_all_unmanaged(&self) -> Result<(), NetworkError>;
}
