//! The identity of a slot, as the service's own file says it.

use super::held::Held;
use crate::{Agent, Boot, Step, Trouble};
use berth_plan::outcome::Kind;
use berth_plan::service::properties::{Identity, read};

/// What server.properties says of the slot that is held here.
pub(crate) fn service_identity(boot: &Boot, held: &Held) -> Result<Identity, Trouble> {
    let config = &boot.config;
    let configuration = |sentence: String| Trouble::new(Step::Configure, Kind::Configuration, sentence);
    let address = match &held.slot.eni {
        Some(eni) => {
            *eni.addresses.first().ok_or_else(|| configuration(format!("{} has no IPv4 address", eni.id)))?
        }
        None => boot.me.address.ok_or_else(|| {
            configuration(format!("the primary interface of {} has no IPv4 address", boot.me.instance))
        })?,
    };
    Ok(Identity {
        id: held.slot.id,
        rack: config
            .rack_in(&boot.me.zone, boot.me.zone_id.as_ref())
            .map_err(|error| configuration(error.to_string()))?,
        listeners: config.listeners.iter().map(|l| l.replace("{address}", &address.to_string())).collect(),
        log_dir: config.log_dir.clone(),
        zookeeper: config.zookeeper_connect(),
    })
}

/// `min.insync.replicas` of the service's own file; none where it is silent or cannot be read.
pub(crate) fn min_in_sync_of_file(agent: &Agent) -> Option<usize> {
    let bytes = agent.ports.host.read_file(&agent.config.properties).ok()?;
    read(&bytes).ok()?.get("min.insync.replicas")?.trim().parse().ok()
}
