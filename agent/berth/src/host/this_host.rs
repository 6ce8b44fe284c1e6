//! Clocks, chance, and berth's own files.

use super::files;
use super::os_error::words;
use super::own_directory::{self, LASTING, RUN};
use async_trait::async_trait;
use berth_lifecycle::ports::{Host, HostError};
use berth_plan::{SinceBoot, UnixTime};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Group, User};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// This host.
pub(crate) struct ThisHost;

fn recalled(dir: &str, name: &str) -> Result<Option<String>, HostError> {
    let path = Path::new(dir).join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(HostError(format!("read {}: {}", path.display(), words(&error)))),
    }
}

fn noted(dir: &str, name: &str, text: &str) -> Result<(), HostError> {
    own_directory::open(Path::new(dir))
        .map_err(|error| HostError(format!("make {dir}: {}", words(&error))))?;
    files::replace(&Path::new(dir).join(name), text.as_bytes(), 0o644, None)
}

#[async_trait]
impl Host for ThisHost {
    fn since_boot(&self) -> SinceBoot {
        let now = clock_gettime(ClockId::CLOCK_BOOTTIME)
            .expect("every Linux that berth runs on has CLOCK_BOOTTIME");
        SinceBoot::default() + Duration::from(now)
    }

    fn unix_time(&self) -> UnixTime {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixTime::default() + now
    }

    async fn sleep(&self, length: Duration) {
        tokio::time::sleep(length).await;
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
        files::remove(&Path::new(RUN).join(name))
    }

    fn recall_lasting(&self, name: &str) -> Result<Option<String>, HostError> {
        recalled(LASTING, name)
    }

    fn note_lasting(&self, name: &str, text: &str) -> Result<(), HostError> {
        noted(LASTING, name, text)
    }

    fn forget_lasting(&self, name: &str) -> Result<(), HostError> {
        files::remove(&Path::new(LASTING).join(name))
    }

    fn read_file(&self, path: &str) -> Result<Vec<u8>, HostError> {
        fs::read(path).map_err(|error| HostError(format!("read {path}: {}", words(&error))))
    }

    fn existing_file(&self, path: &str) -> Result<Option<Vec<u8>>, HostError> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(HostError(format!("read {path}: {}", words(&error)))),
        }
    }

    fn real_path(&self, path: &str) -> Result<String, HostError> {
        files::followed(Path::new(path)).map(|path| path.display().to_string())
    }

    fn write_file(&self, path: &str, bytes: &[u8], user: &str) -> Result<(), HostError> {
        let account = User::from_name(user).ok().flatten();
        let group = account
            .map(|user| user.gid)
            .or_else(|| Group::from_name(user).ok().flatten().map(|group| group.gid));
        let group = group.ok_or_else(|| HostError(format!("write {path}: there is no user \"{user}\"")))?;
        files::replace(Path::new(path), bytes, 0o640, Some(group))
    }
}
