//! The host's own network managers leave the slot's interface alone: told before it is attached, until it is given back.
//!
//! A manager that could not be told does not end a boot: what it does to the link is seen and set right by the network step.

use crate::Agent;
use berth_plan::ec2::EniSeen;

/// Before AttachNetworkInterface: a manager that meets the new link first runs DHCP on it, and a second default route is in
/// the main table.
pub(crate) async fn mark_unmanaged(agent: &Agent, eni: &EniSeen) {
    if let Err(error) = agent.ports.managers.mark_unmanaged(eni.mac).await {
        tracing::warn!(eni = %eni.id, "{error}; another network manager may configure the slot's interface");
    }
}

/// After all of a slot is detached: a run before this one may have told of an interface that nothing leads to any more.
pub(crate) async fn forget_all_unmanaged(agent: &Agent) {
    if let Err(error) = agent.ports.managers.forget_all_unmanaged().await {
        tracing::warn!("{error}; an interface that was given back stays unmanaged on this host");
    }
}

/// After its detach was accepted.
pub(crate) async fn forget_unmanaged(agent: &Agent, eni: &EniSeen) {
    if let Err(error) = agent.ports.managers.forget_unmanaged(eni.mac).await {
        tracing::warn!(eni = %eni.id, "{error}; an interface that is given back stays unmanaged on this host");
    }
}
