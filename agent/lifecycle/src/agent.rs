//! This instance and what it may use: what every command of berth has.

use crate::Ports;
use berth_plan::config::Config;
use berth_plan::ec2::LifecycleState;
use berth_plan::{
    BootId, BrokerId, InstanceId, InstanceType, MacAddress, Region, Subnet, SubnetId, Zone, ZoneId,
};
use std::net::Ipv4Addr;

/// This instance, as the metadata service described it at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// The instance.
    pub instance: InstanceId,
    /// The kernel boot.
    pub boot: BootId,
    /// Where it runs, by name.
    pub zone: Zone,
    /// Where it runs, by the id that is the same in every account; none where the metadata service has none.
    pub zone_id: Option<ZoneId>,
    /// The region.
    pub region: Region,
    /// Its type.
    pub instance_type: InstanceType,
    /// The primary interface.
    pub mac: MacAddress,
    /// The primary interface's first IPv4 address; none where it has IPv6 alone.
    pub address: Option<Ipv4Addr>,
    /// The primary interface's subnet; none where the metadata service did not say.
    pub subnet: Option<(SubnetId, Subnet)>,
    /// Auto Scaling's target state; none outside a group, and for a while on a brand-new instance.
    pub target_state: Option<LifecycleState>,
}

/// This instance, its configuration and its ports. It has no deadline and no token: it looks.
#[derive(Clone)]
pub struct Agent {
    /// This instance.
    pub me: Me,
    /// The configuration.
    pub config: Config,
    /// The world.
    pub ports: Ports,
}

impl Agent {
    /// The Name of a slot's resources.
    pub(crate) fn name(&self, id: BrokerId) -> String {
        self.config.name.name(id)
    }

    /// The Name of any slot, as an EC2 filter.
    pub(crate) fn name_wildcard(&self) -> String {
        self.config.name.name("*")
    }
}
