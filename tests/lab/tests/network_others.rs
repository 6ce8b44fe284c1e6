//! What others keep in the kernel of an instance is there byte for byte after a boot, after another, and after a boot that
//! gave up; and of berth's own, nothing is left after that, whatever became of the link meanwhile.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use common::interfaces::{appeared, attach, boot, booted, mac, one_slot};
use common::lab_runs::{IDLE, MINUTE, calls, made, played, run, shell};
use lab::lab_run::{InstanceInfo, LabRun};
use region::model::{Caller, DetachEniRequest, EniSpec, Event, Fault, FaultKind};

/// A lab with an idle instance on which others are at home already.
async fn shared_with_others(disk: &str, volume: &str) -> (LabRun, InstanceInfo) {
    let lab = made(&(one_slot(disk, volume, "500ms") + IDLE)).await;
    let other = lab.served.with(|region| {
        let subnet = region.eni(&lab.slots[0].eni).unwrap().subnet.clone();
        region.add_eni(EniSpec { subnet, private_ips: vec![[10, 0, 1, 150].into()], ..EniSpec::default() })
    });
    let lab = played(lab).await;
    let a1 = lab.find("instance 0").unwrap();
    assert_eq!(attach(&lab, &other, &a1, 0).await, "eth1");
    let address = lab.slots[0].address;
    shell(&lab, &a1, &OTHERS.replace("ADDRESS", &address.to_string())).await;
    (lab, a1)
}

/// Another interface of EC2 and a link of the host, with addresses, routes and rules of both families: also at berth's own
/// priority and in its table, by other marks or none, and one that is the same as berth's but for the mark.
const OTHERS: &str = "set -e
ip address add 10.0.1.150/24 dev eth1
ip link set eth1 up
ip link add fo0 type veth peer name fo1
ip link set fo0 up
ip link set fo1 mtu 1400 up
ip address add 10.96.0.1/24 dev fo0
ip address add fd00:96::1/64 dev fo0 nodad
ip route add 10.97.0.0/16 via 10.0.1.1 dev eth0
ip route add 10.97.0.0/16 via 10.0.1.1 dev eth0 table 7001 proto static
ip route add default via 10.0.1.1 dev eth0 table 7001 proto static
ip route add 10.0.1.0/24 dev eth0 table 7001 proto 17
ip route add default via 10.0.1.1 dev eth1 table 10001 proto 191
ip -6 route add fd00:97::/64 via fd00:96::2 dev fo0
ip -6 route add default via fd00:96::2 dev fo0 table 7001 proto static
ip rule add pref 500 from 10.96.0.0/24 lookup 10001
ip rule add pref 7001 from 10.0.1.150 lookup 10001
ip rule add pref 7001 from ADDRESS lookup 7001
ip rule add pref 7001 from 10.0.1.151 lookup 7001 protocol 191
ip rule add pref 7001 fwmark 7 lookup 7001
ip -6 rule add pref 7001 from fd00:96::/64 lookup 7001
ip -6 rule add pref 7002 from fd00:97::/64 lookup 10001 protocol 191
echo 1 >/proc/sys/net/ipv4/conf/fo0/rp_filter
echo 1 >/proc/sys/net/ipv4/conf/eth1/arp_ignore
echo 1 >/proc/sys/net/ipv6/conf/fo0/accept_ra
until test -z \"$(ip -6 address show tentative)\"; do sleep 0.1; done
";

/// All that there is, one thing a line.
async fn kernel(lab: &LabRun, on: &InstanceInfo) -> String {
    let line = "for of in -4 -6; do ip $of -d rule show; ip $of -d -o route show table all | sort; done
ip -d -o link show
ip -o address show
grep -rs . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf /proc/sys/net/ipv4/ip_forward | sort";
    shell(lab, on, line).await
}

/// Without what has berth's mark or is of the link that berth configures.
fn without(kernel: &str, link: &str) -> Vec<String> {
    let of_link = [format!(": {link}"), format!("dev {link} "), format!("/conf/{link}/")];
    let others = kernel
        .lines()
        .filter(|line| !line.contains("proto 190") && !of_link.iter().any(|of| line.contains(of.as_str())));
    others.map(str::to_owned).collect()
}

fn same(before: &str, after: &str, link: &str) {
    let (before, after) = (without(before, link), without(after, link));
    let lost: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
    let new: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    assert!(before == after, "lost: {lost:#?}\nnew: {new:#?}");
    assert!(before.len() > 100, "{before:#?}");
}

/// What has berth's mark in the rules and routes.
async fn marks(lab: &LabRun, on: &InstanceInfo) -> Vec<String> {
    let line = "ip -d rule show | grep 'proto 190'; ip -d route show table all | grep 'proto 190'; true";
    shell(lab, on, line).await.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_keep_in_the_kernel_is_there_after_a_boot_and_after_another() {
    let (lab, a1) = shared_with_others("xfs", "500ms").await;
    let before = kernel(&lab, &a1).await;
    booted(&lab, &a1).await;
    let link = appeared(&lab, &a1, &mac(&lab, &lab.slots[0].eni)).await;
    assert_eq!(marks(&lab, &a1).await.len(), 3);
    // Its own route is the first of two to the same place.
    let way = shell(&lab, &a1, &format!("ip route get 10.0.9.20 from {}", lab.slots[0].address)).await;
    assert!(way.contains(&format!("dev {link} ")), "{way}");
    let once = settled(&lab, &a1).await;
    same(&before, &once, &link);
    booted(&lab, &a1).await;
    assert_eq!(once, kernel(&lab, &a1).await, "a second boot changes nothing at all");
    println!("{} lines of others are the same after two boots", without(&before, &link).len());
    lab.end(false).await.unwrap();
}

/// The kernel a while after a link came: link-local IPv6 addresses are announced before they are used.
async fn settled(lab: &LabRun, on: &InstanceInfo) -> String {
    shell(lab, on, "until test -z \"$(ip -6 address show tentative)\"; do sleep 0.1; done").await;
    kernel(lab, on).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_that_gives_up_leaves_the_kernel_as_it_was() {
    // Blank and without consent: the configuration of the volume is at fault, which shows after the network is configured.
    let (lab, a1) = shared_with_others("blank", "6s").await;
    let before = kernel(&lab, &a1).await;
    let booting = boot(&lab, &a1);
    let configured = async {
        shell(&lab, &a1, "until ip rule show | grep -q 'proto 190'; do sleep 0.05; done").await;
    };
    let (ran, ()) = tokio::join!(booting, configured);
    assert_eq!(ran.code, 78, "{}", ran.err);
    assert_eq!(kernel(&lab, &a1).await, before);
    assert_eq!(lab.served.with(|region| region.brought_to(&a1.id).1.len()), 1, "the other's interface alone");
    lab.end(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_that_gives_up_leaves_no_rule_of_an_interface_that_was_pulled_out() {
    let (lab, a1) = shared_with_others("blank", "8s").await;
    let before = kernel(&lab, &a1).await;
    let pulled_out = async {
        shell(&lab, &a1, "until ip rule show | grep -q 'proto 190'; do sleep 0.05; done").await;
        detach(&lab).await;
        let left = marks(&lab, &a1).await;
        println!("the link took its routes along and left: {left:?}");
        assert_eq!(left.len(), 1, "{left:?}");
    };
    let (ran, ()) = tokio::join!(boot(&lab, &a1), pulled_out);
    assert_eq!(ran.code, 78, "{}", ran.err);
    assert_eq!(marks(&lab, &a1).await, [""; 0]);
    assert_eq!(kernel(&lab, &a1).await, before);
    lab.end(false).await.unwrap();
}

/// An operator detaches the slot's interface; its link is gone when this returns.
async fn detach(lab: &LabRun) {
    let from = lab.journal_length();
    let eni = lab.slots[0].eni.clone();
    lab.served.with(|region| {
        let at = region.eni(&eni).unwrap().attachment.clone().unwrap();
        let request = DetachEniRequest { attachment: at.id, ..DetachEniRequest::default() };
        region.detach_network_interface(&Caller::admin(), request).unwrap();
    });
    let gone = |event: &Event| matches!(event, Event::EniDetached { eni: of, .. } if *of == eni);
    lab.wait("the detach", MINUTE, from, |e| gone(&e.event).then_some(())).await.unwrap();
    let (a1, mac) = (lab.find("instance 0").unwrap(), mac(lab, &eni));
    shell(lab, &a1, &format!("while ip -o link | grep -q {mac}; do sleep 0.05; done")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_cannot_be_detached_is_left_without_addresses_routes_and_rules() {
    let (lab, a1) = shared_with_others("blank", "4s").await;
    let before = kernel(&lab, &a1).await;
    lab.served.with(|region| {
        region.inject(Fault::always("DetachNetworkInterface", FaultKind::Unauthorized));
    });
    let refused = async {
        let refused = |event: &Event| {
            matches!(event, Event::Call { action, outcome, .. }
                if action == "DetachNetworkInterface" && outcome != "ok")
        };
        lab.wait("a refused detach", 2 * MINUTE, 0, |e| refused(&e.event).then_some(())).await.unwrap();
        let link = appeared(&lab, &a1, &mac(&lab, &lab.slots[0].eni)).await;
        let shown = shell(&lab, &a1, &format!("ip -4 -o address show dev {link}")).await;
        assert_eq!(shown, "", "no address is left on {link}");
        assert_eq!(marks(&lab, &a1).await, [""; 0]);
        same(&before, &settled(&lab, &a1).await, &link);
        lab.served.with(|region| region.clear_faults());
    };
    let (ran, ()) = tokio::join!(boot(&lab, &a1), refused);
    assert_eq!(ran.code, 78, "{}", ran.err);
    assert_eq!(kernel(&lab, &a1).await, before);
    assert!(calls(&lab, 0).contains(&"DetachNetworkInterface ok".to_owned()));
    lab.end(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_interface_left_behind_goes_with_the_next_boot() {
    let (lab, a1) = shared_with_others("xfs", "500ms").await;
    let before = kernel(&lab, &a1).await;
    shell(
        &lab,
        &a1,
        "ip rule add pref 7001 from 10.0.1.99 lookup 7001 protocol 190
ip rule add pref 7001 from 10.0.1.98 lookup 7001 protocol 190
ip route add 10.0.2.0/24 dev eth0 table 7001 proto 190",
    )
    .await;
    booted(&lab, &a1).await;
    let marks = marks(&lab, &a1).await;
    let address = lab.slots[0].address.to_string();
    assert!(marks.len() == 3 && marks[0].contains(&address), "{marks:?}");
    assert!(!marks.iter().any(|mark| mark.contains("10.0.2.0") || mark.contains("10.0.1.9")), "{marks:?}");
    let link = appeared(&lab, &a1, &mac(&lab, &lab.slots[0].eni)).await;
    same(&before, &settled(&lab, &a1).await, &link);
    let again = run(&lab, &a1, "berth", &["boot"], MINUTE).await;
    assert_eq!(again.code, 0, "{}", again.err);
    lab.end(false).await.unwrap();
}
