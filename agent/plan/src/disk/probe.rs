//! What is on a device, told from samples of it, without libblkid.
//!
//! The only maker of a [`BlankDevice`]: what holds any signature that berth knows, or could not be read, is never
//! blank. Zeros are not required: a new encrypted volume reads as noise.

mod filesystems;
mod signatures;
#[cfg(test)]
mod tests;

use filesystems::Superblock;
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
    /// An XFS superblock that mkfs marked "in progress" and never completed, and nothing else.
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

/// Probes a sample.
pub fn probe(sample: &Sample) -> Probed {
    if let Some(error) = &sample.error {
        return Probed::Unreadable(error.clone());
    }
    match filesystems::superblock(&sample.head) {
        Some(Superblock::Complete { fs, uuid, bytes }) => match signatures::around(sample, fs, bytes) {
            Some(what) => Probed::Foreign(what),
            None => Probed::FileSystem { fs, uuid, bytes },
        },
        // berth begins on nothing that bears a signature, and mkfs writes none beside its own.
        Some(Superblock::InProgress { uuid }) => match signatures::any(sample) {
            Some(what) => Probed::Foreign(what),
            None => Probed::InProgress { uuid, blank: BlankDevice(()) },
        },
        Some(Superblock::Unusable(what)) => Probed::Foreign(what),
        None => match signatures::any(sample) {
            Some(what) => Probed::Foreign(what),
            None => Probed::Blank(BlankDevice(())),
        },
    }
}

/// Whether these bytes are at this place.
fn at(bytes: &[u8], offset: usize, magic: &[u8]) -> bool {
    bytes.get(offset..offset + magic.len()) == Some(magic)
}
