//! Mounts, by syscall and by the kernel's mount table.

use super::open_device::OpenDevice;
use super::{room, sysfs};
use crate::host::os_error::words;
use berth_lifecycle::ports::{DiskError, Mounted};
use berth_plan::VolumeId;
use berth_plan::disk::Fs;
use berth_plan::disk::whose::{Whose, of_mount};
use nix::mount::{MntFlags, MsFlags, umount2};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Mount options that are flags of mount(2); all else goes to the file system as data.
const FLAGS: [(&str, MsFlags); 6] = [
    ("noatime", MsFlags::MS_NOATIME),
    ("nodiratime", MsFlags::MS_NODIRATIME),
    ("relatime", MsFlags::MS_RELATIME),
    ("nodev", MsFlags::MS_NODEV),
    ("nosuid", MsFlags::MS_NOSUID),
    ("noexec", MsFlags::MS_NOEXEC),
];

/// The mount at `at`, the topmost where several lie over each other.
pub(super) fn mounted(at: &str) -> Result<Option<Mounted>, DiskError> {
    let place = kernels_path(at)?;
    Ok(table()?.lines().rev().find_map(|line| entry(line, &place)))
}

/// The path by which the kernel knows a mount point: the links in its parents are resolved. Its last part is not looked
/// at: a link there is refused by [`mount`], and a look into a mount may hang.
fn kernels_path(at: &str) -> Result<PathBuf, DiskError> {
    let path = Path::new(at);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(path.to_owned()) };
    match fs::canonicalize(parent) {
        Ok(parent) => Ok(parent.join(name)),
        // Nothing can be mounted there.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(host("look up the path of", at, &error)),
    }
}

/// Where the device with this number is mounted, as far as can be seen.
pub(super) fn places_of(number: &str) -> Vec<String> {
    let table = table().unwrap_or_default();
    let fields = table.lines().map(|line| line.split(' '));
    let places =
        fields.filter_map(|mut line| (line.nth(2)? == number).then(|| line.nth(1).map(unescaped))?);
    places.collect()
}

fn table() -> Result<String, DiskError> {
    // Of this thread: a process may have threads in other mount namespaces.
    let path = "/proc/thread-self/mountinfo";
    fs::read_to_string(path).map_err(|error| host("read", path, &error))
}

/// A line of mountinfo (proc(5)): id, parent, major:minor, root, mount point, options, optional fields, "-", type,
/// source, super options.
fn entry(line: &str, at: &Path) -> Option<Mounted> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ');
    let number = left.nth(2)?;
    let mount_point = left.nth(1)?;
    if Path::new(&unescaped(mount_point)) != at {
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
pub(super) fn mount(device: &OpenDevice, fs: Fs, at: &str, options: &[String]) -> Result<(), DiskError> {
    let volume = &device.volume;
    make_mount_point(volume, at)?;
    let mut flags = MsFlags::empty();
    let mut data = Vec::new();
    for option in options.iter().filter(|option| *option != "defaults" && *option != "rw") {
        match FLAGS.iter().find(|(name, _)| name == option) {
            Some((_, flag)) => flags |= *flag,
            None => data.push(option.as_str()),
        }
    }
    let data = data.join(",");
    let name = device.name();
    let Err(error) = room::mount(&name, device.number, at, fs.name(), flags, &data) else { return Ok(()) };
    let whose = of_mount(error.raw_os_error(), !data.is_empty());
    let (name, error) = (format!("/dev/{name}"), words(&error));
    Err(DiskError::of(
        whose,
        match whose {
            Whose::Configuration if data.is_empty() => {
                format!("mount {name} ({volume}) at {at}: this kernel has no {fs}")
            }
            Whose::Configuration => format!(
                "mount {name} ({volume}) as {fs} at {at} with \"{data}\": {error}; dmesg says which option of `volume.options` it did not take"
            ),
            _ => format!("mount {name} ({volume}) as {fs} at {at}: {error}; dmesg says why"),
        },
    ))
}

fn make_mount_point(volume: &VolumeId, at: &str) -> Result<(), DiskError> {
    let configuration = |sentence: String| DiskError::Configuration(sentence);
    match fs::symlink_metadata(at) {
        Ok(found) if found.is_symlink() => Err(configuration(format!(
            "{at} is a symbolic link; name the directory itself in `volume.mount`"
        ))),
        Ok(found) if !found.is_dir() => Err(configuration(format!("{at} is no directory"))),
        Ok(_) => {
            let mut entries = fs::read_dir(at).map_err(|error| host("read", at, &error))?;
            if entries.next().is_some() {
                return Err(configuration(format!(
                    "{at} is not empty: mounting {volume} over it would hide what is there; move it away"
                )));
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(at).map_err(|error| host("make", at, &error))
        }
        Err(error) => Err(host("look at", at, &error)),
    }
}

fn host(act: &str, at: &str, error: &io::Error) -> DiskError {
    DiskError::Host(format!("{act} {at}: {}", words(error)))
}

/// Unmounts, not lazily: a lazy unmount would leave the device open.
pub(super) fn unmount(at: &str) -> Result<(), DiskError> {
    if mounted(at)?.is_none() {
        return Ok(());
    }
    umount2(at, MntFlags::empty()).map_err(|error| host("unmount", at, &error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_mount_at_a_place_with_a_space() {
        let line = r"36 35 259:1 / /kafka\040logs rw,noatime shared:1 - xfs /dev/nvme1n1 rw,attr2";
        let mounted = entry(line, Path::new("/kafka logs")).unwrap();
        assert_eq!((mounted.device.as_str(), mounted.fs.as_str()), ("/dev/nvme1n1", "xfs"));
        assert_eq!(entry(line, Path::new("/kafka")), None);
    }

    #[test]
    fn reads_a_line_without_optional_fields() {
        let line = "22 1 8:1 / / rw - ext4 /dev/root rw";
        assert_eq!(entry(line, Path::new("/")).unwrap().fs, "ext4");
    }
}
