//! Reads that fail. The loop driver answers EIO where its file ends early (drivers/block/loop.c, lo_complete_rq).

use super::{FaultCode, Loop, MIB};

const SIZE: u64 = 64 * MIB;

/// A device that cannot be read from here on.
fn truncated(at: u64) -> Loop {
    let device = Loop::new(SIZE);
    device.sh(&format!("truncate -s {at} $T/image"));
    device
}

fn is_unreadable(device: &Loop, says: &str) {
    for tag in [None, Some("xfs"), Some("ext4")] {
        let (plan, _) = device.brought_up(tag, None);
        let super::DiskPlan::Fault(FaultCode::Unreadable, sentence) = &plan else {
            panic!("tag {tag:?}: {plan:?}")
        };
        assert!(sentence.contains(says) && sentence.contains("os error 5"), "{sentence}");
    }
}

#[test]
fn a_read_error_at_the_start_is_told_and_never_taken_for_zeros() {
    for at in [0, 4096, 65536, MIB] {
        is_unreadable(&truncated(at), "read 1179648 bytes at 0: ");
    }
}

#[test]
fn a_read_error_at_the_end_alone_is_told_and_never_taken_for_zeros() {
    for at in [2 * MIB, SIZE - MIB, SIZE - 65536, SIZE - 4096] {
        is_unreadable(&truncated(at), "read 786432 bytes at 66322432: ");
    }
}

#[test]
fn a_file_system_whose_end_cannot_be_read_is_not_mounted() {
    let device = Loop::new(SIZE);
    device.sh("mkfs.ext4 -q -F $D; blockdev --flushbufs $D");
    device.sh(&format!("truncate -s {} $T/image", SIZE / 2));
    is_unreadable(&device, "read 786432 bytes at 66322432: ");
}
