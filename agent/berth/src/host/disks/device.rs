//! One open device, proven to be the volume by the serial that belongs to its open descriptor.

use super::{content, ioctl, mounts, second_opinion, sysfs, tool};
use async_trait::async_trait;
use berth_lifecycle::ports::{Device, DiskError};
use berth_plan::VolumeId;
use berth_plan::disk::consent::FormatConsent;
use berth_plan::disk::probe::{BlankDevice, Fs, Sample};
use nix::sys::stat::{fstat, major, minor};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

/// An open device.
#[derive(Debug)]
pub(super) struct OpenDevice {
    volume: VolumeId,
    path: String,
    file: Arc<File>,
    size: u64,
}

/// Opens the device whose serial is the volume's id; none where there is none. The name proves nothing: the number of
/// the open descriptor must be the one that bears the serial.
pub(super) fn open(volume: &VolumeId) -> Result<Option<OpenDevice>, DiskError> {
    let serial = volume.serial();
    let Some(device) = sysfs::devices().into_iter().find(|device| device.serial == serial) else {
        return Ok(None);
    };
    let path = format!("/dev/{}", device.name);
    let file = match OpenOptions::new().read(true).open(&path) {
        Ok(file) => file,
        // The node comes a moment after its entry in sysfs.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DiskError::Device(format!("open {path} for {volume}: {error}"))),
    };
    let number = number(&file).map_err(|error| DiskError::Host(format!("{path}: {error}")))?;
    if sysfs::serial_of(&number).as_deref() != Some(serial.as_str()) {
        // Renamed between the look and the open: the next look finds it.
        return Ok(None);
    }
    let size = ioctl::size(&file)
        .map_err(|error| DiskError::Device(format!("size of {path} for {volume}: {error}")))?;
    Ok(Some(OpenDevice { volume: volume.clone(), path, file: Arc::new(file), size }))
}

fn number(file: &File) -> nix::Result<String> {
    let stat = fstat(file)?;
    Ok(format!("{}:{}", major(stat.st_rdev), minor(stat.st_rdev)))
}

#[async_trait]
impl Device for OpenDevice {
    fn path(&self) -> &str {
        &self.path
    }

    fn size(&self) -> u64 {
        self.size
    }

    async fn sample(&self) -> Sample {
        let (file, size) = (self.file.clone(), self.size);
        let read = tokio::task::spawn_blocking(move || content::sample(&file, size)).await;
        read.unwrap_or_else(|error| Sample {
            size: self.size,
            head: Vec::new(),
            tail: Vec::new(),
            error: Some(format!("reading {} ended early: {error}", self.path)),
        })
    }

    async fn format(&self, _blank: BlankDevice, consent: &FormatConsent) -> Result<(), DiskError> {
        self.is_nobody_elses()?;
        second_opinion::nothing_else_is_there(&self.path, &self.volume, consent).await?;
        let uuid = consent.uuid();
        let xfs_uuid = format!("uuid={uuid}");
        // -f because of what a format that was begun left; that nothing else is there was probed a moment ago.
        let (program, arguments) = match consent.fs() {
            Fs::Xfs => ("mkfs.xfs", vec!["-f", "-q", "-m", xfs_uuid.as_str(), self.path.as_str()]),
            Fs::Ext4 => ("mkfs.ext4", vec!["-F", "-q", "-U", uuid, self.path.as_str()]),
        };
        let ran = tool::run(program, &arguments).await?;
        match ran.code {
            0 => Ok(()),
            code => Err(DiskError::Device(format!(
                "{program} of {} ({}) ended with {code}: {}",
                self.path, self.volume, ran.said
            ))),
        }
    }

    async fn preen(&self, fs: Fs) -> Result<(), DiskError> {
        if fs != Fs::Ext4 {
            return Ok(());
        }
        self.is_nobody_elses()?;
        // e2fsck(8): 0 clean, 1 mended, 2 mended and a reboot is wanted, 4 and above not mended.
        let ran = tool::run("e2fsck", &["-p", &self.path]).await?;
        match ran.code {
            0 | 1 => Ok(()),
            2 | 3 => Err(DiskError::Host(format!(
                "e2fsck mended {} ({}) and wants a reboot",
                self.path, self.volume
            ))),
            code => Err(DiskError::Device(format!(
                "e2fsck -p of {} ({}) ended with {code}: {}",
                self.path, self.volume, ran.said
            ))),
        }
    }

    async fn mount(&self, fs: Fs, at: &str, options: &[String]) -> Result<(), DiskError> {
        self.is_nobody_elses()?;
        mounts::mount(&self.path, &self.volume, fs, at, options)
    }

    async fn grow(&self, fs: Fs, at: &str) -> Result<bool, DiskError> {
        content::grow(&self.path, self.size, fs, at).await
    }
}

impl OpenDevice {
    /// O_EXCL fails with EBUSY where the device is mounted or held by another (open(2), block devices). Opened for
    /// reading: what closes a device that it could write to makes udev look at it, and hold it for a moment.
    fn is_nobody_elses(&self) -> Result<(), DiskError> {
        self.is_still_the_volume()?;
        let exclusive = OpenOptions::new().read(true).custom_flags(nix::libc::O_EXCL).open(&self.path);
        // Also a tool of a run that was killed: it ends by itself, and the next look sees what it made.
        let file = exclusive.map_err(|error| {
            DiskError::Host(format!(
                "open {} ({}) for itself: {error}; who has it open?",
                self.path, self.volume
            ))
        })?;
        match number(&file).ok() == number(&self.file).ok() {
            true => Ok(()),
            false => {
                Err(DiskError::Host(format!("{} is another device than it was a moment ago", self.path)))
            }
        }
    }

    /// The path still leads to the device whose serial was read.
    fn is_still_the_volume(&self) -> Result<(), DiskError> {
        let now = open(&self.volume)?.map(|device| device.path);
        if now.as_deref() == Some(self.path.as_str()) {
            return Ok(());
        }
        Err(DiskError::Host(format!("{} no longer bears the serial of {}", self.path, self.volume)))
    }
}
