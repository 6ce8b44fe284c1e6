//! Mounts, by syscall and by the kernel's mount table.

use super::mount_table::entry_at;
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
    Ok(entry_at(at)?.map(|entry| Mounted {
        serial: sysfs::serial_of(&entry.number),
        device: entry.source,
        fs: entry.fs,
    }))
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
