//! `berth boot` on one instance: what the region's journal and the kernel say of it, and of a run after it.
//!
//! Judged by the journal, `ip -j`, `findmnt` and the files of the instance; not by what berth says of itself.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::lab_runs::{calls, json, lab, shell};
use lab::lab_run::{InstanceInfo, LabRun};
use serde_json::Value;

/// What of the kernel and of the disk a boot may have changed.
async fn kernel(lab: &LabRun, on: &InstanceInfo) -> Vec<Value> {
    let mut seen = Vec::new();
    for line in [
        "ip -j rule show",
        // Of IPv4, which is what berth writes: link-local IPv6 addresses come by themselves a second after the link.
        "ip -4 -j route show table all",
        "ip -4 -j address show | sed 's/\"valid_life_time\":[0-9]*,//g'",
        "findmnt -J --kernel -o TARGET,SOURCE,FSTYPE,OPTIONS",
    ] {
        seen.push(json(lab, on, line).await);
    }
    let files = "stat -c '\"%n %Y %s %U %a\"' /etc/kafka/server.properties /kafkalogs/data | paste -sd, | sed 's/.*/[&]/'";
    seen.push(json(lab, on, files).await);
    seen
}

/// The creation and the last change of each node that berth keeps in ZooKeeper.
async fn claims(lab: &LabRun) -> BTreeMap<String, (i64, i64)> {
    let nodes = lab.znodes(&["/kafka/berth"]).await.unwrap();
    nodes.into_iter().map(|(path, node)| (path, (node.czxid, node.mzxid))).collect()
}

async fn boot_again(lab: &LabRun, on: &InstanceInfo) -> Duration {
    let line = "s=$(date +%s%N); berth boot >/dev/null 2>/tmp/again || { cat /tmp/again; exit 1; }; e=$(date +%s%N); echo $(((e-s)/1000))";
    let micros = shell(lab, on, line).await.trim().parse().unwrap();
    Duration::from_micros(micros)
}

async fn only_reads(lab: &LabRun, on: &InstanceInfo) {
    let before = kernel(lab, on).await;
    let claims = claims(lab).await;
    assert!(claims.keys().any(|path| path.contains("/slots/")), "{claims:?}");
    let from = lab.journal_length();
    // The best of three: other tests have the processors too.
    let mut took = Duration::MAX;
    for _ in 0..3 {
        took = took.min(boot_again(lab, on).await);
    }
    let after = kernel(lab, on).await;
    let calls = calls(lab, from);
    assert!(!calls.is_empty(), "a boot looks at EC2");
    assert!(calls.iter().all(|call| call.starts_with("Describe")), "only reads: {calls:?}");
    assert_eq!(before, after);
    assert_eq!(claims, self::claims(lab).await, "nothing is written to ZooKeeper, equal content neither");
    println!("a second boot took {took:?} and made {} calls", calls.len());
    assert!(took < Duration::from_secs(1), "{took:?}");
}

const ONE: &str = r#"
service = "SERVICE"
slots = 1
[region]
quick = true
[region.delays]
volume-attach = "VOLUME"
eni-attach = "800ms"
[group]
size = 1
zones = ["a"]
"#;

fn one(service: &str, volume: &str) -> String {
    ONE.replace("SERVICE", service).replace("VOLUME", volume)
}

const READY: &str = r#"
[[step]]
wait = "stack-status"
where = { status = "CREATE_COMPLETE" }
timeout = "2m"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_instance_brings_its_slot_up() {
    let lab = lab(&(one("stub", "1s") + READY)).await;
    let a1 = lab.find("a1").unwrap();
    let slot = lab.slots[0].clone();

    let rules = json(&lab, &a1, "ip -j rule show").await;
    let ours: Vec<&Value> = rules.as_array().unwrap().iter().filter(|r| r["priority"] == 7001).collect();
    assert_eq!(ours.len(), 1, "{rules}");
    assert_eq!(
        (&ours[0]["src"], &ours[0]["table"]),
        (&Value::from(slot.address.to_string()), &Value::from("7001"))
    );
    let routes = json(&lab, &a1, "ip -j route show table 7001").await;
    let routes = routes.as_array().unwrap();
    assert_eq!(routes.len(), 2, "{routes:?}");
    assert!(routes.iter().all(|r| r["dev"] == "eth1"), "{routes:?}");
    let main = json(&lab, &a1, "ip -j route show default").await;
    assert_eq!(main.as_array().unwrap().len(), 1, "no second default route in main: {main}");

    let mount = json(&lab, &a1, "findmnt -J -o SOURCE,FSTYPE,OPTIONS /kafkalogs").await;
    assert_eq!(
        (&mount["filesystems"][0]["source"], &mount["filesystems"][0]["fstype"]),
        (&"/dev/nvme1n1".into(), &"xfs".into())
    );
    let properties =
        shell(&lab, &a1, "cat /etc/kafka/server.properties; stat -c '%a %G' /etc/kafka/server.properties")
            .await;
    for line in [
        "broker.id=0",
        "broker.rack=eu-central-1a",
        "log.dirs=/kafkalogs/data",
        "min.insync.replicas=2",
        "640 kafka",
    ] {
        assert!(properties.lines().any(|l| l == line), "{line} is missing:\n{properties}");
    }
    assert!(properties.contains(&format!("advertised.listeners=PLAINTEXT://{}:9092", slot.address)));

    let status = json(&lab, &a1, "berth status --json").await;
    assert_eq!((&status["slot"], &status["claim"]["state"]), (&0.into(), &"held".into()), "{status}");
    assert_eq!(status["service"]["state"], "active", "{status}");
    let from = lab.journal_length();
    let plan = shell(&lab, &a1, "berth plan").await;
    assert!(plan.contains("go on with slot 0") && plan.contains("nothing was changed"), "{plan}");
    assert!(calls(&lab, from).iter().all(|call| call.starts_with("Describe")));

    log_of_a_good_boot(&lab, &a1, &slot.address.to_string()).await;
    only_reads(&lab, &a1).await;
    lab.end(false).await.unwrap();
}

/// No warning of berth's or of a library's; changes of the kernel as the commands that would make them.
async fn log_of_a_good_boot(lab: &LabRun, on: &InstanceInfo, address: &str) {
    let log = shell(lab, on, "cat /var/log/lab/berth.service.log").await;
    let alarming: Vec<&str> =
        log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
    assert_eq!(alarming, [""; 0], "{log}");
    for command in [
        "sysctl -w net.ipv4.conf.eth1.arp_ignore=1".to_owned(),
        "ip link set dev eth1 up".to_owned(),
        format!("ip address add {address}/24 broadcast + dev eth1 noprefixroute"),
        format!("ip rule add from {address} lookup 7001 priority 7001 protocol 190"),
    ] {
        assert!(log.contains(&command), "{command} is not in the log:\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_that_was_killed_goes_on_when_it_is_run_again() {
    let kill = r#"
[[step]]
wait = "volume-attaching"
timeout = "1m"
[[step]]
kill = "berth"
on = "a1"
"#;
    let lab = lab(&(one("stub", "4s") + kill + READY)).await;
    let a1 = lab.find("a1").unwrap();
    let calls = calls(&lab, 0);
    let count = |action: &str| calls.iter().filter(|call| call.starts_with(action)).count();
    assert_eq!(count("AttachVolume ok"), 1, "{calls:?}");
    assert_eq!(count("AttachNetworkInterface ok"), 1, "{calls:?}");
    assert_eq!(count("SignalResource"), 1, "whatever was answered: {calls:?}");
    assert_eq!(shell(&lab, &a1, "systemctl show -p NRestarts --value berth.service").await.trim(), "1");
    lab.end(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undisturbed_boot_makes_at_most_seven_calls() {
    let text = one("stub", "1s").replace("slots = 1\n", "")
        + "[[slot]]\nid = 4\nzone = \"a\"\ndisk = \"xfs\"\n"
        + READY;
    let lab = lab(&text).await;
    let calls = calls(&lab, 0);
    let ec2: Vec<&String> = calls.iter().filter(|call| !call.starts_with("SignalResource")).collect();
    println!("EC2 calls of an undisturbed boot: {}: {ec2:?}", ec2.len());
    assert!(ec2.len() <= 7, "{}: {ec2:?}", ec2.len());
    assert_eq!(calls.iter().filter(|call| *call == "CreateTags ok").count(), 0, "nothing is formatted");
    lab.end(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_boot_after_kafka_has_run_only_reads() {
    let lab = lab(&(one("kafka", "1s") + READY)).await;
    let a1 = lab.find("a1").unwrap();
    only_reads(&lab, &a1).await;
    lab.end(false).await.unwrap();
}
