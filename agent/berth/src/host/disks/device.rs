//! What is done to an open device: formatted, mended, mounted, grown.
//!
//! Everything is done by its open descriptor: the names in /dev may change hands at any time.

use super::bounded::on_a_thread;
use super::open_device::OpenDevice;
use super::{grow, mount_table, mounts, second_opinion, sysfs, tool};
use crate::host::os_error::words;
use async_trait::async_trait;
use berth_lifecycle::ports::{Device, DiskError};
use berth_plan::disk::Fs;
use berth_plan::disk::consent::FormatConsent;
use berth_plan::disk::probe::{BlankDevice, Sample};
use berth_plan::disk::whose::{Checked, of_e2fsck, of_errno};
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

#[async_trait]
impl Device for OpenDevice {
    fn path(&self) -> &str {
        &self.path
    }

    fn size(&self) -> u64 {
        self.size
    }

    async fn sample(&self) -> Result<Sample, DiskError> {
        self.read().await
    }

    async fn format(&self, _blank: BlankDevice, consent: &FormatConsent) -> Result<(), DiskError> {
        self.prove_nobody_elses().await?;
        second_opinion::nothing_else_is_there(self, consent).await?;
        // Whatever time that took.
        self.prove_nobody_elses().await?;
        let uuid = consent.uuid().to_string();
        let xfs_uuid = format!("uuid={uuid}");
        // -f because of what a format that was begun left; that nothing else is there was probed a moment ago. Both open the
        // device with O_EXCL (xfsprogs, libxfs/init.c; e2fsprogs, lib/ext2fs/unix_io.c).
        let (program, arguments) = match consent.fs() {
            Fs::Xfs => ("mkfs.xfs", vec!["-f", "-q", "-m", xfs_uuid.as_str(), tool::DEVICE]),
            Fs::Ext4 => ("mkfs.ext4", vec!["-F", "-q", "-U", uuid.as_str(), tool::DEVICE]),
        };
        let ran = tool::run(program, &arguments, &self.file, &self.path, self.limits.format).await?;
        match ran.code {
            0 => Ok(()),
            // Another image's mkfs may do better; what the disk has to do with it the next look at it shows.
            code => Err(DiskError::Host(format!(
                "{program} of {} ({}) ended with {code}: {}",
                self.path, self.volume, ran.said
            ))),
        }
    }

    async fn preen(&self, fs: Fs, within: Duration) -> Result<Option<String>, DiskError> {
        if fs != Fs::Ext4 {
            return Ok(None);
        }
        self.prove_nobody_elses().await?;
        let ran = tool::run("e2fsck", &["-p", tool::DEVICE], &self.file, &self.path, within).await?;
        match of_e2fsck(ran.code) {
            Checked::Clean => Ok(None),
            Checked::Mended => Ok(Some(ran.said)),
            Checked::WantsReboot => Err(DiskError::Host(format!(
                "e2fsck mended {} ({}) and wants a reboot: {}",
                self.path, self.volume, ran.said
            ))),
            Checked::Failed(whose) => {
                let (path, volume, code) = (&self.path, &self.volume, ran.code);
                let sentence = format!("e2fsck -p of {path} ({volume}) ended with {code}: {}", ran.said);
                Err(DiskError::of(whose, sentence))
            }
        }
    }

    async fn mount(&self, fs: Fs, at: &str, options: &[String]) -> Result<(), DiskError> {
        let (device, at, options) = (self.clone(), at.to_owned(), options.to_vec());
        let what = format!("mount {} ({}) at {at}", self.path, self.volume);
        on_a_thread(what, self.limits.mount, move || {
            device.is_nobody_elses()?;
            mounts::mount(&device, fs, &at, &options)
        })
        .await
    }

    async fn grow(&self, fs: Fs, at: &str) -> Result<bool, DiskError> {
        grow::grow(self, fs, at).await
    }
}

impl OpenDevice {
    async fn prove_nobody_elses(&self) -> Result<(), DiskError> {
        let device = self.clone();
        let what = format!("open {} ({}) for itself", self.path, self.volume);
        on_a_thread(what, self.limits.look, move || device.is_nobody_elses()).await
    }

    /// It still has its serial, and nobody else has it. O_EXCL fails with EBUSY where the device is mounted or held by another
    /// (open(2), block devices). Opened for reading: what closes a device that it could write to makes udev look at it, and
    /// hold it for a moment.
    fn is_nobody_elses(&self) -> Result<(), DiskError> {
        let (path, volume) = (&self.path, &self.volume);
        if sysfs::serial_of(&self.shown_number()).as_deref() != Some(volume.serial().as_str()) {
            return Err(DiskError::Host(format!("{path} no longer has the serial of {volume}")));
        }
        let same = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let exclusive = OpenOptions::new().read(true).custom_flags(nix::libc::O_EXCL).open(same);
        let Err(error) = exclusive else { return Ok(()) };
        // Also a tool of a run that was killed: it ends by itself, and the next look sees what it made.
        let holder = match mount_table::places_of(&self.shown_number()).as_slice() {
            [] => "who has it open?".to_owned(),
            places => format!("it is mounted at {}", places.join(", ")),
        };
        let sentence = format!("open {path} ({volume}) for itself: {}; {holder}", words(&error));
        Err(DiskError::of(of_errno(error.raw_os_error()), sentence))
    }
}
