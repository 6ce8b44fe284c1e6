//! The log dir on the mounted volume: whose data it is, and who owns it.

use berth_lifecycle::ports::DiskError;
use berth_plan::service::identity::{Found, MetaProperties};
use nix::unistd::{Gid, Uid, User, chown, fchownat};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const META: &str = "meta.properties";

/// Looks for `meta.properties` in the log dir, at the root of the mount and one level down.
pub(super) fn identity(mount: &str, log_dir: &str) -> Result<Found, DiskError> {
    let mut elsewhere = Vec::new();
    let mut places = vec![PathBuf::from(mount)];
    let entries = fs::read_dir(mount).map_err(|error| DiskError::Device(format!("read {mount}: {error}")))?;
    for entry in entries {
        let entry = entry.map_err(|error| DiskError::Device(format!("read {mount}: {error}")))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            places.push(entry.path());
        }
    }
    for place in places.into_iter().filter(|place| place != Path::new(log_dir)) {
        let meta = place.join(META);
        if fs::symlink_metadata(&meta).is_ok() {
            elsewhere.push(meta.strip_prefix(mount).unwrap_or(&meta).display().to_string());
        }
    }
    let path = Path::new(log_dir).join(META);
    let in_log_dir = match fs::read_to_string(&path) {
        Ok(text) => Some(MetaProperties::read(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(format!("{}: {error}", path.display()))),
    };
    Ok(Found { in_log_dir, elsewhere })
}

/// Makes the log dir and gives it to the user. A tree of millions of segments is walked only where its root is not
/// the user's.
pub(super) fn prepare(mount: &str, log_dir: &str, user: &str) -> Result<(), DiskError> {
    let configuration = DiskError::Configuration;
    let owner =
        User::from_name(user).map_err(|error| DiskError::Host(format!("look up user {user}: {error}")))?;
    let owner = owner.ok_or_else(|| {
        configuration(format!(
            "there is no user \"{user}\"; make it in the image, or name another in `kafka.user`"
        ))
    })?;
    if log_dir == mount && Path::new(mount).join("lost+found").exists() {
        return Err(configuration(format!(
            "{mount} has a lost+found and is the log dir: Kafka takes it for a broken partition and exits; set `log_dir` under [volume] to a directory below it"
        )));
    }
    fs::create_dir_all(log_dir).map_err(|error| DiskError::Device(format!("make {log_dir}: {error}")))?;
    let root = fs::metadata(log_dir).map_err(|error| DiskError::Device(format!("{log_dir}: {error}")))?;
    if (root.uid(), root.gid()) == (owner.uid.as_raw(), owner.gid.as_raw()) {
        return Ok(());
    }
    tracing::info!(log_dir, user, "giving the log dir to its user");
    // The root last: a walk that was cut short is begun again.
    give(Path::new(log_dir), owner.uid, owner.gid)
        .and_then(|()| chown(log_dir, Some(owner.uid), Some(owner.gid)).map_err(Into::into))
        .map_err(|error| DiskError::Device(format!("give {log_dir} to {user}: {error}")))
}

/// All below `dir`, links themselves and not what they lead to.
fn give(dir: &Path, uid: Uid, gid: Gid) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            give(&entry.path(), uid, gid)?;
        }
        fchownat(
            nix::fcntl::AT_FDCWD,
            &entry.path(),
            Some(uid),
            Some(gid),
            nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW,
        )?;
    }
    Ok(())
}
