//! CloudFormation and Auto Scaling, as listeners.

use async_trait::async_trait;
use std::time::Duration;

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

/// A life-cycle hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// For how long it waits for a word; each heartbeat begins that anew.
    pub timeout: Duration,
}

/// The listeners. Each call may be repeated: the same word of the same instance counts once.
#[async_trait]
pub trait Signals: Send + Sync {
    /// SignalResource of this instance.
    async fn outcome(&self, success: bool) -> Result<Receipt, SignalError>;

    /// DescribeLifecycleHooks: those of this instance's group that hold up this transition. None outside a group.
    async fn hooks(&self, transition: Transition) -> Result<Vec<Hook>, SignalError>;

    /// CompleteLifecycleAction of this instance: CONTINUE where it proceeds, else ABANDON. Nobody where none waits now.
    async fn complete_hook(&self, hook: &Hook, proceed: bool) -> Result<Receipt, SignalError>;

    /// RecordLifecycleActionHeartbeat of this instance: the time-out begins anew. Nobody as above.
    async fn extend_hook(&self, hook: &Hook) -> Result<Receipt, SignalError>;

    /// SetInstanceHealth of this instance, Healthy or Unhealthy, `ShouldRespectGracePeriod=false`.
    async fn health(&self, healthy: bool) -> Result<Receipt, SignalError>;
}
