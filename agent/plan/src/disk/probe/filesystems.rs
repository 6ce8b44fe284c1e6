//! The superblocks of the file systems that berth mounts. A superblock whose magic is there and whose fields make no
//! sense is somebody's damaged data, never absence.

use super::{Fs, FsUuid, at};

/// What the superblock says.
pub(super) enum Superblock {
    /// Of a file system that is complete.
    Complete { fs: Fs, uuid: FsUuid, bytes: u64 },
    /// Of an XFS that mkfs began.
    InProgress { uuid: FsUuid },
    /// Of nothing that can be mounted.
    Unusable(&'static str),
}

/// The superblock at the start of a device.
pub(super) fn superblock(head: &[u8]) -> Option<Superblock> {
    if at(head, 0, b"XFSB") {
        return Some(xfs(head).unwrap_or(Superblock::Unusable("a damaged xfs superblock")));
    }
    if at(head, 1024 + 0x38, &[0x53, 0xef]) {
        return Some(ext(head).unwrap_or(Superblock::Unusable("a damaged ext2, ext3 or ext4 superblock")));
    }
    None
}

/// The XFS superblock (kernel, fs/xfs/libxfs/xfs_format.h, `struct xfs_dsb`): magic at 0, block size at 4, blocks at 8,
/// UUID at 32, `sb_inprogress` at 126, which mkfs.xfs clears as its last act.
fn xfs(head: &[u8]) -> Option<Superblock> {
    let uuid = uuid(head, 32)?;
    if *head.get(126)? != 0 {
        return Some(Superblock::InProgress { uuid });
    }
    let block = u32::from_be_bytes(head.get(4..8)?.try_into().ok()?);
    let blocks = u64::from_be_bytes(head.get(8..16)?.try_into().ok()?);
    // XFS_MIN_BLOCKSIZE and XFS_MAX_BLOCKSIZE.
    if !block.is_power_of_two() || !(512..=65536).contains(&block) {
        return None;
    }
    Some(Superblock::Complete { fs: Fs::Xfs, uuid, bytes: blocks.saturating_mul(block.into()) })
}

/// The ext superblock at 1024 (kernel, Documentation/filesystems/ext4/super.rst): magic at 0x38, blocks at 0x4 and
/// 0x150 (64-bit feature), block size at 0x18, incompatible features at 0x60, UUID at 0x68.
fn ext(head: &[u8]) -> Option<Superblock> {
    let sb = head.get(1024..2048)?;
    // A journal device is no file system: INCOMPAT_JOURNAL_DEV.
    let incompat = u32_le(sb, 0x60)?;
    if incompat & 0x8 != 0 {
        return Some(Superblock::Unusable("external ext4 journal"));
    }
    let high = if incompat & 0x80 != 0 { u64::from(u32_le(sb, 0x150)?) << 32 } else { 0 };
    let blocks = high | u64::from(u32_le(sb, 0x4)?);
    // EXT4_MAX_BLOCK_LOG_SIZE: 64 KiB.
    let block = match u32_le(sb, 0x18)? {
        log @ 0..=6 => 1024u64 << log,
        _ => return None,
    };
    let uuid = uuid(sb, 0x68)?;
    Some(Superblock::Complete { fs: Fs::Ext4, uuid, bytes: blocks.saturating_mul(block) })
}

fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

/// The UUID at this place.
pub(super) fn uuid(bytes: &[u8], at: usize) -> Option<FsUuid> {
    Some(FsUuid::from_bytes(bytes.get(at..at + 16)?.try_into().ok()?))
}
