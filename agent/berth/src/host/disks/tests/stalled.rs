//! A volume that answers no write: its image lies on a file system that is frozen, as an EBS volume that stalls.

use super::{Device, DiskError, DiskPlan, Loop, MIB, blocking, open_device, plan, probe, run, volume};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A mount whose file system takes no writes until this is dropped.
struct Frozen(PathBuf);

impl Frozen {
    fn new(at: PathBuf) -> Self {
        run("fsfreeze", &["-f", at.to_str().unwrap()]);
        Self(at)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        run("fsfreeze", &["-u", self.0.to_str().unwrap()]);
    }
}

#[test]
fn a_format_on_a_stalled_volume_ends_as_this_hosts_trouble_and_is_not_begun_twice() {
    let outer = Loop::new(900 * MIB);
    outer.sh("mkfs.ext4 -q -F $D; mkdir -p $T/outer");
    let at = outer.directory.path().join("outer");
    let with_its_own_mounts = || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(Some(outer.path.as_str()), &at, Some("ext4"), MsFlags::empty(), none).unwrap();
        let inner = Loop::below(&at, 320 * MIB, 512);
        inner.on_a_host(|id| {
            blocking(async {
                let mut device = open_device::open(id).unwrap().expect("a device with the volume's serial");
                device.limits.format = Duration::from_secs(1);
                let plan = plan(
                    &volume(id, Some("xfs")),
                    None,
                    probe(&device.sample().await.unwrap()),
                    device.size(),
                    inner.fresh.parse().unwrap(),
                );
                let DiskPlan::Format(blank, consent) = plan else { panic!("{plan:?}") };
                let frozen = Frozen::new(at.clone());
                let began = Instant::now();
                match device.format(blank.clone(), &consent).await {
                    Err(DiskError::Host(said)) => {
                        assert!(
                            said.contains("did not end in 1 s and is left to its end (process "),
                            "{said}"
                        );
                    }
                    other => panic!("{other:?}"),
                }
                match device.format(blank.clone(), &consent).await {
                    Err(DiskError::Host(said)) => assert!(said.contains("who has it open?"), "{said}"),
                    other => panic!("{other:?}"),
                }
                assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
                // The volume comes back: the program ends by itself, and what it made is whole.
                drop(frozen);
                device.limits.format = Duration::from_secs(60);
                while let Err(error) = device.format(blank.clone(), &consent).await {
                    assert!(began.elapsed() < Duration::from_secs(60), "{error}");
                    tokio::time::sleep(Duration::from_millis(100)).await; // No event tells that a device is free.
                }
            });
        });
    };
    let done = std::thread::scope(|scope| scope.spawn(with_its_own_mounts).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}
