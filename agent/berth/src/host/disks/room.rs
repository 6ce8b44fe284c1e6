//! mount(2) of a device by its number, under its ordinary name.
//!
//! The kernel looks the source up by a path, and shows that path in the mount table for as long as the mount lives:
//! `/proc/self/fd/9` would mean another file to each program that reads it there (xfs_growfs opens it). So the call is made by
//! a thread whose root is a directory in which `/dev/<name>` is a node of the proven number, whatever has that name in the
//! host's /dev, and whose working directory is the mount point.

use nix::mount::{MsFlags, mount as mount_call};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, dev_t, mknod};
use nix::unistd::chroot;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Mounts the device `number`, as `/dev/<name>`, at `at`.
pub(super) fn mount(
    name: &str,
    number: dev_t,
    at: &str,
    fs: &str,
    flags: MsFlags,
    data: &str,
) -> io::Result<()> {
    // In /dev: other file systems may be mounted with nodev.
    let room = Room::make(PathBuf::from(format!("/dev/.berth-{name}-{}", std::process::id())), name, number)?;
    let source = format!("/dev/{name}");
    let in_the_room = || -> io::Result<()> {
        // Root and working directory are all that the thread has of its own; they end with it.
        unshare(CloneFlags::CLONE_FS)?;
        std::env::set_current_dir(at)?;
        chroot(&room.0)?;
        mount_call(Some(source.as_str()), ".", Some(fs), flags, Some(data))?;
        Ok(())
    };
    let done = std::thread::scope(|scope| scope.spawn(in_the_room).join());
    done.unwrap_or_else(|_| Err(io::Error::other("the thread that mounts ended early")))
}

/// A directory with one device node; it goes when it is dropped.
struct Room(PathBuf);

impl Room {
    fn make(at: PathBuf, name: &str, number: dev_t) -> io::Result<Self> {
        // Of a process that was killed, whose number this one got.
        let _ = fs::remove_dir_all(&at);
        fs::create_dir_all(at.join("dev"))?;
        let room = Self(at);
        mknod(
            &room.0.join("dev").join(Path::new(name)),
            SFlag::S_IFBLK,
            Mode::S_IRUSR | Mode::S_IWUSR,
            number,
        )?;
        Ok(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::debug!(room = %self.0.display(), %error, "left behind");
        }
    }
}
