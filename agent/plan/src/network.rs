//! What the kernel should hold for the slot's interface, and the acts that bring it there.
//!
//! berth owns table 7001, rules of priority 7001, and what has protocol 190: only that is changed or removed.
//! Everything else belongs to the host.

use crate::{MacAddress, Subnet};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

pub use command::command;

mod command;
pub mod unmanaged;

/// berth's route table.
pub const TABLE: u32 = 7001;

/// berth's rule priority: before the 10001 of amazon-ec2-net-utils.
pub const PRIORITY: u32 = 7001;

/// berth's mark on routes, rules and addresses (rtm_protocol; 190 is free in iproute2's etc/iproute2/rt_protos).
pub const PROTOCOL: u8 = 190;

/// The MTU inside a VPC (EC2 user guide, "Network MTU for your EC2 instance").
pub const MTU: u32 = 9001;

/// Settings of this link only: answer ARP only for addresses of the link and announce only those; no address or route by
/// router advertisements (kernel, Documentation/networking/ip-sysctl.rst).
///
/// The reverse-path filter stays the host's: its lookup goes by the rules (fib_validate_source), and every address of the
/// link has one that leads back to it, so the strict filter passes what arrives. Before the rule stands the loose one
/// would let it in, but the answer would leave by another link and be dropped by EC2.
pub const SYSCTLS: [(&str, &str); 3] = [
    ("net/ipv4/conf/{link}/arp_ignore", "1"),
    ("net/ipv4/conf/{link}/arp_announce", "2"),
    ("net/ipv6/conf/{link}/accept_ra", "0"),
];

/// The interface as EC2 describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Finds the link.
    pub mac: MacAddress,
    /// Private addresses, the primary one first.
    pub addresses: Vec<Ipv4Addr>,
    /// Its subnet.
    pub subnet: Subnet,
}

/// A route of berth's table or mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Destination; none is the default route.
    pub to: Option<(Ipv4Addr, u8)>,
    /// Next hop; none is on the link.
    pub via: Option<Ipv4Addr>,
    /// Preferred source.
    pub source: Option<Ipv4Addr>,
    /// Index of the link.
    pub link: u32,
    /// Its table.
    pub table: u32,
}

/// A rule of berth's mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Source address.
    pub from: Ipv4Addr,
    /// The table that it leads to.
    pub table: u32,
    /// Its priority.
    pub priority: u32,
}

/// An address that has berth's mark (IFA_PROTO, Linux 5.18). An older kernel keeps no mark: there it goes with its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Marked {
    /// Index of its link.
    pub link: u32,
    /// The address.
    pub address: Ipv4Addr,
    /// The length of its prefix.
    pub prefix: u8,
}

/// What the kernel holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// Index of the link with the wanted MAC.
    pub index: u32,
    /// Its name now; udev may rename it.
    pub name: String,
    /// Administratively up.
    pub up: bool,
    /// Its MTU.
    pub mtu: u32,
    /// The largest MTU that its driver takes; none where the kernel does not say.
    pub max_mtu: Option<u32>,
    /// IPv4 addresses and prefix lengths on it.
    pub addresses: Vec<(Ipv4Addr, u8)>,
    /// Routes that have berth's mark.
    pub routes: Vec<Route>,
    /// Rules that have berth's mark.
    pub rules: Vec<Rule>,
    /// Addresses that have berth's mark, on any link.
    pub marked: Vec<Marked>,
    /// The settings of [`SYSCTLS`] that exist, by path below /proc/sys.
    pub sysctls: BTreeMap<String, String>,
}

/// One change. [`command`] has it as a person would type it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// `sysctl -w`: a path below /proc/sys, and its value.
    SetSysctl(String, String),
    /// `ip link set mtu`, bytes.
    SetMtu(u32),
    /// `ip address add … noprefixroute`: an address, and the length of its prefix.
    AddAddress(Ipv4Addr, u8),
    /// `ip address del`.
    RemoveAddress(Marked),
    /// `ip link set up`.
    SetUp,
    /// `ip route prepend … proto 190`: before a route of others to the same destination, which stays.
    AddRoute(Route),
    /// `ip route del … proto 190`.
    RemoveRoute(Route),
    /// `ip rule add … proto 190`.
    AddRule(Rule),
    /// `ip rule del … proto 190`.
    RemoveRule(Rule),
}

/// The acts that bring the kernel from what it holds to what is wanted; none where it holds that.
///
/// In this order: stale rules away, settings before the link goes up, routes before the rules that lead to them.
pub fn plan(wanted: &Wanted, seen: &Seen) -> Vec<Act> {
    let routes = routes(wanted, seen.index);
    let rules: Vec<Rule> =
        wanted.addresses.iter().map(|a| Rule { from: *a, table: TABLE, priority: PRIORITY }).collect();
    let mut acts = Vec::new();
    acts.extend(seen.rules.iter().filter(|rule| !rules.contains(rule)).copied().map(Act::RemoveRule));
    acts.extend(surplus(&rules, &seen.rules).into_iter().map(Act::RemoveRule));
    let is_stale = |m: &&Marked| m.link != seen.index || !wanted.addresses.contains(&m.address);
    acts.extend(seen.marked.iter().filter(is_stale).copied().map(Act::RemoveAddress));
    for (path, value) in SYSCTLS {
        let path = path.replace("{link}", &seen.name);
        if seen.sysctls.get(&path).is_some_and(|now| now != value) {
            acts.push(Act::SetSysctl(path, value.to_owned()));
        }
    }
    let mtu = seen.max_mtu.filter(|max| *max > 0).map_or(MTU, |max| max.min(MTU));
    if seen.mtu != mtu {
        acts.push(Act::SetMtu(mtu));
    }
    let prefix = wanted.subnet.prefix;
    let missing = wanted.addresses.iter().filter(|a| !seen.addresses.iter().any(|(has, _)| has == *a));
    acts.extend(missing.map(|address| Act::AddAddress(*address, prefix)));
    if !seen.up {
        acts.push(Act::SetUp);
    }
    acts.extend(seen.routes.iter().filter(|route| !routes.contains(route)).copied().map(Act::RemoveRoute));
    acts.extend(routes.iter().filter(|route| !seen.routes.contains(route)).copied().map(Act::AddRoute));
    acts.extend(rules.iter().filter(|rule| !seen.rules.contains(rule)).copied().map(Act::AddRule));
    acts
}

/// The acts that take away all that has berth's mark: rules first, so that no packet meets an empty table; the latest
/// address first, because the earliest of a subnet would take the others along.
pub fn undo(seen: &Seen) -> Vec<Act> {
    let rules = seen.rules.iter().copied().map(Act::RemoveRule);
    let routes = seen.routes.iter().copied().map(Act::RemoveRoute);
    rules.chain(routes).chain(seen.marked.iter().rev().copied().map(Act::RemoveAddress)).collect()
}

/// The routes of table 7001: the subnet on the link, and the default by its gateway.
pub fn routes(wanted: &Wanted, link: u32) -> Vec<Route> {
    let source = wanted.addresses.first().copied();
    let subnet =
        Route { to: Some((wanted.subnet.base, wanted.subnet.prefix)), via: None, source, link, table: TABLE };
    let default = Route { to: None, via: Some(wanted.subnet.gateway()), source, link, table: TABLE };
    vec![subnet, default]
}

/// The kernel keeps equal rules side by side where they were added without NLM_F_EXCL: all but one are too many.
fn surplus(wanted: &[Rule], seen: &[Rule]) -> Vec<Rule> {
    wanted.iter().flat_map(|rule| seen.iter().filter(move |s| *s == rule).skip(1).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            mac: "06:00:00:00:00:50".parse().unwrap(),
            addresses: vec![Ipv4Addr::new(10, 0, 1, 50), Ipv4Addr::new(10, 0, 1, 51)],
            subnet: "10.0.1.0/24".parse().unwrap(),
        }
    }

    fn new_link() -> Seen {
        let sysctls = SYSCTLS.map(|(path, _)| (path.replace("{link}", "eth1"), "9".to_owned())).into();
        Seen { index: 7, name: "eth1".into(), mtu: 1500, sysctls, ..Default::default() }
    }

    /// What the kernel would hold after the acts.
    fn carried_out(mut seen: Seen, acts: &[Act]) -> Seen {
        for act in acts {
            match act.clone() {
                Act::SetSysctl(path, value) => {
                    seen.sysctls.insert(path, value);
                }
                Act::SetMtu(mtu) => seen.mtu = mtu,
                Act::AddAddress(address, prefix) => {
                    seen.addresses.push((address, prefix));
                    seen.marked.push(Marked { link: seen.index, address, prefix });
                }
                Act::RemoveAddress(marked) => {
                    seen.addresses.retain(|(a, _)| marked.link != seen.index || *a != marked.address);
                    seen.marked.retain(|m| *m != marked);
                }
                Act::SetUp => seen.up = true,
                Act::AddRoute(route) => seen.routes.push(route),
                Act::RemoveRoute(route) => seen.routes.retain(|r| *r != route),
                Act::AddRule(rule) => seen.rules.push(rule),
                Act::RemoveRule(rule) => {
                    let at = seen.rules.iter().position(|r| *r == rule).unwrap();
                    seen.rules.remove(at);
                }
            }
        }
        seen
    }

    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_do() {
        let acts = plan(&wanted(), &new_link());
        assert_eq!(plan(&wanted(), &carried_out(new_link(), &acts)), []);
    }

    #[test]
    fn settings_come_before_up_and_rules_come_last() {
        let acts = plan(&wanted(), &new_link());
        let up = acts.iter().position(|a| *a == Act::SetUp).unwrap();
        assert!(acts.iter().rposition(|a| matches!(a, Act::SetSysctl(..))).unwrap() < up);
        assert!(acts.iter().rposition(|a| matches!(a, Act::AddRoute(_))).unwrap() < acts.len() - 2);
        assert!(matches!(acts[acts.len() - 2..], [Act::AddRule(_), Act::AddRule(_)]));
    }

    #[test]
    fn what_an_older_link_left_behind_is_removed() {
        let mut seen = carried_out(new_link(), &plan(&wanted(), &new_link()));
        let stale_rule = Rule { from: Ipv4Addr::new(10, 0, 9, 9), table: TABLE, priority: PRIORITY };
        let stale_route = Route { link: 3, ..routes(&wanted(), 7)[1] };
        seen.rules.push(stale_rule);
        seen.rules.push(seen.rules[0]);
        seen.routes.push(stale_route);
        let elsewhere = Marked { link: 3, address: wanted().addresses[0], prefix: 24 };
        let given_up = Marked { link: 7, address: Ipv4Addr::new(10, 0, 1, 99), prefix: 24 };
        seen.marked.extend([elsewhere, given_up]);
        let acts = plan(&wanted(), &seen);
        assert_eq!(
            acts,
            [
                Act::RemoveRule(stale_rule),
                Act::RemoveRule(seen.rules[0]),
                Act::RemoveAddress(elsewhere),
                Act::RemoveAddress(given_up),
                Act::RemoveRoute(stale_route)
            ]
        );
        assert_eq!(plan(&wanted(), &carried_out(seen, &acts)), []);
    }

    #[test]
    fn undo_leaves_nothing_that_bears_the_mark() {
        let seen = carried_out(new_link(), &plan(&wanted(), &new_link()));
        let left = carried_out(seen.clone(), &undo(&seen));
        assert_eq!((left.rules, left.routes, left.marked, left.addresses), (vec![], vec![], vec![], vec![]));
    }

    #[test]
    fn a_driver_that_takes_no_jumbo_frames_gets_what_it_takes() {
        let seen = Seen { max_mtu: Some(1500), ..new_link() };
        assert!(!plan(&wanted(), &seen).iter().any(|a| matches!(a, Act::SetMtu(_))));
    }
}
