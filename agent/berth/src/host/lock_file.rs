//! One process of this host acts at a time.

use crate::host::RUN;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};

/// The lock, until it is dropped. The kernel gives it back when the process ends, however it ends.
pub(crate) struct ActLock(#[expect(dead_code, reason = "held, not read")] Flock<File>);

/// Takes the lock of `/run/berth`; waits for another berth of this host to end, and says so to `waiting`.
pub(crate) fn take(waiting: &dyn Fn(&str)) -> Result<ActLock, String> {
    let path = format!("{RUN}/lock");
    let failed = |error: std::io::Error| format!("lock {path}: {error}");
    fs::create_dir_all(RUN).map_err(failed)?;
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => lock,
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            waiting(&format!("another berth of this host to end (process {})", holder.trim()));
            Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| failed(error.into()))?
        }
        Err((_, error)) => return Err(failed(error.into())),
    };
    let mut lock = lock;
    lock.rewind()
        .and_then(|()| lock.set_len(0))
        .and_then(|()| writeln!(lock, "{}", std::process::id()))
        .map_err(failed)?;
    Ok(ActLock(lock))
}
