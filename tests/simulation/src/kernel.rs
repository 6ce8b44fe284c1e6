//! The kernel's links: they appear when EC2 says that their interface is attached, and change by acts alone.

use crate::host::Host;
use crate::runs::Caller;
use crate::world::State;
use async_trait::async_trait;
use berth_lifecycle::ports::{Managers, Network, NetworkError, Reached};
use berth_plan::MacAddress;
use berth_plan::network::{Act, Marked, Route, Seen, TABLE};
use berth_plan::time::millis;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// The primary interface's link.
const PRIMARY: u32 = 2;

pub(crate) struct Links(pub(crate) Arc<Caller>);

/// What else configures links: it does what it is told.
pub(crate) struct OtherManagers(pub(crate) Arc<Caller>);

#[async_trait]
impl Managers for OtherManagers {
    async fn mark_unmanaged(&self, mac: MacAddress) -> Result<(), NetworkError> {
        self.0.local("mark unmanaged", 0, |s, me| s.host(me).unmanaged.insert(mac.to_string())).await;
        Ok(())
    }

    async fn forget_unmanaged(&self, mac: MacAddress) -> Result<(), NetworkError> {
        self.0.local("forget unmanaged", 0, |s, me| s.host(me).unmanaged.remove(&mac.to_string())).await;
        Ok(())
    }

    async fn forget_all_unmanaged(&self) -> Result<(), NetworkError> {
        self.0.local("forget all unmanaged", 0, |s, me| s.host(me).unmanaged.clear()).await;
        Ok(())
    }
}

#[async_trait]
impl Network for Links {
    async fn wait_for_link(
        &self,
        mac: MacAddress,
        within: Duration,
        waiting: &(dyn Fn() + Sync),
    ) -> Result<bool, NetworkError> {
        let (mac, instance) = (mac.to_string(), &self.0.instance);
        let there = |s: &mut State, me: &str| s.host(me).links.contains_key(&mac);
        if !self.0.local("wait for link", 0, there).await {
            waiting();
        }
        let there = self
            .0
            .world
            .until(millis(within), |s| s.host(instance).links.contains_key(&mac).then_some(()))
            .await;
        self.0.still().await;
        Ok(there.is_some())
    }

    async fn link(&self, mac: MacAddress) -> Result<Option<Seen>, NetworkError> {
        let look = |s: &mut State, me: &str| {
            let host = s.host(me);
            let link = host.links.get(&mac.to_string())?;
            Some(with_marks(link.clone(), host))
        };
        Ok(self.0.local("link", 0, look).await)
    }

    async fn marked(&self) -> Result<Seen, NetworkError> {
        Ok(self.0.local("marked", 0, |s, me| with_marks(Seen::default(), s.host(me))).await)
    }

    async fn apply(&self, seen: &Seen, act: &Act) -> Result<(), NetworkError> {
        self.0
            .local("apply", 0, |s, me| {
                let host = s.host(me);
                match act.clone() {
                    Act::AddRule(rule) => host.ip_rules.push(rule),
                    Act::RemoveRule(rule) => {
                        if let Some(at) = host.ip_rules.iter().position(|r| *r == rule) {
                            host.ip_rules.remove(at);
                        }
                    }
                    Act::RemoveRoute(Route { link, .. }) | Act::RemoveAddress(Marked { link, .. }) => {
                        // What is gone with its link is gone already.
                        if let Some(link) = host.links.values_mut().find(|l| l.index == link) {
                            carry_out(link, act);
                        }
                    }
                    _ => {
                        let Some(link) = host.links.values_mut().find(|l| l.index == seen.index) else {
                            return Err(NetworkError(format!("{}: No such device", seen.name)));
                        };
                        carry_out(link, act);
                    }
                }
                Ok(())
            })
            .await
    }

    async fn route_lookup(&self, from: Ipv4Addr, _to: Ipv4Addr) -> Result<u32, NetworkError> {
        Ok(self.0.local("route lookup", 0, |s, me| way(s.host(me), from)).await)
    }

    async fn reach(&self, from: Ipv4Addr, to: &str, within: Duration) -> Reached {
        let answers =
            self.0.local("reach", 1, |s, me| s.zk.reaches(me) && way(s.host(me), from) != PRIMARY).await;
        if answers {
            return Reached::Answered;
        }
        tokio::time::sleep(within).await;
        Reached::Silent(format!("{to} is silent"))
    }
}

/// The marks of the whole host, as a look shows them.
fn with_marks(link: Seen, host: &Host) -> Seen {
    Seen {
        routes: host.links.values().flat_map(|link| link.routes.clone()).collect(),
        rules: host.ip_rules.clone(),
        marked: host.links.values().flat_map(|link| link.marked.clone()).collect(),
        ..link
    }
}

fn way(host: &Host, from: Ipv4Addr) -> u32 {
    let is_ruled = host.ip_rules.iter().any(|rule| rule.from == from && rule.table == TABLE);
    let leads = |link: &&Seen| {
        link.up
            && is_ruled
            && link.addresses.iter().any(|(a, _)| *a == from)
            && link.routes.iter().any(|route| route.to.is_none() && route.link == link.index)
    };
    host.links.values().find(leads).map_or(PRIMARY, |link| link.index)
}

/// What is of a link.
fn carry_out(link: &mut Seen, act: &Act) {
    match act.clone() {
        Act::SetSysctl(path, value) => drop(link.sysctls.insert(path, value)),
        Act::SetMtu(mtu) => link.mtu = mtu,
        Act::AddAddress(address, prefix) => {
            link.addresses.push((address, prefix));
            link.marked.push(Marked { link: link.index, address, prefix });
        }
        Act::RemoveAddress(marked) => {
            link.addresses.retain(|(address, _)| *address != marked.address);
            link.marked.retain(|m| *m != marked);
        }
        Act::SetUp => link.up = true,
        Act::AddRoute(route) if link.routes.contains(&route) => {}
        Act::AddRoute(route) => link.routes.push(route),
        Act::RemoveRoute(route) => link.routes.retain(|r| *r != route),
        Act::AddRule(_) | Act::RemoveRule(_) => unreachable!("rules belong to no link"),
    }
}
