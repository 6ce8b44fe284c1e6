//! The kernel's links, addresses, routes and rules, by rtnetlink; sysctls by /proc/sys.

use super::names;
use async_trait::async_trait;
use berth_lifecycle::ports::{Network, NetworkError, Reached};
use berth_plan::MacAddress;
use berth_plan::network::{Act, Marked, PROTOCOL, Route, Rule, Seen, command};
use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, TryStreamExt};
use messages::{MARK, address, has_address, name, route, route_message, rule, rule_message};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{RouteMessage, RouteProtocol};
use netlink_packet_route::rule::RuleMessage;
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::{AddressMessageBuilder, Handle, IpVersion, LinkUnspec, MulticastGroup, RouteMessageBuilder};
use settings::Setting;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpSocket;
use tokio::time::timeout;

#[cfg(test)]
pub(crate) use ours::OurLink;
pub(crate) use ours::Ours;

mod messages;
mod ours;
mod settings;
#[cfg(test)]
mod tests;

/// The kernel.
pub(crate) struct Kernel {
    handle: Handle,
}

fn failed(what: String) -> impl FnOnce(rtnetlink::Error) -> NetworkError {
    move |error| NetworkError(format!("{what}: {error}"))
}

impl Kernel {
    /// Opens a netlink socket, served by the current runtime.
    pub(crate) fn open() -> Result<Self, String> {
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(|e| format!("open a netlink socket: {e}"))?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// `ip link`. Read to its end: of an answer that nobody waits for any more the library warns.
    async fn links(&self) -> Result<Vec<LinkMessage>, NetworkError> {
        let links = self.handle.link().get().execute();
        links.try_collect().await.map_err(failed("list links".to_owned()))
    }

    /// `ip link`, by MAC: a name may change, an Ethernet address does not.
    async fn link_with(&self, mac: MacAddress) -> Result<Option<LinkMessage>, NetworkError> {
        let links = self.links().await?;
        Ok(links.into_iter().find(|link| has_address(link, mac)))
    }

    /// `ip link show`, by index.
    async fn named(&self, index: u32) -> Result<Option<String>, NetworkError> {
        let found = self.handle.link().get().match_index(index).execute();
        let links: Vec<_> = match found.try_collect().await {
            // ENODEV: it is gone.
            Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -19 => Vec::new(),
            other => other.map_err(failed(format!("look at link {index}")))?,
        };
        Ok(links.first().and_then(name).map(str::to_owned))
    }

    /// `ip -4 address show`: each, and whether it has berth's mark.
    async fn addresses(&self) -> Result<Vec<(Marked, bool)>, NetworkError> {
        let found = self.handle.address().get().execute();
        let found: Vec<_> = found.try_collect().await.map_err(failed("list addresses".to_owned()))?;
        Ok(found.iter().filter_map(address).collect())
    }

    /// `ip -4 route show table all proto 190`.
    async fn routes(&self) -> Result<Vec<Route>, NetworkError> {
        let filter = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let found = self.handle.route().get(filter).execute();
        let found: Vec<_> = found.try_collect().await.map_err(failed("list routes".to_owned()))?;
        let ours = |m: &&RouteMessage| m.header.protocol == RouteProtocol::Other(PROTOCOL);
        Ok(found.iter().filter(ours).map(route).collect())
    }

    /// `ip -4 rule show`, those of protocol 190.
    async fn rules(&self) -> Result<Vec<Rule>, NetworkError> {
        let found = self.handle.rule().get(IpVersion::V4).execute();
        let found: Vec<RuleMessage> = found.try_collect().await.map_err(failed("list rules".to_owned()))?;
        Ok(found.iter().filter_map(rule).collect())
    }

    /// `ip route prepend`: neither NLM_F_REPLACE, which would take a route of others to the same destination away, nor
    /// NLM_F_EXCL, which would be refused beside it (kernel, net/ipv4/fib_trie.c, fib_table_insert).
    async fn prepend(&self, route: &Route) -> Result<(), rtnetlink::Error> {
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::NewRoute(route_message(route)));
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
        let mut answers = self.handle.clone().request(request)?;
        while let Some(answer) = answers.next().await {
            if let NetlinkPayload::Error(error) = answer.payload {
                return Err(rtnetlink::Error::NetlinkError(error));
            }
        }
        Ok(())
    }

    /// Writes a setting of the link. Its path has the link's name: it is opened first, and the name looked at after, so
    /// that no rename makes it another link's.
    async fn set(&self, seen: &Seen, path: &str, value: &str) -> Result<(), NetworkError> {
        let failed = |error| NetworkError(format!("write {value} to /proc/sys/{path}: {error}"));
        let setting = Setting::open(path).map_err(failed)?;
        match self.named(seen.index).await? {
            Some(name) if name == seen.name => setting.write(value).map_err(failed),
            now => Err(NetworkError(format!("{} is now {}", seen.name, now.as_deref().unwrap_or("gone")))),
        }
    }
}

#[async_trait]
impl Network for Kernel {
    async fn wait_for_link(
        &self,
        mac: MacAddress,
        within: Duration,
        waiting: &(dyn Fn() + Sync),
    ) -> Result<bool, NetworkError> {
        // Subscribed before the first look, or an event between the two is lost.
        let (connection, _handle, mut messages) =
            rtnetlink::new_multicast_connection(&[MulticastGroup::Link])
                .map_err(|error| NetworkError(format!("subscribe to link events: {error}")))?;
        let closed = || NetworkError("the kernel closed the socket of link events".to_owned());
        let seen = async {
            let mut is_first = true;
            loop {
                if self.link_with(mac).await?.is_some() {
                    return Ok(true);
                }
                if std::mem::take(&mut is_first) {
                    waiting();
                }
                messages.next().await.ok_or_else(closed)?;
            }
        };
        // No task of its own: that would outlive the receiver of its events for a moment, and warn of each.
        tokio::select! {
            () = connection => Err(closed()),
            seen = timeout(within, seen) => seen.unwrap_or(Ok(false)),
        }
    }

    async fn link(&self, mac: MacAddress) -> Result<Option<Seen>, NetworkError> {
        while let Some(link) = self.link_with(mac).await? {
            let mut seen = self.marked().await?;
            seen.index = link.header.index;
            seen.name = name(&link).unwrap_or_default().to_owned();
            seen.up = link.header.flags.contains(LinkFlags::Up);
            for attribute in &link.attributes {
                match attribute {
                    LinkAttribute::Mtu(mtu) => seen.mtu = *mtu,
                    LinkAttribute::MaxMtu(mtu) => seen.max_mtu = Some(*mtu),
                    _ => {}
                }
            }
            let of_link = self.addresses().await?.into_iter().filter(|(a, _)| a.link == seen.index);
            seen.addresses = of_link.map(|(a, _)| (a.address, a.prefix)).collect();
            seen.sysctls = settings::read(&seen.name);
            // Renamed meanwhile: these would be another link's settings, or none.
            if self.named(seen.index).await?.as_ref() == Some(&seen.name) {
                return Ok(Some(seen));
            }
        }
        Ok(None)
    }

    async fn marked(&self) -> Result<Seen, NetworkError> {
        let marked = self.addresses().await?.into_iter().filter(|(_, ours)| *ours).map(|(a, _)| a).collect();
        Ok(Seen { marked, routes: self.routes().await?, rules: self.rules().await?, ..Seen::default() })
    }

    async fn apply(&self, seen: &Seen, act: &Act) -> Result<(), NetworkError> {
        let index = seen.index;
        let what = command(seen, act);
        let link = LinkUnspec::new_with_index(index);
        let done = match act {
            Act::SetSysctl(path, value) => return self.set(seen, path, value).await,
            Act::SetMtu(mtu) => self.handle.link().set(link.mtu(*mtu).build()).execute().await,
            Act::SetUp => self.handle.link().set(link.up().build()).execute().await,
            Act::AddAddress(address, prefix) => {
                let mut request = self.handle.address().add(index, IpAddr::V4(*address), *prefix);
                let message = request.message_mut();
                message.header.flags = AddressHeaderFlags::empty();
                // Without a prefix route: main keeps its one route to the subnet, by the primary interface.
                message.attributes.push(AddressAttribute::Flags(AddressFlags::Noprefixroute));
                message.attributes.push(AddressAttribute::Protocol(MARK));
                request.execute().await
            }
            Act::RemoveAddress(Marked { link, address, prefix }) => {
                let message =
                    AddressMessageBuilder::<Ipv4Addr>::new().index(*link).address(*address, *prefix).build();
                self.handle.address().del(message).execute().await
            }
            Act::AddRoute(route) => self.prepend(route).await,
            Act::RemoveRoute(route) => self.handle.route().del(route_message(route)).execute().await,
            Act::AddRule(rule) => {
                let mut request = self.handle.rule().add();
                *request.message_mut() = rule_message(rule);
                request.execute().await
            }
            Act::RemoveRule(rule) => self.handle.rule().del(rule_message(rule)).execute().await,
        };
        match done {
            Err(rtnetlink::Error::NetlinkError(error)) if is_done_already(act, error.raw_code()) => Ok(()),
            other => other.map_err(failed(what)),
        }
    }

    async fn route_lookup(&self, from: Ipv4Addr, to: Ipv4Addr) -> Result<u32, NetworkError> {
        let what = format!("look up the route to {to} from {from}");
        let lookup =
            RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(to, 32).source_prefix(from, 32).build();
        let found = self.handle.route().get(lookup).execute();
        let found: Vec<_> = found.try_collect().await.map_err(failed(what.clone()))?;
        let message = found.first().ok_or_else(|| NetworkError(format!("{what}: no answer")))?;
        Ok(route(message).link)
    }

    async fn reach(&self, from: Ipv4Addr, to: &str, within: Duration) -> Reached {
        let addresses = match names::addresses(to, within).await {
            Ok(addresses) => addresses,
            Err(why) => return Reached::Silent(why),
        };
        let tries = addresses.into_iter().filter(SocketAddr::is_ipv4);
        let mut tries: FuturesUnordered<_> = tries.map(|address| answer(from, address, to, within)).collect();
        let mut silent = Vec::new();
        while let Some(answer) = tries.next().await {
            match answer {
                Ok(()) => return Reached::Answered,
                Err(why) => silent.push(why),
            }
        }
        if silent.is_empty() {
            silent.push(format!("{to} has no IPv4 address"));
        }
        Reached::Silent(silent.join("; "))
    }
}

/// Whether an address of `name` answers: why not, with the address where it is not the name itself.
async fn answer(from: Ipv4Addr, address: SocketAddr, name: &str, within: Duration) -> Result<(), String> {
    let attempt = async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((from, 0)))?;
        socket.connect(address).await
    };
    let why = match timeout(within, attempt).await {
        Ok(Ok(_)) => return Ok(()),
        // A reset is an answer of the peer itself: the way there and back is open.
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", within.as_secs()),
    };
    let address = address.to_string();
    if address == name { Err(format!("{name}: {why}")) } else { Err(format!("{name} ({address}): {why}")) }
}

/// The errnos of "it is there already" and "it is gone already" (rtnetlink(7)).
fn is_done_already(act: &Act, code: i32) -> bool {
    const EEXIST: i32 = -17;
    const ENOENT: i32 = -2;
    const ESRCH: i32 = -3;
    const EADDRNOTAVAIL: i32 = -99;
    const ENODEV: i32 = -19;
    match act {
        Act::AddRule(_) | Act::AddRoute(_) | Act::AddAddress(..) => code == EEXIST,
        Act::RemoveRule(_) | Act::RemoveRoute(_) => code == ENOENT || code == ESRCH,
        Act::RemoveAddress(_) => code == EADDRNOTAVAIL || code == ENODEV,
        _ => false,
    }
}
