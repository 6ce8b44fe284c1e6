//! One process of this host acts at a time.

use super::own_directory::{self, RUN};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often the lock is asked for: flock(2) has no wait with an end.
const PAUSE: Duration = Duration::from_millis(100);

/// The lock, until it is dropped. The kernel gives it back when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct ActLock(#[expect(dead_code, reason = "held, not read")] Flock<File>);

/// Takes the lock of `/run/berth`; waits this long for another berth of this host to end, and says so to `waiting` once.
/// An error is a sentence.
pub(crate) fn take(within: Duration, waiting: &dyn Fn(&str)) -> Result<ActLock, String> {
    take_in(Path::new(RUN), within, waiting)
}

fn take_in(dir: &Path, within: Duration, waiting: &dyn Fn(&str)) -> Result<ActLock, String> {
    let path = dir.join("lock");
    let failed = |error: io::Error| format!("lock {}: {error}", path.display());
    own_directory::open(dir).map_err(failed)?;
    let mut file = opened(&path).map_err(failed)?;
    let (began, mut is_said) = (Instant::now(), false);
    let mut lock = loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => break lock,
            Err((back, Errno::EWOULDBLOCK)) => file = back,
            Err((_, error)) => return Err(failed(error.into())),
        }
        let holder = holder(&mut file);
        if began.elapsed() >= within {
            return Err(format!(
                "lock {}: waited {} s for another berth of this host ({holder}); let it end, or end it",
                path.display(),
                within.as_secs(),
            ));
        }
        if !std::mem::replace(&mut is_said, true) {
            waiting(&format!("another berth of this host to end ({holder})"));
        }
        sleep(PAUSE);
    };
    lock.rewind()
        .and_then(|()| lock.set_len(0))
        .and_then(|()| writeln!(lock, "{}", std::process::id()))
        .map_err(failed)?;
    Ok(ActLock(lock))
}

/// Whoever can open it can lock it, for ever: it is root's alone. An earlier berth of this boot may have made it readable
/// for all.
fn opened(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Process and command of who wrote its number into the lock last.
fn holder(lock: &mut File) -> String {
    let mut process = String::new();
    let read = lock.rewind().and_then(|()| lock.read_to_string(&mut process));
    let Some(process) = read.ok().and_then(|_| process.trim().parse::<u32>().ok()) else {
        return "an unknown process".to_owned();
    };
    let command = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let words: Vec<_> = command.split(|b| *b == 0).map(String::from_utf8_lossy).collect();
    let command: String = words.join(" ").trim().chars().filter(|c| !c.is_control()).take(80).collect();
    if command.is_empty() { format!("process {process}") } else { format!("process {process}, {command}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn nobody_else_can_open_the_lock_also_where_it_was_open_to_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        fs::write(&path, "1\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let _lock = take_in(dir.path(), Duration::ZERO, &|_| ()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
    }

    #[test]
    fn a_lock_that_is_held_is_waited_for_and_its_holder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let first = take_in(dir.path(), Duration::ZERO, &|_| ()).unwrap();
        let said = RefCell::new(Vec::new());
        let waiting = |what: &str| said.borrow_mut().push(what.to_owned());
        let refused = take_in(dir.path(), Duration::from_millis(300), &waiting).unwrap_err();
        let me = format!("process {}, ", std::process::id());
        assert!(refused.contains(&me) && refused.contains("waited 0 s"), "{refused}");
        assert_eq!(said.borrow().len(), 1, "{said:?}");
        drop(first);
        take_in(dir.path(), Duration::ZERO, &|_| ()).unwrap();
    }

    #[test]
    fn a_link_in_the_place_of_the_lock_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("other");
        fs::write(&other, "kept").unwrap();
        symlink(&other, dir.path().join("lock")).unwrap();
        assert!(take_in(dir.path(), Duration::ZERO, &|_| ()).is_err());
        assert_eq!(fs::read_to_string(&other).unwrap(), "kept");
    }
}
