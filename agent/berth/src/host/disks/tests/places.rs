//! Where a volume is mounted, by the configured path and by the kernel's.

use super::{Device, DiskError, Fs, Loop, MIB, blocking, fs, open_device};
use crate::host::disks::HostDisks;
use berth_lifecycle::ports::Disks;

#[test]
fn a_mount_below_a_symbolic_link_is_found_again_and_unmounted() {
    let disk = Loop::new(320 * MIB);
    disk.sh("mkfs.xfs -q $D; mkdir -p $T/data; ln -s data $T/var");
    let at = disk.directory.path().join("var/kafka");
    let at = at.to_str().unwrap();
    disk.on_a_host(|id| {
        blocking(async {
            let device = open_device::open(id).unwrap().expect("a device with the volume's serial");
            assert_eq!(HostDisks.mounted(at).await, Ok(None));
            device.mount(Fs::Xfs, at, &[]).await.unwrap();
            let mounted = HostDisks.mounted(at).await.unwrap().expect("it was mounted there");
            assert_eq!((mounted.serial, mounted.device), (Some(id.serial()), disk.path.clone()));
            // By its own path it is the same one, and a second mount says where the first one is.
            let real = fs::canonicalize(at).unwrap();
            assert!(HostDisks.mounted(real.to_str().unwrap()).await.unwrap().is_some());
            let elsewhere = disk.directory.path().join("elsewhere");
            match device.mount(Fs::Xfs, elsewhere.to_str().unwrap(), &[]).await {
                Err(DiskError::Host(said)) => {
                    assert!(said.ends_with(&format!("it is mounted at {}", real.display())), "{said}");
                }
                other => panic!("{other:?}"),
            }
            HostDisks.unmount(at).await.unwrap();
            assert_eq!(HostDisks.mounted(at).await, Ok(None));
        });
    });
}
