//! The ledger of one lab: a locked directory under `/run/berth-lab` in which everything that the lab makes on the host is
//! written down before it is made. Whoever finds a ledger whose lock is free takes all of it down; so a lab that was
//! killed is cleaned by the next one. It must never touch what no ledger names.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::commands::tool;
use crate::error::{Context, Error, Result};

/// Where every lab of this machine has its directory.
pub const STATE: &str = "/run/berth-lab";

/// One thing made on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Made {
    /// A named network namespace; every process in it belongs to the lab.
    Netns(String),
    /// An image file that a loop device shows.
    Loop(PathBuf),
    /// A mount in the host's own mount namespace.
    Mount(PathBuf),
    /// The directory with the lab's large files.
    Data(PathBuf),
}

/// The lab's directory, its lock and its list.
#[derive(Debug)]
pub struct Ledger {
    id: String,
    dir: PathBuf,
    data: PathBuf,
    list: Mutex<File>,
    _lock: File,
}

impl Ledger {
    /// Takes down the labs that were killed, then opens a new one.
    pub fn open() -> Result<Ledger> {
        fs::create_dir_all(STATE).context(|| format!("make {STATE}"))?;
        clean_abandoned()?;
        let _gate = gate()?;
        loop {
            let id = format!("bl{:04x}", fastrand::u16(..));
            let dir = Path::new(STATE).join(&id);
            match fs::create_dir(&dir) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                made => made.context(|| format!("make {}", dir.display()))?,
            }
            let lock = File::create(dir.join("lock")).context(|| format!("make the lock of lab {id}"))?;
            lock.try_lock().context(|| format!("lock lab {id}"))?;
            let list = OpenOptions::new()
                .create(true)
                .append(true)
                .open(dir.join("made.jsonl"))
                .context(|| format!("make the ledger of lab {id}"))?;
            let base = std::env::var_os("BERTH_LAB_DATA")
                .map_or_else(|| PathBuf::from("/var/tmp/berth-lab"), PathBuf::from);
            let data = base.join(&id);
            let ledger = Ledger { id, dir, data, list: Mutex::new(list), _lock: lock };
            ledger.note(Made::Data(ledger.data.clone()))?;
            fs::create_dir_all(&ledger.data).context(|| format!("make {}", ledger.data.display()))?;
            return Ok(ledger);
        }
    }

    /// The lab's own id: `bl` and four hex digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The small directory in `/run`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The directory on disk: images, roots, logs.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Where the logs of everything end up; kept when a run fails.
    pub fn logs(&self) -> PathBuf {
        self.data.join("logs")
    }

    /// Writes down what is about to be made.
    pub fn note(&self, made: Made) -> Result<()> {
        let mut line = serde_json::to_string(&made).context(|| "write a ledger line".into())?;
        line.push('\n');
        let mut list = self.list.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        list.write_all(line.as_bytes()).context(|| format!("write to the ledger of lab {}", self.id))
    }

    /// Takes everything down. With `keep_logs` the logs and the journal stay on disk and their directory is returned.
    pub fn close(&self, keep_logs: bool) -> Result<Option<PathBuf>> {
        take_down(&self.dir, keep_logs)?;
        Ok(keep_logs.then(|| self.data.clone()))
    }
}

fn gate() -> Result<File> {
    let gate = File::create(Path::new(STATE).join("gate")).context(|| format!("open {STATE}/gate"))?;
    gate.lock().context(|| format!("lock {STATE}/gate"))?;
    Ok(gate)
}

/// Takes down every lab whose lock is free; returns their ids.
pub fn clean_abandoned() -> Result<Vec<String>> {
    let mut cleaned = Vec::new();
    if !Path::new(STATE).is_dir() {
        return Ok(cleaned);
    }
    let _gate = gate()?;
    for dir in labs()? {
        let Ok(lock) = File::open(dir.join("lock")) else {
            fs::remove_dir_all(&dir).context(|| format!("remove {}", dir.display()))?;
            continue;
        };
        if lock.try_lock().is_err() {
            continue;
        }
        take_down(&dir, false).context(|| format!("clean the abandoned lab {}", dir.display()))?;
        cleaned.push(name_of(&dir));
    }
    Ok(cleaned)
}

/// The directories of all labs, running or abandoned.
pub fn labs() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(STATE) else { return Ok(found) };
    for entry in entries {
        let path = entry.context(|| format!("list {STATE}"))?.path();
        if path.is_dir() && name_of(&path).starts_with("bl") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The labs that run now (their lock is held).
pub fn running() -> Result<Vec<String>> {
    let held = |dir: &PathBuf| File::open(dir.join("lock")).is_ok_and(|lock| lock.try_lock().is_err());
    Ok(labs()?.iter().filter(|dir| held(dir)).map(|dir| name_of(dir)).collect())
}

fn name_of(dir: &Path) -> String {
    dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn take_down(dir: &Path, keep_logs: bool) -> Result<()> {
    let text = fs::read_to_string(dir.join("made.jsonl")).unwrap_or_default();
    // A torn last line was never acted on: the thing is made after its line is whole.
    let made: Vec<Made> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let netns: Vec<&String> =
        made.iter().filter_map(|m| if let Made::Netns(n) = m { Some(n) } else { None }).collect();
    end_processes_of(&netns)?;
    for one in made.iter().rev() {
        match one {
            Made::Netns(name) if Path::new("/run/netns").join(name).exists() => {
                tool("ip", &["netns", "del", name])?;
            }
            Made::Loop(image) => detach_loops_of(image)?,
            Made::Mount(at) => {
                while mounted(at)? {
                    tool("umount", &["-l", &at.to_string_lossy()])?;
                }
            }
            Made::Data(data) if data.exists() => remove_data(data, keep_logs)?,
            _ => {}
        }
    }
    fs::remove_dir_all(dir).context(|| format!("remove {}", dir.display()))
}

fn remove_data(data: &Path, keep_logs: bool) -> Result<()> {
    if !keep_logs {
        return fs::remove_dir_all(data).context(|| format!("remove {}", data.display()));
    }
    for entry in fs::read_dir(data).context(|| format!("list {}", data.display()))? {
        let path = entry.context(|| format!("list {}", data.display()))?.path();
        if path.is_dir() && !path.ends_with("logs") {
            fs::remove_dir_all(&path).context(|| format!("remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// The loop devices that show this image (its file may be gone already).
pub fn detach_loops_of(image: &Path) -> Result<()> {
    for name in loops_of(image)? {
        tool("losetup", &["-d", &name])?;
    }
    // The kernel lets go of the mounts of an ended instance a little later than of its processes, and of the device then.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !loops_of(image)?.is_empty() {
        if Instant::now() > deadline {
            return Err(Error::new(format!("the loop device of {} is held by somebody", image.display())));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The loop devices that show this image, by the kernel's own list.
pub fn loops_of(image: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir("/sys/block").context(|| "list /sys/block".into())? {
        let entry = entry.context(|| "list /sys/block".into())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(backing) = fs::read_to_string(entry.path().join("loop/backing_file")) else { continue };
        let backing = backing.trim_end().trim_end_matches(" (deleted)");
        if Path::new(backing) == image {
            names.push(format!("/dev/{name}"));
        }
    }
    Ok(names)
}

fn mounted(at: &Path) -> Result<bool> {
    let table = fs::read_to_string("/proc/self/mountinfo").context(|| "read /proc/self/mountinfo".into())?;
    Ok(table.lines().filter_map(|line| line.split(' ').nth(4)).any(|path| Path::new(path) == at))
}

/// Ends every process whose network namespace is one of these, and waits until they are gone.
pub fn end_processes_of(netns: &[&String]) -> Result<()> {
    let inodes: Vec<u64> = netns
        .iter()
        .filter_map(|name| fs::metadata(Path::new("/run/netns").join(name)).ok())
        .map(|m| m.ino())
        .collect();
    if inodes.is_empty() {
        return Ok(());
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut left = 0;
        for pid in pids()? {
            let in_one = fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|m| inodes.contains(&m.ino()));
            if in_one && pid != std::process::id() as i32 && !is_zombie(pid) {
                left += 1;
                // Gone in between is what we want.
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(pid),
                    nix::sys::signal::Signal::SIGKILL,
                );
            }
        }
        if left == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Error::new(format!(
                "{left} processes of {netns:?} did not end within 20 s of SIGKILL"
            )));
        }
        // The kernel tells only a parent that a process has ended, and these are not our children.
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// All process ids of this machine.
pub fn pids() -> Result<Vec<i32>> {
    let entries = fs::read_dir("/proc").context(|| "list /proc".into())?;
    Ok(entries.flatten().filter_map(|e| e.file_name().to_str().and_then(|n| n.parse().ok())).collect())
}

fn is_zombie(pid: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}
