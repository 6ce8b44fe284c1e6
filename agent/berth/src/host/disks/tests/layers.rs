//! Two things on one device: what is around a file system, or beside one that mkfs began.

use super::{DiskPlan, FaultCode, Fs, Loop, MIB, Probed};

const XFS: u64 = 320 * MIB;

/// An XFS that mkfs did not finish: `sb_inprogress` is at 126 of the superblock.
fn unfinished() -> Loop {
    let device = Loop::new(XFS);
    device.sh("mkfs.xfs -q -m uuid=$U $D");
    device.write(126, &[1]);
    device
}

#[test]
fn an_unfinished_xfs_that_berth_began_is_made_again() {
    let device = unfinished();
    let (plan, done) = device.brought_up(Some(&format!("started:xfs:{}", device.uuid)), None);
    assert!(
        matches!(&plan, DiskPlan::Format(_, consent) if consent.uuid().to_string() == device.uuid),
        "{plan:?}"
    );
    assert_eq!(done, Ok("xfs".to_owned()));
    assert!(
        matches!(device.probed(), Probed::FileSystem { fs: Fs::Xfs, uuid, .. } if uuid.to_string() == device.uuid)
    );
}

#[test]
fn an_unfinished_xfs_of_others_is_never_formatted() {
    let device = unfinished();
    let before = device.hash();
    let other = "started:xfs:aaaaaaaa-2222-4333-8444-555555555555";
    let begun_as_ext4 = format!("started:ext4:{}", device.uuid);
    let done = format!("done:xfs:{}", device.uuid);
    for tag in [None, Some("xfs"), Some("ext4"), Some(other), Some(&begun_as_ext4), Some(&done)] {
        let (plan, _) = device.brought_up(tag, None);
        assert!(matches!(plan, DiskPlan::Fault(FaultCode::Unfinished, _)), "tag {tag:?}: {plan:?}");
    }
    assert_eq!(device.hash(), before);
}

#[test]
fn an_unfinished_xfs_over_anything_else_is_never_formatted() {
    for (what, at, bytes) in [
        ("LVM physical volume", 512, b"LABELONE\x01\0\0\0\0\0\0\0".as_slice()),
        ("backup of a GPT partition table", XFS - 512, b"EFI PART"),
        ("Linux RAID (md 1.0)", XFS - 8192, &[0xfc, 0x4e, 0x2b, 0xa9]),
        ("DRBD member", XFS - 4096 + 60, &[0x83, 0x74, 0x02, 0x6b]),
        ("ZFS member", XFS - (128 << 10), &[0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0]),
    ] {
        let device = unfinished();
        device.write(at, bytes);
        device.is_refused(FaultCode::Foreign, what);
    }
}

#[test]
fn a_file_system_that_ends_before_its_array_is_not_mounted_beside_it() {
    for (mkfs, what, tool) in [
        ("mkfs.xfs -q -d size=300m $D", "DRBD member", "drbdmeta --force 0 v08 $D internal create-md"),
        ("mkfs.ext4 -q -F $D 300m", "DRBD member", "drbdmeta --force 0 v09 $D internal create-md 1"),
        (
            "mkfs.ext4 -q -F $D 300m",
            "LVM physical volume",
            "printf LABELONE | dd of=$D bs=512 seek=1 conv=notrunc status=none",
        ),
        (
            "mkfs.ext4 -q -F $D 300m",
            "DOS partition table",
            "printf 'label: dos\\n,,L\\n' | sfdisk -q -w never -W never --no-reread --no-tell-kernel $D",
        ),
    ] {
        let device = Loop::new(XFS);
        device.sh(mkfs);
        device.sh(tool);
        device.is_refused(FaultCode::Foreign, what);
    }
}

#[test]
fn a_file_system_over_the_rest_of_a_partition_table_is_mounted_and_kept() {
    for (mkfs, fs) in [("mkfs.xfs -q -f", "xfs"), ("mkfs.ext4 -q -F", "ext4")] {
        let device = Loop::new(XFS);
        device.sh(&format!("sgdisk -n 1:0:0 $D; {mkfs} $D"));
        // mkfs wiped the end; as if the table had been written by somebody else later.
        device.write(XFS - 512, b"EFI PART\0\0\x01\0");
        device.write(510, &if fs == "ext4" { [0x55, 0xaa] } else { [0, 0] });
        let (plan, done) = device.brought_up(Some("xfs"), None);
        assert!(matches!(plan, DiskPlan::Mount { .. }), "{plan:?}");
        assert_eq!(done, Ok(fs.to_owned()));
    }
}

#[test]
fn records_that_look_like_signatures_do_not_keep_a_broker_from_its_disk() {
    let device = Loop::new(XFS);
    device.sh("mkfs.xfs -q -m uuid=$U $D");
    // Inside of the file system, at places where other formats have their own.
    for (at, bytes) in [
        (MIB, b"\x0d\xd0\x01\xc0".as_slice()),
        (XFS - 8192, &[0xfc, 0x4e, 0x2b, 0xa9]),
        (XFS - (128 << 10), &[0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0]),
    ] {
        device.write(at, bytes);
    }
    let (plan, done) = device.brought_up(None, None);
    assert!(matches!(plan, DiskPlan::Mount { .. }), "{plan:?}");
    assert_eq!(done, Ok("xfs".to_owned()));
}
