//! New nodes in /dev, told by inotify(7).
#![allow(unsafe_code)]

use crate::host::os_error::words;
use berth_lifecycle::ports::DiskError;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A watch on /dev.
pub(super) struct DevChanges(AsyncFd<Watch>);

/// nix's Inotify, as something that an AsyncFd takes.
struct Watch(Inotify);

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl DevChanges {
    /// Watches from now on.
    pub(super) fn watch() -> Result<Self, DiskError> {
        let failed =
            |error: std::io::Error| DiskError::Host(format!("watch /dev for new devices: {}", words(&error)));
        let inotify =
            Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).map_err(|e| failed(e.into()))?;
        let events = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_ATTRIB | AddWatchFlags::IN_MOVED_TO;
        inotify.add_watch("/dev", events).map_err(|e| failed(e.into()))?;
        // SAFETY: the descriptor is the inotify's own; it is the same for its whole life, and open until the AsyncFd
        // drops it.
        let watch = unsafe { AsyncFd::register_with_interest(Watch(inotify), Interest::READABLE) };
        watch.map(Self).map_err(|error| failed(error.into()))
    }

    /// Waits for a change.
    pub(super) async fn next(&self) -> Result<(), DiskError> {
        let failed =
            |error: std::io::Error| DiskError::Host(format!("read changes of /dev: {}", words(&error)));
        loop {
            let mut ready = self.0.readable().await.map_err(failed)?;
            match self.0.get_ref().0.read_events() {
                Ok(_) => return Ok(()),
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(error) => return Err(failed(error.into())),
            }
        }
    }
}
