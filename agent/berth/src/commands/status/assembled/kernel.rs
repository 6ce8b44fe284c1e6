//! What of berth is in the kernel, and what is missing there.

use super::super::facts::RouteFacts;
use crate::host::netlink::Ours;

pub(super) fn routes(ours: &Ours) -> RouteFacts {
    let links = ours
        .links
        .iter()
        .map(|link| {
            let addresses: Vec<String> = link.addresses.iter().map(ToString::to_string).collect();
            format!("{} {} {}", link.name, if link.up { "up" } else { "down" }, addresses.join(" "))
        })
        .collect();
    let rules = ours.rules.iter().map(|rule| format!("from {} lookup {}", rule.from, rule.table)).collect();
    RouteFacts { links, routes: ours.routes.len(), rules, missing: missing(ours) }
}

/// The kernel drops the routes with the address that they prefer as their source, and does not bring them back with it.
/// The rule stays, and leads into an empty table.
fn missing(ours: &Ours) -> Vec<String> {
    let mut found = Vec::new();
    for rule in &ours.rules {
        let address = rule.from;
        let Some(link) = ours.links.iter().find(|link| link.addresses.contains(&address)) else {
            found.push(format!("no link has {address}, the slot's address"));
            continue;
        };
        if !link.up {
            found.push(format!("{} with {address} is down", link.name));
        }
        if !ours.routes.iter().any(|route| route.table == rule.table && route.link == link.index) {
            found.push(format!(
                "{} has {address}, but no route in table {}: the address was taken away and given back",
                link.name, rule.table
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::netlink::OurLink;
    use berth_plan::network::{PRIORITY, Route, Rule, TABLE};
    use std::net::Ipv4Addr;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 53);

    fn in_order() -> Ours {
        let route = Route { to: None, via: None, source: Some(ADDRESS), link: 7, table: TABLE };
        Ours {
            routes: vec![route],
            rules: vec![Rule { from: ADDRESS, table: TABLE, priority: PRIORITY }],
            links: vec![OurLink { index: 7, name: "eth1".into(), up: true, addresses: vec![ADDRESS] }],
        }
    }

    #[test]
    fn a_link_that_lost_its_address_and_has_it_again_has_no_routes() {
        assert_eq!(missing(&in_order()), [""; 0]);
        let lost = Ours { routes: vec![], ..in_order() };
        assert!(missing(&lost)[0].starts_with("eth1 has 10.0.1.53, but no route"), "{:?}", missing(&lost));
        let elsewhere = Route { link: 3, ..in_order().routes[0] };
        assert_eq!(missing(&Ours { routes: vec![elsewhere], ..in_order() }).len(), 1);
    }

    #[test]
    fn an_address_that_is_gone_and_a_link_that_is_down_are_missing() {
        assert_eq!(
            missing(&Ours { links: vec![], ..in_order() }),
            ["no link has 10.0.1.53, the slot's address"]
        );
        let mut down = in_order();
        down.links[0].up = false;
        assert_eq!(missing(&down), ["eth1 with 10.0.1.53 is down"]);
        assert_eq!(missing(&Ours { routes: vec![], rules: vec![], links: vec![] }), [""; 0]);
    }
}
