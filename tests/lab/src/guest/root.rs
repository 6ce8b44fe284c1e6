//! The file system that an instance sees: the image over the host's own files, its own `/proc`, `/sys`, `/dev` and `/run`.
//! Runs as the first process of the new namespaces, before anything else does; the host's mounts must never see any of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, SFlag, makedev, mknod, umask};
use serde::{Deserialize, Serialize};

use crate::error::{Context, Result};

/// Everything that PID 1 must be told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    /// The instance id.
    pub instance: String,
    /// The network namespace to live in.
    pub netns: String,
    /// `ip-10-0-1-17`.
    pub hostname: String,
    /// The primary address, for /etc/hosts.
    pub address: String,
    /// The read-only layers, the topmost first.
    pub lower: Vec<PathBuf>,
    /// What this instance has written, kept over reboots.
    pub upper: PathBuf,
    /// The overlay's scratch directory.
    pub work: PathBuf,
    /// Where the root is put together.
    pub root: PathBuf,
    /// A directory of the host that becomes /var/log/lab.
    pub logs: PathBuf,
    /// A file with this boot's id.
    pub boot_id: PathBuf,
    /// The user-data script, run once in the life of the instance.
    pub user_data: Option<String>,
    /// The manager's environment, which every unit and user-data get.
    pub environment: Vec<(String, String)>,
}

/// Puts the root together and moves into it.
pub fn enter(spec: &Spec) -> Result<()> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .context(|| "make the mounts private".into())?;
    let lower: Vec<String> = spec.lower.iter().map(|p| p.display().to_string()).collect();
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.join(":"),
        spec.upper.display(),
        spec.work.display()
    );
    put("overlay", &spec.root, "overlay", MsFlags::empty(), &options)?;
    let at = |path: &str| spec.root.join(path);
    put("proc", &at("proc"), "proc", MsFlags::empty(), "")?;
    // Mounted here, sysfs shows the interfaces of this network namespace.
    put("sysfs", &at("sys"), "sysfs", MsFlags::MS_RDONLY, "")?;
    put("tmpfs", &at("sys/block"), "tmpfs", MsFlags::empty(), "mode=755,size=4m")?;
    put("tmpfs", &at("run"), "tmpfs", MsFlags::empty(), "mode=755")?;
    put("tmpfs", &at("tmp"), "tmpfs", MsFlags::empty(), "mode=1777")?;
    put("tmpfs", &at("dev"), "tmpfs", MsFlags::empty(), "mode=755,size=4m")?;
    devices(&at("dev"))?;
    bind(&spec.boot_id, &at("proc/sys/kernel/random/boot_id"))?;
    fs::create_dir_all(at("var/log/lab")).context(|| "make /var/log/lab".into())?;
    bind(&spec.logs, &at("var/log/lab"))?;
    std::env::set_current_dir(&spec.root).context(|| format!("go to {}", spec.root.display()))?;
    // pivot_root(2): with both paths the same, the old root ends up mounted over the new one, and is let go of at once.
    nix::unistd::pivot_root(".", ".").context(|| "make the new root the root".into())?;
    umount2(".", MntFlags::MNT_DETACH).context(|| "let go of the host's root".into())?;
    std::env::set_current_dir("/").context(|| "go to the new root".into())?;
    nix::unistd::sethostname(&spec.hostname).context(|| "set the host name".into())?;
    write("/etc/hostname", &format!("{}\n", spec.hostname))?;
    write("/etc/hosts", &format!("127.0.0.1 localhost\n{} {}\n", spec.address, spec.hostname))?;
    fs::create_dir_all("/run/lab").context(|| "make /run/lab".into())?;
    fs::create_dir_all("/run/lock").context(|| "make /run/lock".into())
}

fn put(source: &str, target: &Path, kind: &str, flags: MsFlags, options: &str) -> Result<()> {
    mount(Some(source), target, Some(kind), flags, Some(options))
        .context(|| format!("mount {kind} on {} ({options})", target.display()))
}

fn bind(source: &Path, target: &Path) -> Result<()> {
    let none: Option<&str> = None;
    mount(Some(source), target, none, MsFlags::MS_BIND, none)
        .context(|| format!("bind {} to {}", source.display(), target.display()))
}

fn write(path: &str, text: &str) -> Result<()> {
    fs::write(path, text).context(|| format!("write {path}"))
}

fn devices(dev: &Path) -> Result<()> {
    let old = umask(Mode::empty());
    for (name, major, minor) in
        [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)]
    {
        mknod(&dev.join(name), SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(major, minor))
            .context(|| format!("make /dev/{name}"))?;
    }
    umask(old);
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        symlink(target, dev.join(name)).context(|| format!("link /dev/{name}"))?;
    }
    for name in ["pts", "shm", "disk"] {
        fs::create_dir(dev.join(name)).context(|| format!("make /dev/{name}"))?;
    }
    put("devpts", &dev.join("pts"), "devpts", MsFlags::empty(), "newinstance,ptmxmode=0666,mode=620")?;
    put("tmpfs", &dev.join("shm"), "tmpfs", MsFlags::empty(), "mode=1777")
}
