//! What the network sees of a slot's interface before and after `berth boot`: the VPC's router drops what leaves by an
//! interface that does not have its source address, as EC2 does, and a capture on its ports says which way answers went.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use std::net::{Ipv4Addr, SocketAddr};

use common::interfaces::{
    Capture, Frames, Patience, answers, appeared, attach, booted, mac, neighbour, one_slot, port, primary,
    router, with_addresses,
};
use common::lab_runs::{IDLE, calls, json, lab, made, played, shell};
use lab::lab_run::{InstanceInfo, LabRun};
use lab::netns;
use region::model::{EniSpec, Event, LaunchSpec};

/// A lab that shows one case: what is special about the host and about the interface.
struct Case<'a> {
    addresses: &'a [[u8; 4]],
    cidr: Option<&'a str>,
    strict: bool,
}

impl Case<'_> {
    async fn holds(self) {
        let mut lab = made(&(one_slot("xfs", "500ms", "500ms") + IDLE)).await;
        let addresses: Vec<Ipv4Addr> = self.addresses.iter().map(|a| Ipv4Addr::from(*a)).collect();
        with_addresses(&mut lab, &addresses, self.cidr);
        let lab = played(lab).await;
        let a1 = lab.find("instance 0").unwrap();
        if self.strict {
            let line = "for of in all default eth0; do echo 1 >/proc/sys/net/ipv4/conf/$of/rp_filter; done";
            shell(&lab, &a1, line).await;
        }
        let subnet = router(addresses[0]).octets();
        let mut from =
            vec![lab.srv().to_owned(), neighbour(&lab, Ipv4Addr::new(subnet[0], subnet[1], subnet[2], 77))];
        if self.cidr.is_some() {
            // The primary interface's subnet.
            from.push(neighbour(&lab, [10, 0, 1, 77].into()));
        }
        let _listener = netns::listen(&lab.netns(&a1), SocketAddr::from(([0, 0, 0, 0], 7000))).unwrap();
        let link = attach(&lab, &lab.slots[0].eni, &a1, 0).await;
        // With its prefix a second subnet would be reached by its own link already, and only its own.
        let prefix = if self.cidr.is_some() { 32 } else { 24 };
        for address in &addresses {
            shell(&lab, &a1, &format!("ip address add {address}/{prefix} dev {link}")).await;
        }
        shell(&lab, &a1, &format!("ip link set {link} up")).await;

        let seen = self.called(&lab, &from, &addresses, Patience::ForSilence).await;
        let (by_primary, dropped) = (seen.by_primary(), drops(&lab, &a1).await);
        if self.strict {
            // Not even the router's question for the address is answered: ARP asks the same filter.
            assert_eq!((seen.by_own(), by_primary), (0, 0), "{}", seen.frames);
        } else {
            assert!(by_primary >= seen.calls, "answers leave by the primary interface:\n{}", seen.frames);
        }
        println!(
            "before: {by_primary} answers left by the primary interface, {dropped} packets were dropped"
        );

        booted(&lab, &a1).await;
        let seen = self.called(&lab, &from, &addresses, Patience::ForAnAnswer).await;
        let more = drops(&lab, &a1).await - dropped;
        println!(
            "after: {} connections; {} answers left by the slot's interface, {} frames by the primary one; {more} packets were dropped",
            seen.calls,
            seen.by_own(),
            seen.all_by_primary()
        );
        assert!(seen.by_own() >= seen.calls, "{}", seen.frames);
        assert_eq!(seen.all_by_primary(), 0, "{}", seen.frames);
        assert_eq!(more, 0, "the filter drops none of it");
        self.kernel(&lab, &a1, &link, &addresses).await;
        lab.end(false).await.unwrap();
    }

    /// Calls each address from each place.
    async fn called(&self, lab: &LabRun, from: &[String], to: &[Ipv4Addr], patience: Patience) -> Seen {
        let capture = Capture::begin(lab, to).await;
        let mut calls = 0;
        for place in from {
            for address in to {
                let answered = answers(place, SocketAddr::from((*address, 7000)), patience);
                let expected = matches!(patience, Patience::ForAnAnswer);
                assert_eq!(answered, expected, "{address} called from {place}");
                calls += 1;
            }
        }
        let a1 = lab.find("instance 0").unwrap();
        let (own, primary) = (port(lab, &lab.slots[0].eni), port(lab, &primary(lab, &a1)));
        Seen { frames: capture.end(lab).await, calls, own, primary, addresses: to.to_vec() }
    }

    /// A rule for each address, and the host's own settings as they were.
    async fn kernel(&self, lab: &LabRun, on: &InstanceInfo, link: &str, addresses: &[Ipv4Addr]) {
        let rules = json(lab, on, "ip -j rule show").await;
        let mut ruled: Vec<String> = rules
            .as_array()
            .unwrap()
            .iter()
            .filter(|rule| rule["priority"] == 7001 && rule["table"] == "7001")
            .map(|rule| rule["src"].as_str().unwrap().to_owned())
            .collect();
        ruled.sort();
        let mut wanted: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        wanted.sort();
        assert_eq!(ruled, wanted);
        let line = format!("cd /proc/sys/net/ipv4/conf; cat all/rp_filter eth0/rp_filter {link}/rp_filter");
        let filters = shell(lab, on, &line).await;
        assert_eq!(filters, if self.strict { "1\n1\n1\n" } else { "0\n0\n0\n" }, "the filter is the host's");
    }
}

/// What was captured while every address was called from every place.
struct Seen {
    frames: Frames,
    calls: usize,
    own: String,
    primary: String,
    addresses: Vec<Ipv4Addr>,
}

impl Seen {
    fn by_own(&self) -> usize {
        self.addresses.iter().map(|address| self.frames.answers(&self.own, *address)).sum()
    }

    fn by_primary(&self) -> usize {
        self.addresses.iter().map(|address| self.frames.answers(&self.primary, *address)).sum()
    }

    fn all_by_primary(&self) -> usize {
        self.addresses.iter().map(|address| self.frames.all(&self.primary, *address)).sum()
    }
}

/// Packets that the reverse-path filter dropped (TcpExt IPReversePathFilter).
async fn drops(lab: &LabRun, on: &InstanceInfo) -> usize {
    let line = "awk '/^TcpExt:/ { if (!n) n = split($0, name); else for (i = 2; i <= n; i++) { split($0, value); if (name[i] == \"IPReversePathFilter\") print value[i] } }' /proc/net/netstat";
    shell(lab, on, line).await.trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interface_is_heard_after_a_boot_and_not_before() {
    Case { addresses: &[[10, 0, 1, 50]], cidr: None, strict: false }.holds().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interface_is_heard_on_a_host_with_a_strict_reverse_path_filter() {
    Case { addresses: &[[10, 0, 1, 50]], cidr: None, strict: true }.holds().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_private_address_of_an_interface_is_heard() {
    let addresses = [[10, 0, 1, 50], [10, 0, 1, 51], [10, 0, 1, 210]];
    Case { addresses: &addresses, cidr: None, strict: true }.holds().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interface_in_another_subnet_than_the_primary_one_is_heard() {
    Case { addresses: &[[10, 0, 4, 50]], cidr: Some("10.0.4.0/24"), strict: false }.holds().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_subnet_than_the_primary_one_costs_one_call_the_eighth() {
    let mut lab = made(&(one_slot("xfs", "500ms", "500ms") + IDLE)).await;
    with_addresses(&mut lab, &[[10, 0, 4, 50].into()], Some("10.0.4.0/24"));
    let lab = played(lab).await;
    let a1 = lab.find("instance 0").unwrap();
    booted(&lab, &a1).await;
    let calls = calls(&lab, 0);
    println!("EC2 calls with an interface in another subnet: {}: {calls:?}", calls.len());
    assert_eq!(calls.iter().filter(|call| *call == "DescribeSubnets ok").count(), 1, "{calls:?}");
    assert_eq!(calls.len(), 8, "{calls:?}");
    let routes = shell(&lab, &a1, "ip route show table 7001").await;
    assert!(routes.contains("10.0.4.0/24") && routes.contains("via 10.0.4.1"), "{routes}");
    lab.end(false).await.unwrap();
}

/// Without a card, such a type refuses index 1 of the first card where any card has one at index 1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_with_several_network_cards_gets_the_interface_on_its_first() {
    let lab = lab(&one_slot("xfs", "500ms", "500ms")).await;
    let user_data = "#!/bin/sh\nmkdir -p /etc/berth\nprintf 'cluster = \"orders\"\\nzookeeper = \"10.0.1.200:2181/kafka\"\\n' >/etc/berth/berth.toml\n";
    let other = lab.served.with(|region| {
        let subnet = region.eni(&lab.slots[0].eni).unwrap().subnet.clone();
        region.run_instance(LaunchSpec {
            subnet: subnet.clone(),
            instance_type: "p4d.24xlarge".into(),
            user_data: user_data.into(),
            profile: Some("kafka-broker".into()),
            ..LaunchSpec::default()
        });
        region.add_eni(EniSpec { subnet, ..EniSpec::default() })
    });
    let running = |event: &Event| matches!(event, Event::InstanceRunning { .. });
    let minute = common::lab_runs::MINUTE;
    lab.wait("the instance", minute, 0, |e| running(&e.event).then_some(())).await.unwrap();
    let a1 = up(&lab).await;
    shell(&lab, &a1, "until test -s /etc/berth/berth.toml; do sleep 0.1; done").await;
    attach(&lab, &other, &a1, 1).await;
    booted(&lab, &a1).await;
    let slot = lab.slots[0].clone();
    let at = lab.served.with(|region| region.eni(&slot.eni).unwrap().attachment.clone().unwrap());
    assert_eq!((at.network_card_index, at.device_index), (0, 1));
    assert_eq!(calls(&lab, 0).iter().filter(|call| *call == "AttachNetworkInterface ok").count(), 1);
    assert!(answers(lab.srv(), SocketAddr::from((slot.address, 9092)), Patience::ForAnAnswer));
    assert_eq!(appeared(&lab, &a1, &mac(&lab, &slot.eni)).await, "eth2");
    lab.end(false).await.unwrap();
}

/// The instance, once its PID 1 is up: the journal says `running` a moment earlier.
async fn up(lab: &LabRun) -> InstanceInfo {
    loop {
        let known = lab.find("instance 0").unwrap();
        if known.pid1.is_some() {
            return known;
        }
        // PID 1 comes up after the journal's entry, and nothing announces it.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
