//! One open device, proven to be the volume by the serial that belongs to its open descriptor, and how it is read.
//!
//! The names in /dev may change hands at any time: it is known by its descriptor and its number.

use super::bounded::{LIMITS, Limits, on_a_thread};
use super::{ioctl, sysfs};
use crate::host::os_error::words;
use berth_lifecycle::ports::DiskError;
use berth_plan::VolumeId;
use berth_plan::disk::probe::Sample;
use berth_plan::disk::whose::{Whose, of_errno};
use nix::sys::stat::{dev_t, fstat, major, minor};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// An open device.
#[derive(Debug, Clone)]
pub(super) struct OpenDevice {
    pub(super) volume: VolumeId,
    /// Where it was found: for the sentences.
    pub(super) path: String,
    pub(super) file: Arc<File>,
    /// Its number. The kernel gives it to no other device while the descriptor is open (block/genhd.c: a minor is free again
    /// once the last reference to its block device is gone).
    pub(super) number: dev_t,
    pub(super) size: u64,
    pub(super) limits: Limits,
}

/// Opens the device whose serial is the volume's id; none where there is none. The name proves nothing: the number of
/// the open descriptor must be the one that has the serial.
pub(super) fn open(volume: &VolumeId) -> Result<Option<OpenDevice>, DiskError> {
    let serial = volume.serial();
    let Some(device) = sysfs::devices().into_iter().find(|device| device.serial == serial) else {
        return Ok(None);
    };
    let path = format!("/dev/{}", device.name);
    let failed = |act: &str, error: io::Error| {
        let sentence = format!("{act} {path} for {volume}: {}", words(&error));
        DiskError::of(of_errno(error.raw_os_error()), sentence)
    };
    let file = match OpenOptions::new().read(true).open(&path) {
        Ok(file) => file,
        // The node comes a moment after its entry in sysfs.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", error)),
    };
    let number = fstat(&file).map_err(|error| failed("look at", error.into()))?.st_rdev;
    if sysfs::serial_of(&shown(number)).as_deref() != Some(serial.as_str()) {
        // Renamed between the look and the open: the next look finds it.
        return Ok(None);
    }
    let size = ioctl::size(&file).map_err(|error| failed("measure", error))?;
    let file = Arc::new(file);
    Ok(Some(OpenDevice { volume: volume.clone(), path, file, number, size, limits: LIMITS }))
}

/// `major:minor`, as sysfs and mountinfo have it.
fn shown(number: dev_t) -> String {
    format!("{}:{}", major(number), minor(number))
}

impl OpenDevice {
    /// Reads what a probe needs.
    pub(super) async fn read(&self) -> Result<Sample, DiskError> {
        let (file, size) = (self.file.clone(), self.size);
        let what = format!("read {} ({})", self.path, self.volume);
        on_a_thread(what, self.limits.read, move || sample(&file, size)).await
    }

    /// The name that it has now: it may have changed since it was found.
    pub(super) fn name(&self) -> String {
        sysfs::name_of(&self.shown_number())
            .unwrap_or_else(|| self.path.trim_start_matches("/dev/").to_owned())
    }

    /// `major:minor`, as sysfs and mountinfo have it.
    pub(super) fn shown_number(&self) -> String {
        shown(self.number)
    }
}

/// Reads what a probe needs. A read that the disk refuses is told in the sample, and never taken for zeros; one that fails
/// for another reason is this host's trouble.
pub(super) fn sample(file: &File, size: u64) -> Result<Sample, DiskError> {
    let read = |from: u64, length: u64| {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, from).map(|()| bytes).map_err(|error| {
            let sentence = format!("read {length} bytes at {from}: {}", words(&error));
            (of_errno(error.raw_os_error()), sentence)
        })
    };
    Sample::read(size, read).or_else(|(whose, sentence)| match whose {
        Whose::Slot => Ok(Sample::refused(size, sentence)),
        whose => Err(DiskError::of(whose, sentence)),
    })
}
