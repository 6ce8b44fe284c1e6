//! The command of iproute2 or procps that makes a change: what an operator searches the log for, and may run by hand.

use super::{Act, PROTOCOL, Route, Seen};

/// The `ip` (or `sysctl`) command that would make this change of the link of `seen`.
///
/// The mark of an address (IFA_PROTO) is left out: `ip address` knows it since iproute2 6.3 only.
pub fn command(seen: &Seen, act: &Act) -> String {
    let dev = |index: u32| device(seen, index);
    let here = dev(seen.index);
    match act {
        Act::SetSysctl(path, value) => format!("sysctl -w {}={value}", key(path)),
        Act::SetMtu(mtu) => format!("ip link set dev {here} mtu {mtu}"),
        Act::SetUp => format!("ip link set dev {here} up"),
        Act::AddAddress(address, prefix) => {
            format!("ip address add {address}/{prefix} broadcast + dev {here} noprefixroute")
        }
        Act::RemoveAddress(of) => format!("ip address del {}/{} dev {}", of.address, of.prefix, dev(of.link)),
        Act::AddRoute(route) => format!("ip route prepend {}", words(route, &dev(route.link))),
        Act::RemoveRoute(route) => format!("ip route del {}", words(route, &dev(route.link))),
        Act::AddRule(rule) => format!("ip rule add {}", selector(rule)),
        Act::RemoveRule(rule) => format!("ip rule del {}", selector(rule)),
    }
}

/// A link whose name is not known goes by its index: iproute2 reads `if7` as the link with the index 7 where no link has
/// that name (lib/ll_map.c, ll_idx_a2n).
fn device(seen: &Seen, index: u32) -> String {
    if index == seen.index && !seen.name.is_empty() { seen.name.clone() } else { format!("if{index}") }
}

/// The key of a setting. Where the link's name has a dot, the path itself is the key (sysctl(8)).
fn key(path: &str) -> String {
    if path.contains('.') { path.to_owned() } else { path.replace('/', ".") }
}

fn words(route: &Route, dev: &str) -> String {
    let to = route.to.map_or_else(|| "default".to_owned(), |(to, prefix)| format!("{to}/{prefix}"));
    let via = route.via.map_or_else(String::new, |via| format!(" via {via}"));
    let scope = if route.via.is_none() { " scope link" } else { "" };
    let source = route.source.map_or_else(String::new, |source| format!(" src {source}"));
    format!("{to}{via} dev {dev} table {} proto {PROTOCOL}{scope}{source}", route.table)
}

fn selector(rule: &super::Rule) -> String {
    format!("from {} lookup {} priority {} protocol {PROTOCOL}", rule.from, rule.table, rule.priority)
}

#[cfg(test)]
mod tests {
    use super::super::{Marked, SYSCTLS, TABLE, Wanted, plan, undo};
    use super::*;
    use std::net::Ipv4Addr;

    fn commands(seen: &Seen, acts: &[Act]) -> Vec<String> {
        acts.iter().map(|act| command(seen, act)).collect()
    }

    #[test]
    fn a_new_link_is_configured_by_these_commands() {
        let wanted = Wanted {
            mac: "06:00:00:00:00:50".parse().unwrap(),
            addresses: vec![Ipv4Addr::new(10, 0, 1, 50)],
            subnet: "10.0.1.0/24".parse().unwrap(),
        };
        let sysctls = SYSCTLS.map(|(path, _)| (path.replace("{link}", "eth1"), "9".to_owned())).into();
        let seen = Seen { index: 7, name: "eth1".into(), mtu: 1500, sysctls, ..Seen::default() };
        assert_eq!(
            commands(&seen, &plan(&wanted, &seen)),
            [
                "sysctl -w net.ipv4.conf.eth1.arp_ignore=1",
                "sysctl -w net.ipv4.conf.eth1.arp_announce=2",
                "sysctl -w net.ipv6.conf.eth1.accept_ra=0",
                "ip link set dev eth1 mtu 9001",
                "ip address add 10.0.1.50/24 broadcast + dev eth1 noprefixroute",
                "ip link set dev eth1 up",
                "ip route prepend 10.0.1.0/24 dev eth1 table 7001 proto 190 scope link src 10.0.1.50",
                "ip route prepend default via 10.0.1.1 dev eth1 table 7001 proto 190 src 10.0.1.50",
                "ip rule add from 10.0.1.50 lookup 7001 priority 7001 protocol 190",
            ]
        );
    }

    #[test]
    fn what_is_of_a_link_without_a_known_name_goes_by_its_index() {
        let address = Ipv4Addr::new(10, 0, 1, 50);
        let seen = Seen {
            routes: vec![Route { to: None, via: None, source: None, link: 3, table: TABLE }],
            marked: vec![Marked { link: 4, address, prefix: 24 }],
            ..Seen::default()
        };
        assert_eq!(
            commands(&seen, &undo(&seen)),
            [
                "ip route del default dev if3 table 7001 proto 190 scope link",
                "ip address del 10.0.1.50/24 dev if4"
            ]
        );
    }

    #[test]
    fn a_name_with_a_dot_keeps_its_setting_apart_from_the_path() {
        let set = Act::SetSysctl("net/ipv4/conf/eth1.5/arp_ignore".into(), "1".into());
        assert_eq!(command(&Seen::default(), &set), "sysctl -w net/ipv4/conf/eth1.5/arp_ignore=1");
    }
}
