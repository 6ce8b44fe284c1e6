//! What of berth is in the kernel, whatever EC2 says of the interface it was made for: for people.

use super::Kernel;
use super::messages::name;
use berth_lifecycle::ports::NetworkError;
use berth_plan::network::{Route, Rule};
use netlink_packet_route::link::LinkFlags;
use std::net::Ipv4Addr;

/// All that has our protocol.
pub(crate) struct Ours {
    /// Routes.
    pub(crate) routes: Vec<Route>,
    /// Rules.
    pub(crate) rules: Vec<Rule>,
    /// The links that the routes lead out by, and those that have an address of a rule.
    pub(crate) links: Vec<OurLink>,
}

/// A link that the slot's traffic uses, or should use.
pub(crate) struct OurLink {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) up: bool,
    pub(crate) addresses: Vec<Ipv4Addr>,
}

impl Kernel {
    /// Only reads.
    pub(crate) async fn ours(&self) -> Result<Ours, NetworkError> {
        let (routes, rules, addresses) = (self.routes().await?, self.rules().await?, self.addresses().await?);
        let mut links = Vec::new();
        for link in self.links().await? {
            let index = link.header.index;
            let of_it = addresses.iter().filter(|(at, _)| at.link == index).map(|(at, _)| at.address);
            let of_it: Vec<Ipv4Addr> = of_it.collect();
            let has_rule = rules.iter().any(|rule| of_it.contains(&rule.from));
            if !has_rule && !routes.iter().any(|route| route.link == index) {
                continue;
            }
            links.push(OurLink {
                index,
                name: name(&link).unwrap_or_default().to_owned(),
                up: link.header.flags.contains(LinkFlags::Up),
                addresses: of_it,
            });
        }
        Ok(Ours { routes, rules, links })
    }
}
