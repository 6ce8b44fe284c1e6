//! How `berth boot` waits for the slot's link and device, seen by strace: woken by the kernel and not by a clock; and what
//! becomes of a link that is renamed while it is being configured.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use std::net::SocketAddr;

use common::interfaces::{Patience, answers, appeared, attach, mac, one_slot};
use common::lab_runs::{IDLE, MINUTE, made, played, run, shell};
use lab::lab_run::{InstanceInfo, LabRun};
use region::model::EniSpec;

async fn idle(attach: &str) -> (LabRun, InstanceInfo) {
    lab::commands::require(&["strace"]).unwrap();
    let lab = played(made(&(one_slot("xfs", attach, attach) + IDLE)).await).await;
    let a1 = lab.find("instance 0").unwrap();
    (lab, a1)
}

/// `berth boot` under strace with these options; the trace.
async fn traced(lab: &LabRun, on: &InstanceInfo, options: &[&str]) -> String {
    let arguments = [&["-f", "-q", "-s", "200", "-o", "/tmp/trace"], options, &["berth", "boot"]].concat();
    let ran = run(lab, on, "strace", &arguments, 3 * MINUTE).await;
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    shell(lab, on, "cat /tmp/trace").await
}

/// One line of `strace -f -ttt`: process, seconds, and the call.
fn lines(trace: &str) -> Vec<(f64, &str)> {
    let of = |line: &'_ str| -> Option<(f64, usize)> {
        let mut words = line.split_whitespace();
        let (_, at) = (words.next()?, words.next()?);
        Some((at.parse().ok()?, line.find(at)? + at.len() + 1))
    };
    trace.lines().filter_map(|line| of(line).map(|(at, from)| (at, &line[from..]))).collect()
}

/// A wait: when a call looked first, and when the kernel's first word came after it.
fn wait(trace: &[(f64, &str)], look: impl Fn(&str) -> bool, event: impl Fn(&str) -> bool) -> (f64, f64) {
    let began = trace.iter().find(|(_, call)| look(call)).expect("it looked").0;
    let ended = trace.iter().find(|(at, call)| *at > began && event(call)).expect("it was told").0;
    assert!(ended - began > 5.0, "the wait was {} s", ended - began);
    (began, ended)
}

/// Whether a call asks the kernel for links or devices.
fn asks(call: &str) -> bool {
    (call.starts_with("send") && call.contains("nlmsg_type="))
        || call.contains("\"/sys")
        || call.contains("\"/dev")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_link_and_the_device_are_waited_for_by_events() {
    let (lab, a1) = idle("8s").await;
    let options = ["-ttt", "-e", "trace=%file,getdents64,read,sendto,sendmsg,recvfrom,recvmsg"];
    let trace = traced(&lab, &a1, &options).await;
    let trace = lines(&trace);

    // strace does not know a socket's protocol at its first message: RTM_GETLINK is 0x12, NLM_F_DUMP 0x300.
    let dump = |call: &str| {
        (call.contains("nlmsg_type=RTM_GETLINK") && call.contains("NLM_F_DUMP"))
            || (call.contains("nlmsg_type=0x12 ") && call.contains("|0x300"))
    };
    let told = |call: &str| {
        call.starts_with("recv") && call.contains("nlmsg_type=RTM_NEWLINK") && call.contains("nlmsg_seq=0")
    };
    let (link, linked) = wait(&trace, dump, told);
    let listed = |call: &str| call.contains("\"/sys/block\"");
    let made = |call: &str| call.starts_with("read(") && call.contains("nvme1n1");
    let (device, plugged) = wait(&trace, listed, made);

    // While both were awaited; the second is for the first looks themselves to end.
    let (began, ended) = (link.max(device) + 1.0, linked.min(plugged));
    let asked: Vec<_> = trace.iter().filter(|(at, call)| *at > began && *at < ended && asks(call)).collect();
    println!("in {:.1} s of waiting the kernel was asked {} times", ended - began, asked.len());
    assert!(ended - began > 4.0 && asked.is_empty(), "{asked:#?}");
    let (dumps, events) = (count(&trace, dump), count(&trace, told));
    println!("{dumps} looks at the links, {events} events of them");
    // The first, one for an event each, and three more: whether to wait at all, what to do, and that it is done.
    assert!(dumps <= 1 + events + 3, "{dumps} looks, {events} events");
    lab.end(false).await.unwrap();
}

fn count(trace: &[(f64, &str)], is: impl Fn(&str) -> bool) -> usize {
    trace.iter().filter(|(_, call)| is(call)).count()
}

/// The link of the slot is renamed while berth is held at one of its settings, and another link takes its name.
async fn renamed_at(when: usize) {
    let (lab, a1) = idle("500ms").await;
    let other = lab.served.with(|region| {
        let subnet = region.eni(&lab.slots[0].eni).unwrap().subnet.clone();
        region.add_eni(EniSpec { subnet, ..EniSpec::default() })
    });
    assert_eq!(attach(&lab, &other, &a1, 0).await, "eth1");
    shell(&lab, &a1, "ip link set eth1 name other0").await;
    let settings = "cd /proc/sys/net; cat ipv4/conf/LINK/arp_ignore ipv4/conf/LINK/arp_announce ipv6/conf/LINK/accept_ra";
    let of_other = shell(&lab, &a1, &settings.replace("LINK", "other0")).await;

    // The second is for berth to come to the setting at which it is held for eight; that it did is asserted below.
    let rename = "until ip link show eth2 >/dev/null 2>&1; do sleep 0.05; done
sleep 2
ip link set eth2 name ens6
ip link set other0 name eth2";
    let inject = format!("inject=open,openat:delay_enter=8s:when={when}");
    let options = ["-P", "/proc/sys/net/ipv4/conf/eth2/arp_ignore", "-e", "trace=open,openat", "-e", &inject];
    let (trace, _) = tokio::join!(traced(&lab, &a1, &options), shell(&lab, &a1, rename));
    assert!(trace.contains("(DELAYED)"), "berth was held: {trace}");

    assert_eq!(appeared(&lab, &a1, &mac(&lab, &lab.slots[0].eni)).await, "ens6");
    assert_eq!(shell(&lab, &a1, &settings.replace("LINK", "ens6")).await, "1\n2\n0\n");
    assert_eq!(
        shell(&lab, &a1, &settings.replace("LINK", "eth2")).await,
        of_other,
        "another link's settings"
    );
    let routes = shell(&lab, &a1, "ip route show table 7001").await;
    assert!(
        routes.lines().count() == 2 && routes.lines().all(|route| route.contains("dev ens6 ")),
        "{routes}"
    );
    let at = SocketAddr::from((lab.slots[0].address, 9092));
    assert!(answers(lab.srv(), at, Patience::ForAnAnswer));
    lab.end(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_renamed_while_it_is_looked_at_is_configured_under_its_new_name() {
    renamed_at(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_renamed_between_look_and_act_is_configured_and_its_successor_to_the_name_is_not() {
    renamed_at(2).await;
}
