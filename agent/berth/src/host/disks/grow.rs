//! Growing a file system that is smaller than its device.

use super::open_device::OpenDevice;
use super::tool;
use berth_lifecycle::ports::DiskError;
use berth_plan::disk::Fs;
use berth_plan::disk::probe::{Probed, probe};

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
