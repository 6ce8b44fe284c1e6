//! Whole boots on disks and mount points as they are met: other names, late devices, other file systems, sizes, places that are
//! taken. Each mounts the slot's own volume as what it is, or ends as configuration or as a fault of the slot.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use std::time::{Duration, Instant};

use common::clusters::{Case, EMPTY, host, side_by_side, volume, written};
use common::lab_runs::{made, played};
use futures_util::future::{BoxFuture, FutureExt, join};
use lab::lab_run::LabRun;
use region::model::{Event, Fault, FaultKind};

/// How a device of another one's is swapped in: names, and what sysfs says of them, change places.
const SWAP: &str = "cd /dev && mv nvme1n1 x && mv nvme2n1 nvme1n1 && mv x nvme2n1 && \
    cd /sys/block && mv nvme1n1 x && mv nvme2n1 nvme1n1 && mv x nvme2n1";

/// Somebody else's volume: an xfs that was in use, of no cluster.
async fn somebody_elses(lab: &LabRun) -> String {
    let id = lab.served.with(|region| volume(region, Default::default()));
    lab.caught_up().await;
    lab.image(&id).unwrap().format("xfs").unwrap();
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_slots_own_volume_is_mounted_whatever_its_device_is_called_and_whenever_it_comes() {
    let lab = played(made(EMPTY).await).await;
    let w = &lab;
    let cases: [BoxFuture<()>; 4] = [
        another_volume_has_the_expected_name(w).boxed(),
        the_names_change_while_the_tag_is_written(w).boxed(),
        the_names_change_before_the_mount(w).boxed(),
        the_device_comes_late(w).boxed(),
    ];
    side_by_side(cases).await;
    lab.end(false).await.unwrap();
}

async fn another_volume_has_the_expected_name(lab: &LabRun) {
    let case = Case::make(lab, "serial", &["xfs"]).await;
    let other = somebody_elses(lab).await;
    case.attach(&other, "/dev/sdx").await;
    let before = written(&lab.image(&other).unwrap());
    case.boots(0).await;
    assert_eq!(case.mounts("/kafkalogs").await, ["/dev/nvme2n1 xfs"]);
    assert_eq!(written(&lab.image(&other).unwrap()), before, "another's volume was written to");
    assert_eq!(case.count("DetachVolume", "ok"), 0, "another's volume stays where it is");
}

/// Between the look at the blank device and mkfs.
async fn the_names_change_while_the_tag_is_written(lab: &LabRun) {
    let case = Case::make(lab, "renamed-mkfs", &["xfs"]).await;
    let other = somebody_elses(lab).await;
    case.attach(&case.slots[0].volume, "/dev/sdf").await;
    case.attach(&other, "/dev/sdx").await;
    let before = written(&lab.image(&other).unwrap());
    let slow =
        Fault { caller: Some(case.on.id.clone()), ..Fault::next("CreateTags", FaultKind::Slow(1_000)) };
    lab.served.with(|region| region.inject(slow));
    let swapped = async {
        let tags = |event: &Event| {
            matches!(event, Event::Call { caller: Some(caller), .. } if *caller == case.on.id)
                && event.as_call() == Some(("CreateTags", "ok"))
        };
        case.seen("CreateTags", 0, tags).await;
        case.shell(SWAP).await;
    };
    let (ran, ()) = join(case.boots(0), swapped).await;
    // What was proven is the open descriptor: it is formatted and mounted, under the name that it has now.
    assert!(!ran.err.contains("WARN"), "{}", ran.err);
    assert_eq!(case.mounts("/kafkalogs").await, ["/dev/nvme2n1 xfs"]);
    assert_eq!(written(&lab.image(&other).unwrap()), before, "another's volume was written to");
    assert_eq!(case.formats(0).len(), 2, "one consent, spent once: {:?}", case.formats(0));
}

/// Between mkfs and mount(2).
async fn the_names_change_before_the_mount(lab: &LabRun) {
    let case = Case::make(lab, "renamed-mount", &["xfs"]).await;
    let other = somebody_elses(lab).await;
    case.attach(&case.slots[0].volume, "/dev/sdf").await;
    case.attach(&other, "/dev/sdx").await;
    let before = written(&lab.image(&other).unwrap());
    let line = format!(
        "printf '#!/bin/sh\\n/usr/sbin/mkfs.xfs \"$@\" && {SWAP}\\n' >/usr/local/sbin/mkfs.xfs; chmod +x /usr/local/sbin/mkfs.xfs"
    );
    case.shell(&line).await;
    let ran = case.boots(0).await;
    // What was proven is the open descriptor: it is formatted and mounted, under the name that it has now.
    assert!(!ran.err.contains("WARN"), "{}", ran.err);
    assert_eq!(case.mounts("/kafkalogs").await, ["/dev/nvme2n1 xfs"]);
    assert_eq!(written(&lab.image(&other).unwrap()), before, "another's volume was written to");
}

async fn the_device_comes_late(lab: &LabRun) {
    let case = Case::make(lab, "late", &["xfs"]).await;
    lab.appears_late(&case.slots[0].volume, Duration::from_secs(10));
    let began = Instant::now();
    case.boots(0).await;
    assert!(began.elapsed() >= Duration::from_secs(10));
    assert_eq!(case.mounts("/kafkalogs").await, ["/dev/nvme1n1 xfs"]);
    assert_eq!((case.count("AttachVolume", "ok"), case.count("DetachVolume", "ok")), (1, 0));
    assert!(case.count("DescribeVolumes", "ok") < 12, "the kernel is waited for, not EC2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_system_is_mounted_as_what_it_is_grown_to_its_volume_and_refused_where_it_is_larger() {
    let lab = played(made(EMPTY).await).await;
    let w = &lab;
    let cases: [BoxFuture<()>; 7] = [
        ext4_where_the_tag_says_xfs(w).boxed(),
        grown(w, "xfs").boxed(),
        grown(w, "ext4").boxed(),
        not_grown(w).boxed(),
        smaller(w, "xfs").boxed(),
        smaller(w, "ext4").boxed(),
        logs_below_a_lost_and_found(w).boxed(),
    ];
    side_by_side(cases).await;
    lab.end(false).await.unwrap();
}

async fn ext4_where_the_tag_says_xfs(lab: &LabRun) {
    let case = Case::make(lab, "ext4", &["xfs"]).await;
    case.image(0).format("ext4").unwrap();
    let uuid = case.image(0).filesystem_uuid().unwrap();
    case.boots(0).await;
    assert_eq!(case.mounts("/kafkalogs").await, ["/dev/nvme1n1 ext4"]);
    assert_eq!(case.image(0).filesystem_uuid().unwrap(), uuid);
    assert_eq!(case.formats(0), [""; 0], "the consent is not spent: nothing was formatted");
    assert_eq!(case.record("slots/0").await["disk"]["fs"], "ext4");
}

/// A small file system on the volume of 2 GiB, as after ModifyVolume.
async fn small<'a>(lab: &'a LabRun, name: &str, fs: &str) -> Case<'a> {
    let case = Case::make(lab, name, &[""]).await;
    let device = case.image(0).device().to_string_lossy().into_owned();
    match fs {
        "xfs" => host("mkfs.xfs", &["-q", "-d", "size=400m", &device]),
        _ => host("mkfs.ext4", &["-q", "-F", &device, "400m"]),
    };
    case
}

async fn mebibytes(case: &Case<'_>) -> u64 {
    case.shell("df --output=size -BM /kafkalogs | tail -1 | tr -dc 0-9").await.parse().unwrap()
}

/// Whether the kernel lets this process grow a mounted ext4 (fs/ext4/resize.c: CAP_SYS_RESOURCE, number 24).
fn may_grow_ext4() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    u64::from_str_radix(effective.trim(), 16).unwrap() & (1 << 24) != 0
}

async fn grown(lab: &LabRun, fs: &str) {
    let case = small(lab, &format!("grown-{fs}"), fs).await;
    let uuid = case.image(0).filesystem_uuid().unwrap();
    let ran = case.boots(0).await;
    let volume = &case.slots[0].volume;
    if fs == "ext4" && !may_grow_ext4() {
        println!(
            "without CAP_SYS_RESOURCE no ext4 is grown while it is mounted: berth must go on with it as it is"
        );
        assert!(ran.err.contains(&format!("the ext4 of {volume} is used as it is")), "{}", ran.err);
        assert!(mebibytes(&case).await < 400);
        return;
    }
    let fact = format!("the {fs} of {volume} grown to {} bytes", 2u64 << 30);
    assert!(ran.err.contains(&fact), "{}", ran.err);
    assert!(mebibytes(&case).await > 1_800, "{fs}");
    assert_eq!(case.image(0).filesystem_uuid().unwrap(), uuid);
    let again = case.boots(0).await;
    assert!(!again.err.contains("grown"), "{}", again.err);
}

/// That a disk is smaller than it could be is no reason to leave its data alone.
async fn not_grown(lab: &LabRun) {
    let case = small(lab, "not-grown", "xfs").await;
    let failing = "printf '#!/bin/sh\\necho it will not\\nexit 1\\n' >/usr/local/sbin/xfs_growfs; chmod +x /usr/local/sbin/xfs_growfs";
    case.shell(failing).await;
    let ran = case.boots(0).await;
    let said = "is used as it is, smaller than its volume: xfs_growfs of /dev/nvme1n1 at /kafkalogs ended with 1: it will not";
    assert!(ran.err.contains(said), "{}", ran.err);
    assert!(mebibytes(&case).await < 400);
}

async fn smaller(lab: &LabRun, fs: &str) {
    let case = Case::make(lab, &format!("smaller-{fs}"), &["", "xfs"]).await;
    let image = case.image(0);
    image.format(fs).unwrap();
    host("truncate", &["-s", "1G", &image.image().to_string_lossy()]);
    host("losetup", &["-c", &image.device().to_string_lossy()]);
    let before = written(&image);
    // The next slot is taken; this one says why it was not.
    case.boots(1).await;
    let fault = case.record("faults/0").await;
    assert_eq!(fault["code"], "smaller", "{fault}");
    assert!(fault["reason"].as_str().unwrap().contains("has 1073741824 bytes"), "{fault}");
    assert_eq!(written(&image), before);
    let attached = case.attached();
    assert!(
        attached
            .iter()
            .all(|(resource, _)| *resource != case.slots[0].volume && *resource != case.slots[0].eni),
        "{attached:?}"
    );
    assert_eq!(case.record("slots/0").await["state"], "free");
}

async fn logs_below_a_lost_and_found(lab: &LabRun) {
    let case = Case::make(lab, "below", &[""]).await;
    case.image(0).format("ext4").unwrap();
    case.boots(0).await;
    assert_eq!(
        case.shell("ls -A /kafkalogs /kafkalogs/data").await.split_whitespace().collect::<Vec<_>>(),
        ["/kafkalogs:", "data", "lost+found", "/kafkalogs/data:", "meta.properties"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mount_point_that_is_taken_ends_the_boot_unwound_and_with_the_sentence_that_mends_it() {
    let lab = played(made(EMPTY).await).await;
    let w = &lab;
    let cases = [
        (
            "mounted",
            "xfs",
            "",
            "mkdir -p /kafkalogs; mount -t tmpfs other /kafkalogs",
            "umount /kafkalogs",
            "/kafkalogs is a mount of other (tmpfs)",
        ),
        (
            "file",
            "xfs",
            "",
            "rm -rf /kafkalogs; touch /kafkalogs",
            "rm /kafkalogs",
            "/kafkalogs is no directory",
        ),
        (
            "link",
            "xfs",
            "",
            "rm -rf /kafkalogs; mkdir /srv/logs; ln -s /srv/logs /kafkalogs",
            "rm /kafkalogs",
            "/kafkalogs is a symbolic link; name the directory itself in `volume.mount`",
        ),
        (
            "files",
            "xfs",
            "",
            "mkdir -p /kafkalogs; echo data >/kafkalogs/mine",
            "grep data /kafkalogs/mine && rm /kafkalogs/mine",
            "/kafkalogs is not empty",
        ),
        (
            "lost-found",
            "ext4",
            "[volume]\nlog_dir = \".\"",
            "true",
            "printf 'cluster = \"lost-found\"\\nzookeeper = \"10.0.1.200:2181/lost-found\"\\n' >/etc/berth/berth.toml",
            "`log_dir = \".\"` does not go with the ext4 of ",
        ),
    ];
    side_by_side(cases.map(async |(name, fs, config, taken, mended, sentence)| {
        let case = Case::make(w, name, &[fs]).await;
        case.configured(config).await;
        case.shell(taken).await;
        let from = case.mounts("/kafkalogs").await;
        let ran = case.boot().await;
        case.gave_up(&ran, 78, sentence).await;
        assert_eq!(case.mounts("/kafkalogs").await, from, "{name}");
        assert_eq!(
            case.record("faults/0").await,
            serde_json::Value::Null,
            "{name}: the next instance would meet the same"
        );
        // The operator does what the sentence says.
        case.shell(mended).await;
        case.boots(0).await;
        assert_eq!(case.mounts("/kafkalogs").await, [format!("/dev/nvme1n1 {fs}")], "{name}");
    }))
    .await;
    lab.end(false).await.unwrap();
}
