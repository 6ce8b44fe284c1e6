//! Formatting: only with consent, only where nothing is, on devices of any size and sector.

use super::{DiskError, DiskPlan, Fs, Loop, MIB, Probed};

fn is_formatted(device: &Loop, fs: Fs) {
    let (plan, done) = device.brought_up(Some(fs.name()), None);
    assert!(matches!(&plan, DiskPlan::Format(_, consent) if consent.fs() == fs), "{plan:?}");
    assert_eq!(done, Ok(fs.name().to_owned()));
    assert!(
        matches!(device.probed(), Probed::FileSystem { fs: made, uuid, .. } if made == fs && uuid.to_string() == device.fresh)
    );
    // And never again: the next boot mounts what is there.
    let (plan, done) = device.brought_up(Some(&format!("started:{fs}:{}", device.fresh)), None);
    let confirmed = format!("done:{fs}:{}", device.fresh);
    let DiskPlan::Mount { confirm: Some(tag), .. } = &plan else { panic!("{plan:?}") };
    assert_eq!((tag.to_string(), done), (confirmed, Ok(fs.name().to_owned())));
}

#[test]
fn zeros_and_noise_are_formatted_with_consent() {
    for fs in [Fs::Xfs, Fs::Ext4] {
        is_formatted(&Loop::new(320 * MIB), fs);
        let device = Loop::new(320 * MIB);
        device.fill_with_noise();
        is_formatted(&device, fs);
    }
}

#[test]
fn devices_of_odd_sizes_and_4_kib_sectors_are_formatted_with_consent() {
    for fs in [Fs::Xfs, Fs::Ext4] {
        is_formatted(&Loop::new(320 * MIB + 3 * 512), fs);
        let device = Loop::with_sectors(320 * MIB + 4096, 4096);
        device.fill_with_noise();
        is_formatted(&device, fs);
    }
}

#[test]
fn zeros_and_noise_are_left_alone_without_consent() {
    let zeros = Loop::new(16 * MIB);
    let noise = Loop::new(16 * MIB);
    noise.fill_with_noise();
    for device in [zeros, noise] {
        assert_eq!(device.second_opinion(), None);
        assert!(matches!(device.probed(), Probed::Blank(_)));
        let before = device.hash();
        let (plan, _) = device.brought_up(None, None);
        assert!(matches!(&plan, DiskPlan::Configuration(s) if s.contains("aws ec2 create-tags")), "{plan:?}");
        assert_eq!(device.hash(), before);
    }
}

#[test]
fn a_device_smaller_than_what_is_sampled_is_read_whole() {
    for size in [512, 1024, 4096, 64 << 10, 700 << 10, MIB] {
        let device = Loop::new(size);
        assert!(matches!(device.probed(), Probed::Blank(_)), "{size} bytes");
        device.write(size - 512, b"EFI PART");
        // Of 512 and 1024 bytes the last sector is also the first, or a GPT's own.
        assert!(matches!(device.probed(), Probed::Foreign(what) if what.contains("GPT")), "{size} bytes");
    }
}

#[test]
fn mkfs_that_fails_is_the_hosts_trouble_told_in_its_own_words() {
    let device = Loop::new(MIB);
    let (plan, done) = device.brought_up(Some("xfs"), None);
    assert!(matches!(plan, DiskPlan::Format(..)), "{plan:?}");
    match done {
        Err(DiskError::Host(said)) => {
            assert!(said.contains("mkfs.xfs of /dev/loop") && said.contains("too small"), "{said}");
            assert!(!said.contains("Usage") && !said.contains("<num>"), "the usage is no reason: {said}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_device_that_somebody_has_to_himself_is_not_formatted() {
    use std::os::unix::fs::OpenOptionsExt;
    let device = Loop::new(320 * MIB);
    let before = device.hash();
    let mut options = std::fs::OpenOptions::new();
    let held = options.read(true).custom_flags(nix::libc::O_EXCL).open(&device.path).unwrap();
    let (_, done) = device.brought_up(Some("xfs"), None);
    drop(held);
    assert!(matches!(&done, Err(DiskError::Host(said)) if said.contains("who has it open?")), "{done:?}");
    assert_eq!(device.hash(), before);
}
