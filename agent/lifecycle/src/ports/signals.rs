//! CloudFormation and Auto Scaling, as listeners.

use async_trait::async_trait;

/// A telling that did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// Worth another try.
    #[error("{0}")]
    Passing(String),
    /// Not worth one.
    #[error("{0}")]
    Final(String),
}

/// How a telling ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// Heard.
    Heard,
    /// Nobody listens: no stack, no group, or a stack that is complete. A success, noted.
    Nobody(String),
}

/// The listeners. Each call may be repeated: the same word of the same instance counts once.
#[async_trait]
pub trait Signals: Send + Sync {
    /// SignalResource of this instance.
    async fn outcome(&self, success: bool) -> Result<Receipt, SignalError>;

    /// SetInstanceHealth of this instance, Healthy or Unhealthy, `ShouldRespectGracePeriod=false`.
    async fn health(&self, healthy: bool) -> Result<Receipt, SignalError>;
}
