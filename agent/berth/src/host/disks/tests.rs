//! What berth sees on real block devices that the real tools wrote, and what it does to them: loop devices, read and
//! mounted by the code that does it on an instance. libblkid is the second opinion.
//!
//! The serial that an NVMe device has is shown by a tmpfs over /sys/block, in a mount namespace of the test's own.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod consented;
mod damaged;
mod layers;
mod places;
mod renamed;
mod stalled;
mod tools;
mod whose;
mod wiped;
mod written;

use super::open_device;
use berth_lifecycle::ports::{Device, DiskError};
use berth_plan::VolumeId;
use berth_plan::disk::Fs;
use berth_plan::disk::plan::{DiskPlan, plan};
use berth_plan::disk::probe::{Probed, probe};
use berth_plan::ec2::VolumeSeen;
use berth_plan::records::{DiskRecord, FaultCode};
use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::fs::FileExt;
use std::process::{Command, Output};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// A loop device over a sparse file. The kernel takes it away when the last descriptor is closed, on a panic or a kill
/// too: it is told so (losetup -d) as soon as it is open.
struct Loop {
    path: String,
    open: File,
    directory: TempDir,
    /// What the tests call its file system. Its own: the kernel mounts no two XFS of one UUID.
    uuid: String,
    /// What a new one gets.
    fresh: String,
}

impl Loop {
    fn new(size: u64) -> Self {
        Self::with_sectors(size, 512)
    }

    fn with_sectors(size: u64, sector: u32) -> Self {
        Self::below(std::path::Path::new("/var/tmp"), size, sector)
    }

    /// With its file in a directory of its own below this one.
    fn below(parent: &std::path::Path, size: u64, sector: u32) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "this test makes loop devices and mounts: run it as root, e.g. sudo -E make test"
        );
        let directory = tempfile::Builder::new().prefix("berth-disks-").tempdir_in(parent).unwrap();
        let image = directory.path().join("image");
        File::create(&image).and_then(|file| file.set_len(size)).unwrap();
        let sector = sector.to_string();
        let shown =
            said(run("losetup", &["-f", "--show", "--sector-size", &sector, image.to_str().unwrap()]));
        let path = shown.trim().to_owned();
        let open = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        run("losetup", &["-d", &path]);
        let [uuid, fresh] = [(), ()].map(|()| uuid::Uuid::new_v4().to_string());
        Self { path, open, directory, uuid, fresh }
    }

    fn size(&self) -> u64 {
        super::ioctl::size(&self.open).unwrap()
    }

    /// Runs a shell line; `$D` is the device, `$U` its UUID, `$T` a directory for files.
    fn sh(&self, line: &str) {
        let mut sh = Command::new("sh");
        sh.args(["-euc", line]).env("D", &self.path).env("T", self.directory.path()).env("U", &self.uuid);
        let done = done_of(sh.current_dir(self.directory.path()));
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(
            done.status.success(),
            "`{line}`: {}\n{out}{err}\nA missing tool comes with `make setup`.",
            done.status
        );
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        self.open.write_all_at(bytes, at).unwrap();
        self.open.sync_all().unwrap();
    }

    /// Bytes that repeat from run to run: what a blank encrypted volume reads as, at both ends.
    fn fill_with_noise(&self) {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as u8
        };
        let length = self.size().min(2 * MIB);
        for at in [0, self.size() - length] {
            let noise: Vec<u8> = (0..length).map(|_| next()).collect();
            self.write(at, &noise);
        }
    }

    /// Of all its bytes.
    fn hash(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        let (mut chunk, zeros) = (vec![0; 1 << 20], vec![0; 1 << 20]);
        let size = self.size();
        for at in (0..size).step_by(chunk.len()) {
            let length = chunk.len().min((size - at) as usize);
            self.open.read_exact_at(&mut chunk[..length], at).unwrap();
            if chunk[..length] != zeros[..length] {
                hash.write_u64(at);
                hash.write(&chunk[..length]);
            }
        }
        hash.finish()
    }

    fn probed(&self) -> Probed {
        probe(&open_device::sample(&File::open(&self.path).unwrap(), self.size()).unwrap())
    }

    /// What libblkid calls it; none where it finds nothing (blkid(8): 2, and 8 for more than one thing).
    fn second_opinion(&self) -> Option<String> {
        let done = run_any("blkid", &["-p", "-o", "export", &self.path]);
        match done.status.code() {
            Some(0) => Some(String::from_utf8_lossy(&done.stdout).replace('\n', " ")),
            Some(8) => Some("more than one thing".to_owned()),
            Some(2) => None,
            code => panic!("blkid -p {}: {code:?}", self.path),
        }
    }

    /// Brings the volume up as a boot does: looks, decides, formats where it may, mounts. Gives back what was decided
    /// first and the end of it, and where the file system was mounted, its type as the kernel has it.
    fn brought_up(
        &self,
        tag: Option<&str>,
        known: Option<&DiskRecord>,
    ) -> (DiskPlan, Result<String, DiskError>) {
        self.on_a_host(|id| {
            let at = self.directory.path().join("mount");
            let at = at.to_str().unwrap();
            blocking(async {
                let device = open_device::open(id).unwrap().expect("a device with the volume's serial");
                let seen = volume(id, tag);
                let plan = plan(
                    &seen,
                    known,
                    probe(&device.sample().await.unwrap()),
                    device.size(),
                    self.fresh.parse().unwrap(),
                );
                let fs = match &plan {
                    DiskPlan::Mount { fs, .. } => *fs,
                    DiskPlan::Format(blank, consent) => {
                        if let Err(error) = device.format(blank.clone(), consent).await {
                            return (plan, Err(error));
                        }
                        consent.fs()
                    }
                    DiskPlan::Configuration(_) | DiskPlan::Fault(..) => {
                        return (plan, Ok("refused".to_owned()));
                    }
                };
                if let Err(error) = device.mount(fs, at, &["noatime".to_owned()]).await {
                    return (plan, Err(error));
                }
                // Asked of another program: /proc/self is the process, whose mounts are not this thread's.
                let mounted = said(run("findmnt", &["-n", "-o", "SOURCE,FSTYPE", "--mountpoint", at]));
                fs::write(format!("{at}/written"), "by the test").unwrap();
                umount(at).unwrap();
                let (source, fs) = mounted.trim().split_once(' ').unwrap();
                assert_eq!(source, self.path);
                (plan, Ok(fs.trim().to_owned()))
            })
        })
    }

    /// In a thread whose mounts end with it, where this device has the volume's serial.
    fn on_a_host<T: Send>(&self, story: impl FnOnce(&VolumeId) -> T + Send) -> T {
        let id: VolumeId = "vol-0b0bde70000000001".parse().unwrap();
        let name = self.path.strip_prefix("/dev/").unwrap();
        let number = fs::read_to_string(format!("/sys/block/{name}/dev")).unwrap();
        let host = || {
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
            mount(Some("none"), "/sys/block", Some("tmpfs"), MsFlags::empty(), none).unwrap();
            fs::create_dir_all(format!("/sys/block/{name}/device")).unwrap();
            fs::write(format!("/sys/block/{name}/dev"), &number).unwrap();
            fs::write(format!("/sys/block/{name}/device/serial"), format!("{:<20}\n", id.serial())).unwrap();
            story(&id)
        };
        let told = std::thread::scope(|scope| scope.spawn(host).join());
        told.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// berth refuses it under every tag with this fault, writes nothing, and libblkid knows something too.
    fn is_refused(&self, code: FaultCode, says: &str) {
        let before = self.hash();
        let tags = [
            None,
            Some("xfs".to_owned()),
            Some("ext4".to_owned()),
            Some(format!("started:xfs:{}", self.uuid)),
        ];
        for tag in tags {
            let (plan, _) = self.brought_up(tag.as_deref(), None);
            match &plan {
                DiskPlan::Fault(seen, sentence) if *seen == code && sentence.contains(says) => {}
                other => panic!("tag {tag:?}: {code} and \"{says}\" expected, not {other:?}"),
            }
        }
        assert_eq!(self.hash(), before, "{says}: not one byte was written");
    }
}

fn volume(id: &VolumeId, tag: Option<&str>) -> VolumeSeen {
    VolumeSeen {
        id: id.clone(),
        name: None,
        cluster: None,
        zone: "eu-central-1a".parse().unwrap(),
        state: "in-use".into(),
        size: 1,
        multi_attach: false,
        from_snapshot: false,
        format: tag.map(str::to_owned),
        attachments: vec![],
    }
}

fn blocking<T>(story: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(story)
}

fn done_of(command: &mut Command) -> Output {
    let program = command.get_program().to_owned();
    command
        .output()
        .unwrap_or_else(|error| panic!("run {program:?}: {error}; `make setup` installs what tests need"))
}

fn run_any(program: &str, arguments: &[&str]) -> Output {
    done_of(Command::new(program).args(arguments))
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let done = run_any(program, arguments);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {arguments:?}: {}: {said}", done.status);
    done
}

fn said(done: Output) -> String {
    String::from_utf8(done.stdout).unwrap()
}
