//! Clocks, chance, and berth's own files.

use async_trait::async_trait;
use berth_plan::{SinceBoot, UnixTime};
use std::time::Duration;

/// A file that could not be read or written, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HostError(pub String);

/// This host. Errors are sentences: which file, and what the system said. A state file's name has no directory.
#[async_trait]
pub trait Host: Send + Sync {
    /// Now, by the clock that began when the kernel booted.
    fn since_boot(&self) -> SinceBoot;

    /// Now, by the clock that may jump. For records that people read, never for a decision but the detach note's.
    fn unix_time(&self) -> UnixTime;

    /// Sleeps this long. May be dropped at any time.
    async fn sleep(&self, length: Duration);

    /// A number below `bound`, by chance; 0 where the bound is 0.
    fn random(&self, bound: u64) -> u64;

    /// A new random UUID, lower case.
    fn uuid(&self) -> String;

    /// Reads a state file of this kernel boot (`/run/berth`, a tmpfs); none where it is missing.
    fn recall(&self, name: &str) -> Result<Option<String>, HostError>;

    /// Writes a state file of this kernel boot, readable for all: a crash leaves the old text or the new one.
    fn note(&self, name: &str, text: &str) -> Result<(), HostError>;

    /// Removes a state file of this kernel boot; done where it is missing.
    fn forget(&self, name: &str) -> Result<(), HostError>;

    /// As `recall`, of files that survive a reboot (`/var/lib/berth`).
    fn recall_lasting(&self, name: &str) -> Result<Option<String>, HostError>;

    /// As `note`, of files that survive a reboot: on the disk (fsync) when it returns.
    fn note_lasting(&self, name: &str, text: &str) -> Result<(), HostError>;

    /// As `forget`, of files that survive a reboot.
    fn forget_lasting(&self, name: &str) -> Result<(), HostError>;

    /// The bytes of a file by its path, links followed; an error where it is missing.
    fn read_file(&self, path: &str) -> Result<Vec<u8>, HostError>;

    /// As `read_file`; none where it is missing.
    fn existing_file(&self, path: &str) -> Result<Option<Vec<u8>>, HostError>;

    /// The file that a path leads to, its links followed; a part that is missing stays as it is. Refused where the path
    /// itself is a link that another user than root may change: what root writes there goes where that user likes.
    fn real_path(&self, path: &str) -> Result<String, HostError>;

    /// Writes a file atomically and synced, in the place of a link where the path is one; mode 0640, owner root, group of
    /// `user`: nobody else reads it at any moment. An error where there is no such user or group.
    fn write_file(&self, path: &str, bytes: &[u8], user: &str) -> Result<(), HostError>;
}
