//! EBS volumes as loop devices, and how one appears inside an instance: `/dev/nvme<N>n1` with the volume's serial below
//! `/sys/block`. Loop devices belong to the whole machine, so each is in the ledger before it exists.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use crate::commands::{run, tool};
use crate::error::{Context, Error, Result};
use crate::ledger::{Ledger, Made, loops_of};

/// One volume of the region.
#[derive(Debug, Clone)]
pub struct Volume {
    /// The region's id.
    pub id: String,
    image: PathBuf,
    device: PathBuf,
    bytes: u64,
}

impl Volume {
    /// Makes the image file (sparse) and its loop device.
    pub fn make(ledger: &Ledger, id: &str, size_gib: u64) -> Result<Volume> {
        let image = image_of(ledger, id)?;
        sparse(&image, size_gib)?;
        Volume::shown(ledger, id, image, size_gib << 30)
    }

    /// Makes it as a copy of an image, holes kept as holes.
    pub fn copy(ledger: &Ledger, id: &str, from: &Path) -> Result<Volume> {
        let image = image_of(ledger, id)?;
        let (source, target) = (from.to_string_lossy(), image.to_string_lossy());
        tool("cp", &["--sparse=always", "--reflink=auto", &*source, &*target])?;
        let bytes = fs::metadata(&image).context(|| format!("look at {}", image.display()))?.len();
        Volume::shown(ledger, id, image, bytes)
    }

    fn shown(ledger: &Ledger, id: &str, image: PathBuf, bytes: u64) -> Result<Volume> {
        ledger.note(Made::Loop(image.clone()))?;
        let device = tool("losetup", &["-f", "--show", &image.to_string_lossy()])
            .context(|| format!("show volume {id} as a loop device (needs root and /dev/loop-control)"))?;
        Ok(Volume { id: id.to_owned(), image, device: PathBuf::from(device.trim()), bytes })
    }

    /// The loop device on the host.
    pub fn device(&self) -> &Path {
        &self.device
    }

    /// The image file.
    pub fn image(&self) -> &Path {
        &self.image
    }

    /// Makes a file system on it beforehand, as on a volume that was used before.
    pub fn format(&self, filesystem: &str) -> Result<()> {
        let (program, args): (&str, &[&str]) = match filesystem {
            "xfs" => ("mkfs.xfs", &["-q"]),
            "ext4" => ("mkfs.ext4", &["-q", "-F"]),
            other => return Err(Error::new(format!("no file system called {other:?}: xfs or ext4"))),
        };
        run(Command::new(program).args(args).arg(&self.device)).map(drop)
    }

    /// The file system's UUID, read from the volume itself.
    pub fn filesystem_uuid(&self) -> Result<String> {
        let said = tool("blkid", &["-p", "-s", "UUID", "-o", "value", &self.device.to_string_lossy()])
            .context(|| format!("read the file system's UUID of {}", self.id))?;
        Ok(said.trim().to_owned())
    }

    /// Waits until no file system holds the device: after the end of an instance the kernel lets go of its mounts a little
    /// later than of its processes, and a mount made before that would join the dead one.
    pub fn wait_free(&self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            // O_EXCL on a block device fails with EBUSY while a file system has it (open(2)).
            match OpenOptions::new().read(true).custom_flags(libc_o_excl()).open(&self.device) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(error)
                        .context(|| format!("wait for {} to be let go of ({} s)", self.id, limit.as_secs()));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Shows the volume inside the instance whose PID 1 this is.
    pub fn plug(&self, pid1: i32, name: &str) -> Result<()> {
        let root = PathBuf::from(format!("/proc/{pid1}/root"));
        let meta = fs::metadata(&self.device).context(|| format!("look at {}", self.device.display()))?;
        if !meta.file_type().is_block_device() {
            return Err(Error::new(format!("{} is not a block device", self.device.display())));
        }
        let number = meta.rdev();
        let (major, minor) = (nix::sys::stat::major(number), nix::sys::stat::minor(number));
        let sys = root.join("sys/block").join(name);
        let new = root.join("sys/block").join(format!(".{name}"));
        fs::create_dir_all(new.join("device"))
            .context(|| format!("make /sys/block/{name} of {}", self.id))?;
        // Serial numbers and models of NVMe controllers are padded with blanks to 20 and 40 characters (NVMe base
        // specification, Identify Controller).
        let files = [
            ("device/serial", format!("{:<20}\n", self.id.replace('-', ""))),
            ("device/model", format!("{:<40}\n", "Amazon Elastic Block Store")),
            ("size", format!("{}\n", self.bytes / 512)),
            ("dev", format!("{major}:{minor}\n")),
            ("ro", "0\n".into()),
            ("removable", "0\n".into()),
        ];
        for (file, text) in files {
            fs::write(new.join(file), text).context(|| format!("write /sys/block/{name}/{file}"))?;
        }
        // The kernel shows a device and its attributes at once: whole, then named.
        fs::rename(&new, &sys).context(|| format!("make /sys/block/{name}"))?;
        let node = root.join("dev").join(name);
        mknod(&node, SFlag::S_IFBLK, Mode::from_bits_truncate(0o660), makedev(major, minor))
            .context(|| format!("make /dev/{name} of {}", self.id))
    }

    /// Hides it again. A file system mounted from it there loses its device, as with a forced detach.
    pub fn unplug(&self, pid1: i32, name: &str) -> Result<()> {
        power_cut(pid1, &[self])?;
        let root = PathBuf::from(format!("/proc/{pid1}/root"));
        let _ = fs::remove_file(root.join("dev").join(name));
        let _ = fs::remove_dir_all(root.join("sys/block").join(name));
        Ok(())
    }

    /// Takes the loop device away.
    pub fn remove(&self) -> Result<()> {
        for device in loops_of(&self.image)? {
            tool("losetup", &["-d", &device])?;
        }
        Ok(())
    }
}

fn image_of(ledger: &Ledger, id: &str) -> Result<PathBuf> {
    let directory = ledger.data().join("volumes");
    fs::create_dir_all(&directory).context(|| format!("make {}", directory.display()))?;
    Ok(directory.join(format!("{id}.img")))
}

/// Makes a file of this size that holds nothing.
pub fn sparse(path: &Path, size_gib: u64) -> Result<()> {
    let file = fs::File::create(path).and_then(|file| file.set_len(size_gib << 30));
    file.context(|| format!("make {}", path.display()))
}

/// `O_EXCL`, whose value std does not name.
fn libc_o_excl() -> i32 {
    nix::fcntl::OFlag::O_EXCL.bits()
}

/// The next free NVMe name, `nvme1n1` first: `nvme0n1` is the root volume of a Nitro instance.
pub fn next_name<'a>(taken: impl Iterator<Item = &'a String> + Clone) -> String {
    (1..).map(|n| format!("nvme{n}n1")).find(|name| !taken.clone().any(|t| t == name)).unwrap_or_default()
}

/// Cuts the power under the file systems that an instance has mounted from these volumes: what was not flushed is gone, and
/// the next mount replays the log. Killing the instance alone would let the kernel unmount them cleanly.
pub fn power_cut(pid1: i32, volumes: &[&Volume]) -> Result<()> {
    for volume in volumes {
        let number =
            fs::metadata(&volume.device).context(|| format!("look at {}", volume.device.display()))?.rdev();
        let number = format!("{}:{}", nix::sys::stat::major(number), nix::sys::stat::minor(number));
        let Ok(table) = fs::read_to_string(format!("/proc/{pid1}/mountinfo")) else { return Ok(()) };
        // proc(5), mountinfo: id, parent, major:minor, root, mount point.
        let fields = table.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let Some(at) = fields
            .filter(|f| f.get(2) == Some(&number.as_str()))
            .find_map(|f| f.get(4).map(|m| (*m).to_owned()))
        else {
            continue;
        };
        // XFS_IOC_GOINGDOWN without a log flush (xfs_io(8), shutdown); ext4 knows the same request.
        run(Command::new("nsenter")
            .args([&format!("--mount=/proc/{pid1}/ns/mnt"), &format!("--root=/proc/{pid1}/root"), "--"])
            .args(["xfs_io", "-x", "-c", "shutdown", &at]))
        .context(|| format!("cut the power under {at} of {}", volume.id))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_free_name_is_taken_again() {
        let taken = ["nvme1n1".to_owned(), "nvme3n1".to_owned()];
        assert_eq!(next_name(taken.iter()), "nvme2n1");
        assert_eq!(next_name([].iter()), "nvme1n1");
    }
}
