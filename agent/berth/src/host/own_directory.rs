//! Directories in which root trusts what it finds: berth's own below /run and /var/lib.

use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// State of this kernel boot: a tmpfs, empty after a reboot.
pub(crate) const RUN: &str = "/run/berth";

/// State that survives a reboot.
pub(super) const LASTING: &str = "/var/lib/berth";

/// Opens it; makes it where it is missing. It is no symbolic link, belongs to the user that berth runs as, and nobody else
/// writes into it: else an error. What is looked at and changed is the descriptor, not the path.
pub(super) fn open(path: &Path) -> io::Result<File> {
    fs::create_dir_all(path)?;
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let dir = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let seen = dir.metadata()?;
    if seen.uid() != geteuid().as_raw() {
        return Err(io::Error::other(format!("it belongs to the user {}; remove it", seen.uid())));
    }
    dir.set_permissions(Permissions::from_mode(0o755))?;
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{chown, symlink};

    #[test]
    fn a_link_and_a_directory_of_another_user_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own");
        open(&own).unwrap();
        fs::set_permissions(&own, Permissions::from_mode(0o777)).unwrap();
        assert_eq!(open(&own).unwrap().metadata().unwrap().mode() & 0o777, 0o755);
        let link = dir.path().join("link");
        symlink(&own, &link).unwrap();
        assert!(open(&link).is_err());
        chown(&own, Some(65534), None).unwrap();
        assert!(open(&own).unwrap_err().to_string().contains("belongs to the user 65534"));
    }
}
