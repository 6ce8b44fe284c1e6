//! The unit.

use async_trait::async_trait;

/// A call to the service manager that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ServiceError(pub String);

/// The states of a unit that berth tells apart (systemd.unit(5), org.freedesktop.systemd1(5), ActiveState).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitState {
    /// Not running.
    Inactive,
    /// On its way up, or waiting for its automatic restart.
    Activating,
    /// Running.
    Active,
    /// On its way down.
    Deactivating,
    /// Failed, and its own `Restart=` does not bring it back.
    Failed,
    /// There is no such unit.
    Missing,
}

/// A unit as the service manager shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its state.
    pub state: UnitState,
    /// Changes with every start.
    pub invocation: String,
    /// Why it ended.
    pub result: String,
}

/// The service manager.
#[async_trait]
pub trait Service: Send + Sync {
    /// The unit now.
    async fn unit(&self, name: &str) -> Result<Unit, ServiceError>;

    /// Starts it, without waiting for it to be up.
    async fn start(&self, name: &str) -> Result<(), ServiceError>;

    /// Stops it and waits until it is down.
    async fn stop(&self, name: &str) -> Result<(), ServiceError>;
}
