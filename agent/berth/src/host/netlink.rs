//! The kernel's links, addresses, routes and rules, by rtnetlink; sysctls by /proc/sys.

use async_trait::async_trait;
use berth_lifecycle::ports::{Network, NetworkError, Reached};
use berth_plan::network::{Act, Marked, PROTOCOL, Route, Rule, Seen};
use berth_plan::{MacAddress, Millis};
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
use tokio::net::{TcpSocket, lookup_host};
use tokio::time::timeout;

pub(crate) use ours::Ours;

mod messages;
mod ours;
mod settings;

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

    /// `ip link`, by MAC: a name may change, an Ethernet address does not.
    async fn link(&self, mac: MacAddress) -> Result<Option<LinkMessage>, NetworkError> {
        let mut links = self.handle.link().get().execute();
        while let Some(link) = links.try_next().await.map_err(failed("list links".to_owned()))? {
            if has_address(&link, mac) {
                return Ok(Some(link));
            }
        }
        Ok(None)
    }

    /// `ip link show`, by index.
    async fn named(&self, index: u32) -> Result<Option<String>, NetworkError> {
        let found = self.handle.link().get().match_index(index).execute().try_next().await;
        let link = match found {
            // ENODEV: it is gone.
            Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -19 => None,
            other => other.map_err(failed(format!("look at link {index}")))?,
        };
        Ok(link.as_ref().and_then(name).map(str::to_owned))
    }

    /// `ip -4 address show`: each, and whether it bears berth's mark.
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
    async fn appeared(&self, mac: MacAddress, within: Millis) -> Result<bool, NetworkError> {
        // Subscribed before the first look, or an event between the two is lost.
        let (connection, _handle, mut messages) =
            rtnetlink::new_multicast_connection(&[MulticastGroup::Link])
                .map_err(|error| NetworkError(format!("subscribe to link events: {error}")))?;
        let task = tokio::spawn(connection);
        let seen = async {
            loop {
                if self.link(mac).await?.is_some() {
                    return Ok(true);
                }
                if messages.next().await.is_none() {
                    return Err(NetworkError("the kernel closed the socket of link events".to_owned()));
                }
            }
        };
        let result = timeout(Duration::from_millis(within), seen).await.unwrap_or(Ok(false));
        task.abort();
        result
    }

    async fn look(&self, mac: MacAddress) -> Result<Option<Seen>, NetworkError> {
        while let Some(link) = self.link(mac).await? {
            let mut seen = self.marks().await?;
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

    async fn marks(&self) -> Result<Seen, NetworkError> {
        let marked = self.addresses().await?.into_iter().filter(|(_, ours)| *ours).map(|(a, _)| a).collect();
        Ok(Seen { marked, routes: self.routes().await?, rules: self.rules().await?, ..Seen::default() })
    }

    async fn apply(&self, seen: &Seen, act: &Act) -> Result<(), NetworkError> {
        let (index, name) = (seen.index, &seen.name);
        let what = format!("{name}: {act:?}");
        let link = LinkUnspec::new_with_index(index);
        let done = match act {
            Act::Set(path, value) => return self.set(seen, path, value).await,
            Act::Mtu(mtu) => self.handle.link().set(link.mtu(*mtu).build()).execute().await,
            Act::Up => self.handle.link().set(link.up().build()).execute().await,
            Act::Address(address, prefix) => {
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

    async fn way_out(&self, from: Ipv4Addr, to: Ipv4Addr) -> Result<u32, NetworkError> {
        let what = format!("look up the route to {to} from {from}");
        let lookup =
            RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(to, 32).source_prefix(from, 32).build();
        let mut found = self.handle.route().get(lookup).execute();
        let message = found.try_next().await.map_err(failed(what.clone()))?;
        let message = message.ok_or_else(|| NetworkError(format!("{what}: no answer")))?;
        Ok(route(&message).link)
    }

    async fn reach(&self, from: Ipv4Addr, to: &str, within: Millis) -> Reached {
        let attempt = async {
            let address = lookup_host(to).await?.find(SocketAddr::is_ipv4);
            let address = address.ok_or_else(|| std::io::Error::other("no IPv4 address"))?;
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from((from, 0)))?;
            socket.connect(address).await
        };
        match timeout(Duration::from_millis(within), attempt).await {
            Ok(Ok(_)) => Reached::Answered,
            // A reset is an answer of the peer itself: the way there and back is open.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => Reached::Answered,
            Ok(Err(error)) => Reached::Silent(format!("{to}: {error}")),
            Err(_) => Reached::Silent(format!("{to}: no answer within {} s", within / 1000)),
        }
    }
}

/// The errnos of "it is there already" and "it is gone already" (rtnetlink(7)).
fn is_done_already(act: &Act, code: i32) -> bool {
    const EEXIST: i32 = -17;
    const ENOENT: i32 = -2;
    const ESRCH: i32 = -3;
    const EADDRNOTAVAIL: i32 = -99;
    const ENODEV: i32 = -19;
    match act {
        Act::AddRule(_) | Act::AddRoute(_) | Act::Address(..) => code == EEXIST,
        Act::RemoveRule(_) | Act::RemoveRoute(_) => code == ENOENT || code == ESRCH,
        Act::RemoveAddress(_) => code == EADDRNOTAVAIL || code == ENODEV,
        _ => false,
    }
}
