//! Block devices, file systems and mounts.

use async_trait::async_trait;
use berth_plan::VolumeId;
use berth_plan::disk::Fs;
use berth_plan::disk::consent::FormatConsent;
use berth_plan::disk::probe::{BlankDevice, Sample};
use berth_plan::disk::whose::Whose;
use berth_plan::service::identity::Found;
use std::fmt;
use std::time::Duration;

/// What went wrong with a device or a mount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// What the disk itself shows: this slot's trouble, wherever its volume is attached.
    #[error("{0}")]
    Device(String),
    /// The mount point, an option, a tool or a file system that the image lacks: the operator can mend it.
    #[error("{0}")]
    Configuration(String),
    /// This host: its kernel, its tools, its memory; a device that vanished; a call that hangs.
    #[error("{0}")]
    Host(String),
}

impl DiskError {
    /// Trouble of this one, with its sentence.
    pub fn of(whose: Whose, sentence: String) -> Self {
        match whose {
            Whose::Slot => Self::Device(sentence),
            Whose::Host => Self::Host(sentence),
            Whose::Configuration => Self::Configuration(sentence),
        }
    }
}

/// A mount at the configured place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// The device's path, as the kernel shows it.
    pub device: String,
    /// The serial of the mounted device; none where it has none.
    pub serial: Option<String>,
    /// Its file system.
    pub fs: String,
}

/// A process that keeps a mount busy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MountUser {
    /// Its process id.
    pub pid: i32,
    /// Its name (`comm`).
    pub name: String,
    /// What it has there: a path, or "a mount in another namespace".
    pub path: String,
}

impl fmt::Display for MountUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {}) has {}", self.name, self.pid, self.path)
    }
}

/// An open device whose serial was read from the same open descriptor. All that is done to it is done by that descriptor.
///
/// Every act here and on [`Disks`] ends in bounded time: a call that hangs in the kernel, as on a stalled volume, becomes
/// [`DiskError::Host`] and is left where it is. A future that is dropped leaves the call, or the program, to its end.
#[async_trait]
pub trait Device: Send + Sync + fmt::Debug {
    /// The path that was opened.
    fn path(&self) -> &str;

    /// Bytes.
    fn size(&self) -> u64;

    /// Reads what a probe needs. A read that the disk refuses is told in the sample.
    async fn sample(&self) -> Result<Sample, DiskError>;

    /// Makes the file system that was consented to, on a device that nobody else has: looked at right before, whatever the
    /// second opinion took.
    async fn format(&self, blank: BlankDevice, consent: &FormatConsent) -> Result<(), DiskError>;

    /// Repairs what is safe to repair before a mount: `e2fsck -p` for ext4; xfs replays its log when mounted. What was repaired,
    /// in the tool's words; none where nothing was. `within` bounds it: a full check of a large volume is
    /// long, and only the caller knows how long it may be.
    async fn preen(&self, fs: Fs, within: Duration) -> Result<Option<String>, DiskError>;

    /// Mounts it by syscall.
    async fn mount(&self, fs: Fs, at: &str, options: &[String]) -> Result<(), DiskError>;

    /// Grows the mounted file system to the device where it is smaller; says whether it did. That it would not grow is the
    /// host's trouble: it is whole.
    async fn grow(&self, fs: Fs, at: &str) -> Result<bool, DiskError>;
}

/// The host's devices and mounts.
#[async_trait]
pub trait Disks: Send + Sync {
    /// Waits until a device with the volume's serial is there and opens it: woken by the kernel, not by a clock. None
    /// when the time has passed.
    async fn appeared(
        &self,
        volume: &VolumeId,
        within: Duration,
    ) -> Result<Option<Box<dyn Device>>, DiskError>;

    /// The mount at this place; none where nothing is mounted there. Links in the parents of `at` are followed, as mount(2)
    /// does: the kernel knows the mount by the path without them.
    async fn mounted(&self, at: &str) -> Result<Option<Mounted>, DiskError>;

    /// Who keeps the mount at this place busy: open files, working directories, maps, and mounts of the same device in other
    /// mount namespaces, by /proc. Nobody where nothing is mounted there.
    async fn users(&self, at: &str) -> Result<Vec<MountUser>, DiskError>;

    /// Writes back what is dirty, then unmounts, never lazily; done where nothing is mounted.
    async fn unmount(&self, at: &str) -> Result<(), DiskError>;

    /// Finds `meta.properties` in the log dir, and elsewhere on the mount.
    async fn identity(&self, mount: &str, log_dir: &str) -> Result<Found, DiskError>;

    /// Makes the log dir where it is missing and gives it to the user, all of it only where its root is not theirs.
    async fn prepare_log_dir(&self, mount: &str, log_dir: &str, user: &str) -> Result<(), DiskError>;
}
