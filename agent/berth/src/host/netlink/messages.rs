//! rtnetlink's messages and berth's own types: each is turned into the other here, the mark included.

use berth_plan::MacAddress;
use berth_plan::network::{Marked, PROTOCOL, Route, Rule};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressProtocol};
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteScope};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::RouteMessageBuilder;
use std::net::{IpAddr, Ipv4Addr};

pub(super) fn has_address(link: &LinkMessage, mac: MacAddress) -> bool {
    link.attributes.iter().any(|a| matches!(a, LinkAttribute::Address(bytes) if bytes[..] == mac.0))
}

pub(super) fn route(message: &RouteMessage) -> Route {
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
pub(super) fn rule(message: &RuleMessage) -> Option<Rule> {
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

pub(super) fn route_message(route: &Route) -> RouteMessage {
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
pub(super) fn rule_message(rule: &Rule) -> RuleMessage {
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

/// The name of a link.
pub(super) fn name(link: &LinkMessage) -> Option<&str> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

/// An IPv4 address with its link, and whether it has berth's mark.
pub(super) fn address(message: &AddressMessage) -> Option<(Marked, bool)> {
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
        _ => None,
    })?;
    let ours = message.attributes.contains(&AddressAttribute::Protocol(MARK));
    let (link, prefix) = (message.header.index, message.header.prefix_len);
    Some((Marked { link, address: local, prefix }, ours))
}

/// The mark of an address.
pub(super) const MARK: AddressProtocol = AddressProtocol::Other(PROTOCOL);
