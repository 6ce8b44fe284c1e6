//! The log dir on the mounted volume: whose data it is, and who owns it.

use crate::host::os_error::words;
use berth_lifecycle::ports::DiskError;
use berth_plan::disk::whose::of_errno;
use berth_plan::service::identity::{Found, MetaProperties};
use nix::errno::Errno;
use nix::unistd::User;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const META: &str = "meta.properties";

/// How many entries are looked at before the search is given up. A log dir of 4,000 partitions has as many directories,
/// and none of them is entered.
const ENTRIES: usize = 200_000;

/// Reads `meta.properties` in the log dir. Where it has none, the whole file system is searched for what a log dir has: as
/// deep as `log_dir` can be configured, without following links, and not into other mounts or into partitions.
pub(super) fn identity(mount: &str, log_dir: &str) -> Result<Found, DiskError> {
    let path = Path::new(log_dir).join(META);
    match fs::read_to_string(&path) {
        Ok(text) => {
            return Ok(Found { in_log_dir: Some(MetaProperties::read(&text)), ..Found::default() });
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => {
            let why = Some(Err(format!("{}: {error}", path.display())));
            return Ok(Found { in_log_dir: why, ..Found::default() });
        }
    }
    search(Path::new(mount), Path::new(log_dir), ENTRIES)
}

fn search(mount: &Path, log_dir: &Path, most: usize) -> Result<Found, DiskError> {
    let trouble = |path: &Path, error: io::Error| failed("read", &path.display().to_string(), &error);
    let below = |path: &Path| path.strip_prefix(mount).unwrap_or(path).display().to_string();
    let device = fs::metadata(mount).map_err(|error| trouble(mount, error))?.dev();
    let (mut found, mut entries) = (Found::default(), 0);
    let mut dirs = vec![mount.to_owned()];
    while let Some(dir) = dirs.pop() {
        let (mut partitions, mut has_meta) = (Vec::new(), false);
        for entry in fs::read_dir(&dir).map_err(|error| trouble(&dir, error))? {
            entries += 1;
            if entries > most {
                return Ok(Found { given_up_after: Some(most), ..found });
            }
            let entry = entry.map_err(|error| trouble(&dir, error))?;
            let path = entry.path();
            let seen = fs::symlink_metadata(&path).map_err(|error| trouble(&path, error))?;
            if entry.file_name() == META {
                has_meta = true;
            } else if seen.is_dir() && seen.dev() == device {
                let is_partition = is_partition(&path).map_err(|error| trouble(&path, error))?;
                if is_partition { partitions.push(path) } else { dirs.push(path) }
            }
        }
        partitions.sort();
        match partitions.first() {
            _ if has_meta => found.elsewhere.push(below(&dir.join(META))),
            Some(first) if dir == log_dir => {
                found.partition_in_log_dir =
                    first.file_name().map(|name| name.to_string_lossy().into_owned());
            }
            Some(first) => found.partitions_elsewhere.push(below(first)),
            None => {}
        }
    }
    found.elsewhere.sort();
    found.partitions_elsewhere.sort();
    Ok(found)
}

/// A partition's directory: `<topic>-<number>` with a segment in it (Kafka, UnifiedLog: `.log`; a partition that moves or
/// goes has a suffix after the number).
fn is_partition(dir: &Path) -> io::Result<bool> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let is_suffix = |end: &str| ["-future", "-delete", "-stray"].iter().any(|suffix| end.ends_with(suffix));
    let name = name.rsplit_once('.').filter(|(_, end)| is_suffix(end)).map_or(&*name, |(name, _)| name);
    let Some((topic, number)) = name.rsplit_once('-') else { return Ok(false) };
    if topic.is_empty() || number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(false);
    }
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let name = Path::new(&name);
        if name.extension().is_some_and(|end| end == "log") || name == Path::new("partition.metadata") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A call on the volume's files that failed.
fn failed(act: &str, path: &str, error: &io::Error) -> DiskError {
    DiskError::of(of_errno(error.raw_os_error()), format!("{act} {path}: {}", words(error)))
}

/// Makes the log dir and gives it to the user.
pub(super) fn prepare(mount: &str, log_dir: &str, user: &str) -> Result<(), DiskError> {
    let configuration = DiskError::Configuration;
    let owner = User::from_name(user)
        .map_err(|error| DiskError::Host(format!("look up user {user}: {}", error.desc())))?;
    let owner = owner.ok_or_else(|| {
        configuration(format!(
            "there is no user \"{user}\"; make it in the image, or name another in `kafka.user`"
        ))
    })?;
    if log_dir == mount && Path::new(mount).join("lost+found").exists() {
        return Err(configuration(format!(
            "{mount} has a lost+found and is the log dir: Kafka takes it for a broken partition and exits; look what xfs_repair saved there, then remove it"
        )));
    }
    super::log_dir_owner::make_and_give(mount, log_dir, owner.uid, owner.gid).map_err(|error| {
        match error.raw_os_error().map(Errno::from_raw) {
            // What O_DIRECTORY with O_NOFOLLOW answers for a symbolic link, and for a file.
            Some(Errno::ENOTDIR | Errno::ELOOP) => configuration(format!(
                "{log_dir} is no directory of the volume; name the directory itself in `volume.log_dir`"
            )),
            _ => {
                let sentence = format!("give {log_dir} to {user}: {}", words(&error));
                DiskError::of(of_errno(error.raw_os_error()), sentence)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "version=0\nbroker.id=0\ncluster.id=abc\n";

    /// A mount with these files; a path that ends in `/` is a directory.
    fn mount(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            match file.strip_suffix('/') {
                Some(_) => fs::create_dir_all(&path).unwrap(),
                None => {
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(&path, TEXT).unwrap();
                }
            }
        }
        dir
    }

    fn found(files: &[&str], log_dir: &str) -> Found {
        let dir = mount(files);
        identity(dir.path().to_str().unwrap(), dir.path().join(log_dir).to_str().unwrap()).unwrap()
    }

    #[test]
    fn a_log_dir_is_found_at_any_depth() {
        for place in ["meta.properties", "logs/meta.properties", "a/b/c/d/e/meta.properties"] {
            let found = found(&[place, "lost+found/"], "data");
            assert_eq!(found, Found { elsewhere: vec![place.to_owned()], ..Found::default() });
        }
        let own = found(&["kafka/data/meta.properties", "meta.properties"], "kafka/data");
        assert_eq!(own, Found { in_log_dir: Some(MetaProperties::read(TEXT)), ..Found::default() });
        assert_eq!(found(&["lost+found/", "data/"], "data"), Found::default());
    }

    #[test]
    fn partitions_without_a_meta_properties_are_data_too() {
        let here =
            found(&["data/orders.v1-0/00000000000000000000.log", "data/b-1/leader-epoch-checkpoint"], "data");
        let expected = Found { partition_in_log_dir: Some("orders.v1-0".into()), ..Found::default() };
        assert_eq!(here, expected);
        let gone = "old/logs/orders-3.1f2e3d4c5b6a79880123456789abcdef-delete";
        let elsewhere = found(&[&format!("{gone}/partition.metadata"), "old/logs/notes-1/readme"], "data");
        assert_eq!(elsewhere, Found { partitions_elsewhere: vec![gone.to_owned()], ..Found::default() });
    }

    #[test]
    fn links_are_not_followed_and_partitions_not_entered() {
        let other = mount(&["meta.properties"]);
        let dir = mount(&["orders-0/1.log", "orders-0/meta.properties"]);
        std::os::unix::fs::symlink(other.path(), dir.path().join("link")).unwrap();
        let found = search(dir.path(), &dir.path().join("data"), 10).unwrap();
        assert_eq!(found, Found { partitions_elsewhere: vec!["orders-0".into()], ..Found::default() });
    }

    #[test]
    fn a_search_that_was_given_up_says_so() {
        let dir = mount(&["a/b", "c/d", "e/f", "g/h"]);
        let given_up = search(dir.path(), &dir.path().join("data"), 3).unwrap();
        assert_eq!(given_up.given_up_after, Some(3));
    }
}
