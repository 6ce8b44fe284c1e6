//! Devices whose start was wiped: what is left of the file system is somebody's data.

use super::{DiskPlan, FaultCode, Fs, Loop, MIB, Probed};

const SIZE: u64 = 600 * MIB;

fn wiped(mkfs: &str, bytes: u64) -> Loop {
    let device = Loop::new(SIZE);
    device.sh(&format!(
        "{mkfs} $D; dd if=/dev/zero of=$D bs=1024 count={} conv=notrunc status=none",
        bytes / 1024
    ));
    assert_eq!(device.second_opinion(), None, "libblkid looks at the start alone");
    device
}

#[test]
fn an_ext4_whose_first_blocks_were_wiped_is_never_formatted() {
    for block in [1024, 2048, 4096] {
        for bytes in [8 << 10, 4 * MIB] {
            let device = wiped(&format!("mkfs.ext4 -q -F -b {block} -U $U"), bytes);
            device.is_refused(FaultCode::Foreign, &format!("there is the ext4 {}", device.uuid));
        }
    }
}

#[test]
fn an_xfs_whose_first_blocks_were_wiped_is_never_formatted() {
    for (options, bytes) in [
        ("", 8 << 10),
        ("", 4 * MIB),
        ("-d agcount=7", 4 * MIB),
        ("-d agcount=8", 4 * MIB),
        ("-m crc=0", 4 * MIB),
        // As one that was grown: its groups are of no part of the device's size. The first blocks tell.
        ("-d agsize=123m", 8 << 10),
    ] {
        // Not the one that berth's own tag would name.
        let uuid = uuid::Uuid::new_v4().to_string();
        let device = wiped(&format!("mkfs.xfs -q {options} -m uuid={uuid}"), bytes);
        device.is_refused(FaultCode::Foreign, &format!("there is the xfs {uuid}"));
    }
}

#[test]
fn what_is_left_of_a_format_that_berth_began_is_made_again() {
    for (fs, mkfs) in [(Fs::Xfs, "mkfs.xfs -q -m uuid=$U"), (Fs::Ext4, "mkfs.ext4 -q -F -U $U")] {
        let device = wiped(mkfs, 8 << 10);
        let (plan, done) = device.brought_up(Some(&format!("started:{fs}:{}", device.uuid)), None);
        assert!(
            matches!(&plan, DiskPlan::Format(_, consent) if consent.uuid().to_string() == device.uuid),
            "{plan:?}"
        );
        assert_eq!(done, Ok(fs.name().to_owned()));
        // Not under another's name, nor as the other file system.
        let device = wiped(mkfs, 8 << 10);
        let other = format!("started:{fs}:aaaaaaaa-2222-4333-8444-555555555555");
        let (plan, _) = device.brought_up(Some(&other), None);
        assert!(matches!(plan, DiskPlan::Fault(FaultCode::Foreign, _)), "{plan:?}");
    }
}

#[test]
fn an_unfinished_xfs_over_what_is_left_of_another_is_never_formatted() {
    let device = wiped("mkfs.ext4 -q -F -b 4096", 8 << 10);
    let begun = Loop::new(SIZE);
    begun.sh("mkfs.xfs -q -m uuid=$U $D");
    begun.write(126, &[1]);
    let mut head = vec![0; 4096];
    std::os::unix::fs::FileExt::read_exact_at(&begun.open, &mut head, 0).unwrap();
    device.write(0, &head);
    let before = device.hash();
    let (plan, _) = device.brought_up(Some(&format!("started:xfs:{}", begun.uuid)), None);
    assert!(matches!(plan, DiskPlan::Fault(FaultCode::Foreign, _)), "{plan:?}");
    assert_eq!(device.hash(), before);
}

#[test]
fn the_copies_inside_of_a_complete_file_system_are_its_own() {
    let device = Loop::new(SIZE);
    device.sh("mkfs.ext4 -q -F -b 4096 $D; wipefs -q -a $D; mkfs.xfs -q -f $D");
    let (plan, done) = device.brought_up(None, None);
    assert!(matches!(plan, DiskPlan::Mount { fs: Fs::Xfs, .. }), "{plan:?}");
    assert_eq!(done, Ok("xfs".to_owned()));
    assert!(matches!(device.probed(), Probed::FileSystem { .. }));
}
