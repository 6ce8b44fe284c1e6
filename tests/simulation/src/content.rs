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
    /// An XFS with a feature that no host's kernel here knows.
    Newer(String),
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
            Self::Xfs { uuid, .. } | Self::Newer(uuid) => Some(uuid),
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

    /// What a probe reads: the start of the device, and zeros everywhere else.
    pub fn sample(&self) -> Sample {
        let mut head = vec![0; 512];
        match self {
            Self::Blank => {}
            Self::InProgress(uuid) => superblock(&mut head, uuid, true),
            Self::Xfs { uuid, .. } | Self::Newer(uuid) => superblock(&mut head, uuid, false),
            Self::Foreign => head[..6].copy_from_slice(b"LUKS\xba\xbe"),
            Self::Unreadable => {
                return Sample::refused(SIZE, "Input/output error (os error 5) at byte 0".to_owned());
            }
        }
        let read = |from: u64, length: u64| {
            let mut bytes = vec![0; length as usize];
            if from == 0 {
                bytes[..head.len()].copy_from_slice(&head);
            }
            Ok::<_, std::convert::Infallible>(bytes)
        };
        match Sample::read(SIZE, read) {
            Ok(sample) => sample,
            Err(never) => match never {},
        }
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
