//! Mounts, by syscall and by /proc/self/mountinfo.

use super::sysfs;
use berth_lifecycle::ports::{DiskError, Mounted};
use berth_plan::VolumeId;
use berth_plan::disk::probe::Fs;
use std::fs;
use std::path::Path;
use sys_mount::{Mount, MountFlags, UnmountFlags};

/// Mount options that are flags of mount(2); all else goes to the file system as data.
const FLAGS: [(&str, MountFlags); 6] = [
    ("noatime", MountFlags::NOATIME),
    ("nodiratime", MountFlags::NODIRATIME),
    ("relatime", MountFlags::RELATIME),
    ("nodev", MountFlags::NODEV),
    ("nosuid", MountFlags::NOSUID),
    ("noexec", MountFlags::NOEXEC),
];

/// The mount at `at`, the topmost where several lie over each other.
pub(super) fn mounted(at: &str) -> Result<Option<Mounted>, DiskError> {
    let path = "/proc/self/mountinfo";
    let table = fs::read_to_string(path).map_err(|error| DiskError::Host(format!("{path}: {error}")))?;
    Ok(table.lines().rev().find_map(|line| entry(line, at)))
}

/// A line of mountinfo (proc(5)): id, parent, major:minor, root, mount point, options, optional fields, "-", type,
/// source, super options.
fn entry(line: &str, at: &str) -> Option<Mounted> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ');
    let number = left.nth(2)?;
    let mount_point = left.nth(1)?;
    if unescaped(mount_point) != at {
        return None;
    }
    let mut right = right.split(' ');
    let fs = right.next()?.to_owned();
    Some(Mounted { device: unescaped(right.next()?), serial: sysfs::serial_of(number), fs })
}

/// Space, tab, newline and backslash are written as octal.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

/// Mounts a device. The mount point is made where it is missing; one that holds files or is a link is the operator's.
pub(super) fn mount(
    device: &str,
    volume: &VolumeId,
    fs: Fs,
    at: &str,
    options: &[String],
) -> Result<(), DiskError> {
    let configuration = |sentence: String| DiskError::Configuration(sentence);
    match fs::symlink_metadata(at) {
        Ok(found) if found.is_symlink() => {
            return Err(configuration(format!(
                "{at} is a symbolic link; name the directory itself in `volume.mount`"
            )));
        }
        Ok(found) if !found.is_dir() => return Err(configuration(format!("{at} is no directory"))),
        Ok(_) => {
            let mut entries =
                fs::read_dir(at).map_err(|error| configuration(format!("read {at}: {error}")))?;
            if entries.next().is_some() {
                return Err(configuration(format!(
                    "{at} is not empty: mounting {volume} over it would hide what is there; move it away"
                )));
            }
        }
        Err(_) => fs::create_dir_all(at).map_err(|error| configuration(format!("make {at}: {error}")))?,
    }
    let mut flags = MountFlags::empty();
    let mut data = Vec::new();
    for option in options.iter().filter(|option| *option != "defaults" && *option != "rw") {
        match FLAGS.iter().find(|(name, _)| name == option) {
            Some((_, flag)) => flags |= *flag,
            None => data.push(option.as_str()),
        }
    }
    let data = data.join(",");
    let done = Mount::builder().fstype(fs.name()).flags(flags).data(&data).mount(Path::new(device), at);
    done.map(|_| ()).map_err(|error| match error.raw_os_error() {
        Some(nix::libc::ENODEV) => configuration(format!("mount {device} ({volume}) at {at}: this kernel has no {fs}")),
        Some(nix::libc::EINVAL) if !data.is_empty() => configuration(format!(
            "mount {device} ({volume}) as {fs} at {at} with \"{data}\": {error}; dmesg says which option of `volume.options` it did not take"
        )),
        _ => DiskError::Device(format!("mount {device} ({volume}) as {fs} at {at}: {error}")),
    })
}

/// Unmounts, not lazily: a lazy unmount would leave the device open.
pub(super) fn unmount(at: &str) -> Result<(), DiskError> {
    if mounted(at)?.is_none() {
        return Ok(());
    }
    sys_mount::unmount(at, UnmountFlags::empty())
        .map_err(|error| DiskError::Host(format!("unmount {at}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_mount_at_a_place_with_a_space() {
        let line = r"36 35 259:1 / /kafka\040logs rw,noatime shared:1 - xfs /dev/nvme1n1 rw,attr2";
        let mounted = entry(line, "/kafka logs").unwrap();
        assert_eq!((mounted.device.as_str(), mounted.fs.as_str()), ("/dev/nvme1n1", "xfs"));
        assert_eq!(entry(line, "/kafka"), None);
    }

    #[test]
    fn reads_a_line_without_optional_fields() {
        let line = "22 1 8:1 / / rw - ext4 /dev/root rw";
        assert_eq!(entry(line, "/").unwrap().fs, "ext4");
    }
}
