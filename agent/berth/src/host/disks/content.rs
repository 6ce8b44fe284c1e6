//! Reading what a probe needs, and growing what is too small.

use super::tool;
use berth_lifecycle::ports::DiskError;
use berth_plan::disk::probe::{Fs, HEAD, Sample, TAIL};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Reads head and tail. A read that fails is told and never taken for zeros.
pub(super) fn sample(file: &File, size: u64) -> Sample {
    let read = |from: u64, length: u64| {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, from)
            .map(|()| bytes)
            .map_err(|error| format!("read {length} bytes at {from}: {error}"))
    };
    let (head, tail) = (HEAD.min(size), TAIL.min(size));
    match read(0, head).and_then(|first| Ok((first, read(size - tail, tail)?))) {
        Ok((head, tail)) => Sample { size, head, tail, error: None },
        Err(error) => Sample { size, head: Vec::new(), tail: Vec::new(), error: Some(error) },
    }
}

/// Grows a mounted file system to its device where whole megabytes are missing; says whether it did.
pub(super) async fn grow(path: &str, size: u64, fs: Fs, at: &str) -> Result<bool, DiskError> {
    let before = file_system_bytes(path, fs)?;
    // A file system rounds down to its own blocks and groups.
    const SLACK: u64 = 16 << 20;
    if before + SLACK >= size {
        return Ok(false);
    }
    let (program, arguments) = match fs {
        Fs::Xfs => ("xfs_growfs", vec!["-d", at]),
        Fs::Ext4 => ("resize2fs", vec![path]),
    };
    let ran = tool::run(program, &arguments).await?;
    if ran.code != 0 {
        return Err(DiskError::Host(format!(
            "{program} of {path} at {at} ended with {}: {}",
            ran.code, ran.said
        )));
    }
    Ok(true)
}

/// What the superblock on the device claims.
fn file_system_bytes(path: &str, fs: Fs) -> Result<u64, DiskError> {
    let failed =
        |error: std::io::Error| DiskError::Device(format!("read the {fs} superblock of {path}: {error}"));
    let file = File::open(path).map_err(failed)?;
    let size = super::ioctl::size(&file).map_err(failed)?;
    match berth_plan::disk::probe::probe(&sample(&file, size)) {
        berth_plan::disk::probe::Probed::FileSystem { bytes, .. } => Ok(bytes),
        other => Err(DiskError::Device(format!("{path} is mounted as {fs}, but shows {other:?}"))),
    }
}
