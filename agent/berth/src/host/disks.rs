//! Block devices, file systems and mounts of this host.

mod bounded;
mod changes;
mod device;
mod grow;
mod ioctl;
mod log_dir_owner;
mod logdir;
mod mount_table;
mod mounts;
mod open_device;
mod room;
mod second_opinion;
mod sysfs;
#[cfg(test)]
mod tests;
mod tool;
mod users;

use async_trait::async_trait;
use berth_lifecycle::ports::{Device, DiskError, Disks, MountUser, Mounted};
use berth_plan::VolumeId;
use berth_plan::service::identity::Found;
use bounded::{LIMITS, on_a_thread};
use changes::DevChanges;
use std::time::Duration;
use tokio::time::timeout;

/// The host's disks.
pub(crate) struct HostDisks;

#[async_trait]
impl Disks for HostDisks {
    async fn appeared(
        &self,
        volume: &VolumeId,
        within: Duration,
    ) -> Result<Option<Box<dyn Device>>, DiskError> {
        // Watched before the first look, or a node made between the two is lost.
        let changes = DevChanges::watch()?;
        let found = async {
            loop {
                let (what, wanted) = (format!("open the device of {volume}"), volume.clone());
                if let Some(device) =
                    on_a_thread(what, LIMITS.look, move || open_device::open(&wanted)).await?
                {
                    return Ok(Box::new(device) as Box<dyn Device>);
                }
                changes.next().await?;
            }
        };
        match timeout(within, found).await {
            Ok(found) => found.map(Some),
            Err(_) => Ok(None),
        }
    }

    async fn mounted(&self, at: &str) -> Result<Option<Mounted>, DiskError> {
        let (what, at) = (format!("look up the mount at {at}"), at.to_owned());
        on_a_thread(what, LIMITS.look, move || mounts::mounted(&at)).await
    }

    async fn users(&self, at: &str) -> Result<Vec<MountUser>, DiskError> {
        let (what, at) = (format!("look up who uses {at}"), at.to_owned());
        on_a_thread(what, LIMITS.look, move || users::users(&at)).await
    }

    async fn unmount(&self, at: &str) -> Result<(), DiskError> {
        let (what, at) = (format!("unmount {at}"), at.to_owned());
        on_a_thread(what, LIMITS.mount, move || mounts::unmount(&at)).await
    }

    async fn identity(&self, mount: &str, log_dir: &str) -> Result<Found, DiskError> {
        let what = format!("look for meta.properties below {mount}");
        let (mount, log_dir) = (mount.to_owned(), log_dir.to_owned());
        on_a_thread(what, LIMITS.read, move || logdir::identity(&mount, &log_dir)).await
    }

    async fn prepare_log_dir(&self, mount: &str, log_dir: &str, user: &str) -> Result<(), DiskError> {
        let what = format!("give {log_dir} to {user}");
        let [mount, log_dir, user] = [mount, log_dir, user].map(str::to_owned);
        on_a_thread(what, LIMITS.walk, move || logdir::prepare(&mount, &log_dir, &user)).await
    }
}
