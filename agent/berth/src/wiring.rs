//! The adapters put together.

use crate::aws::imds::Metadata;
use crate::aws::tags::MyTags;
use crate::aws::{Ec2, Listeners, configuration};
use crate::host::ThisHost;
use crate::host::disks::HostDisks;
use crate::host::managers::HostManagers;
use crate::host::netlink::Kernel;
use crate::host::systemd::Systemd;
use crate::zookeeper::Zookeeper;
use berth_lifecycle::ports::{Cloud, Host, Timeline};
use berth_lifecycle::stories::slot::Desk;
use berth_lifecycle::{Agent, Me, Ports};
use berth_plan::Token;
use berth_plan::config::Config;
use std::sync::Arc;

/// An agent, and the session that must be closed at its end.
pub(crate) struct Wiring {
    pub(crate) agent: Agent,
    pub(crate) zookeeper: Arc<Zookeeper>,
}

/// Puts an agent together.
pub(crate) async fn wire(
    config: Config,
    metadata: Metadata,
    timeline: Arc<dyn Timeline>,
) -> Result<Wiring, String> {
    let Metadata { me, domain, tags } = metadata;
    let sdk = configuration(&me.region).await?;
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
        managers: Arc::new(HostManagers),
        disks: Arc::new(HostDisks),
        service: Arc::new(Systemd),
        signals: Arc::new(listeners),
        host: Arc::new(ThisHost),
        timeline,
    };
    Ok(Wiring { agent: Agent { me, config, ports }, zookeeper })
}

/// Puts together what an operator's command asks: the claims and the service's register, on any machine that reaches them.
pub(crate) fn wire_desk(config: &Config, by: String) -> (Desk, Arc<Zookeeper>) {
    let zookeeper = Zookeeper::new(config);
    let (claims, registrations) = (zookeeper.clone(), zookeeper.clone());
    (Desk { claims, registrations, at: ThisHost.unix_time(), by }, zookeeper)
}

/// Instance, and a number that no other run has.
pub(crate) fn token(me: &Me) -> Result<Token, String> {
    format!("{}-{}", me.instance, uuid::Uuid::new_v4())
        .parse()
        .map_err(|error| format!("make a token: {error}"))
}
