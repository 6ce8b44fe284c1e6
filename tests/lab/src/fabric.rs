//! The VPC of one lab: the namespace `fab` routes between the ports of network interfaces, one veth pair each and no bridge,
//! and drops what leaves by a port whose addresses it does not have, as EC2's source check does. A broker that answers by
//! the wrong interface is really not heard. `srv` hangs off it and carries the metadata service, the API, ZooKeeper and the
//! clients.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Context, Result};
use crate::ledger::{Ledger, Made};
use crate::netns;

/// The instance metadata service.
pub const IMDS: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// EC2, Auto Scaling and CloudFormation, on port 80.
pub const API: Ipv4Addr = Ipv4Addr::new(10, 0, 9, 10);
/// Where clients speak from.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 9, 20);
/// The zones of the VPC, each with the subnet `10.0.<n>.0/24`.
pub const ZONES: [&str; 3] = ["a", "b", "c"];
/// MTU of a jumbo-frame VPC, as EC2's DHCP announces it.
const MTU: u32 = 9001;

/// The address of the n-th ZooKeeper server (from 0), one in each zone.
pub fn zookeeper(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, n as u8 + 1, 200)
}

/// The full name of a zone given by its letter.
pub fn zone(letter: &str) -> String {
    format!("eu-central-1{letter}")
}

/// The subnet of a zone.
pub fn subnet_cidr(index: usize) -> String {
    format!("10.0.{}.0/24", index + 1)
}

/// One network interface as the fabric needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The region's id.
    pub eni: String,
    /// Its MAC address.
    pub mac: String,
    /// All its private addresses, the primary first.
    pub addresses: Vec<Ipv4Addr>,
}

/// The fabric of one lab.
#[derive(Debug)]
pub struct Fabric {
    ledger: Arc<Ledger>,
    fab: String,
    srv: String,
    ports: Mutex<Ports>,
}

#[derive(Debug, Default)]
struct Ports {
    last: u32,
    of_eni: HashMap<String, (String, Vec<Ipv4Addr>)>,
}

impl Fabric {
    /// Makes `fab` and `srv` with their addresses.
    pub fn make(ledger: Arc<Ledger>) -> Result<Fabric> {
        let (fab, srv) = (format!("{}-fab", ledger.id()), format!("{}-srv", ledger.id()));
        for name in [&fab, &srv] {
            ledger.note(Made::Netns(name.clone()))?;
            netns::add(name)?;
        }
        let fabric = Fabric { ledger, fab, srv, ports: Mutex::default() };
        let fab = &fabric.fab;
        sysctl(fab, "net/ipv4/ip_forward", "1")?;
        let mut lines: Vec<String> = (1..=3).map(|n| format!("addr add 10.0.{n}.1/32 dev lo")).collect();
        lines.push("addr add 10.0.9.1/32 dev lo".into());
        // An address that nobody has is refused at once instead of timing out.
        lines.push("route add unreachable 10.0.0.0/16".into());
        lines.push(format!("link add srv0 type veth peer name eth0 netns {}", fabric.srv));
        lines.push(format!("link set srv0 mtu {MTU} up"));
        netns::ip(fab, &lines)?;
        port_sysctls(fab, "srv0")?;
        let all = [CLIENT, API, IMDS, zookeeper(0), zookeeper(1), zookeeper(2)];
        let routes: Vec<String> = all.iter().map(|a| format!("route add {a}/32 dev srv0")).collect();
        let mut inside: Vec<String> = all.iter().map(|a| format!("addr add {a}/32 dev eth0")).collect();
        inside.push(format!("link set eth0 mtu {MTU} up"));
        inside.push(format!("route add 10.0.0.0/16 dev eth0 src {CLIENT}"));
        netns::ip(&fabric.srv, &inside)?;
        netns::ip(fab, &routes)?;
        Ok(fabric)
    }

    /// The namespace of services and clients.
    pub fn srv(&self) -> &str {
        &self.srv
    }

    /// The namespace that routes.
    pub fn fab(&self) -> &str {
        &self.fab
    }

    /// The routed port of a plugged network interface: what comes in by it has left an instance by that interface.
    pub fn port(&self, eni: &str) -> Option<String> {
        self.ports().of_eni.get(eni).map(|(port, _)| port.clone())
    }

    /// One more subnet of a zone: its router answers at this address.
    pub fn add_router(&self, address: Ipv4Addr) -> Result<()> {
        netns::ip(&self.fab, &[format!("addr add {address}/32 dev lo")])
    }

    /// A namespace for an instance, empty but for its loopback.
    pub fn add_namespace(&self, name: &str) -> Result<()> {
        self.ledger.note(Made::Netns(name.to_owned()))?;
        netns::add(name)
    }

    /// Plugs a network interface into an instance: it shows up there DOWN and without an address, its MAC already right
    /// (a name that appears with a passing MAC would be a lie that real hardware does not tell).
    pub fn plug(&self, interface: &Interface, into: &str, name: &str) -> Result<()> {
        let mut ports = self.ports();
        ports.last += 1;
        let (port, peer) = (format!("p{}", ports.last), format!("q{}", ports.last));
        let mut lines = vec![
            format!("link add {port} type veth peer name {peer}"),
            format!("link set {peer} address {}", interface.mac),
            format!("link set {port} mtu {MTU} up"),
        ];
        for address in &interface.addresses {
            lines.push(format!("route add {address}/32 dev {port}"));
            lines.push(format!("rule add pref 110 iif {port} from {address} lookup main"));
        }
        lines.push(format!("rule add pref 111 iif {port} blackhole"));
        netns::ip(&self.fab, &lines).context(|| format!("make the port of {}", interface.eni))?;
        port_sysctls(&self.fab, &port)?;
        netns::ip(&self.fab, &[format!("link set {peer} netns {into} name {name}")])
            .context(|| format!("plug {} into {into} as {name}", interface.eni))?;
        ports.of_eni.insert(interface.eni.clone(), (port, interface.addresses.clone()));
        Ok(())
    }

    /// Pulls a network interface out, wherever it is. Pulling one that is not plugged is no error.
    pub fn unplug(&self, eni: &str) {
        let Some((port, addresses)) = self.ports().of_eni.remove(eni) else { return };
        let mut lines = vec![format!("link del {port}")];
        lines.extend(addresses.iter().map(|a| format!("rule del pref 110 iif {port} from {a} lookup main")));
        lines.push(format!("rule del pref 111 iif {port} blackhole"));
        netns::ip_whatever(&self.fab, &lines);
    }

    /// Pulls all network interfaces out: the instances are gone, and with them the far ends.
    pub fn clear(&self) {
        let plugged: Vec<String> = self.ports().of_eni.keys().cloned().collect();
        plugged.iter().for_each(|eni| self.unplug(eni));
    }

    fn ports(&self) -> MutexGuard<'_, Ports> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives an interface of an instance its address and default route, as DHCP would for the primary one.
pub fn configure_primary(netns: &str, name: &str, address: Ipv4Addr) -> Result<()> {
    let [a, b, c, _] = address.octets();
    netns::ip(
        netns,
        &[
            format!("addr add {address}/24 dev {name}"),
            format!("link set {name} mtu {MTU} up"),
            format!("route add default via {a}.{b}.{c}.1 dev {name}"),
        ],
    )
}

/// The port answers ARP for every address that lies behind another port, at once.
fn port_sysctls(fab: &str, port: &str) -> Result<()> {
    sysctl(fab, &format!("net/ipv4/conf/{port}/proxy_arp"), "1")?;
    sysctl(fab, &format!("net/ipv4/neigh/{port}/proxy_delay"), "0")
}

/// Writes a sysctl of a namespace.
pub fn sysctl(namespace: &str, key: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/{key}");
    netns::inside(namespace, || {
        std::fs::write(&path, value).context(|| format!("write {value} to {path} in {namespace}"))
    })
}
