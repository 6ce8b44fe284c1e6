//! Who keeps a mount busy, by /proc.
//!
//! A process by what it has open, stands in, runs from or maps; and a mount of the same device in another mount namespace that
//! would not go with ours (systemd #3604: a private copy keeps the device, and no open file shows it).

use super::mount_table::{MountEntry, entries_of, entry_at};
use crate::host::os_error::words;
use berth_lifecycle::ports::{DiskError, MountUser};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Names and processes that end while they are looked at are no users.
pub(super) fn users(at: &str) -> Result<Vec<MountUser>, DiskError> {
    let Some(mount) = entry_at(at)? else { return Ok(Vec::new()) };
    let mine = std::process::id();
    let own = namespace("thread-self");
    let mut seen_elsewhere = BTreeSet::new();
    let mut found = BTreeSet::new();
    let dir =
        fs::read_dir("/proc").map_err(|error| DiskError::Host(format!("read /proc: {}", words(&error))))?;
    for entry in dir.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()).filter(|pid| *pid != mine)
        else {
            continue;
        };
        let of = namespace(&pid.to_string());
        let path = if of == own {
            path_in(pid, &mount.place)
        } else if let Some(of) = of.filter(|of| seen_elsewhere.insert(of.clone())) {
            private_copy(pid, &mount).map(|place| format!("a mount of it at {place} in {of}"))
        } else {
            None
        };
        if let (Some(path), Ok(pid)) = (path, i32::try_from(pid)) {
            found.insert(MountUser { pid, name: comm(pid), path });
        }
    }
    Ok(found.into_iter().collect())
}

fn comm(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .map_or_else(|_| "?".to_owned(), |name| name.trim().to_owned())
}

/// `mnt:[4026531841]`; none where the process is gone.
fn namespace(process: &str) -> Option<String> {
    let link = fs::read_link(format!("/proc/{process}/ns/mnt")).ok()?;
    Some(link.to_string_lossy().into_owned())
}

/// The first path below the mount that the process has. Only names are read: a stat would hang on a stalled volume.
fn path_in(pid: u32, place: &str) -> Option<String> {
    let proc = format!("/proc/{pid}");
    let is_below = |path: &Path| path.starts_with(place);
    let links = ["cwd", "root", "exe"].map(|link| Path::new(&proc).join(link));
    let open = fs::read_dir(format!("{proc}/fd")).into_iter().flatten().flatten().map(|entry| entry.path());
    let by_link =
        links.into_iter().chain(open).find_map(|link| fs::read_link(link).ok().filter(|to| is_below(to)));
    let text = |path: &Path| path.display().to_string();
    by_link.map(|path| text(&path)).or_else(|| {
        let maps = fs::read_to_string(format!("{proc}/maps")).ok()?;
        let paths = maps.lines().filter_map(|line| line.find('/').map(|at| line[at..].to_owned()));
        paths.map(std::path::PathBuf::from).find(|path| is_below(path)).map(|path| text(&path))
    })
}

/// Where a process of another mount namespace has the same device mounted, if that mount does not go when ours goes:
/// mounts of one peer group and their slaves go together (mount_namespaces(7), "Shared subtrees").
fn private_copy(pid: u32, ours: &MountEntry) -> Option<String> {
    let table = fs::read_to_string(format!("/proc/{pid}/mountinfo")).ok()?;
    let stays = |entry: &MountEntry| {
        entry.number == ours.number
            && (ours.shared.is_none() || !entry.peers.iter().any(|of| Some(of) == ours.shared.as_ref()))
    };
    entries_of(&table).find(stays).map(|entry| entry.place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_of_the_same_peer_group_goes_with_ours_and_a_private_one_stays() {
        let line = |tags: &str| format!("36 35 259:1 / /kafkalogs rw{tags} - xfs /dev/nvme1n1 rw");
        let ours = entries_of(&line(" shared:7")).next().unwrap();
        assert_eq!(
            (ours.number.as_str(), ours.place.as_str(), ours.shared.as_deref()),
            ("259:1", "/kafkalogs", Some("7"))
        );
        for (tags, goes) in [(" shared:7", true), (" master:7", true), (" master:9", false), ("", false)] {
            let other = entries_of(&line(tags)).next().unwrap();
            assert_eq!(other.peers.contains(&"7".to_owned()), goes, "{tags}");
        }
    }
}
