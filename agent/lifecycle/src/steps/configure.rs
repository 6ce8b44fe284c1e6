//! Step 8: server.properties.

use crate::parts::held::Held;
use crate::{Boot, Step, Trouble};
use berth_plan::outcome::Kind;
use berth_plan::service::properties::{Identity, write};

const STEP: Step = Step::Configure;

/// Writes server.properties where it is not already what it should be.
pub(crate) fn write_configuration(boot: &Boot, held: &Held) -> Result<(), Trouble> {
    let config = &boot.config;
    let address = match &held.slot.eni {
        Some(eni) => *eni.addresses.first().ok_or_else(|| {
            Trouble::new(STEP, Kind::Configuration, format!("{} has no IPv4 address", eni.id))
        })?,
        None => boot.me.address.ok_or_else(|| no_ipv4(boot))?,
    };
    let identity = Identity {
        id: held.slot.id,
        rack: config
            .rack_in(&boot.me.zone, boot.me.zone_id.as_ref())
            .map_err(|error| Trouble::new(STEP, Kind::Configuration, error.to_string()))?,
        listeners: config.listeners.iter().map(|l| l.replace("{address}", &address.to_string())).collect(),
        log_dir: config.log_dir.clone(),
        zookeeper: config.zookeeper_connect(),
    };
    let host = &boot.ports.host;
    let base = host.read_file(&config.base).map_err(|error| {
        Trouble::new(
            STEP,
            Kind::Configuration,
            format!("{error}; put Kafka's settings there, or name their file in `kafka.base`"),
        )
    })?;
    let written = write(&base, &identity).map_err(|malformed| {
        let sentence = format!("{}:{}: {malformed}", config.base, malformed.line);
        Trouble::new(STEP, Kind::Configuration, sentence)
    })?;
    if host.existing_file(&config.properties).map_err(|e| Trouble::host(STEP, e))?.as_deref()
        == Some(&written.bytes)
    {
        return Ok(());
    }
    for (line, key) in &written.replaced {
        boot.ports
            .timeline
            .fact(STEP, &format!("{}:{line}: {key} is berth's to write, replaced", config.base));
    }
    host.write_file(&config.properties, &written.bytes, &config.user).map_err(|e| Trouble::host(STEP, e))?;
    boot.ports.timeline.fact(STEP, &format!("{} written for slot {}", config.properties, held.slot.id));
    Ok(())
}

fn no_ipv4(boot: &Boot) -> Trouble {
    let sentence = format!("the primary interface of {} has no IPv4 address", boot.me.instance);
    Trouble::new(STEP, Kind::Configuration, sentence)
}
