//! Block devices, file systems and mounts of this host.

#[cfg(test)]
mod border;
mod changes;
mod content;
mod device;
mod ioctl;
mod logdir;
mod mounts;
mod second_opinion;
mod sysfs;
mod tool;

use async_trait::async_trait;
use berth_lifecycle::ports::{Device, DiskError, Disks, Mounted};
use berth_plan::service::identity::Found;
use berth_plan::{Millis, VolumeId};
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
        within: Millis,
    ) -> Result<Option<Box<dyn Device>>, DiskError> {
        // Watched before the first look, or a node made between the two is lost.
        let changes = DevChanges::watch()?;
        let found = async {
            loop {
                if let Some(device) = device::open(volume)? {
                    return Ok(Box::new(device) as Box<dyn Device>);
                }
                changes.next().await?;
            }
        };
        match timeout(Duration::from_millis(within), found).await {
            Ok(found) => found.map(Some),
            Err(_) => Ok(None),
        }
    }

    async fn mounted(&self, at: &str) -> Result<Option<Mounted>, DiskError> {
        mounts::mounted(at)
    }

    async fn unmount(&self, at: &str) -> Result<(), DiskError> {
        mounts::unmount(at)
    }

    async fn identity(&self, mount: &str, log_dir: &str) -> Result<Found, DiskError> {
        logdir::identity(mount, log_dir)
    }

    async fn prepare_log_dir(&self, mount: &str, log_dir: &str, user: &str) -> Result<(), DiskError> {
        logdir::prepare(mount, log_dir, user)
    }
}
