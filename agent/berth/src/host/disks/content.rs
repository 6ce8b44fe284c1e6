//! Reading what a probe needs, and growing what is too small.

use super::device::OpenDevice;
use super::tool;
use crate::host::os_error::words;
use berth_lifecycle::ports::DiskError;
use berth_plan::disk::Fs;
use berth_plan::disk::probe::{Probed, Sample, probe};
use berth_plan::disk::whose::{Whose, of_errno};
use std::fs::File;
use std::os::unix::fs::FileExt;

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

/// Grows a mounted file system to its device where whole megabytes are missing; says whether it did.
pub(super) async fn grow(device: &OpenDevice, fs: Fs, at: &str) -> Result<bool, DiskError> {
    let before = file_system_bytes(device, fs).await?;
    // A file system rounds down to its own blocks and groups.
    const SLACK: u64 = 16 << 20;
    if before + SLACK >= device.size {
        return Ok(false);
    }
    let (program, arguments) = match fs {
        Fs::Xfs => ("xfs_growfs", vec!["-d", at]),
        Fs::Ext4 => ("resize2fs", vec![tool::DEVICE]),
    };
    let path = &device.path;
    let ran = tool::run(program, &arguments, &device.file, path, device.limits.grow).await?;
    if ran.code != 0 {
        return Err(DiskError::Host(format!(
            "{program} of {path} at {at} ended with {}: {}",
            ran.code, ran.said
        )));
    }
    Ok(true)
}

/// What the superblock on the device claims.
async fn file_system_bytes(device: &OpenDevice, fs: Fs) -> Result<u64, DiskError> {
    match probe(&device.read().await?) {
        Probed::FileSystem { bytes, .. } => Ok(bytes),
        other => Err(DiskError::Device(format!("{} is mounted as {fs}, but shows {other:?}", device.path))),
    }
}
