//! Step 8: server.properties.

use super::attach::Held;
use crate::{Run, Step, Trouble};
use berth_plan::properties::{Identity, write};
use berth_plan::telling::Kind;

const STEP: Step = Step::Configure;

/// Writes server.properties where it is not already what it should be.
pub(crate) fn configure(run: &Run, held: &Held) -> Result<(), Trouble> {
    let config = &run.config;
    let address = match &held.slot.eni {
        Some(eni) => *eni.addresses.first().ok_or_else(|| {
            Trouble::new(STEP, Kind::Configuration, format!("{} has no IPv4 address", eni.id))
        })?,
        None => run.me.address,
    };
    let identity = Identity {
        id: held.slot.id,
        rack: config.rack.replace("{zone-id}", &run.me.zone_id).replace("{zone}", run.me.zone.as_str()),
        listeners: config.listeners.iter().map(|l| l.replace("{address}", &address.to_string())).collect(),
        log_dir: config.log_dir.clone(),
        zookeeper: config.zookeeper_connect(),
    };
    let host = &run.ports.host;
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
        run.ports
            .timeline
            .fact(STEP, &format!("{}:{line}: {key} is berth's to write, replaced", config.base));
    }
    host.write_file(&config.properties, &written.bytes, &config.user).map_err(|e| Trouble::host(STEP, e))?;
    run.ports.timeline.fact(STEP, &format!("{} written for slot {}", config.properties, held.slot.id));
    Ok(())
}
