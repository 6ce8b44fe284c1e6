//! What is left of a file system whose first blocks were wiped: the copies of its superblock, and blocks that name it.
//! wipefs and a `dd` of a few kilobytes leave them, and somebody's data with them.

use super::{FAR, Fs, Remnant, Sample, at, filesystems};

/// Places far from the start at which a copy of a superblock may lie, for a device whose head has no complete one. Sorted.
pub(super) fn places(size: u64) -> Vec<u64> {
    let ext = (0..=6).flat_map(|log| [1, 3, 5, 7].map(|group| ext_backup(1024 << log, group)));
    let mut places: Vec<u64> =
        ext.chain(xfs_groups(size)).filter(|place| *place > 0 && place + FAR <= size).collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// The superblock of a block group: groups 1 and the powers of 3, 5 and 7 have one with sparse_super, which mke2fs has set
/// since 1999; a group has as many blocks as a block of its bitmap has bits (kernel, Documentation/filesystems/ext4/
/// blockgroup.rst). With blocks of 1 KiB the first one is the boot block's.
fn ext_backup(block: u64, group: u64) -> u64 {
    (group * 8 * block + u64::from(block == 1024)) * block
}

/// The second allocation group, for each number of groups that mkfs.xfs may have chosen: 4 by default, more by the number of
/// processors or for a stripe; of 1 TiB each on 4 TiB and more (xfsprogs, libxfs/topology.c, `calc_default_ag_geometry`). A
/// file system that was grown had its groups by its first size: its head has the blocks of [`head`].
fn xfs_groups(size: u64) -> impl Iterator<Item = u64> {
    const BLOCK: u64 = 4096;
    let blocks = size / BLOCK;
    (2..=128)
        .flat_map(move |groups| [blocks / groups, blocks.div_ceil(groups)])
        .map(|group| group * BLOCK)
        .chain([1 << 40])
}

/// All that is left.
pub(super) fn remains(sample: &Sample) -> Vec<Remnant> {
    let far = sample.far.iter().filter_map(|(place, bytes)| copy(*place, bytes));
    far.chain(head(&sample.head)).collect()
}

fn copy(place: u64, bytes: &[u8]) -> Option<Remnant> {
    if at(bytes, 0, b"XFSB") {
        let uuid = filesystems::uuid(bytes, 32)?;
        return Some(Remnant { fs: Fs::Xfs, uuid, at: place });
    }
    ext_copy(place, bytes)
}

/// Two bytes of magic are found in every 65536th block of noise: block size, first block and revision must fit too.
fn ext_copy(place: u64, bytes: &[u8]) -> Option<Remnant> {
    let number = |from: usize| Some(u32::from_le_bytes(bytes.get(from..from + 4)?.try_into().ok()?));
    let (log, first, revision) = (number(0x18)?, number(0x14)?, number(0x4c)?);
    let fits = log <= 6 && first == u32::from(log == 0) && revision <= 1;
    let uuid = filesystems::uuid(bytes, 0x68)?;
    (at(bytes, 0x38, &[0x53, 0xef]) && fits).then_some(Remnant { fs: Fs::Ext4, uuid, at: place })
}

/// The roots of an XFS's trees of free space, inodes and references lie in its first blocks, each with the file system's UUID
/// (kernel, fs/xfs/libxfs/xfs_format.h, `struct xfs_btree_block_shdr`: magic at 0, UUID at 32).
fn head(head: &[u8]) -> Option<Remnant> {
    const TREES: [&[u8]; 6] = [b"AB3B", b"AB3C", b"IAB3", b"FIB3", b"RMB3", b"R3FC"];
    let place =
        (0..head.len()).step_by(512).find(|place| TREES.iter().any(|magic| at(head, *place, magic)))?;
    let uuid = filesystems::uuid(head, place + 32)?;
    Some(Remnant { fs: Fs::Xfs, uuid, at: place as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copies_are_sought_where_the_tools_put_them() {
        let gib = 1 << 30;
        let of = places(64 * gib);
        // Of 4 KiB blocks: 32768, 98304 (dumpe2fs); of 1 KiB blocks: 8193.
        for place in [32768 * 4096, 98304 * 4096, 8193 * 1024, 16 * gib, 8 * gib, 4 * gib] {
            assert!(of.contains(&place), "{place}");
        }
        assert!(places(8 << 40).contains(&(1 << 40)));
        assert_eq!(places(4096), [0; 0]);
        assert!(of.len() < 400, "{} reads", of.len());
    }

    #[test]
    fn a_tree_of_a_wiped_xfs_is_found_by_its_magic_and_names_it() {
        let mut start = vec![0; 32 << 10];
        assert_eq!(head(&start), None);
        for magic in [b"AB3B", b"AB3C", b"IAB3", b"FIB3", b"RMB3", b"R3FC"] {
            start[8192..8196].copy_from_slice(magic);
            start[8224..8240].fill(7);
            let uuid = crate::fs::FsUuid::from_bytes([7; 16]);
            let found = Remnant { fs: Fs::Xfs, uuid, at: 8192 };
            assert_eq!(remains(&Sample { head: start.clone(), ..Sample::default() }), [found], "{magic:?}");
        }
    }

    #[test]
    fn noise_is_no_remnant() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as u8
        };
        let found = (0..2000).filter(|_| copy(0, &(0..FAR).map(|_| next()).collect::<Vec<u8>>()).is_some());
        assert_eq!(found.count(), 0);
    }
}
