//! What is on a device, told from samples of it, without libblkid.
//!
//! The only maker of a [`BlankDevice`]: what holds any signature that berth knows, or could not be read, is never
//! blank. Zeros are not required: a new encrypted volume reads as noise.

mod filesystems;
mod remains;
mod signatures;
#[cfg(test)]
mod tests;

use crate::fs::{Fs, FsUuid};
use filesystems::Superblock;

/// How much of the start of a device is sampled: up to the VMFS signature at 1 MiB.
pub const HEAD: u64 = (1 << 20) + (128 << 10);

/// How much of its end: the last two labels of ZFS (256 KiB each), md 0.90 and 1.0, the backup GPT, DRBD.
pub const TAIL: u64 = (512 << 10) + (256 << 10);

/// How much at each place far from both ends: a superblock.
pub const FAR: u64 = 1024;

/// What was read of an open device.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    size: u64,
    /// Its first [`HEAD`] bytes, or all.
    head: Vec<u8>,
    /// Its last [`TAIL`] bytes, or all.
    tail: Vec<u8>,
    /// [`FAR`] bytes at each place where a copy of a superblock may lie.
    far: Vec<(u64, Vec<u8>)>,
    /// A read that the disk refused, as a sentence.
    error: Option<String>,
}

impl Sample {
    /// Reads all that a probe needs of a device of `size` bytes. `read` gives exactly so many bytes at a place, which is inside
    /// of the device.
    pub fn read<E>(size: u64, mut read: impl FnMut(u64, u64) -> Result<Vec<u8>, E>) -> Result<Self, E> {
        let head = read(0, HEAD.min(size))?;
        let tail = TAIL.min(size);
        let tail = read(size - tail, tail)?;
        let places = match filesystems::superblock(&head) {
            Some(Superblock::Complete { .. } | Superblock::Unusable(_)) => Vec::new(),
            Some(Superblock::InProgress { .. }) | None => remains::places(size),
        };
        let mut far = Vec::with_capacity(places.len());
        for place in places {
            far.push((place, read(place, FAR)?));
        }
        Ok(Self { size, head, tail, far, error: None })
    }

    /// Of a device that refused a read, with what it said.
    pub fn refused(size: u64, error: String) -> Self {
        Self { size, error: Some(error), ..Self::default() }
    }
}

/// A device that has no known signature and gave no read error. Only [`probe`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlankDevice(());

/// What is on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probed {
    /// A complete file system that berth mounts.
    FileSystem {
        /// Which.
        fs: Fs,
        /// Its UUID.
        uuid: FsUuid,
        /// Bytes that it covers.
        bytes: u64,
    },
    /// An XFS superblock that mkfs marked "in progress" and never completed, and nothing else.
    InProgress {
        /// The UUID that mkfs was given.
        uuid: FsUuid,
        /// What formatting again needs.
        blank: BlankDevice,
    },
    /// The start is blank, and this is left of a file system that lay here.
    Remains {
        /// All that was found, at least one.
        found: Vec<Remnant>,
        /// What formatting needs, where it is what mkfs left of berth's own beginning.
        blank: BlankDevice,
    },
    /// Something else that is known: not ours to touch.
    Foreign(&'static str),
    /// No known signature.
    Blank(BlankDevice),
    /// A read failed.
    Unreadable(String),
}

/// A copy of a superblock, or a block that names its file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remnant {
    /// Of which kind.
    pub fs: Fs,
    /// Of which file system.
    pub uuid: FsUuid,
    /// Where, in bytes from the start.
    pub at: u64,
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
        // berth begins on nothing that has a signature, and mkfs writes none beside its own.
        Some(Superblock::InProgress { uuid }) => match signatures::any(sample) {
            Some(what) => Probed::Foreign(what),
            None => {
                let of_another = |left: &Remnant| (left.fs, left.uuid) != (Fs::Xfs, uuid);
                let found: Vec<Remnant> = remains::remains(sample).into_iter().filter(of_another).collect();
                match found.is_empty() {
                    true => Probed::InProgress { uuid, blank: BlankDevice(()) },
                    false => Probed::Remains { found, blank: BlankDevice(()) },
                }
            }
        },
        Some(Superblock::Unusable(what)) => Probed::Foreign(what),
        None => match signatures::any(sample) {
            Some(what) => Probed::Foreign(what),
            None => match remains::remains(sample) {
                found if found.is_empty() => Probed::Blank(BlankDevice(())),
                found => Probed::Remains { found, blank: BlankDevice(()) },
            },
        },
    }
}

/// Whether these bytes are at this place.
fn at(bytes: &[u8], offset: usize, magic: &[u8]) -> bool {
    bytes.get(offset..offset + magic.len()) == Some(magic)
}
