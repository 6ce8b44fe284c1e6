//! The log dir, made below the mount and given to the service's user.
//!
//! By descriptors, from the mount on: the directories of the volume may be that user's, and a link that it planted there
//! must not have root give it something else.

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Gid, Uid, fchownat};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Component, Path};

/// A directory itself, not what a link leads to.
const DIRECTORY: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW);

/// Makes what is missing of the log dir, and gives it with all below it to the user. A tree of millions of segments is
/// walked only where its root is not the user's. ENOTDIR or ELOOP where something of it is no directory.
pub(super) fn make_and_give(mount: &str, log_dir: &str, uid: Uid, gid: Gid) -> io::Result<()> {
    let mut dir = OpenOptions::new().read(true).custom_flags(DIRECTORY.bits()).open(mount)?;
    let below = Path::new(log_dir).strip_prefix(mount).map_err(io::Error::other)?;
    for component in below.components() {
        let Component::Normal(name) = component else { return Err(Errno::EINVAL.into()) };
        match mkdirat(&dir, name, Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(error.into()),
        }
        dir = below_of(&dir, name)?;
    }
    let root = dir.metadata()?;
    if (root.uid(), root.gid()) == (uid.as_raw(), gid.as_raw()) {
        return Ok(());
    }
    tracing::info!(log_dir, %uid, "giving the log dir to its user");
    // The root last: a walk that was cut short is begun again.
    give(&dir, uid, gid)?;
    fchown(&dir, Some(uid.as_raw()), Some(gid.as_raw()))
}

fn below_of(dir: &File, name: &OsStr) -> io::Result<File> {
    let flags = DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    Ok(File::from(openat(dir, name, flags, Mode::empty())?))
}

/// All below `dir`, links themselves and not what they lead to.
fn give(dir: &File, uid: Uid, gid: Gid) -> io::Result<()> {
    for entry in fs::read_dir(format!("/proc/self/fd/{}", dir.as_raw_fd()))? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            give(&below_of(dir, &name)?, uid, gid)?;
        }
        fchownat(dir, name.as_os_str(), Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const USER: u32 = 65534;

    fn given(mount: &Path, log_dir: &str) -> io::Result<()> {
        let log_dir = mount.join(log_dir);
        make_and_give(
            mount.to_str().unwrap(),
            log_dir.to_str().unwrap(),
            Uid::from_raw(USER),
            Gid::from_raw(USER),
        )
    }

    #[test]
    fn the_log_dir_is_made_and_given_with_all_below_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("logs/kafka/t-0")).unwrap();
        fs::write(dir.path().join("logs/kafka/t-0/0.log"), "x").unwrap();
        given(dir.path(), "logs/kafka").unwrap();
        let owner = |path: &str| fs::symlink_metadata(dir.path().join(path)).unwrap().uid();
        assert_eq!([owner("logs/kafka"), owner("logs/kafka/t-0"), owner("logs/kafka/t-0/0.log")], [USER; 3]);
        assert_eq!(owner("logs"), 0, "only the log dir is the user's");
    }

    #[test]
    fn a_link_in_the_place_of_the_log_dir_gives_away_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("other");
        fs::create_dir(&other).unwrap();
        let mount = dir.path().join("mount");
        fs::create_dir(&mount).unwrap();
        symlink(&other, mount.join("data")).unwrap();
        let refused = given(&mount, "data").unwrap_err().raw_os_error().map(Errno::from_raw);
        assert!(matches!(refused, Some(Errno::ENOTDIR | Errno::ELOOP)), "{refused:?}");
        assert_eq!(fs::metadata(&other).unwrap().uid(), 0);
    }

    #[test]
    fn a_link_below_the_log_dir_is_given_itself() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("other");
        fs::write(&other, "").unwrap();
        fs::create_dir_all(dir.path().join("mount/data")).unwrap();
        symlink(&other, dir.path().join("mount/data/link")).unwrap();
        given(&dir.path().join("mount"), "data").unwrap();
        assert_eq!(fs::symlink_metadata(dir.path().join("mount/data/link")).unwrap().uid(), USER);
        assert_eq!(fs::metadata(&other).unwrap().uid(), 0);
    }
}
