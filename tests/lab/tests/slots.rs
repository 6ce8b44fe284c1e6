//! Which slots instances take, beside the herd's plain thirty: ids that are sparse and high, more instances than slots, and
//! two clusters whose slots have the same names. Judged by the region's journal and by ZooKeeper.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::lab_runs::{json, lab, made, played, shell};
use lab::lab_run::{GROUP, LabRun};
use lab::play::play;
use region::model::{Caller, EniSpec, Entry, Event, ProcessesRequest, VolumeSpec};

const QUICK: &str = r#"
service = "stub"
[region]
quick = true
"#;

fn slots(ids: &[u32]) -> String {
    ids.iter().map(|id| format!("[[slot]]\nid = {id}\nzone = \"a\"\n")).collect()
}

/// What is attached at the end of the journal: `(resource, instance)`, root volumes and primary interfaces left out.
fn attached(lab: &LabRun) -> BTreeSet<(String, String)> {
    let journal = lab.journal(0);
    let mut now = BTreeSet::new();
    for entry in &journal {
        match &entry.event {
            Event::VolumeAttaching { volume, instance, .. } => {
                now.insert((volume.clone(), instance.clone()));
            }
            Event::EniAttaching { eni, instance, device_index: 1.., .. } => {
                now.insert((eni.clone(), instance.clone()));
            }
            Event::VolumeDetached { volume: gone, instance }
            | Event::EniDetached { eni: gone, instance, .. } => {
                now.remove(&(gone.clone(), instance.clone()));
            }
            _ => {}
        }
    }
    now.retain(|(resource, _)| lab.volume(resource).is_some() || resource.starts_with("eni-"));
    now
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sparse_and_high_ids_are_taken_lowest_first() {
    // 1001 comes before 17 where ids are compared as texts.
    let ids = [3, 17, 1001, 2_147_483_647];
    let group = "[group]\nsize = 4\nzones = [\"a\"]\n[[step]]\nwait = \"stack-status\"\n\
                 where = { status = \"CREATE_COMPLETE\" }\ntimeout = \"3m\"\n\
                 [[step]]\ncheck = { slots-taken = true, mounted = \"/kafkalogs\", signals = 4 }\n";
    let lab = lab(&(QUICK.to_owned() + &slots(&ids) + group)).await;
    for slot in &lab.slots {
        let holder = lab.holder(slot.id).unwrap();
        let properties = shell(&lab, &holder, "cat /etc/kafka/server.properties").await;
        let has = |line: String| assert!(properties.lines().any(|l| l == line), "{line}: {properties}");
        has(format!("broker.id={}", slot.id));
        has(format!("listeners=PLAINTEXT://{}:9092", slot.address));
        let name = lab.served.with(|region| {
            let tags = |tags: &BTreeMap<String, String>| tags.get("Name").cloned();
            (tags(&region.volume(&slot.volume).unwrap().tags), tags(&region.eni(&slot.eni).unwrap().tags))
        });
        let expected = Some(format!("KAFKA-{}", slot.id));
        assert_eq!(name, (expected.clone(), expected));
    }
    lab::herd::leave_record(&lab).await.unwrap();
    if let Err(error) = lab::herd::judged(&lab.logs(), false) {
        panic!("{}\n{}", error.chain(), lab.tails());
    }
    lab.end(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_no_slot_waits_says_for_what_and_ends_at_the_deadline() {
    let group = "[group]\nsize = 4\nzones = [\"a\"]\ngrace = \"10m\"\nconfig = \"[boot]\\ndeadline = \\\"60s\\\"\"\n\
                 [[step]]\nwait = \"signal\"\nwhere = { status = \"SUCCESS\" }\ncount = 2\ntimeout = \"2m\"\n";
    let mut lab = made(&(QUICK.to_owned() + &slots(&[0, 1]) + group)).await;
    lab.launch().unwrap();
    // The group would replace those that give up before this test has looked at them.
    let processes = vec!["ReplaceUnhealthy".to_owned()];
    let suspend = ProcessesRequest { group: GROUP.into(), processes };
    lab.served.with(|region| region.suspend_processes(&Caller::admin(), suspend)).unwrap();
    if let Err(error) = play(&mut lab).await {
        panic!("{}\n{}", error.chain(), lab.tails());
    }
    let holders: Vec<_> = [0, 1].map(|slot| lab.holder(slot).unwrap()).into();
    let waiting: Vec<_> =
        lab.instances().into_iter().filter(|i| holders.iter().all(|holder| holder.id != i.id)).collect();
    assert_eq!(waiting.len(), 2);
    let before = attached(&lab);
    let seen_until = lab.journal_length();

    for instance in &waiting {
        let line = "until berth status --json | grep -q 'is running'; do sleep 1; done; berth status --json";
        let awaited = json(&lab, instance, line).await["boot"]["awaited"][0]["waits_for"].clone();
        let awaited = awaited.as_str().unwrap();
        let each = |slot: usize| format!("slot {slot}: {} is running", holders[slot].id);
        let expected = format!("a vacant slot in eu-central-1a: {}; {}", each(0), each(1));
        assert_eq!(awaited, expected);
        let log = shell(&lab, instance, "cat /var/log/lab/berth.service.log").await;
        assert!(log.contains(&expected), "{log}");
    }

    let mut left = 2;
    let unhealthy = |entry: &Entry| {
        left -= usize::from(matches!(entry.event, Event::HealthSet { .. }));
        (left == 0).then_some(())
    };
    lab.wait("two are told unhealthy", 2 * common::lab_runs::MINUTE, seen_until, unhealthy).await.unwrap();
    for instance in &waiting {
        let line = "until [ $(systemctl show -p ActiveState --value berth.service) = failed ]; do sleep 0.2; done; \
                    systemctl show -p ExecMainStatus --value berth.service";
        assert_eq!(shell(&lab, instance, line).await.trim(), "1");
    }
    let journal = lab.journal(0);
    // The first FAILURE fails the stack, which then refuses the second one: it was told all the same.
    let told = |who: &str| -> Vec<String> {
        let of = |event: &Event| match event {
            Event::Call { action, caller: Some(caller), params, .. }
                if action == "SignalResource" && caller == who =>
            {
                params.get("Status").cloned()
            }
            _ => None,
        };
        journal.iter().filter_map(|entry| of(&entry.event)).collect()
    };
    // Within the group's grace period only what was told with ShouldRespectGracePeriod=false has an effect.
    let health: BTreeSet<(&str, &str)> = journal
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::HealthSet { instance, health } => Some((instance.as_str(), health.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(health, waiting.iter().map(|instance| (instance.id.as_str(), "Unhealthy")).collect());
    for instance in &waiting {
        assert_eq!(told(&instance.id), ["FAILURE"], "{}", instance.id);
    }
    for holder in &holders {
        assert_eq!(told(&holder.id), ["SUCCESS"]);
    }
    assert_eq!(attached(&lab), before, "nothing was attached or detached by those that gave up");
    assert!(waiting.iter().all(|instance| before.iter().all(|(_, on)| *on != instance.id)));
    let nodes =
        lab.znodes(&["/kafka/berth/orders/intents", "/kafka/berth/orders/lock", "/kafka/brokers/ids"]).await;
    let ephemeral: Vec<String> =
        nodes.unwrap().into_iter().filter(|(_, node)| node.ephemeral).map(|(path, _)| path).collect();
    assert_eq!(ephemeral, ["/kafka/brokers/ids/0", "/kafka/brokers/ids/1"]);
    lab.end(false).await.unwrap();
}

/// The second cluster of the account: the same Name tags, another `berth:cluster`.
fn payments(lab: &LabRun) -> Vec<String> {
    lab.served.with(|region| {
        let zone = "eu-central-1a".to_owned();
        let subnet = region.subnets().find(|subnet| subnet.zone == zone).unwrap().id.clone();
        let mut made = Vec::new();
        for id in 0..3_u8 {
            let mut tags = BTreeMap::from([
                ("Name".to_owned(), format!("KAFKA-{id}")),
                ("berth:cluster".to_owned(), "payments".to_owned()),
            ]);
            let eni = EniSpec {
                subnet: subnet.clone(),
                private_ips: vec![[10, 0, 1, 80 + id].into()],
                tags: tags.clone(),
                ..EniSpec::default()
            };
            made.push(region.add_eni(eni));
            tags.insert("berth:format".to_owned(), "xfs".to_owned());
            made.push(region.add_volume(VolumeSpec {
                zone: zone.clone(),
                size_gib: 1,
                tags,
                ..VolumeSpec::default()
            }));
        }
        made
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_two_clusters_with_the_same_names_keeps_to_its_own_slots() {
    let theirs = r#"
[[instance]]
zone = "a"
script = """
#!/bin/sh
mkdir -p /etc/berth
printf 'cluster = "payments"\\nzookeeper = "10.0.1.200:2181/payments"\\n' >/etc/berth/berth.toml
systemctl start --no-block berth.service
"""
"#;
    let ended = |n: usize| {
        format!(
            "[[step]]\nrun = \"systemctl is-active berth.service\"\non = \"instance {n}\"\nuntil = true\ntimeout = \"2m\"\n"
        )
    };
    let instances = ("[[instance]]\nzone = \"a\"\n".to_owned() + theirs).repeat(3);
    let steps: String = (0..6).map(ended).collect();
    let lab = made(&(QUICK.to_owned() + &slots(&[0, 1, 2]) + &instances + &steps)).await;
    let payments = payments(&lab);
    let lab = played(lab).await;
    let of_payments: BTreeSet<String> =
        lab.instances().into_iter().skip(1).step_by(2).map(|i| i.id).collect();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (resource, instance) in attached(&lab) {
        assert_eq!(
            payments.contains(&resource),
            of_payments.contains(&instance),
            "{resource} is on {instance}"
        );
        *counts.entry(instance).or_default() += 1;
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [2; 6], "one volume and one interface each");
    let nodes = lab.znodes(&["/kafka/brokers/ids", "/payments/brokers/ids"]).await.unwrap();
    let hosts: Vec<(String, String)> = nodes
        .into_iter()
        .filter(|(_, node)| node.ephemeral)
        .map(|(path, node)| {
            (path, serde_json::from_str::<serde_json::Value>(&node.data).unwrap()["host"].to_string())
        })
        .collect();
    let expected = |chroot: &str, id: u8, host: u8| {
        (format!("/{chroot}/brokers/ids/{id}"), format!("\"10.0.1.{host}\""))
    };
    let expected: Vec<_> = (0..3)
        .map(|id| expected("kafka", id, 50 + id))
        .chain((0..3).map(|id| expected("payments", id, 80 + id)))
        .collect();
    assert_eq!(hosts, expected);
    lab.end(false).await.unwrap();
}
