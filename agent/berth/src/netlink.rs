//! The kernel's links, addresses, routes and rules, by rtnetlink; sysctls by /proc/sys.

use async_trait::async_trait;
use berth_lifecycle::ports::{Network, NetworkError, Reached};
use berth_plan::network::{Act, PROTOCOL, Route, Rule, SYSCTLS, Seen};
use berth_plan::{MacAddress, Millis};
use futures_util::{StreamExt, TryStreamExt};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteScope};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::{Handle, IpVersion, LinkUnspec, MulticastGroup, RouteMessageBuilder};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, lookup_host};
use tokio::time::timeout;

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

    /// `ip -4 address show dev`.
    async fn addresses(&self, index: u32) -> Result<Vec<(Ipv4Addr, u8)>, NetworkError> {
        let found = self.handle.address().get().set_link_index_filter(index).execute();
        let found: Vec<_> =
            found.try_collect().await.map_err(failed(format!("list addresses of link {index}")))?;
        let local = found.iter().filter_map(|message| {
            message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Local(IpAddr::V4(address)) => Some((*address, message.header.prefix_len)),
                _ => None,
            })
        });
        Ok(local.collect())
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
}

fn has_address(link: &LinkMessage, mac: MacAddress) -> bool {
    link.attributes.iter().any(|a| matches!(a, LinkAttribute::Address(bytes) if bytes[..] == mac.0))
}

fn route(message: &RouteMessage) -> Route {
    // A table above 255 is in the attribute; the header then says RT_TABLE_COMPAT (rtnetlink(7)).
    let mut route =
        Route { to: None, via: None, source: None, link: 0, table: u32::from(message.header.table) };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(to)) => {
                route.to = Some((*to, message.header.destination_prefix_length));
            }
            RouteAttribute::Gateway(RouteAddress::Inet(via)) => route.via = Some(*via),
            RouteAttribute::PrefSource(RouteAddress::Inet(source)) => route.source = Some(*source),
            RouteAttribute::Oif(link) => route.link = *link,
            RouteAttribute::Table(table) => route.table = *table,
            _ => {}
        }
    }
    route
}

/// Ours by its protocol; none where it is somebody else's.
fn rule(message: &RuleMessage) -> Option<Rule> {
    let ours = message
        .attributes
        .iter()
        .any(|a| matches!(a, RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL))));
    let mut rule = Rule { from: Ipv4Addr::UNSPECIFIED, table: u32::from(message.header.table), priority: 0 };
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Source(IpAddr::V4(from)) => rule.from = *from,
            RuleAttribute::Table(table) => rule.table = *table,
            RuleAttribute::Priority(priority) => rule.priority = *priority,
            _ => {}
        }
    }
    ours.then_some(rule)
}

fn route_message(route: &Route) -> RouteMessage {
    let mut builder = RouteMessageBuilder::<Ipv4Addr>::new()
        .table_id(route.table)
        .protocol(RouteProtocol::Other(PROTOCOL))
        .output_interface(route.link)
        .scope(if route.via.is_some() { RouteScope::Universe } else { RouteScope::Link });
    if let Some((to, prefix)) = route.to {
        builder = builder.destination_prefix(to, prefix);
    }
    if let Some(via) = route.via {
        builder = builder.gateway(via);
    }
    if let Some(source) = route.source {
        builder = builder.pref_source(source);
    }
    builder.build()
}

/// A rule to be removed must name all that it is known by, its protocol included: the kernel removes the first match.
fn rule_message(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.src_len = 32;
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![
        RuleAttribute::Source(IpAddr::V4(rule.from)),
        RuleAttribute::Table(rule.table),
        RuleAttribute::Priority(rule.priority),
        RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL)),
    ];
    message
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
        let Some(link) = self.link(mac).await? else {
            return Ok(None);
        };
        let mut seen = Seen {
            index: link.header.index,
            up: link.header.flags.contains(LinkFlags::Up),
            ..Default::default()
        };
        for attribute in &link.attributes {
            match attribute {
                LinkAttribute::IfName(name) => seen.name = name.clone(),
                LinkAttribute::Mtu(mtu) => seen.mtu = *mtu,
                LinkAttribute::MaxMtu(mtu) => seen.max_mtu = Some(*mtu),
                _ => {}
            }
        }
        seen.addresses = self.addresses(seen.index).await?;
        seen.routes = self.routes().await?;
        seen.rules = self.rules().await?;
        seen.sysctls = sysctls(&seen.name);
        Ok(Some(seen))
    }

    async fn apply(&self, seen: &Seen, act: &Act) -> Result<(), NetworkError> {
        let (index, name) = (seen.index, &seen.name);
        let what = format!("{name}: {act:?}");
        let link = LinkUnspec::new_with_index(index);
        let done = match act {
            Act::Set(path, value) => {
                return std::fs::write(format!("/proc/sys/{path}"), value)
                    .map_err(|error| NetworkError(format!("write {value} to /proc/sys/{path}: {error}")));
            }
            Act::Mtu(mtu) => self.handle.link().set(link.mtu(*mtu).build()).execute().await,
            Act::Up => self.handle.link().set(link.up().build()).execute().await,
            Act::Address(address, prefix) => {
                let mut request = self.handle.address().add(index, IpAddr::V4(*address), *prefix);
                let message = request.message_mut();
                message.header.flags = AddressHeaderFlags::empty();
                // Without a prefix route: main keeps its one route to the subnet, by the primary interface.
                message.attributes.push(AddressAttribute::Flags(AddressFlags::Noprefixroute));
                request.replace().execute().await
            }
            Act::AddRoute(route) => self.handle.route().add(route_message(route)).replace().execute().await,
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
    match act {
        Act::AddRule(_) | Act::AddRoute(_) | Act::Address(..) => code == EEXIST,
        Act::RemoveRule(_) | Act::RemoveRoute(_) => code == ENOENT || code == ESRCH,
        _ => false,
    }
}

fn sysctls(link: &str) -> BTreeMap<String, String> {
    SYSCTLS
        .iter()
        .filter_map(|(path, _)| {
            let path = path.replace("{link}", link);
            let value = std::fs::read_to_string(format!("/proc/sys/{path}")).ok()?;
            Some((path, value.trim().to_owned()))
        })
        .collect()
}
