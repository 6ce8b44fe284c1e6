//! Signatures of what berth does not mount: other file systems, members of arrays and pools, encryption, partition
//! tables. Offsets and bytes are those of util-linux's libblkid (src/superblocks, src/partitions), unless another source is
//! named. A signature too many costs an operator a `wipefs`; one too few costs the data.

use super::{Fs, Sample, at};

/// A signature at a fixed place from the start.
pub(super) struct Magic {
    pub(super) what: &'static str,
    pub(super) at: usize,
    pub(super) bytes: &'static [u8],
}

const fn magic(what: &'static str, at: usize, bytes: &'static [u8]) -> Magic {
    Magic { what, at, bytes }
}

const BOOT_SECTOR: &str = "boot sector or empty DOS partition table";
const GPT_BACKUP: &str = "backup of a GPT partition table";
const MD: &[u8] = &[0xfc, 0x4e, 0x2b, 0xa9];
const MD_BIG_ENDIAN: &[u8] = &[0xa9, 0x2b, 0x4e, 0xfc];
const STRATIS: &[u8] = b"!Stra0tis\x86\xff\x02^Arh";
const BCACHE: &[u8] =
    &[0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81];
const BCACHEFS: &[u8] =
    &[0xc6, 0x85, 0x73, 0xf6, 0x66, 0xce, 0x90, 0xa9, 0xd9, 0x6a, 0x60, 0xcf, 0x80, 0x3d, 0xf7, 0xef];
// Two bytes alone would be found in every 65536th blank encrypted volume: the fields beside them are asked too. nilfs2:
// s_rev_level 2, s_minor_rev_level 0 before the magic (kernel, include/uapi/linux/nilfs2_ondisk.h).
const NILFS2: &[u8] = &[2, 0, 0, 0, 0, 0, 0x34, 0x34];

pub(super) const HEAD: &[Magic] = &[
    magic("LUKS encryption", 0, b"LUKS\xba\xbe"),
    // LUKS2 keeps a second header at one of these places, by the size of the first (LUKS2 on-disk format, 2.1).
    magic("LUKS encryption (second header)", 0x4000, b"SKUL\xba\xbe"),
    magic("LUKS encryption (second header)", 0x8000, b"SKUL\xba\xbe"),
    magic("LUKS encryption (second header)", 0x10000, b"SKUL\xba\xbe"),
    magic("LUKS encryption (second header)", 0x20000, b"SKUL\xba\xbe"),
    magic("LUKS encryption (second header)", 0x40000, b"SKUL\xba\xbe"),
    magic("LUKS encryption (second header)", 0x80000, b"SKUL\xba\xbe"),
    magic("LUKS encryption (second header)", 0x100000, b"SKUL\xba\xbe"),
    magic("BitLocker encryption", 3, b"-FVE-FS-"),
    magic("dm-verity hashes", 0, b"verity\0\0"),
    magic("dm-integrity", 0, b"integrt\0"),
    // LVM2 writes its label into one of the first four sectors (lib/label/label.c, LABEL_SCAN_SECTORS).
    magic("LVM physical volume", 0, b"LABELONE"),
    magic("LVM physical volume", 512, b"LABELONE"),
    magic("LVM physical volume", 1024, b"LABELONE"),
    magic("LVM physical volume", 1536, b"LABELONE"),
    magic("LVM1 physical volume", 0, b"HM\x01\0"),
    magic("LVM1 physical volume", 0, b"HM\x02\0"),
    magic("LVM snapshot store", 0, b"SnAp"),
    magic("VDO", 0, b"dmvdo001"),
    magic("Stratis pool", 0x204, STRATIS),
    magic("Stratis pool", 0x1204, STRATIS),
    magic("Linux RAID (md 1.1)", 0, MD),
    magic("Linux RAID (md 1.2)", 4096, MD),
    magic("bcache", 0x1018, BCACHE),
    magic("bcachefs", 0x1018, BCACHEFS),
    magic("Ceph BlueStore", 0, b"bluestore block device"),
    magic("Oracle ASM disk", 32, b"ORCLDISK"),
    // A label's list of names and values begins with "version" (OpenZFS, include/sys/vdev_impl.h, vdev_label.c).
    magic("ZFS member", 0x4018, b"version"),
    magic("ZFS member", 0x44018, b"version"),
    magic("VMFS", 0x100000, &[0x0d, 0xd0, 0x01, 0xc0]),
    // The header is in the last ten bytes of the first page, whose size is the machine's.
    magic("swap", 0xff6, b"SWAPSPACE2"),
    magic("swap", 0x1ff6, b"SWAPSPACE2"),
    magic("swap", 0x3ff6, b"SWAPSPACE2"),
    magic("swap", 0x7ff6, b"SWAPSPACE2"),
    magic("swap", 0xfff6, b"SWAPSPACE2"),
    magic("swap", 0xff6, b"SWAP-SPACE"),
    magic("swap", 0x1ff6, b"SWAP-SPACE"),
    magic("suspended system", 0xff6, b"S1SUSPEND"),
    magic("suspended system", 0xff6, b"S2SUSPEND"),
    magic("suspended system", 0xff6, b"ULSUSPEND"),
    magic("suspended system", 0xff6, b"LINHIB0001"),
    magic("suspended system", 0, &[0xed, 0xc3, 0x02, 0xe9, 0x98, 0x56, 0xe5, 0x0c]),
    magic("btrfs", 0x10040, b"_BHRfS_M"),
    magic("f2fs", 0x400, &[0x10, 0x20, 0xf5, 0xf2]),
    magic("f2fs (second superblock)", 0x1400, &[0x10, 0x20, 0xf5, 0xf2]),
    magic("nilfs2", 0x400, NILFS2),
    magic("erofs", 0x400, &[0xe2, 0xe1, 0xf5, 0xe0]),
    magic("squashfs", 0, b"hsqs"),
    magic("squashfs", 0, b"sqsh"),
    magic("cramfs", 0, &[0x45, 0x3d, 0xcd, 0x28]),
    magic("cramfs", 0, &[0x28, 0xcd, 0x3d, 0x45]),
    magic("romfs", 0, b"-rom1fs-"),
    magic("UBI", 0, b"UBI#"),
    magic("UBIFS", 0, &[0x31, 0x18, 0x10, 0x06]),
    magic("zonefs", 0, b"SFOZ"),
    magic("BFS", 0, &[0xce, 0xfa, 0xad, 0x1b]),
    magic("VxFS", 0x400, &[0xf5, 0xfc, 0x01, 0xa5]),
    magic("external xfs log", 0, &[0xfe, 0xed, 0xba, 0xbe]),
    magic("ReiserFS", 0x2034, b"ReIsEr"),
    magic("ReiserFS", 0x10034, b"ReIsEr"),
    magic("Reiser4", 0x10000, b"ReIsEr4"),
    magic("JFS", 0x8000, b"JFS1"),
    magic("JFS (second superblock)", 0xf000, b"JFS1"),
    magic("OCFS2", 0x400, b"OCFSV2"),
    magic("OCFS2", 0x800, b"OCFSV2"),
    magic("OCFS2", 0x1000, b"OCFSV2"),
    magic("OCFS2", 0x2000, b"OCFSV2"),
    magic("OCFS", 8, b"OracleCFS"),
    magic("GFS2", 0x10000, &[0x01, 0x16, 0x19, 0x70]),
    magic("HPFS", 0x2000, &[0x49, 0xe8, 0x95, 0xf9]),
    // With their versions, 4 and 5 (Apple TN1150).
    magic("HFS+", 0x400, b"H+\0\x04"),
    magic("HFSX", 0x400, b"HX\0\x05"),
    magic("APFS", 32, b"NXSB"),
    magic("BeFS", 544, b"1SFB"),
    // UFS1 and UFS2: fs_magic at 1372 of the superblock at 8 or 64 KiB (FreeBSD, sys/ufs/ffs/fs.h).
    magic("UFS", 0x255c, &[0x54, 0x19, 0x01, 0x00]),
    magic("UFS", 0x1055c, &[0x19, 0x01, 0x54, 0x19]),
    magic("iso9660", 0x8001, b"CD001"),
    magic("High Sierra", 0x8009, b"CDROM"),
    magic("udf", 0x8001, b"BEA01"),
    magic("udf", 0x8001, b"NSR02"),
    magic("udf", 0x8001, b"NSR03"),
    magic("NTFS", 3, b"NTFS    "),
    magic("ReFS", 0, b"\0\0\0ReFS\0"),
    magic("exFAT", 3, b"EXFAT   "),
    magic("FAT", 54, b"FAT1"),
    magic("FAT", 54, b"FAT     "),
    magic("FAT", 54, b"MSDOS"),
    magic("FAT", 82, b"FAT32   "),
    magic("FAT", 82, b"MSWIN"),
    magic("GPT partition table", 512, b"EFI PART"),
    magic("GPT partition table", 4096, b"EFI PART"),
    magic("Apple partition map", 512, b"PM\0\0"),
    magic("SGI partition table", 0, &[0x0b, 0xe5, 0xa9, 0x41]),
    // SUN_VTOC_SANITY; the table's own magic has two bytes.
    magic("Sun partition table", 0xbc, &[0x60, 0x0d, 0xde, 0xee]),
    magic("BSD disklabel", 0, &[0x57, 0x45, 0x56, 0x82]),
    magic("BSD disklabel", 64, &[0x57, 0x45, 0x56, 0x82]),
    magic("BSD disklabel", 512, &[0x57, 0x45, 0x56, 0x82]),
    magic("AIX physical volume", 0, &[0xc9, 0xc2, 0xd4, 0xc1]),
];

/// A signature that was found, and where on the device.
pub(super) struct Hit {
    at: u64,
    what: &'static str,
}

/// Any signature on the device.
pub(super) fn any(sample: &Sample) -> Option<&'static str> {
    hits(sample).next().map(|hit| hit.what)
}

/// A signature beside a complete file system that shows that something else lies around or over it: before its first
/// own byte, or behind its last (the mirror whose half this is). What lies inside is the file system's data, and whoever
/// writes records with these bytes must not keep a broker from its disk. A boot loader does no harm, nor does the end of
/// a partition table whose start the file system took.
pub(super) fn around(sample: &Sample, fs: Fs, bytes: u64) -> Option<&'static str> {
    let starts = match fs {
        // Sectors 0 to 3 are the superblock and the heads of the first allocation group, each with a magic of its own,
        // or zeros.
        Fs::Xfs => 2048,
        Fs::Ext4 => 1024,
    };
    let harmless = [BOOT_SECTOR, GPT_BACKUP];
    let hit = |hit: &Hit| (hit.at < starts || hit.at >= bytes) && !harmless.contains(&hit.what);
    hits(sample).find(hit).map(|hit| hit.what)
}

pub(super) fn hits(sample: &Sample) -> impl Iterator<Item = Hit> {
    let fixed = HEAD.iter().filter(|m| at(&sample.head, m.at, m.bytes));
    let fixed = fixed.map(|m| Hit { at: m.at as u64, what: m.what });
    let zfs = zfs(&sample.head, 0).map(|at| Hit { at, what: "ZFS member" });
    // The boot sector's last: others have it too.
    fixed.chain(minix(&sample.head)).chain(zfs).chain(tail(sample)).chain(boot_sector(&sample.head))
}

/// ZFS keeps four labels of 256 KiB, two at each end; the second half of a label is its uberblocks, one KiB or more
/// each, which open with 0x00bab10c in either byte order (OpenZFS, include/sys/vdev_impl.h, uberblock_impl.h).
fn zfs(labels: &[u8], from: usize) -> Option<u64> {
    const LABEL: usize = 256 << 10;
    (0..2)
        .flat_map(|label| (0..128).map(move |k| from + label * LABEL + (128 << 10) + k * 1024))
        .find(|o| at(labels, *o, &[0x0c, 0xb1, 0xba, 0x00]) || at(labels, o + 4, &[0x00, 0xba, 0xb1, 0x0c]))
        .map(|offset| offset as u64)
}

/// The superblock at 1024: s_magic at 16 and s_state (1 clean, 2 with errors) behind it; version 3 has a block size of
/// its own behind the magic at 24 (kernel, include/uapi/linux/minix_fs.h).
fn minix(head: &[u8]) -> Option<Hit> {
    let magic = [0x137f_u16, 0x138f, 0x2468, 0x2478];
    let old = |m: &u16| {
        let state = head.get(1024 + 18..1024 + 20);
        at(head, 1024 + 16, &m.to_le_bytes()) && matches!(state, Some([0..=3, 0]))
    };
    let third = at(head, 1024 + 24, &[0x5a, 0x4d])
        && matches!(head.get(1024 + 28..1024 + 30), Some([0, size]) if size.is_power_of_two());
    (magic.iter().any(old) || third).then_some(Hit { at: 1024, what: "minix" })
}

/// 0x55aa ends a DOS partition table and a boot loader; the type of an entry tells them apart.
fn boot_sector(head: &[u8]) -> Option<Hit> {
    if !at(head, 510, &[0x55, 0xaa]) {
        return None;
    }
    let is_used = |entry: usize| head.get(446 + 16 * entry + 4).is_some_and(|kind| *kind != 0);
    let what = if (0..4).any(is_used) { "DOS partition table" } else { BOOT_SECTOR };
    Some(Hit { at: 446, what })
}

/// Signatures at the end of the device.
fn tail(sample: &Sample) -> impl Iterator<Item = Hit> {
    let size = sample.size;
    let start = size - sample.tail.len() as u64;
    let mut places: Vec<(Option<u64>, &[u8], &'static str)> = vec![
        (size.checked_sub(512), b"EFI PART", GPT_BACKUP),
        (size.checked_sub(4096), b"EFI PART", GPT_BACKUP),
        // SNIA DDF: the anchor header is the last sector. Intel's metadata is in the last but one.
        (size.checked_sub(512), &[0xde, 0x11, 0xde, 0x11], "DDF RAID"),
        (size.checked_sub(512), &[0x11, 0xde, 0x11, 0xde], "DDF RAID"),
        (size.checked_sub(1024), b"Intel Raid ISM Cfg Sig. ", "Intel RAID"),
        // The second superblock of nilfs2 is in the last whole 4 KiB (NILFS_SB2_OFFSET_BYTES).
        ((size & !0xfff).checked_sub(4096), NILFS2, "nilfs2 (second superblock)"),
    ];
    // md 0.90: the last 64 KiB boundary less 64 KiB, in the byte order of its machine. md 1.0: 8 KiB before the end, on 4
    // KiB (md(4)).
    let md_old = (size & !0xffff).checked_sub(0x10000);
    places.push((md_old, MD, "Linux RAID (md 0.90)"));
    places.push((md_old, MD_BIG_ENDIAN, "Linux RAID (md 0.90)"));
    places.push(((size & !0xfff).checked_sub(0x2000), MD, "Linux RAID (md 1.0)"));
    let found = places.into_iter().filter_map(move |(place, magic, what)| {
        let at_device = place?;
        let offset = usize::try_from(at_device.checked_sub(start)?).ok()?;
        at(&sample.tail, offset, magic).then_some(Hit { at: at_device, what })
    });
    found.chain(drbd(sample, start)).chain(zfs_tail(sample, start))
}

/// DRBD's internal metadata: the last 4 KiB block, magic at 60 (0x8374026b 8.3, 6c and 6d 8.4 and 9; drbd-utils,
/// user/shared/drbdmeta.c).
fn drbd(sample: &Sample, start: u64) -> Option<Hit> {
    let block = (sample.size & !0xfff).checked_sub(0x1000)?;
    let magic = usize::try_from((block + 60).checked_sub(start)?).ok()?;
    let known = |last: u8| at(&sample.tail, magic, &[0x83, 0x74, 0x02, last]);
    (0x67..=0x7f).any(known).then_some(Hit { at: block, what: "DRBD member" })
}

/// The last two labels of ZFS end at the device's size rounded down to a label.
fn zfs_tail(sample: &Sample, start: u64) -> Option<Hit> {
    const LABEL: u64 = 256 << 10;
    let labels = (sample.size / LABEL * LABEL).checked_sub(2 * LABEL)?;
    let from = usize::try_from(labels.checked_sub(start)?).ok()?;
    let named = [from, from + LABEL as usize].into_iter().any(|l| at(&sample.tail, l + 0x4018, b"version"));
    let found = zfs(&sample.tail, from).is_some() || named;
    found.then_some(Hit { at: labels, what: "ZFS member" })
}
