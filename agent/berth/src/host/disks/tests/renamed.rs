//! Devices whose names change under berth's hands. What was proven is the open descriptor; a name is only where it was
//! found.

use super::{
    Device, DiskError, DiskPlan, Fs, Loop, MIB, VolumeId, blocking, fs, open_device, plan, probe, run, said,
    volume,
};
use nix::mount::{MsFlags, mount, umount};
use std::time::Duration;

/// Puts a shell script in the place of a program of the host, for this thread and its children.
fn replaced(program: &str, disk: &Loop, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    let place = said(run("sh", &["-c", &format!("command -v {program}")]));
    let (file, real) = (disk.directory.path().join(program), disk.directory.path().join("real"));
    fs::copy(place.trim(), &real).unwrap();
    fs::write(&file, format!("#!/bin/sh\n{script}\n").replace("$REAL", real.to_str().unwrap())).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let none = None::<&str>;
    mount(Some(&file), place.trim(), none, MsFlags::MS_BIND, none).unwrap();
}

/// Another device comes to stand where the first one was found.
fn swap(from: &Loop, to: &Loop) -> String {
    format!("mount --bind {} {}", to.path, from.path)
}

async fn format(id: &VolumeId, disk: &Loop) -> Result<(), DiskError> {
    let device = open_device::open(id).unwrap().expect("a device with the volume's serial");
    let seen = volume(id, Some("xfs"));
    match plan(
        &seen,
        None,
        probe(&device.sample().await.unwrap()),
        device.size(),
        disk.fresh.parse().unwrap(),
    ) {
        DiskPlan::Format(blank, consent) => device.format(blank, &consent).await,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_device_that_takes_the_name_while_blkid_looks_is_not_formatted() {
    let (mine, other) = (Loop::new(320 * MIB), Loop::new(320 * MIB));
    let before = other.hash();
    let done = mine.on_a_host(|id| {
        replaced("blkid", &mine, &format!("{}; exit 2", swap(&mine, &other)));
        blocking(format(id, &mine))
    });
    assert_eq!(other.hash(), before, "another device was formatted");
    assert_eq!(done, Ok(()), "what was proven is formatted, whatever stands at its name");
    assert!(matches!(mine.probed(), super::Probed::FileSystem { fs: Fs::Xfs, .. }));
}

#[test]
fn a_device_that_loses_its_serial_while_blkid_looks_is_not_formatted() {
    let mine = Loop::new(320 * MIB);
    let before = mine.hash();
    let name = mine.path.strip_prefix("/dev/").unwrap();
    let done = mine.on_a_host(|id| {
        replaced("blkid", &mine, &format!("echo vol0 >/sys/block/{name}/device/serial; exit 2"));
        blocking(format(id, &mine))
    });
    assert_eq!(mine.hash(), before, "it was formatted without its serial");
    assert!(matches!(&done, Err(DiskError::Host(said)) if said.contains("serial")), "{done:?}");
}

#[test]
fn a_device_that_somebody_takes_while_blkid_looks_is_not_formatted() {
    let mine = Loop::new(320 * MIB);
    let before = mine.hash();
    let at = mine.directory.path().join("taken");
    fs::create_dir_all(&at).unwrap();
    let made = format!("$REAL \"$@\"; mkfs.ext4 -q -F {0}; mount {0} {1}; exit 2", mine.path, at.display());
    let done = mine.on_a_host(|id| {
        replaced("blkid", &mine, &made);
        let done = blocking(format(id, &mine));
        umount(&at).unwrap();
        done
    });
    assert_ne!(mine.hash(), before, "the test did nothing");
    assert!(matches!(&done, Err(DiskError::Host(said)) if said.contains("it is mounted at ")), "{done:?}");
    assert!(matches!(mine.probed(), super::Probed::FileSystem { fs: Fs::Ext4, .. }), "formatted over it");
}

#[test]
fn what_was_proven_is_checked_and_mounted_whatever_stands_at_its_name() {
    let (mine, other) = (Loop::new(320 * MIB), Loop::new(320 * MIB));
    for disk in [&mine, &other] {
        disk.sh("mkfs.ext4 -q -F -U $U $D");
    }
    let before = other.hash();
    let at = mine.directory.path().join("mount");
    let source = mine.on_a_host(|id| {
        let at = at.to_str().unwrap();
        blocking(async {
            let device = open_device::open(id).unwrap().expect("a device with the volume's serial");
            run("mount", &["--bind", &other.path, &mine.path]);
            device.preen(Fs::Ext4, Duration::from_secs(60)).await.unwrap();
            device.mount(Fs::Ext4, at, &[]).await.unwrap();
            device.grow(Fs::Ext4, at).await.unwrap();
        });
        let mounted = said(run("findmnt", &["-n", "-o", "SOURCE,UUID,MAJ:MIN", "--mountpoint", at]));
        umount(at).unwrap();
        mounted
    });
    assert_eq!(other.hash(), before, "another device was written to");
    let number = fs::read_to_string(format!("/sys/block/{}/dev", mine.path.strip_prefix("/dev/").unwrap()));
    let shown: Vec<&str> = source.split_whitespace().collect();
    // The mount table has the name by which people and xfs_growfs know it, not a link of a process.
    assert_eq!((shown.first(), shown.last()), (Some(&mine.path.as_str()), Some(&number.unwrap().trim())));
}
