//! Programs of the host that berth runs: mkfs, e2fsck, growfs, blkid. Arguments are passed as they are; there is no shell.

use crate::host::os_error::words;
use berth_lifecycle::ports::DiskError;
use berth_plan::remote_text::bounded;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// The device that a program was given: its standard input, opened anew by the program itself. What was proven is the
/// descriptor, and no rename of a node can lead this name to another device.
pub(super) const DEVICE: &str = "/proc/self/fd/0";

/// How a program ended.
pub(super) struct Ran {
    /// Its exit code.
    pub(super) code: i32,
    /// The end of what it printed.
    pub(super) said: String,
}

/// Runs a program on an open device, of which it speaks as `path`. It is left to its end where it takes too long, and
/// where the run is cancelled: a half-made file system is worse than a late one.
pub(super) async fn run(
    program: &str,
    arguments: &[&str],
    device: &File,
    path: &str,
    within: Duration,
) -> Result<Ran, DiskError> {
    let host = |error: io::Error| DiskError::Host(format!("run {program} on {path}: {}", words(&error)));
    // Not a pipe: a program that outlives this run would be ended by writing to it.
    let mut output: File =
        memfd_create("output", MFdFlags::MFD_CLOEXEC).map_err(|error| host(error.into()))?.into();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::from(device.try_clone().map_err(host)?))
        .stdout(Stdio::from(output.try_clone().map_err(host)?))
        .stderr(Stdio::from(output.try_clone().map_err(host)?));
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => DiskError::Configuration(format!(
            "run {program}: {}; is its package in the image (xfsprogs, e2fsprogs)?",
            words(&error)
        )),
        _ => host(error),
    })?;
    let Ok(status) = timeout(within, child.wait()).await else {
        let process = child.id().map_or_else(|| "ended".to_owned(), |id| id.to_string());
        return Err(DiskError::Host(format!(
            "{program} of {path} did not end in {} s and is left to its end (process {process}); is the volume stalled? See its status checks, and dmesg",
            within.as_secs()
        )));
    };
    let status = status.map_err(host)?;
    // Ended from outside (the kernel's lack of memory, an operator): that says nothing of the disk, and is tried again.
    let Some(code) = status.code() else {
        return Err(DiskError::Host(format!("{program} did not end by itself: {status}")));
    };
    let mut text = Vec::new();
    output.rewind().and_then(|()| output.read_to_end(&mut text)).map_err(host)?;
    let text = String::from_utf8_lossy(&text).replace(DEVICE, path);
    Ok(Ran { code, said: end_of(&text) })
}

/// The last three lines that have words, as one bounded line. What mkfs prints of its usage behind the
/// reason is left out.
fn end_of(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<&str> =
        lines.take_while(|line| !line.to_ascii_lowercase().starts_with("usage:")).collect();
    bounded(&lines[lines.len().saturating_sub(3)..].join("; "))
}
