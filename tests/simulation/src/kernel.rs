//! The kernel's links: they appear when EC2 says that their interface is attached, and change by acts alone.

use crate::runs::Caller;
use async_trait::async_trait;
use berth_lifecycle::ports::{Network, NetworkError, Reached};
use berth_plan::network::{Act, Seen, TABLE};
use berth_plan::{MacAddress, Millis};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The primary interface's link.
const PRIMARY: u32 = 2;

pub(crate) struct Links(pub(crate) Arc<Caller>);

#[async_trait]
impl Network for Links {
    async fn appeared(&self, mac: MacAddress, within: Millis) -> Result<bool, NetworkError> {
        self.0.local("link appeared", 0, |_, _| ()).await;
        let (mac, instance) = (mac.to_string(), &self.0.instance);
        let there =
            self.0.world.until(within, |s| s.host(instance).links.contains_key(&mac).then_some(())).await;
        self.0.still().await;
        Ok(there.is_some())
    }

    async fn look(&self, mac: MacAddress) -> Result<Option<Seen>, NetworkError> {
        Ok(self.0.local("look", 0, |s, me| s.host(me).links.get(&mac.to_string()).cloned()).await)
    }

    async fn apply(&self, seen: &Seen, act: &Act) -> Result<(), NetworkError> {
        self.0
            .local("apply", 0, |s, me| {
                let mut links = s.host(me).links.values_mut();
                let Some(link) = links.find(|link| link.index == seen.index) else {
                    return Err(NetworkError(format!("{}: No such device", seen.name)));
                };
                carry_out(link, act);
                Ok(())
            })
            .await
    }

    async fn way_out(&self, from: Ipv4Addr, _to: Ipv4Addr) -> Result<u32, NetworkError> {
        Ok(self.0.local("way out", 0, |s, me| way(s.host(me).links.values(), from)).await)
    }

    async fn reach(&self, from: Ipv4Addr, to: &str, within: Millis) -> Reached {
        let answers = self
            .0
            .local("reach", 1, |s, me| s.zk.reaches(me) && way(s.host(me).links.values(), from) != PRIMARY)
            .await;
        if answers {
            return Reached::Answered;
        }
        tokio::time::sleep(tokio::time::Duration::from_millis(within)).await;
        Reached::Silent(format!("{to} is silent"))
    }
}

fn way<'a>(links: impl Iterator<Item = &'a Seen>, from: Ipv4Addr) -> u32 {
    let mut links = links;
    let leads = |link: &&Seen| {
        link.up
            && link.addresses.iter().any(|(a, _)| *a == from)
            && link.rules.iter().any(|rule| rule.from == from && rule.table == TABLE)
            && link.routes.iter().any(|route| route.to.is_none() && route.link == link.index)
    };
    links.find(leads).map_or(PRIMARY, |link| link.index)
}

fn carry_out(link: &mut Seen, act: &Act) {
    match act.clone() {
        Act::Set(path, value) => drop(link.sysctls.insert(path, value)),
        Act::Mtu(mtu) => link.mtu = mtu,
        Act::Address(address, prefix) => link.addresses.push((address, prefix)),
        Act::Up => link.up = true,
        Act::AddRoute(route) if link.routes.contains(&route) => {}
        Act::AddRoute(route) => link.routes.push(route),
        Act::RemoveRoute(route) => link.routes.retain(|r| *r != route),
        Act::AddRule(rule) => link.rules.push(rule),
        Act::RemoveRule(rule) => {
            if let Some(at) = link.rules.iter().position(|r| *r == rule) {
                link.rules.remove(at);
            }
        }
    }
}
