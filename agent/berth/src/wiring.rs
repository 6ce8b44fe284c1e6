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
use berth_lifecycle::ports::{Claims, Cloud, Host, Registrations, Timeline};
use berth_lifecycle::stories::slot::Desk;
use berth_lifecycle::{Agent, Me, Ports};
use berth_plan::Token;
use berth_plan::config::Config;
use std::sync::Arc;

/// The claims store and the service's register that a configuration names: the one place that picks them.
pub(crate) struct Stores {
    pub(crate) claims: Arc<dyn Claims>,
    pub(crate) registrations: Arc<dyn Registrations>,
    /// The session that both have, to be closed at the end.
    pub(crate) session: Arc<Zookeeper>,
}

impl Stores {
    pub(crate) fn of(config: &Config) -> Self {
        let session = Zookeeper::new(config);
        Self { claims: session.clone(), registrations: session.clone(), session }
    }
}

/// EC2 for who only looks.
pub(crate) async fn wire_look(me: &Me) -> Result<impl Cloud + use<>, String> {
    let sdk = configuration(&me.region).await?;
    Ok(Ec2::new(&sdk, me.instance.clone(), Arc::new(MyTags::default())))
}

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
    let Stores { claims, registrations, session: zookeeper } = Stores::of(&config);
    let cloud: Arc<dyn Cloud> = Arc::new(Ec2::new(&sdk, me.instance.clone(), known.clone()));
    let listeners =
        Listeners::new(&sdk, &config, me.instance.clone(), me.region.clone(), domain, known, cloud.clone());
    let ports = Ports {
        cloud,
        claims,
        registrations,
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
    let Stores { claims, registrations, session: zookeeper } = Stores::of(config);
    (Desk { claims, registrations, at: ThisHost.unix_time(), by }, zookeeper)
}

/// Instance, and a number that no other run has.
pub(crate) fn token(me: &Me) -> Result<Token, String> {
    format!("{}-{}", me.instance, uuid::Uuid::new_v4())
        .parse()
        .map_err(|error| format!("make a token: {error}"))
}
