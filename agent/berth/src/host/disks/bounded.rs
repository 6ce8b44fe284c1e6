//! Work that may hang in the kernel: on a thread of its own, and bounded in time. EBS volumes are used with the NVMe
//! driver's `io_timeout` at its maximum, so a stalled volume never returns an error: the call waits until it heals.

use crate::host::os_error::words;
use berth_lifecycle::ports::DiskError;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long each act may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// What only asks the kernel: mountinfo, sysfs, open, a user's name.
    pub(super) look: Duration,
    /// Some megabytes of reads, or a few directories. A volume made from a snapshot fetches each block from S3 first; one that
    /// has done no I/O for 120 s is "impaired" for EC2 too.
    pub(super) read: Duration,
    /// mkfs writes the heads of all allocation groups and a log of at most 2 GiB: at the 125 MB/s of a small gp3, seconds.
    pub(super) format: Duration,
    /// mount(2) replays a log of up to 2 GiB in small writes; unmounting writes back what the page cache holds: a tenth of the
    /// memory, at the speed of the volume.
    pub(super) mount: Duration,
    /// xfs_growfs and resize2fs write the heads of the new groups.
    pub(super) grow: Duration,
    /// Giving a tree to another user: millions of files, one write of an inode each.
    pub(super) walk: Duration,
}

/// What is used on an instance.
pub(super) const LIMITS: Limits = Limits {
    look: Duration::from_secs(30),
    read: Duration::from_secs(120),
    format: Duration::from_secs(600),
    mount: Duration::from_secs(900),
    grow: Duration::from_secs(600),
    walk: Duration::from_secs(1800),
};

/// Calls that did not come back in time, by what they are: none is made a second time while it hangs, or each try would
/// leave a thread behind.
static HANGING: Mutex<BTreeMap<String, (Instant, Arc<AtomicBool>)>> = Mutex::new(BTreeMap::new());

/// Runs work on a thread of its own. Whoever drops the future leaves the thread to its end, and nothing waits for it.
pub(super) async fn on_a_thread<T: Send + 'static>(
    what: String,
    within: Duration,
    work: impl FnOnce() -> Result<T, DiskError> + Send + 'static,
) -> Result<T, DiskError> {
    if let Some(since) = hanging(&what) {
        return Err(DiskError::Host(format!(
            "{what}: a call of {} s ago still hangs in the kernel; is the volume stalled? See its status checks, and dmesg",
            since.as_secs()
        )));
    }
    let (began, ended) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let (tell, answer) = oneshot::channel();
    let end = Arc::clone(&ended);
    let work = move || {
        // Nobody listens any more where the time was up.
        let _ = tell.send(work());
        end.store(true, Ordering::Release);
    };
    let thread = std::thread::Builder::new().name("disk".to_owned()).spawn(work);
    thread.map_err(|error| DiskError::Host(format!("{what}: start a thread: {}", words(&error))))?;
    match timeout(within, answer).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => Err(DiskError::Host(format!("{what}: its thread ended without an answer"))),
        Err(_) => {
            registry().insert(what.clone(), (began, ended));
            Err(DiskError::Host(format!(
                "{what}: no answer after {} s, the call hangs in the kernel and is left there; is the volume stalled? See its status checks, and dmesg",
                within.as_secs()
            )))
        }
    }
}

fn registry() -> std::sync::MutexGuard<'static, BTreeMap<String, (Instant, Arc<AtomicBool>)>> {
    HANGING.lock().expect("no holder of this lock panics")
}

/// For how long such a call has been hanging.
fn hanging(what: &str) -> Option<Duration> {
    let mut all = registry();
    all.retain(|_, (_, ended)| !ended.load(Ordering::Acquire));
    all.get(what).map(|(began, _)| began.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    /// A read that blocks until somebody writes: a FIFO, as a stalled volume.
    fn stalled(fifo: &std::path::Path) -> impl FnOnce() -> Result<usize, DiskError> + Send + 'static {
        let fifo = fifo.to_owned();
        move || {
            let mut read = String::new();
            std::fs::File::open(fifo)
                .and_then(|mut file| file.read_to_string(&mut read))
                .map_err(|error| DiskError::Host(error.to_string()))
        }
    }

    fn fifo() -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        (directory, fifo)
    }

    fn release(fifo: &std::path::Path) {
        std::fs::OpenOptions::new()
            .write(true)
            .open(fifo)
            .and_then(|mut file| file.write_all(b"late"))
            .unwrap();
    }

    #[tokio::test]
    async fn a_call_that_hangs_ends_as_trouble_of_this_host_and_is_not_made_twice() {
        let (_directory, fifo) = fifo();
        let within = Duration::from_millis(100);
        let what = format!("read {}", fifo.display());
        let said = on_a_thread(what.clone(), within, stalled(&fifo)).await.unwrap_err();
        assert!(matches!(&said, DiskError::Host(said) if said.contains("hangs in the kernel")), "{said:?}");
        let again = on_a_thread(what.clone(), within, || Ok(0)).await.unwrap_err();
        assert!(matches!(&again, DiskError::Host(said) if said.contains("still hangs")), "{again:?}");
        // Healed: the call comes back, and the next one is made.
        release(&fifo);
        let healed = async {
            while on_a_thread(what.clone(), within, || Ok(0)).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), healed).await.expect("the call came back");
    }

    #[test]
    fn a_run_that_is_told_to_end_does_not_wait_for_a_call_that_hangs() {
        let (_directory, fifo) = fifo();
        let began = Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // As SIGTERM does it: the story is dropped, the runtime ends, the process goes on to its exit.
        runtime.block_on(async {
            let story = on_a_thread("a stalled volume".to_owned(), Duration::from_secs(600), stalled(&fifo));
            tokio::select! {
                done = story => panic!("{done:?}"),
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
        });
        runtime.shutdown_background();
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        release(&fifo);
    }
}
