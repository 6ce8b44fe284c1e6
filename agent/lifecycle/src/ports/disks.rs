//! Block devices, file systems and mounts.

use async_trait::async_trait;
use berth_plan::disk::consent::FormatConsent;
use berth_plan::disk::probe::{BlankDevice, Fs, Sample};
use berth_plan::service::identity::Found;
use berth_plan::{Millis, VolumeId};
use std::fmt;

/// What went wrong with a device or a mount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// The device, or what is on it: this slot's trouble.
    #[error("{0}")]
    Device(String),
    /// The mount point, an option, a missing tool: the operator can mend it.
    #[error("{0}")]
    Configuration(String),
    /// This host: a reboot is wanted, a device vanished.
    #[error("{0}")]
    Host(String),
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

/// An open device whose serial was read from the same open descriptor.
#[async_trait]
pub trait Device: Send + Sync + fmt::Debug {
    /// The path that was opened.
    fn path(&self) -> &str;

    /// Bytes.
    fn size(&self) -> u64;

    /// Reads what a probe needs.
    async fn sample(&self) -> Sample;

    /// Makes the file system that was consented to. Opens the device exclusively first.
    async fn format(&self, blank: BlankDevice, consent: &FormatConsent) -> Result<(), DiskError>;

    /// Repairs what is safe to repair before a mount: `e2fsck -p` for ext4; xfs replays its log when mounted.
    async fn preen(&self, fs: Fs) -> Result<(), DiskError>;

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
    async fn appeared(&self, volume: &VolumeId, within: Millis)
    -> Result<Option<Box<dyn Device>>, DiskError>;

    /// The mount at this place; none where nothing is mounted there.
    async fn mounted(&self, at: &str) -> Result<Option<Mounted>, DiskError>;

    /// Unmounts; done where nothing is mounted.
    async fn unmount(&self, at: &str) -> Result<(), DiskError>;

    /// Finds `meta.properties` in the log dir, and elsewhere on the mount.
    async fn identity(&self, mount: &str, log_dir: &str) -> Result<Found, DiskError>;

    /// Makes the log dir where it is missing and gives it to the user, all of it only where its root is not theirs.
    async fn prepare_log_dir(&self, mount: &str, log_dir: &str, user: &str) -> Result<(), DiskError>;
}
