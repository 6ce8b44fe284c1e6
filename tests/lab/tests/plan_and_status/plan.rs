//! `berth plan`: what it says of each slot is what the boot does then.

use lab::lab_run::LabRun;
use region::model::{Fault, FaultKind, Tags, VolumeSpec};
use serde_json::{Value, json};

use crate::common::lab_runs::{IDLE, lab, made, played, run, shell};
use crate::{BOUND, calls_of, looks, nodes};

/// The other instance boots by itself and takes the lowest slot.
const OTHER: &str = r#"
[[instance]]
zone = "a"
[[step]]
run = "systemctl is-active berth.service"
on = "instance 1"
until = true
timeout = "2m"
"#;

/// Ids by the names that a reader knows them by, and any UUID as one.
fn named(lab: &LabRun, text: &str) -> String {
    let mut text = text.to_owned();
    for slot in &lab.slots {
        let (volume, eni) = (format!("vol-{}", slot.id), format!("eni-{}", slot.id));
        text = text.replace(&slot.volume, &volume).replace(&slot.eni, &eni);
        text = text.replace(&slot.address.to_string(), &format!("address-{}", slot.id));
    }
    for (n, known) in lab.instances().iter().enumerate() {
        text = text.replace(&known.id, &format!("i-{n}"));
    }
    let is_uuid = |word: &str| word.len() == 36 && word.split('-').count() == 5;
    text.split_inclusive([' ', '\n'])
        .map(|word| if is_uuid(word.trim_end()) { "UUID " } else { word })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plan_shows_every_slot_of_the_zone_and_the_boot_does_what_it_said() {
    let slots = "[[slot]]\nid = 0\nzone = \"a\"\n[[slot]]\nid = 1\nzone = \"a\"\n[[slot]]\nid = 2\nzone = \"a\"\n\
                 [[slot]]\nid = 4\nzone = \"a\"\n[[slot]]\nid = 5\nzone = \"a\"\ndisk = \"blank\"\n[[slot]]\nid = 6\nzone = \"b\"\n";
    // Somebody attached slot 1 to an instance that has nothing to do with berth.
    let by_hand = "[[instance]]\nzone = \"a\"\nscript = \"#!/bin/sh\"\n[[step]]\nattach-slot = 1\non = \"instance 2\"\n\
                   [[step]]\nwait = \"eni-attached\"\ntimeout = \"1m\"\n";
    let lab = made(&format!("service = \"stub\"\n{slots}{IDLE}{OTHER}{by_hand}")).await;
    let (third, second) = lab.served.with(|region| {
        let tagged = |id: u32| -> Tags {
            let name = format!("KAFKA-{id}");
            [("berth:cluster", "orders"), ("Name", &name), ("berth:format", "xfs")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into()
        };
        let volume = |id| VolumeSpec {
            zone: "eu-central-1a".into(),
            tags: tagged(id),
            size_gib: 2,
            ..VolumeSpec::default()
        };
        (region.add_volume(volume(3)), region.add_volume(volume(2)))
    });
    let lab = played(lab).await;
    let me = lab.instances()[0].clone();

    let said = named(&lab, &looks(&lab, &me, "berth plan").await);
    let said = said.replace(&third, "vol-3").replace(&second, "vol-2");
    assert_eq!(said, include_str!("../golden/plan.txt"), "the plan was:\n{said}");

    let plan: Value = serde_json::from_str(&looks(&lab, &me, "berth plan --json").await).unwrap();
    assert_eq!((&plan["slot"], &plan["exit"]), (&json!(4), &json!(0)), "{plan:#}");
    let shown: Vec<(u64, bool)> = (plan["slots"].as_array().unwrap().iter())
        .map(|slot| (slot["id"].as_u64().unwrap(), slot["vacant"].as_bool().unwrap()))
        .collect();
    assert_eq!(shown, [(0, false), (1, false), (2, false), (3, false), (4, true), (5, true)]);
    let other = &lab.instances()[1];
    let gone = looks(&lab, &me, &format!("berth plan --if-terminated {}", other.id)).await;
    assert!(gone.contains("would take slot 0"), "{gone}");

    let from = lab.journal_length();
    shell(&lab, &me, "berth boot").await;
    let attached =
        calls_of(&lab, &me, from).into_iter().find(|(action, _)| action == "AttachVolume").unwrap();
    assert_eq!(attached.1, lab.slots[3].volume, "slot 4, as it was told");
    lab.end(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_for_a_cluster_that_never_booted_makes_no_directory() {
    let lab = lab(&format!("service = \"stub\"\nslots = 1\n{IDLE}")).await;
    let me = lab.instances()[0].clone();
    let said = looks(&lab, &me, "berth plan").await;
    assert!(said.contains("would take slot 0") && said.contains("never claimed"), "{said}");
    looks(&lab, &me, "berth status").await;
    let nodes = nodes(&lab).await;
    assert!(!nodes.is_empty() && !nodes.keys().any(|path| path.starts_with("/kafka")), "{nodes:?}");

    // Where nobody can be asked the plan fails with what it waited for.
    lab.served.with(|region| {
        region.inject(Fault { count: None, ..Fault::next("Describe*", FaultKind::Unauthorized) })
    });
    let refused = run(&lab, &me, "berth", &["plan"], BOUND).await;
    assert_eq!((refused.code, refused.out.contains("give up with exit code 78")), (78, true), "{refused:?}");
    lab.end(false).await.unwrap();
}
