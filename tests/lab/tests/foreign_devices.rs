//! One instance meets slots whose volumes have other people's data: each is passed over with its own reason and on
//! record, unchanged, and the first that it may have is taken. Noise is formatted with consent and not without.
//!
//! Every volume but the last has the consent: the tag alone allows nothing.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use std::process::Command;
use std::time::Duration;

use common::lab_runs::{json, made, played, run, shell};
use lab::lab_run::LabRun;
use lab::volume::Volume;
use serde_json::Value;

/// Each slot that is passed over costs an attach, a detach and the reads that prove it.
const BOOT: Duration = Duration::from_secs(600);

const EXISTS: &str = r#"
service = "stub"
[region]
quick = true
"#;

const IDLE: &str = r#"
[[instance]]
zone = "a"
script = """
#!/bin/sh
mkdir -p /etc/berth
printf 'cluster = "orders"\\nzookeeper = "10.0.1.200:2181/kafka"\\n' >/etc/berth/berth.toml
"""
"#;

const READY: &str = r#"
[[step]]
run = "test -s /etc/berth/berth.toml"
on = "instance NUMBER"
until = true
"#;

/// What is written on the volume of slot 0, 1, ...; the fault that it is; what its sentence says. `$D` is the device,
/// `$I` its image.
const FOREIGN: [(&str, &str, &str); 6] = [
    ("pvcreate -q -y --config devices/use_devicesfile=0 $D", "foreign", "LVM physical volume"),
    (
        "sgdisk -n 1:0:0 $D >/dev/null; dd if=/dev/zero of=$D bs=512 count=34 conv=fsync status=none",
        "foreign",
        "backup of a GPT partition table",
    ),
    ("truncate -s 0 $I", "unreadable", "os error 5"),
    // sb_inprogress, at 126 of the superblock: mkfs.xfs clears it last of all.
    (
        "mkfs.xfs -q $D; printf '\\001' | dd of=$D bs=1 seek=126 conv=notrunc,fsync status=none",
        "unfinished",
        "mkfs never completed",
    ),
    (
        "mkfs.ext4 -q -F $D 1g; drbdmeta --force 0 v08 $D internal create-md >/dev/null",
        "foreign",
        "DRBD member",
    ),
    ("mkswap -q $D", "foreign", "swap"),
];

/// What a blank encrypted volume reads as, the same in every run.
const NOISE: &str = "for at in 0 2044; do openssl enc -aes-128-ctr -nosalt -K 00112233445566778899aabbccddeeff -iv 0000000000000000000000000000000$((at / 2044)) -in /dev/zero 2>/dev/null | dd of=$D bs=1M count=4 seek=$at iflag=fullblock conv=notrunc,fsync status=none; done";

fn volume(lab: &LabRun, slot: usize) -> Volume {
    lab.volume(&lab.slots[slot].volume).unwrap()
}

fn sh(volume: &Volume, line: &str) -> String {
    let mut sh = Command::new("sh");
    let done = sh.args(["-euc", line]).env("D", volume.device()).env("I", volume.image()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(
        done.status.success(),
        "`{line}`: {}: {out}{err}; a missing tool comes with `make setup`",
        done.status
    );
    out.into_owned()
}

/// Both ends, and how much of the sparse image holds data at all.
fn print_of(volume: &Volume) -> String {
    sh(volume, "blockdev --flushbufs $D; { head -c 8M $I; tail -c 8M $I; } | sha256sum; stat -c '%s %b' $I")
}

async fn fault(lab: &LabRun, slot: usize) -> Value {
    let path = format!("/kafka/berth/orders/faults/{slot}");
    let nodes = lab.znodes(&[&path]).await.unwrap();
    serde_json::from_str(&nodes[&path].data).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn volumes_with_other_peoples_data_are_passed_over_unchanged() {
    lab::commands::require(&["pvcreate", "sgdisk", "drbdmeta", "mkswap", "openssl"]).unwrap();
    let (with, without) = (FOREIGN.len(), FOREIGN.len() + 1);
    let slots = (0..=without).map(|id| {
        let disk = if id == without { "blank" } else { "consent" };
        format!("[[slot]]\nid = {id}\nzone = \"a\"\ndisk = \"{disk}\"\n")
    });
    let slots: String = slots.collect();
    let ready = READY.replace("NUMBER", "0") + &READY.replace("NUMBER", "1");
    let lab = made(&(EXISTS.to_owned() + &slots + &IDLE.repeat(2) + &ready)).await;
    for (slot, (line, ..)) in FOREIGN.iter().enumerate() {
        sh(&volume(&lab, slot), line);
    }
    for slot in [with, without] {
        sh(&volume(&lab, slot), NOISE);
    }
    let before: Vec<String> = (0..=without).map(|slot| print_of(&volume(&lab, slot))).collect();
    let lab = played(lab).await;

    let first = lab.find("instance 0").unwrap();
    let boot = run(&lab, &first, "berth", &["boot"], BOOT).await;
    assert_eq!(boot.code, 0, "{}{}", boot.out, boot.err);
    let status = json(&lab, &first, "berth status --json").await;
    assert_eq!(status["slot"], with, "{status}");
    let mounted = shell(&lab, &first, "findmnt -n -o FSTYPE /kafkalogs").await;
    assert_eq!(mounted.trim(), "xfs", "noise with consent is formatted");
    for (slot, (_, code, says)) in FOREIGN.iter().enumerate() {
        let record = fault(&lab, slot).await;
        let reason = record["reason"].as_str().unwrap();
        assert_eq!((&record["code"], &record["count"]), (&Value::from(*code), &1.into()), "{record}");
        assert!(reason.contains(says) && reason.contains(&lab.slots[slot].volume), "{reason}");
        assert!(
            boot.err.contains(reason) || boot.out.contains(reason),
            "berth says it too: {reason}\n{}",
            boot.err
        );
        assert_eq!(lab.has(&lab.slots[slot].volume), None, "slot {slot} was let go of");
        assert_eq!(print_of(&volume(&lab, slot)), before[slot], "{code}: {says}");
        println!("slot {slot}: {code}: {reason}");
    }

    // Nobody allowed the last one: that is the operator's to mend, not a fault of the slot.
    let second = lab.find("instance 1").unwrap();
    let boot = run(&lab, &second, "berth", &["boot"], BOOT).await;
    let id = &lab.slots[without].volume;
    let line = format!("aws ec2 create-tags --resources {id} --tags Key=berth:format,Value=xfs");
    assert_eq!(boot.code, 78, "{}{}", boot.out, boot.err);
    assert!(boot.err.contains(&line) || boot.out.contains(&line), "{}{}", boot.out, boot.err);
    assert_eq!(lab.has(id), None, "it was let go of");
    assert_eq!(print_of(&volume(&lab, without)), before[without]);
    let faults = lab.znodes(&["/kafka/berth/orders/faults"]).await.unwrap();
    assert!(!faults.contains_key(&format!("/kafka/berth/orders/faults/{without}")), "{faults:?}");
    lab.end(false).await.unwrap();
}
