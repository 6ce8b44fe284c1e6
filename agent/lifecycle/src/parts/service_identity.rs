//! The identity of a slot, as the service's own file says it.

use super::held::Held;
use crate::{Boot, Step, Trouble};
use berth_plan::outcome::Kind;
use berth_plan::service::properties::Identity;

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
