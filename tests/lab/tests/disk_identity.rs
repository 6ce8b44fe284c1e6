//! The disk has the last word on identity, in whole boots: `meta.properties` on the volume against the slot, the cluster and
//! what the slot was. Nothing is started on a disk that contradicts it, or on an empty one where data must be.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use std::collections::BTreeSet;

use common::clusters::{Case, EMPTY, host, side_by_side, volume};
use common::lab_runs::{MINUTE, calls, made, played, shell};
use futures_util::future::{BoxFuture, FutureExt};
use lab::lab_run::LabRun;
use lab::volume::Volume;
use region::model::{Caller, Event, Request, TagsRequest};
use serde_json::{Value, json};

/// The id that a case's cluster has.
const CLUSTER: &str = "PxLDXGYfQ0yGOKPlsjKrmw";

/// Makes an xfs with this `meta.properties`, as a broker left it.
fn used(volume: &Volume, place: &str, broker: u32, cluster: &str) {
    let contents = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(contents.path().join("proto")).unwrap();
    let meta =
        format!("#\n#Sun Nov 22 07:49:47 UTC 2026\nbroker.id={broker}\nversion=0\ncluster.id={cluster}\n");
    let source = contents.path().join("meta.properties");
    std::fs::write(&source, meta).unwrap();
    // mkfs.xfs(8), -p: a prototype names what the new file system holds.
    let source = source.display();
    let dirs: Vec<&str> = place.split('/').filter(|dir| *dir != ".").collect();
    let down: String = dirs.iter().map(|dir| format!("{dir} d--755 0 0\n")).collect();
    let up = "$\n".repeat(dirs.len());
    let tree = format!("{down}meta.properties ---644 0 0 {source}\n{up}$");
    let prototype = contents.path().join("prototype");
    std::fs::write(&prototype, format!("/nothing\n0 0\nd--755 0 0\n{tree}\n")).unwrap();
    host("mkfs.xfs", &["-q", "-f", "-p", &prototype.to_string_lossy(), &volume.device().to_string_lossy()]);
}

/// `/cluster/id`, as the first broker of a cluster writes it.
async fn cluster(case: &Case<'_>) {
    case.put("/cluster/id", &json!({"version": "1", "id": CLUSTER})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_contradicts_its_slot_is_passed_over_or_ends_the_boot() {
    let lab = played(made(EMPTY).await).await;
    let w = &lab;
    let cases: [BoxFuture<()>; 11] = [
        logs_at_the_root(w).boxed(),
        another_directory(w, "directory", "kafka-logs").boxed(),
        another_directory(w, "deep", "kafka/data").boxed(),
        another_brokers_disk(w).boxed(),
        another_clusters_disk(w).boxed(),
        another_clusters_chroot(w).boxed(),
        a_chroot_without_a_cluster(w).boxed(),
        an_empty_volume_in_place_of_a_registered_ones(w, false).boxed(),
        an_empty_volume_in_place_of_a_registered_ones(w, true).boxed(),
        an_empty_volume_of_a_broker_with_partitions(w).boxed(),
        lost_data_that_another_broker_has(w).boxed(),
    ];
    side_by_side(cases).await;
    lab.end(false).await.unwrap();
}

async fn logs_at_the_root(lab: &LabRun) {
    let case = Case::make(lab, "root", &[""]).await;
    cluster(&case).await;
    used(&case.image(0), ".", 0, CLUSTER);
    let ran = case.boot().await;
    case.gave_up(&ran, 78, "/kafkalogs/data has no meta.properties, but the volume has one at meta.properties: write `log_dir = \".\"` under [volume]").await;
    assert_eq!(case.mounts("/kafkalogs").await, [""; 0]);
    assert_eq!(case.record("faults/0").await, Value::Null);
    case.configured("[volume]\nlog_dir = \".\"").await;
    case.boots(0).await;
}

async fn another_directory(lab: &LabRun, name: &str, place: &str) {
    let case = Case::make(lab, name, &[""]).await;
    cluster(&case).await;
    used(&case.image(0), place, 0, CLUSTER);
    let ran = case.boot().await;
    case.gave_up(&ran, 78, &format!("write `log_dir = \"{place}\"` under [volume]")).await;
    case.configured(&format!("[volume]\nlog_dir = \"{place}\"")).await;
    case.boots(0).await;
}

/// The first slot is passed over with this reason and let go of, the second one is taken.
async fn passed_over(case: &Case<'_>, code: &str, reason: &str) {
    let ran = case.boots(1).await;
    let fault = case.record("faults/0").await;
    assert_eq!((&fault["code"], &fault["seen_by"]), (&code.into(), &case.on.id.clone().into()), "{fault}");
    assert!(fault["reason"].as_str().unwrap().contains(reason), "{fault}");
    assert!(ran.err.contains(reason), "{}", ran.err);
    assert_eq!(case.record("slots/0").await["state"], "free");
    let of_the_first = [&case.slots[0].volume, &case.slots[0].eni];
    assert!(
        case.attached().iter().all(|(resource, _)| !of_the_first.contains(&resource)),
        "{:?}",
        case.attached()
    );
    let known = case.znodes().await;
    assert!(known.keys().all(|path| !path.ends_with("/brokers/ids/0")), "{:?}", known.keys());
}

async fn another_brokers_disk(lab: &LabRun) {
    let case = Case::make(lab, "broker", &["", "xfs"]).await;
    cluster(&case).await;
    used(&case.image(0), "data", 7, CLUSTER);
    passed_over(&case, "identity", "/kafkalogs/data/meta.properties says broker 7, the slot is 0").await;
}

async fn another_clusters_disk(lab: &LabRun) {
    let case = Case::make(lab, "foreign", &["", "xfs"]).await;
    cluster(&case).await;
    // Another slot was registered here: the chroot is the right one.
    let known = json!({"v": 1, "state": "free", "holder": null, "registered": {"czxid": 1, "host": null}});
    case.put("/berth/foreign/slots/7", &known).await;
    used(&case.image(0), "data", 0, "AnotherClustersIdentity");
    let reason = format!("belongs to cluster AnotherClustersIdentity, ZooKeeper's /cluster/id is {CLUSTER}");
    passed_over(&case, "identity", &reason).await;
}

async fn another_clusters_chroot(lab: &LabRun) {
    let case = Case::make(lab, "foreign-chroot", &["", "xfs"]).await;
    cluster(&case).await;
    used(&case.image(0), "data", 0, "AnotherClustersIdentity");
    let ran = case.boot().await;
    case.gave_up(&ran, 78, "the chroot in `zookeeper` is another cluster's").await;
    assert_eq!(case.record("faults/0").await, Value::Null);
    // berth knows the cluster under another name: nothing is written beside its tree.
    let other = Case::make(lab, "foreign-name", &["xfs"]).await;
    cluster(&other).await;
    other.put("/berth/payments/slots/0", &json!({"v": 1, "state": "free", "holder": null})).await;
    let before: Vec<String> = other.znodes().await.into_keys().collect();
    let ran = other.boot().await;
    assert_eq!(ran.code, 78, "{}", ran.err);
    assert!(ran.err.contains("is known to berth as payments, and not as foreign-name"), "{}", ran.err);
    assert_eq!(other.znodes().await.into_keys().collect::<Vec<_>>(), before);
}

async fn a_chroot_without_a_cluster(lab: &LabRun) {
    let case = Case::make(lab, "chroot", &[""]).await;
    used(&case.image(0), "data", 0, CLUSTER);
    let ran = case.boot().await;
    case.gave_up(&ran, 78, "ZooKeeper has no /cluster/id: the chroot in `zookeeper` is not this cluster's")
        .await;
    assert_eq!(case.record("faults/0").await, Value::Null);
    cluster(&case).await;
    case.boots(0).await;
}

/// An operator gives the slot a new volume, with consent; the old one keeps its data and loses its name.
async fn swapped(case: &mut Case<'_>) {
    let tags = |name: &str, format: &str| {
        let pairs = [("Name", name), ("berth:cluster", case.name.as_str()), ("berth:format", format)];
        pairs
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    };
    let old = case.slots[0].volume.clone();
    let renamed = TagsRequest {
        resources: vec![old],
        tags: vec![("Name".into(), Some("old".into()))],
        ..TagsRequest::default()
    };
    let new = case.lab.served.with(|region| {
        region.call(&Caller::admin(), Request::CreateTags(renamed)).unwrap();
        volume(region, tags("KAFKA-0", "xfs"))
    });
    case.slots[0].volume = new;
    case.lab.caught_up().await;
}

async fn an_empty_volume_in_place_of_a_registered_ones(lab: &LabRun, formatted: bool) {
    let name = if formatted { "registered-empty" } else { "registered-blank" };
    let mut case = Case::make(lab, name, &["xfs", "xfs"]).await;
    case.boots(0).await;
    let (old, uuid) = (case.slots[0].volume.clone(), case.image(0).filesystem_uuid().unwrap());
    case.replaced().await;
    swapped(&mut case).await;
    if formatted {
        case.image(0).format("xfs").unwrap();
        let reason = "/kafkalogs/data is empty, but broker 0 was registered on this slot before";
        passed_over(&case, "identity", reason).await;
    } else {
        let reason =
            format!("the claim remembers the xfs {uuid} on {old}: bring that volume back under this Name");
        passed_over(&case, "vanished", &reason).await;
    }
    assert_eq!(case.formats(0), [""; 0], "nothing is formatted where data was, on a new volume neither");
    assert!(case.record("slots/0").await["registered"].is_object(), "what the slot was is not forgotten");
}

fn state(leader: i32, isr: &[u32]) -> Value {
    json!({"controller_epoch": 1, "leader": leader, "version": 1, "leader_epoch": 0, "isr": isr})
}

/// A cluster from before berth: no claim knows the broker, its partitions do.
async fn an_empty_volume_of_a_broker_with_partitions(lab: &LabRun) {
    let case = Case::make(lab, "in-sync", &["xfs", "xfs"]).await;
    cluster(&case).await;
    case.put("/brokers/topics/orders", &json!({"version": 2, "partitions": {"0": [0, 1], "1": [1, 0]}}))
        .await;
    case.put("/brokers/topics/orders/partitions/0/state", &state(-1, &[0, 1])).await;
    case.put("/brokers/topics/orders/partitions/1/state", &state(-1, &[0])).await;
    // Somebody else's odd entry is nobody's trouble.
    case.put("/brokers/ids/99", &json!("odd")).await;
    // The first to come back would lead both, empty.
    used(&case.image(1), "data", 1, CLUSTER);
    // No controller runs here.
    case.configured("[kafka]\nready = \"registered\"").await;
    passed_over(&case, "identity", "broker 0 has a copy of orders-0, orders-1").await;

    let refused = case.tried("berth slot reset 0").await;
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(refused.err.contains("no other broker has these in sync: orders-1"), "{}", refused.err);
    let refused = case.tried("berth slot reset 1").await;
    assert!(refused.code == 1 && refused.err.contains("broker 1 is registered at"), "{}", refused.err);
    let text = case.shell("berth slot list").await;
    assert!(text.contains(&format!("held by {}", case.on.id)) && text.contains("faulty: "), "{text}");
    let reset = case.shell("berth slot reset 0 --accept-loss").await;
    assert!(reset.contains("orders-1: in sync on no other broker; its loss is accepted"), "{reset}");
    assert!(reset.contains("orders-0: no leader yet; in sync on broker 1, which is up"), "{reset}");
    assert_eq!(case.record("faults/0").await, Value::Null);
    let claim = case.record("slots/0").await;
    assert_eq!(claim["reset"]["accept"], json!(["orders-1"]), "{claim}");
    let cleared = case.tried("berth slot clear 0").await;
    assert!(cleared.code == 1 && cleared.err.contains("slot 0 is not marked faulty"), "{}", cleared.err);
    println!(
        "{text}{reset}{}{}",
        case.shell("berth slot show 0").await,
        case.shell("berth slot history 0").await
    );
}

/// The one other copy is led by a broker that lives: with the operator's word the empty one comes in.
async fn lost_data_that_another_broker_has(lab: &LabRun) {
    let case = Case::make(lab, "lost", &["xfs"]).await;
    cluster(&case).await;
    case.put("/brokers/topics/orders", &json!({"version": 2, "partitions": {"0": [0, 1]}})).await;
    case.put("/brokers/topics/orders/partitions/0/state", &state(1, &[1])).await;
    case.put("/brokers/ids/1", &json!({"host": "10.0.1.201", "port": 9092, "endpoints": [], "version": 5}))
        .await;
    // Said before any boot: berth's tree is not there yet.
    let reset = case.shell("berth slot reset 0").await;
    assert!(reset.contains("orders-0: led by another broker"), "{reset}");
    case.configured("[kafka]\nready = \"registered\"").await;
    case.boots(0).await;
    let claim = case.record("slots/0").await;
    assert!(claim["registered"].is_object() && claim.get("reset").is_none(), "spent: {claim}");
}

/// A group with a stack: the shipped user-data starts berth, and the stack is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_dir_that_is_not_the_disks_is_told_to_the_stack_as_a_failure_and_never_as_unhealthy() {
    let text = r#"
service = "stub"
[region]
quick = true
[[slot]]
id = 0
zone = "a"
disk = "blank"
[group]
size = 1
zones = ["a"]
"#;
    let lab_made = made(text).await;
    used(&lab_made.volume(&lab_made.slots[0].volume).unwrap(), ".", 0, CLUSTER);
    let lab = played(lab_made).await;
    let told = |event: &Event| matches!(event, Event::Signal { status, .. } if status == "FAILURE");
    lab.wait("a signal", MINUTE, 0, |entry| told(&entry.event).then_some(())).await.unwrap();
    let a1 = lab.find("a1").unwrap();
    let status = "until test \"$(systemctl show -p ActiveState --value berth.service)\" = failed; do sleep 0.1; done; systemctl show -p ExecMainStatus -p NRestarts berth.service; systemctl show -p InvocationID kafka.service";
    let status = shell(&lab, &a1, status).await;
    let lines: BTreeSet<&str> = status.lines().collect();
    assert_eq!(lines, BTreeSet::from(["ExecMainStatus=78", "NRestarts=0", "InvocationID="]), "{status}");
    let made = calls(&lab, 0);
    assert!(!made.iter().any(|call| call.starts_with("SetInstanceHealth")), "{made:?}");
    assert_eq!(lab.has(&lab.slots[0].volume), None, "the volume is let go of");
    assert_eq!(lab.has(&lab.slots[0].eni), None);
    lab.end(false).await.unwrap();
}
