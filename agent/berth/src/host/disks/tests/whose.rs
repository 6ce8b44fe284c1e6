//! Whose trouble it is: what another kernel, tool or image would do without is this host's, never a fault of the slot.

use super::{Device, DiskError, Fs, Loop, MIB, blocking, open_device};
use std::time::Duration;

/// Checks and mounts, as a boot does with a file system that it found.
fn mounted(disk: &Loop, fs: Fs, options: &[&str]) -> Result<(), DiskError> {
    let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
    let at = disk.directory.path().join("mount");
    disk.on_a_host(|id| {
        blocking(async {
            let device = open_device::open(id).unwrap().expect("a device with the volume's serial");
            device.preen(fs, Duration::from_secs(60)).await?;
            device.mount(fs, at.to_str().unwrap(), &options).await
        })
    })
}

#[test]
fn an_xfs_with_a_feature_that_this_kernel_does_not_know_is_the_hosts_trouble() {
    let disk = Loop::new(320 * MIB);
    disk.sh("mkfs.xfs -q $D; xfs_db -x -c 'sb 0' -c 'write -d features_incompat 0x80000000' $D");
    match mounted(&disk, Fs::Xfs, &["noatime"]) {
        Err(DiskError::Host(said)) => assert!(said.contains("Invalid argument"), "{said}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_ext4_with_a_feature_that_this_e2fsck_does_not_know_is_the_hosts_trouble() {
    let disk = Loop::new(64 * MIB);
    disk.sh("mkfs.ext4 -q -F $D; debugfs -w -R 'set_super_value feature_incompat 0x80000242' $D");
    match mounted(&disk, Fs::Ext4, &["noatime"]) {
        Err(DiskError::Host(said)) => {
            assert!(said.contains("ended with 8") && said.contains("unsupported feature"), "{said}");
            assert!(said.contains(&disk.path) && !said.contains("/proc/self/fd"), "{said}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_system_that_contradicts_itself_is_a_fault_of_the_slot_told_in_the_kernels_words() {
    let disk = Loop::new(320 * MIB);
    // The head of its inodes is none; the sum over it is right.
    disk.sh("mkfs.xfs -q $D; xfs_db -x -c 'agi 0' -c 'write -d magicnum 0' $D");
    match mounted(&disk, Fs::Xfs, &["noatime"]) {
        Err(DiskError::Device(said)) => assert!(said.contains("Structure needs cleaning"), "{said}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_ext4_that_e2fsck_cannot_mend_by_itself_is_a_fault_of_the_slot() {
    let disk = Loop::new(64 * MIB);
    disk.sh("mkfs.ext4 -q -F $D; debugfs -w -R 'clri <2>' $D; debugfs -w -R 'ssv state 2' $D");
    match mounted(&disk, Fs::Ext4, &[]) {
        Err(DiskError::Device(said)) => assert!(said.contains("ended with 4"), "{said}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_option_that_the_file_system_does_not_take_is_the_operators() {
    let disk = Loop::new(320 * MIB);
    disk.sh("mkfs.xfs -q $D");
    match mounted(&disk, Fs::Xfs, &["nosuchoption"]) {
        Err(DiskError::Configuration(said)) => assert!(said.contains("\"nosuchoption\""), "{said}"),
        other => panic!("{other:?}"),
    }
}
