//! A slot's network interface seen from outside: made with other addresses, attached by hand, called from several places, and
//! the frames that the VPC's router gets from it.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Stdio;
use std::time::Duration;

use lab::fabric::{Interface, configure_primary};
use lab::instance::Ran;
use lab::lab_run::{InstanceInfo, LabRun};
use lab::netns;
use region::model::{AttachEniRequest, Caller, DeleteRequest, EniSpec, Event, SubnetSpec};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::lab_runs::{MINUTE, run, shell};

/// How long a connection that is never answered is waited for: one SYN is sent again within it.
const SILENCE: Duration = Duration::from_millis(1500);

/// A scenario of one slot in zone a, with this on its volume, and attached after so long.
pub(crate) fn one_slot(disk: &str, volume: &str, eni: &str) -> String {
    format!(
        r#"
service = "stub"
[[slot]]
id = 0
zone = "a"
disk = "{disk}"
[region]
quick = true
[region.delays]
volume-attach = "{volume}"
eni-attach = "{eni}"
"#
    )
}

/// The slot's interface is made anew with these addresses; `cidr` is one more subnet of zone a.
pub(crate) fn with_addresses(lab: &mut LabRun, addresses: &[Ipv4Addr], cidr: Option<&str>) {
    let slot = &mut lab.slots[0];
    let eni = lab.served.with(|region| {
        let old = region.eni(&slot.eni).unwrap().clone();
        let delete = DeleteRequest { id: old.id, ..DeleteRequest::default() };
        region.delete_network_interface(&Caller::admin(), delete).unwrap();
        let subnet = cidr.map(|cidr| {
            let spec = SubnetSpec { zone: slot.zone.clone(), cidr: cidr.into(), ..SubnetSpec::default() };
            region.add_subnet(spec)
        });
        region.add_eni(EniSpec {
            subnet: subnet.unwrap_or(old.subnet),
            private_ips: addresses.to_vec(),
            tags: old.tags,
            ..EniSpec::default()
        })
    });
    (slot.eni, slot.address) = (eni, addresses[0]);
    if cidr.is_some() {
        lab.fabric().add_router(router(addresses[0])).unwrap();
    }
}

/// The router of the /24 that an address lies in.
pub(crate) fn router(address: Ipv4Addr) -> Ipv4Addr {
    let [a, b, c, _] = address.octets();
    Ipv4Addr::new(a, b, c, 1)
}

/// An operator attaches an interface; returns the name of its link, which is there.
pub(crate) async fn attach(lab: &LabRun, eni: &str, on: &InstanceInfo, card: u32) -> String {
    let from = lab.journal_length();
    let request = AttachEniRequest {
        eni: eni.to_owned(),
        instance: on.id.clone(),
        device_index: 1,
        network_card_index: Some(card),
        ..AttachEniRequest::default()
    };
    lab.served.with(|region| region.attach_network_interface(&Caller::admin(), request)).unwrap();
    let attached = |event: &Event| matches!(event, Event::EniAttached { eni: of, .. } if of == eni);
    lab.wait("the attachment", MINUTE, from, |e| attached(&e.event).then_some(())).await.unwrap();
    appeared(lab, on, &mac(lab, eni)).await
}

/// The MAC address of an interface, by the region.
pub(crate) fn mac(lab: &LabRun, eni: &str) -> String {
    lab.served.with(|region| region.eni(eni).unwrap().mac.clone())
}

/// The name of the link with this address, as soon as it is there.
pub(crate) async fn appeared(lab: &LabRun, on: &InstanceInfo, mac: &str) -> String {
    let line = format!("until ip -o link | grep -q {mac}; do sleep 0.1; done; ip -o link | grep {mac}");
    let shown = shell(lab, on, &line).await;
    let name = shown.split(": ").nth(1).unwrap();
    name.split('@').next().unwrap().to_owned()
}

/// The port of the router at which an interface is plugged in; for the primary one: by the instance.
pub(crate) fn port(lab: &LabRun, eni: &str) -> String {
    lab.fabric().port(eni).unwrap()
}

/// The primary interface of an instance.
pub(crate) fn primary(lab: &LabRun, of: &InstanceInfo) -> String {
    lab.served.with(|region| {
        let at =
            |eni: &region::model::Eni| eni.attachment.as_ref().map(|a| (a.instance.clone(), a.device_index));
        region.enis().find(|eni| at(eni) == Some((of.id.clone(), 0))).unwrap().id.clone()
    })
}

/// Another host of a subnet, with nothing but its address; the name of its namespace.
pub(crate) fn neighbour(lab: &LabRun, address: Ipv4Addr) -> String {
    let [.., c, d] = address.octets();
    let name = format!("{}-n{c}x{d}", lab.id());
    lab.fabric().add_namespace(&name).unwrap();
    let interface = Interface {
        eni: format!("neighbour-{address}"),
        mac: format!("06:00:00:00:{c:02x}:{d:02x}"),
        addresses: vec![address],
    };
    lab.fabric().plug(&interface, &name, "eth0").unwrap();
    configure_primary(&name, "eth0", address).unwrap();
    name
}

/// Whether a connection from a namespace is answered.
pub(crate) fn answers(from: &str, to: SocketAddr, patience: Patience) -> bool {
    match patience {
        Patience::ForSilence => netns::connect(from, to, SILENCE).is_ok(),
        // Whoever called while the address was silent still asks for its MAC, and fails when that question does: the next call
        // asks anew.
        Patience::ForAnAnswer => (0..3).any(|_| netns::connect(from, to, MINUTE).is_ok()),
    }
}

/// What a connection is expected to come to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    ForSilence,
    ForAnAnswer,
}

/// `berth boot` by hand, to its end.
pub(crate) async fn boot(lab: &LabRun, on: &InstanceInfo) -> Ran {
    run(lab, on, "berth", &["boot"], 3 * MINUTE).await
}

/// `berth boot` that must succeed.
pub(crate) async fn booted(lab: &LabRun, on: &InstanceInfo) {
    let ran = boot(lab, on).await;
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
}

/// tcpdump on all ports of the router.
pub(crate) struct Capture {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Capture {
    /// Captures from now on what these hosts send and get.
    pub(crate) async fn begin(lab: &LabRun, hosts: &[Ipv4Addr]) -> Capture {
        lab::commands::require(&["tcpdump"]).unwrap();
        let hosts: Vec<String> = hosts.iter().map(|host| format!("host {host}")).collect();
        let filter = format!("(tcp and ({})) or udp port 9", hosts.join(" or "));
        let command = netns::command(lab.fabric().fab(), "tcpdump");
        let mut child = Command::from(command)
            // Without -s the buffer has room for eight frames of 256 KiB, and a busy machine loses the ninth.
            .args(["-i", "any", "-n", "--immediate-mode", "-l", "-s", "128", "-B", "8192", &filter])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let listening = async {
            while let Some(line) = said.next_line().await.unwrap() {
                if line.starts_with("listening on") {
                    // Whatever it says at its end must have somewhere to go.
                    tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
                    return;
                }
            }
            panic!("tcpdump ended");
        };
        tokio::time::timeout(MINUTE, listening).await.expect("tcpdump listens");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Capture { child, lines }
    }

    /// Ends it; all frames until now. One socket sees every port in order, so what came before the datagram that is sent
    /// here is there when that is.
    pub(crate) async fn end(mut self, lab: &LabRun) -> Frames {
        netns::inside(lab.srv(), || {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.send_to(b"the end", "10.0.9.1:9").unwrap();
            Ok(())
        })
        .unwrap();
        let mut frames = Vec::new();
        let all = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line.contains("> 10.0.9.1.9: UDP") {
                    return;
                }
                frames.push(line);
            }
            panic!("tcpdump ended early:\n{}", frames.join("\n"));
        };
        tokio::time::timeout(MINUTE, all).await.expect("the datagram that ends the capture was seen");
        self.child.kill().await.unwrap();
        Frames(frames)
    }
}

/// Lines of tcpdump.
pub(crate) struct Frames(Vec<String>);

impl Frames {
    /// How many answers to a SYN with this source came in by a port: `In` is what the router got.
    pub(crate) fn answers(&self, port: &str, source: Ipv4Addr) -> usize {
        self.of(port, source).filter(|line| line.contains("Flags [S.]")).count()
    }

    /// How many frames of any kind with this source came in by a port.
    pub(crate) fn all(&self, port: &str, source: Ipv4Addr) -> usize {
        self.of(port, source).count()
    }

    fn of(&self, port: &str, source: Ipv4Addr) -> impl Iterator<Item = &String> {
        let (port, source) = (port.to_owned(), format!("{source}."));
        // 20:51:16.004465 p2    In  IP 10.0.1.50.9092 > 10.0.9.20.49226: Flags [S.], ...
        self.0.iter().filter(move |line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.len() > 4 && words[1] == port && words[2] == "In" && words[4].starts_with(&source)
        })
    }
}

impl std::fmt::Display for Frames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.join("\n"))
    }
}
