//! The adapters put together.

use crate::aws::{Ec2, Listeners, configuration};
use crate::disks::HostDisks;
use crate::host::ThisHost;
use crate::imds::Metadata;
use crate::netlink::Kernel;
use crate::systemd::Systemd;
use crate::tags::MyTags;
use crate::zookeeper::Zookeeper;
use berth_lifecycle::ports::{Cloud, Timeline};
use berth_lifecycle::{Me, Ports, Run};
use berth_plan::Token;
use berth_plan::config::Config;
use std::sync::Arc;

/// A run, and the session that must be closed at its end.
pub(crate) struct World {
    pub(crate) run: Run,
    pub(crate) zookeeper: Arc<Zookeeper>,
}

/// Puts a run together.
pub(crate) async fn world(
    config: Config,
    metadata: Metadata,
    timeline: Arc<dyn Timeline>,
) -> Result<World, String> {
    let Metadata { me, domain, tags } = metadata;
    let sdk = configuration(&me.region).await;
    let known = Arc::new(MyTags::default());
    // The metadata service shows tags only where that is enabled: none there does not mean that there are none.
    if !tags.is_empty() {
        known.seen(&tags);
    }
    let zookeeper = Zookeeper::new(&config);
    let cloud: Arc<dyn Cloud> = Arc::new(Ec2::new(&sdk, me.instance.clone(), known.clone()));
    let listeners =
        Listeners::new(&sdk, &config, me.instance.clone(), me.region.clone(), domain, known, cloud.clone());
    let ports = Ports {
        cloud,
        claims: zookeeper.clone(),
        registrations: zookeeper.clone(),
        network: Arc::new(Kernel::open()?),
        disks: Arc::new(HostDisks),
        service: Arc::new(Systemd),
        signals: Arc::new(listeners),
        host: Arc::new(ThisHost),
        timeline,
    };
    let token = token(&me)?;
    Ok(World { run: Run::new(me, config, ports, token), zookeeper })
}

/// Instance, and a number that no other run has.
fn token(me: &Me) -> Result<Token, String> {
    format!("{}-{}", me.instance, uuid::Uuid::new_v4())
        .parse()
        .map_err(|error| format!("make a token: {error}"))
}
