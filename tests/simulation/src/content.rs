//! What is on a volume. It belongs to the volume and outlives every instance.

use berth_plan::disk::probe::Sample;
use std::collections::BTreeMap;

/// Bytes of every volume here: 1 GiB.
pub const SIZE: u64 = 1 << 30;

/// What is on a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    Blank,
    /// A superblock that mkfs.xfs has not completed.
    InProgress(String),
    /// An XFS with these files, by their path below the root.
    Xfs {
        /// Its UUID.
        uuid: String,
        /// Its files.
        files: BTreeMap<String, String>,
    },
    /// Somebody else's data: a LUKS header.
    Foreign,
    /// Reads fail.
    Unreadable,
}

impl Content {
    /// A new file system.
    pub fn xfs(uuid: &str) -> Self {
        Self::Xfs { uuid: uuid.to_owned(), files: BTreeMap::new() }
    }

    /// A file system with one file.
    pub fn with_file(uuid: &str, path: &str, text: &str) -> Self {
        Self::Xfs { uuid: uuid.to_owned(), files: BTreeMap::from([(path.to_owned(), text.to_owned())]) }
    }

    /// The UUID of a complete file system.
    pub fn uuid(&self) -> Option<&str> {
        match self {
            Self::Xfs { uuid, .. } => Some(uuid),
            _ => None,
        }
    }

    /// A file.
    pub fn file(&self, path: &str) -> Option<&String> {
        match self {
            Self::Xfs { files, .. } => files.get(path),
            _ => None,
        }
    }

    /// The bytes that a probe reads: the first 8 KiB are enough for what can be here.
    pub fn sample(&self) -> Sample {
        let mut head = vec![0; 8192];
        let mut error = None;
        match self {
            Self::Blank => {}
            Self::InProgress(uuid) => superblock(&mut head, uuid, true),
            Self::Xfs { uuid, .. } => superblock(&mut head, uuid, false),
            Self::Foreign => head[..6].copy_from_slice(b"LUKS\xba\xbe"),
            Self::Unreadable => error = Some("Input/output error (os error 5) at byte 0".to_owned()),
        }
        Sample { size: SIZE, head, tail: vec![0; 4096], error }
    }
}

/// Magic, block size, blocks, UUID, sb_inprogress (kernel, fs/xfs/libxfs/xfs_format.h, `struct xfs_dsb`).
fn superblock(head: &mut [u8], uuid: &str, in_progress: bool) {
    head[..4].copy_from_slice(b"XFSB");
    head[4..8].copy_from_slice(&4096u32.to_be_bytes());
    head[8..16].copy_from_slice(&(SIZE / 4096).to_be_bytes());
    let hex: String = uuid.chars().filter(|c| *c != '-').collect();
    head[32..48].copy_from_slice(&u128::from_str_radix(&hex, 16).unwrap_or(0).to_be_bytes());
    head[126] = u8::from(in_progress);
}
