//! What of berth is in the kernel, whatever EC2 says of the interface it was made for: for people.

use super::Kernel;
use super::messages::name;
use berth_lifecycle::ports::NetworkError;
use berth_plan::network::{Route, Rule};
use netlink_packet_route::link::LinkFlags;
use std::net::Ipv4Addr;

/// All that bears our protocol.
pub(crate) struct Ours {
    /// Routes.
    pub(crate) routes: Vec<Route>,
    /// Rules.
    pub(crate) rules: Vec<Rule>,
    /// The links that the routes lead out by: name, whether it is up, and its addresses.
    pub(crate) links: Vec<(String, bool, Vec<Ipv4Addr>)>,
}

impl Kernel {
    /// Only reads.
    pub(crate) async fn ours(&self) -> Result<Ours, NetworkError> {
        let (routes, rules, addresses) = (self.routes().await?, self.rules().await?, self.addresses().await?);
        let mut links = Vec::new();
        for link in self.links().await? {
            let index = link.header.index;
            if !routes.iter().any(|route| route.link == index) {
                continue;
            }
            let of_it = addresses.iter().filter(|(at, _)| at.link == index).map(|(at, _)| at.address);
            let is_up = link.header.flags.contains(LinkFlags::Up);
            links.push((name(&link).unwrap_or_default().to_owned(), is_up, of_it.collect()));
        }
        Ok(Ours { routes, rules, links })
    }
}
