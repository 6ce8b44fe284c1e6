//! What is on a device, told from samples of it, without libblkid.
//!
//! The only maker of a [`BlankDevice`]: what holds any signature that berth knows, or could not be read, is never
//! blank. Zeros are not required: a new encrypted volume reads as noise.

use std::fmt;

/// How much of the start of a device is sampled: up to the VMFS signature at 1 MiB.
pub const HEAD: u64 = (1 << 20) + (128 << 10);

/// How much of its end: the last two labels of ZFS (256 KiB each), md 0.90 and 1.0, the backup GPT, DRBD.
pub const TAIL: u64 = (512 << 10) + (256 << 10);

/// What was read of an open device.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Bytes of the whole device.
    pub size: u64,
    /// Its first [`HEAD`] bytes, or all.
    pub head: Vec<u8>,
    /// Its last [`TAIL`] bytes, or all.
    pub tail: Vec<u8>,
    /// A read that failed, as a sentence.
    pub error: Option<String>,
}

/// A file system that berth mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fs {
    /// XFS.
    Xfs,
    /// ext4; ext3 and ext2 are mounted by the same driver.
    Ext4,
}

impl Fs {
    /// The name that mount(2) and mkfs know.
    pub fn name(self) -> &'static str {
        match self {
            Self::Xfs => "xfs",
            Self::Ext4 => "ext4",
        }
    }

    /// The file system of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Xfs, Self::Ext4].into_iter().find(|fs| fs.name() == name)
    }
}

impl fmt::Display for Fs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(f)
    }
}

/// A device that bears no known signature and gave no read error. Only [`probe`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlankDevice(());

/// What a device bears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probed {
    /// A complete file system that berth mounts.
    FileSystem {
        /// Which.
        fs: Fs,
        /// Its UUID, lower case with dashes.
        uuid: String,
        /// Bytes that it covers.
        bytes: u64,
    },
    /// An XFS superblock that mkfs marked "in progress" and never completed.
    InProgress {
        /// The UUID that mkfs was given.
        uuid: String,
        /// What formatting again needs.
        blank: BlankDevice,
    },
    /// Something else that is known: not ours to touch.
    Foreign(&'static str),
    /// No known signature.
    Blank(BlankDevice),
    /// A read failed.
    Unreadable(String),
}

struct Magic {
    what: &'static str,
    at: usize,
    bytes: &'static [u8],
}

const fn magic(what: &'static str, at: usize, bytes: &'static [u8]) -> Magic {
    Magic { what, at, bytes }
}

/// Signatures at fixed places from the start; offsets and bytes as in util-linux's libblkid/src/superblocks.
const HEAD_MAGICS: &[Magic] = &[
    magic("LUKS encryption", 0, b"LUKS\xba\xbe"),
    magic("LUKS encryption (second header)", 16384, b"SKUL\xba\xbe"),
    magic("btrfs", 0x10040, b"_BHRfS_M"),
    magic("swap", 4086, b"SWAPSPACE2"),
    magic("swap", 4086, b"SWAP-SPACE"),
    magic("suspended system", 4086, b"S1SUSPEND"),
    magic("f2fs", 1024, &[0x10, 0x20, 0xf5, 0xf2]),
    magic(
        "bcache",
        0x1018,
        &[0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81],
    ),
    magic(
        "bcachefs",
        0x1018,
        &[0xc6, 0x85, 0x73, 0xf6, 0x66, 0xce, 0x90, 0xa9, 0xd9, 0x6a, 0x60, 0xcf, 0x80, 0x3d, 0xf7, 0xef],
    ),
    magic("iso9660", 32769, b"CD001"),
    magic("udf", 32769, b"BEA01"),
    magic("VMFS", 0x100000, &[0x0d, 0xd0, 0x01, 0xc0]),
    magic("NTFS", 3, b"NTFS    "),
    magic("exFAT", 3, b"EXFAT   "),
    magic("FAT", 54, b"FAT1"),
    magic("FAT", 82, b"FAT32   "),
    magic("ReiserFS", 65588, b"ReIsEr"),
    magic("JFS", 32768, b"JFS1"),
    magic("nilfs2", 1030, &[0x34, 0x34]),
    magic("OCFS2", 4096 * 2, b"OCFSV2"),
    magic("GFS2", 65536, &[0x01, 0x16, 0x19, 0x70]),
    magic("squashfs", 0, b"hsqs"),
    magic("erofs", 1024, &[0xe2, 0xe1, 0xf5, 0xe0]),
    magic("Ceph BlueStore", 0, b"bluestore block device"),
    magic("Linux RAID (md 1.1)", 0, &[0xfc, 0x4e, 0x2b, 0xa9]),
    magic("Linux RAID (md 1.2)", 4096, &[0xfc, 0x4e, 0x2b, 0xa9]),
    magic("GPT partition table", 512, b"EFI PART"),
    magic("GPT partition table", 4096, b"EFI PART"),
];

/// Probes a sample.
pub fn probe(sample: &Sample) -> Probed {
    if let Some(error) = &sample.error {
        return Probed::Unreadable(error.clone());
    }
    if let Some(found) = xfs(sample).or_else(|| ext4(&sample.head)) {
        return found;
    }
    match foreign(sample) {
        Some(what) => Probed::Foreign(what),
        None => Probed::Blank(BlankDevice(())),
    }
}

fn foreign(sample: &Sample) -> Option<&'static str> {
    let head = &sample.head;
    let fixed = HEAD_MAGICS.iter().find(|m| at(head, m.at, m.bytes)).map(|m| m.what);
    // LVM2 writes its label into one of the first four sectors (lib/label/label.c, LABEL_SCAN_SECTORS).
    let lvm = || (0..4).any(|sector| at(head, sector * 512, b"LABELONE")).then_some("LVM physical volume");
    let zfs = || (zfs(head, 0) || zfs_tail(sample)).then_some("ZFS member");
    // A boot sector's signature: a DOS partition table or a boot loader; last, for others bear it too.
    let dos = || at(head, 510, &[0x55, 0xaa]).then_some("DOS partition table");
    fixed.or_else(lvm).or_else(zfs).or_else(|| tail(sample)).or_else(dos)
}

fn at(bytes: &[u8], offset: usize, magic: &[u8]) -> bool {
    bytes.get(offset..offset + magic.len()) == Some(magic)
}

/// ZFS keeps four labels of 256 KiB, two at each end; the second half of a label is its uberblocks, one KiB or more
/// each, which open with 0x00bab10c in either byte order (OpenZFS, include/sys/vdev_impl.h, uberblock_impl.h).
fn zfs(bytes: &[u8], from: usize) -> bool {
    const LABEL: usize = 256 << 10;
    (0..2)
        .flat_map(|label| (0..128).map(move |k| from + label * LABEL + (128 << 10) + k * 1024))
        .any(|o| at(bytes, o, &[0x0c, 0xb1, 0xba, 0x00]) || at(bytes, o + 4, &[0x00, 0xba, 0xb1, 0x0c]))
}

fn zfs_tail(sample: &Sample) -> bool {
    const LABEL: u64 = 256 << 10;
    // The last two labels end at the device's size rounded down to a label.
    let labels = (sample.size / LABEL * LABEL).saturating_sub(2 * LABEL);
    let start = sample.size - sample.tail.len() as u64;
    labels.checked_sub(start).is_some_and(|from| zfs(&sample.tail, from as usize))
}

/// Signatures at the end of the device.
fn tail(sample: &Sample) -> Option<&'static str> {
    let (tail, size) = (&sample.tail, sample.size);
    let start = size - tail.len() as u64;
    let at_device = |offset: u64, magic: &[u8]| {
        offset.checked_sub(start).is_some_and(|offset| at(tail, offset as usize, magic))
    };
    for sector in [512, 4096] {
        if size >= sector && at_device(size - sector, b"EFI PART") {
            return Some("backup of a GPT partition table");
        }
    }
    let md = [[0xfc, 0x4e, 0x2b, 0xa9], [0xa9, 0x2b, 0x4e, 0xfc]];
    // md 0.90: the last 64 KiB boundary less 64 KiB. md 1.0: 8 KiB before the end, on 4 KiB (md(4)).
    let places = [(size & !0xffff).checked_sub(0x10000), (size & !0xfff).checked_sub(0x2000)];
    for place in places.into_iter().flatten() {
        if md.iter().any(|magic| at_device(place, magic)) {
            return Some("Linux RAID (md)");
        }
    }
    // DRBD's internal metadata: the last 4 KiB block, magic at 60 (0x8374026b 8.3, 6c 8.4, 6d 8.4 unclean, 7x 9).
    let drbd = (size & !0xfff).checked_sub(0x1000)?;
    let known = |last: u8| at_device(drbd + 60, &[0x83, 0x74, 0x02, last]);
    (0x67..=0x7f).any(known).then_some("DRBD member")
}

fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

/// The XFS superblock (kernel, fs/xfs/libxfs/xfs_format.h, `struct xfs_dsb`): magic at 0, block size at 4, blocks at 8,
/// UUID at 32, `sb_inprogress` at 126, which mkfs.xfs clears as its last act.
fn xfs(sample: &Sample) -> Option<Probed> {
    let head = &sample.head;
    if !at(head, 0, b"XFSB") {
        return None;
    }
    let uuid = uuid(head.get(32..48)?);
    if *head.get(126)? != 0 {
        return Some(Probed::InProgress { uuid, blank: BlankDevice(()) });
    }
    let blocks = u64::from_be_bytes(head.get(8..16)?.try_into().ok()?);
    Some(Probed::FileSystem { fs: Fs::Xfs, uuid, bytes: blocks.saturating_mul(u64::from(u32_be(head, 4)?)) })
}

/// The ext superblock at 1024 (kernel, Documentation/filesystems/ext4/super.rst): magic at 0x38, blocks at 0x4 and
/// 0x150 (64-bit feature), block size at 0x18, incompatible features at 0x60, UUID at 0x68.
fn ext4(head: &[u8]) -> Option<Probed> {
    let sb = head.get(1024..2048)?;
    if !at(sb, 0x38, &[0x53, 0xef]) {
        return None;
    }
    // A journal device is no file system: INCOMPAT_JOURNAL_DEV.
    let incompat = u32_le(sb, 0x60)?;
    if incompat & 0x8 != 0 {
        return Some(Probed::Foreign("external ext4 journal"));
    }
    let high = if incompat & 0x80 != 0 { u64::from(u32_le(sb, 0x150)?) << 32 } else { 0 };
    let blocks = high | u64::from(u32_le(sb, 0x4)?);
    let block = 1024u64.checked_shl(u32_le(sb, 0x18)?)?;
    Some(Probed::FileSystem {
        fs: Fs::Ext4,
        uuid: uuid(sb.get(0x68..0x78)?),
        bytes: blocks.saturating_mul(block),
    })
}

fn uuid(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    [&hex[0..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 8 << 20;

    fn device(writes: &[(usize, &[u8])]) -> Probed {
        let mut bytes = vec![0u8; SIZE];
        for (offset, data) in writes {
            bytes[*offset..offset + data.len()].copy_from_slice(data);
        }
        sampled(&bytes)
    }

    fn sampled(bytes: &[u8]) -> Probed {
        let (head, tail) = (HEAD as usize, bytes.len() - TAIL as usize);
        let sample = Sample {
            size: bytes.len() as u64,
            head: bytes[..head].into(),
            tail: bytes[tail..].into(),
            error: None,
        };
        probe(&sample)
    }

    #[test]
    fn zeros_and_noise_are_blank() {
        assert!(matches!(device(&[]), Probed::Blank(_)));
        let mut state = 1u64;
        let noise: Vec<u8> = (0..SIZE)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 33) as u8
            })
            .collect();
        assert!(matches!(sampled(&noise), Probed::Blank(_)));
    }

    #[test]
    fn every_known_signature_is_foreign() {
        for m in HEAD_MAGICS {
            assert!(matches!(device(&[(m.at, m.bytes)]), Probed::Foreign(_)), "{} at {}", m.what, m.at);
        }
        for (what, offset, bytes) in [
            ("lvm in the fourth sector", 1536, b"LABELONE".as_slice()),
            ("zfs first label", (128 << 10) + 4096, &[0x0c, 0xb1, 0xba, 0]),
            ("zfs second label", (384 << 10) + 1024, &[0x0c, 0xb1, 0xba, 0]),
            ("zfs last label, big endian", SIZE - (128 << 10) + 4, &[0, 0xba, 0xb1, 0x0c]),
            ("gpt backup", SIZE - 512, b"EFI PART"),
            ("md 0.90", SIZE - 0x10000, &[0xfc, 0x4e, 0x2b, 0xa9]),
            ("md 1.0", SIZE - 0x2000, &[0xfc, 0x4e, 0x2b, 0xa9]),
            ("drbd", SIZE - 4096 + 60, &[0x83, 0x74, 0x02, 0x6d]),
            ("dos", 510, &[0x55, 0xaa]),
        ] {
            assert!(matches!(device(&[(offset, bytes)]), Probed::Foreign(_)), "{what}");
        }
    }

    #[test]
    fn a_read_error_is_never_blank() {
        let sample = Sample { size: 0, head: vec![], tail: vec![], error: Some("read at 0: EIO".into()) };
        assert_eq!(probe(&sample), Probed::Unreadable("read at 0: EIO".into()));
    }

    #[test]
    fn an_unfinished_xfs_is_told_from_a_complete_one() {
        let fields: &[(usize, &[u8])] =
            &[(0, b"XFSB\0\0\x10\0"), (8, &[0, 0, 0, 0, 0, 0, 1, 0]), (32, &[0xab; 16])];
        let uuid = "abababab-abab-abab-abab-abababababab".to_owned();
        assert_eq!(device(fields), Probed::FileSystem { fs: Fs::Xfs, uuid, bytes: 1 << 20 });
        assert!(matches!(device(&[fields, &[(126, &[1])]].concat()), Probed::InProgress { .. }));
    }
}
