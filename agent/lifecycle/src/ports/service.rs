//! The unit.

use async_trait::async_trait;
use berth_plan::service::start_command::StartCommand;

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
    /// `InvocationID=`: another one with every start, the unit's own restarts included (systemd.exec(5)).
    pub invocation: String,
    /// Why it ended.
    pub result: String,
}

/// The service manager. Each call has a bound of its own: a manager that does not answer is an error.
#[async_trait]
pub trait Service: Send + Sync {
    /// The unit now.
    async fn unit(&self, name: &str) -> Result<Unit, ServiceError>;

    /// What the unit starts; none where there is no such unit. What is loaded counts, not what its files say meanwhile.
    async fn start_command(&self, name: &str) -> Result<Option<StartCommand>, ServiceError>;

    /// `systemctl reset-failed`: earlier failures, and the starts that count against `StartLimitBurst=`, are forgotten.
    /// Done where there is nothing to forget.
    async fn forget_failures(&self, name: &str) -> Result<(), ServiceError>;

    /// Asks for its start, without waiting for it to be up. Done where it is up.
    async fn start(&self, name: &str) -> Result<(), ServiceError>;

    /// Stops it and waits until it is down, for the unit's own `TimeoutStopSec=` and a while. Done where it is down.
    async fn stop(&self, name: &str) -> Result<(), ServiceError>;
}
