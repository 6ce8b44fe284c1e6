//! The kernel's mount table, as proc(5) has it.

use crate::host::os_error::words;
use berth_lifecycle::ports::DiskError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A line of mountinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MountEntry {
    /// major:minor of the device.
    pub(super) number: String,
    /// The mount point.
    pub(super) place: String,
    /// The peer group that it shares its mounts with; none where it is private or a slave alone.
    pub(super) shared: Option<String>,
    /// The peer groups that it hears of: its own, and that of its master.
    pub(super) peers: Vec<String>,
    /// The file system.
    pub(super) fs: String,
    /// What is mounted.
    pub(super) source: String,
}

/// The mount at `at`, the topmost where several lie over each other.
pub(super) fn entry_at(at: &str) -> Result<Option<MountEntry>, DiskError> {
    let place = kernels_path(at)?;
    let table = table()?;
    let at_place: Vec<MountEntry> =
        entries_of(&table).filter(|entry| Path::new(&entry.place) == place).collect();
    Ok(at_place.into_iter().next_back())
}

/// Where the device with this number is mounted, as far as can be seen.
pub(super) fn places_of(number: &str) -> Vec<String> {
    let table = table().unwrap_or_default();
    entries_of(&table).filter(|entry| entry.number == number).map(|entry| entry.place).collect()
}

/// The entries of a table. A line that is not as proc(5) says is left out.
pub(super) fn entries_of(table: &str) -> impl Iterator<Item = MountEntry> + '_ {
    table.lines().filter_map(entry)
}

/// id, parent, major:minor, root, mount point, options, optional fields, "-", type, source, super options.
fn entry(line: &str) -> Option<MountEntry> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ');
    let number = left.nth(2)?.to_owned();
    let place = unescaped(left.nth(1)?);
    let tags: Vec<(&str, &str)> = left.skip(1).filter_map(|tag| tag.split_once(':')).collect();
    let of = |name: &str| tags.iter().find(|(tag, _)| *tag == name).map(|(_, group)| (*group).to_owned());
    let shared = of("shared");
    let peers = shared.iter().cloned().chain(of("master")).collect();
    let mut right = right.split(' ');
    Some(MountEntry {
        number,
        place,
        shared,
        peers,
        fs: right.next()?.to_owned(),
        source: unescaped(right.next()?),
    })
}

/// The path by which the kernel knows a mount point: the links in its parents are resolved. Its last part is not looked
/// at: a link there is refused by who mounts, and a look into a mount may hang.
fn kernels_path(at: &str) -> Result<PathBuf, DiskError> {
    let path = Path::new(at);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(path.to_owned()) };
    match fs::canonicalize(parent) {
        Ok(parent) => Ok(parent.join(name)),
        // Nothing can be mounted there.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(DiskError::Host(format!("look up the path of {at}: {}", words(&error)))),
    }
}

fn table() -> Result<String, DiskError> {
    // Of this thread: a process may have threads in other mount namespaces.
    let path = "/proc/thread-self/mountinfo";
    fs::read_to_string(path).map_err(|error| DiskError::Host(format!("read {path}: {}", words(&error))))
}

/// Space, tab, newline and backslash are written as octal.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_with_a_space_is_read_as_it_is() {
        let line = r"36 35 259:1 / /kafka\040logs rw,noatime shared:1 - xfs /dev/nvme1n1 rw,attr2";
        let mount = entry(line).unwrap();
        assert_eq!((mount.place.as_str(), mount.source.as_str()), ("/kafka logs", "/dev/nvme1n1"));
        assert_eq!((mount.fs.as_str(), mount.shared.as_deref()), ("xfs", Some("1")));
    }

    #[test]
    fn reads_a_line_without_optional_fields() {
        let mount = entry("22 1 8:1 / / rw - ext4 /dev/root rw").unwrap();
        assert_eq!((mount.fs.as_str(), mount.peers.len()), ("ext4", 0));
    }
}
