//! Files that are replaced whole or not at all, and where a path leads.

use super::os_error::words;
use berth_lifecycle::ports::HostError;
use nix::unistd::Gid;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Removes a file; one that is not there is removed already.
pub(super) fn remove(path: &Path) -> Result<(), HostError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(HostError(format!("remove {}: {}", path.display(), words(&error))))
        }
        _ => Ok(()),
    }
}

/// Writes beside the file (O_EXCL: whatever has that name is not written through), syncs, renames over it, syncs the
/// directory: a crash leaves the old file or the new one.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32, group: Option<Gid>) -> Result<(), HostError> {
    let failed = |error: io::Error| HostError(format!("write {}: {}", path.display(), words(&error)));
    let dir = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("file");
    let beside: PathBuf = dir.join(format!(".{name}.berth-new"));
    remove(&beside)?;
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode & 0o600).open(&beside).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    // By the descriptor: in a directory that others write into, the name may lead elsewhere by now. The group first, or
    // the mode would hold for another one.
    if let Some(group) = group {
        fchown(&file, None, Some(group.as_raw())).map_err(failed)?;
    }
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}

/// How many links in a row are followed, as by the kernel (path_resolution(7)).
const LINKS: u32 = 40;

/// The file that a path leads to, whether or not it is there.
pub(super) fn followed(path: &Path) -> Result<PathBuf, HostError> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(found) = fs::symlink_metadata(&path) else { return Ok(in_its_directory(&path)) };
        if !found.is_symlink() {
            return Ok(in_its_directory(&path));
        }
        let failed = |error: io::Error| HostError(format!("read {}: {error}", path.display()));
        let to = fs::read_link(&path).map_err(failed)?;
        if found.uid() != 0 && found.uid() != nix::unistd::geteuid().as_raw() {
            return Err(HostError(format!(
                "{} is a link of user {} to {}, and root writes through no link that others may change: make it root's (chown -h root), or name the file itself",
                path.display(),
                found.uid(),
                to.display()
            )));
        }
        path = path.parent().unwrap_or(Path::new("/")).join(to);
    }
    Err(HostError(format!("{}: more than {LINKS} links in a row", path.display())))
}

/// The path with the links of its directories followed; as it is where they are not there.
fn in_its_directory(path: &Path) -> PathBuf {
    let dir = path.parent().and_then(|dir| fs::canonicalize(dir).ok());
    match (dir, path.file_name()) {
        (Some(dir), Some(name)) => dir.join(name),
        _ => path.to_owned(),
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

    #[test]
    fn a_path_leads_through_its_links_to_a_file_that_may_not_be_there_yet() {
        let dir = tempfile::tempdir().unwrap();
        let dir = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir(dir.join("config")).unwrap();
        std::os::unix::fs::symlink("config", dir.join("current")).unwrap();
        std::os::unix::fs::symlink("current/server.properties", dir.join("kafka.properties")).unwrap();
        let expected = dir.join("config/server.properties");
        assert_eq!(followed(&dir.join("kafka.properties")).unwrap(), expected);
        replace(&expected, b"new", 0o640, None).unwrap();
        assert_eq!(followed(&dir.join("kafka.properties")).unwrap(), expected);
        assert_eq!(fs::read(dir.join("kafka.properties")).unwrap(), b"new");
        std::os::unix::fs::symlink("round", dir.join("round")).unwrap();
        assert!(followed(&dir.join("round")).unwrap_err().0.contains("links in a row"));
    }

    #[test]
    fn a_link_that_another_user_may_change_is_not_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("server.properties");
        std::os::unix::fs::symlink("/etc/shadow", &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(12345), None).expect("this test needs root, as the lab does");
        assert!(followed(&link).unwrap_err().0.contains("a link of user 12345"));
    }
}
