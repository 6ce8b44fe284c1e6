//! Clocks, chance, and berth's own files.

use async_trait::async_trait;
use berth_lifecycle::ports::{Host, HostError};
use berth_plan::Millis;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Group, User, chown};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// State of this kernel boot: a tmpfs, empty after a reboot.
pub(crate) const RUN: &str = "/run/berth";

/// State that survives a reboot.
pub(crate) const LASTING: &str = "/var/lib/berth";

/// This host.
pub(crate) struct ThisHost;

fn recalled(dir: &str, name: &str) -> Result<Option<String>, HostError> {
    let path = Path::new(dir).join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(HostError(format!("read {}: {error}", path.display()))),
    }
}

fn noted(dir: &str, name: &str, text: &str) -> Result<(), HostError> {
    let made =
        fs::create_dir_all(dir).and_then(|()| fs::set_permissions(dir, fs::Permissions::from_mode(0o755)));
    made.map_err(|error| HostError(format!("make {dir}: {error}")))?;
    replace(&Path::new(dir).join(name), text.as_bytes(), 0o644, None)
}

fn forgotten(dir: &str, name: &str) -> Result<(), HostError> {
    let path = Path::new(dir).join(name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(HostError(format!("remove {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Writes beside the file, syncs, renames over it, syncs the directory: a crash leaves the old file or the new one.
fn replace(path: &Path, bytes: &[u8], mode: u32, group: Option<nix::unistd::Gid>) -> Result<(), HostError> {
    let failed = |error: std::io::Error| HostError(format!("write {}: {error}", path.display()));
    let dir = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("file");
    let beside: PathBuf = dir.join(format!(".{name}.berth-new"));
    forgotten(&dir.display().to_string(), &format!(".{name}.berth-new"))?;
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(failed)?;
    if let Some(group) = group {
        chown(&beside, None, Some(group)).map_err(|error| failed(error.into()))?;
    }
    file.sync_all().map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}

#[async_trait]
impl Host for ThisHost {
    fn since_boot(&self) -> Millis {
        let now = clock_gettime(ClockId::CLOCK_BOOTTIME)
            .expect("every Linux that berth runs on has CLOCK_BOOTTIME");
        u64::try_from(Duration::from(now).as_millis()).unwrap_or(u64::MAX)
    }

    fn unix_time(&self) -> Millis {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }

    async fn sleep(&self, millis: Millis) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    fn random(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { fastrand::u64(..bound) }
    }

    fn uuid(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }

    fn recall(&self, name: &str) -> Result<Option<String>, HostError> {
        recalled(RUN, name)
    }

    fn note(&self, name: &str, text: &str) -> Result<(), HostError> {
        noted(RUN, name, text)
    }

    fn forget(&self, name: &str) -> Result<(), HostError> {
        forgotten(RUN, name)
    }

    fn recall_lasting(&self, name: &str) -> Result<Option<String>, HostError> {
        recalled(LASTING, name)
    }

    fn note_lasting(&self, name: &str, text: &str) -> Result<(), HostError> {
        noted(LASTING, name, text)
    }

    fn forget_lasting(&self, name: &str) -> Result<(), HostError> {
        forgotten(LASTING, name)
    }

    fn read_file(&self, path: &str) -> Result<Vec<u8>, HostError> {
        fs::read(path).map_err(|error| HostError(format!("read {path}: {error}")))
    }

    fn existing_file(&self, path: &str) -> Result<Option<Vec<u8>>, HostError> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(HostError(format!("read {path}: {error}"))),
        }
    }

    fn write_file(&self, path: &str, bytes: &[u8], user: &str) -> Result<(), HostError> {
        let account = User::from_name(user).ok().flatten();
        let group = account
            .map(|user| user.gid)
            .or_else(|| Group::from_name(user).ok().flatten().map(|group| group.gid));
        let group = group.ok_or_else(|| HostError(format!("write {path}: there is no user \"{user}\"")))?;
        replace(Path::new(path), bytes, 0o640, Some(group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_with_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("server.properties");
        fs::write(&path, "old").unwrap();
        fs::write(dir.path().join(".server.properties.berth-new"), "left by a crash").unwrap();
        replace(&path, b"new", 0o640, None).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
