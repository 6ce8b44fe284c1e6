//! Programs of the host that berth runs: mkfs, e2fsck, growfs. Arguments are passed as they are; there is no shell.

use berth_lifecycle::ports::DiskError;
use berth_plan::remote_text::bounded;
use std::process::Stdio;
use tokio::process::Command;

/// How a program ended.
pub(super) struct Ran {
    /// Its exit code.
    pub(super) code: i32,
    /// The end of what it printed.
    pub(super) said: String,
}

/// Runs a program to its end. A cancelled run lets it finish: a half-made file system is worse than a late one.
pub(super) async fn run(program: &str, arguments: &[&str]) -> Result<Ran, DiskError> {
    let output =
        Command::new(program).args(arguments).stdin(Stdio::null()).output().await.map_err(|error| {
            DiskError::Configuration(format!(
                "run {program}: {error}; is its package in the image (xfsprogs, e2fsprogs)?"
            ))
        })?;
    // Ended from outside (the kernel's lack of memory, an operator): that says nothing of the disk, and is tried again.
    let Some(code) = output.status.code() else {
        return Err(DiskError::Host(format!("{program} did not end by itself: {}", output.status)));
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = bounded(&lines[lines.len().saturating_sub(3)..].join("; "));
    Ok(Ran { code, said })
}
