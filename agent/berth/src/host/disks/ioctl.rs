//! The one ioctl that berth needs itself.
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;

mod raw {
    nix::ioctl_read!(blkgetsize64, 0x12, 114, u64);
}

/// Bytes of an open block device: BLKGETSIZE64 of linux/fs.h.
pub(super) fn size(device: &File) -> std::io::Result<u64> {
    let mut bytes = 0;
    // SAFETY: the descriptor is open for as long as `device` is borrowed, and the kernel writes one u64 to `bytes`.
    unsafe { raw::blkgetsize64(device.as_raw_fd(), &raw mut bytes) }?;
    Ok(bytes)
}
