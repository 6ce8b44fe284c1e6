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

/// What a life-cycle hook holds up (Auto Scaling user guide, "Amazon EC2 Auto Scaling lifecycle hooks").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transition {
    /// `autoscaling:EC2_INSTANCE_LAUNCHING`: the instance is not in service yet.
    Launching,
    /// `autoscaling:EC2_INSTANCE_TERMINATING`: it is not terminated yet.
    Terminating,
}

/// The listeners. Each call may be repeated: the same word of the same instance counts once.
#[async_trait]
pub trait Signals: Send + Sync {
    /// SignalResource of this instance.
    async fn outcome(&self, success: bool) -> Result<Receipt, SignalError>;

    /// CompleteLifecycleAction of every hook of this transition that the group has: CONTINUE, or ABANDON. Nobody where the
    /// instance is in no group, the group has no such hook, or none waits now.
    async fn complete_hook(&self, transition: Transition, proceed: bool) -> Result<Receipt, SignalError>;

    /// RecordLifecycleActionHeartbeat of the same hooks: their time-outs begin anew.
    async fn extend_hook(&self, transition: Transition) -> Result<Receipt, SignalError>;

    /// SetInstanceHealth of this instance, Healthy or Unhealthy, `ShouldRespectGracePeriod=false`.
    async fn health(&self, healthy: bool) -> Result<Receipt, SignalError>;
}
