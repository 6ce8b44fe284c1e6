//! Devices and mounts: a device is there when EC2 says that its volume is attached, and has what is on the volume.

use crate::content::{Content, SIZE};
use crate::host::Mount;
use crate::laws;
use crate::runs::Caller;
use crate::world::Millis;
use async_trait::async_trait;
use berth_lifecycle::ports::{Device, DiskError, Disks, MountUser, Mounted};
use berth_plan::VolumeId;
use berth_plan::disk::Fs;
use berth_plan::disk::consent::FormatConsent;
use berth_plan::disk::probe::{BlankDevice, Sample};
use berth_plan::service::identity::{Found, MetaProperties};
use berth_plan::time::millis;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct HostDisks(pub(crate) Arc<Caller>);

#[async_trait]
impl Disks for HostDisks {
    async fn appeared(
        &self,
        volume: &VolumeId,
        within: Duration,
    ) -> Result<Option<Box<dyn Device>>, DiskError> {
        self.0.local("device appeared", 0, |_, _| ()).await;
        let (id, instance) = (volume.as_str(), &self.0.instance);
        let there =
            self.0.world.until(millis(within), |s| s.host(instance).devices.contains(id).then_some(())).await;
        self.0.still().await;
        let device = || {
            let path = format!("/dev/disk/by-id/{}", volume.serial());
            Box::new(Nvme { caller: self.0.clone(), volume: id.to_owned(), path }) as Box<dyn Device>
        };
        Ok(there.map(|()| device()))
    }

    async fn mounted(&self, at: &str) -> Result<Option<Mounted>, DiskError> {
        let mount = self.0.local("mounted", 0, |s, me| s.host(me).mount.clone()).await;
        Ok(mount.filter(|mount| mount.at == at).map(|mount| Mounted {
            device: "/dev/nvme1n1".to_owned(),
            serial: Some(mount.volume.replacen('-', "", 1)),
            fs: "xfs".to_owned(),
        }))
    }

    async fn users(&self, at: &str) -> Result<Vec<MountUser>, DiskError> {
        Ok(self
            .0
            .local("mount users", 1, |s, me| {
                let host = s.host(me);
                let mounted = host.mount.as_ref().is_some_and(|mount| mount.at == at);
                if mounted { host.mount_users.clone() } else { Vec::new() }
            })
            .await)
    }

    async fn unmount(&self, at: &str) -> Result<(), DiskError> {
        self.0
            .local("unmount", 5, |s, me| {
                let host = s.host(me);
                if host.mount.as_ref().is_none_or(|mount| mount.at != at) {
                    return Ok(());
                }
                if host.broker.serves.is_some() || !host.mount_users.is_empty() {
                    return Err(DiskError::Host(format!("{at}: Device or resource busy")));
                }
                host.mount = None;
                Ok(())
            })
            .await
    }

    async fn identity(&self, mount: &str, log_dir: &str) -> Result<Found, DiskError> {
        let place = format!("{}/meta.properties", &log_dir[mount.len()..]);
        let place = place.trim_start_matches('/').to_owned();
        self.0
            .local("identity", 1, |s, me| {
                let volume = s.host(me).mount.as_ref().map(|mount| mount.volume.clone()).unwrap_or_default();
                let Some(Content::Xfs { files, .. }) = s.disks.get(&volume) else {
                    return Err(DiskError::Device(format!("{mount}: Input/output error")));
                };
                if let Some(text) = files.get(&place) {
                    return Ok(Found { in_log_dir: Some(MetaProperties::read(text)), ..Found::default() });
                }
                let elsewhere = files.keys().filter(|f| f.ends_with("meta.properties")).cloned().collect();
                Ok(Found { elsewhere, ..Found::default() })
            })
            .await
    }

    async fn prepare_log_dir(&self, _mount: &str, _log_dir: &str, _user: &str) -> Result<(), DiskError> {
        self.0.local("prepare log dir", 1, |_, _| Ok(())).await
    }
}

struct Nvme {
    caller: Arc<Caller>,
    volume: String,
    path: String,
}

impl fmt::Debug for Nvme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl Nvme {
    /// A call on the open device; it fails once the device is gone.
    async fn call<T>(
        &self,
        name: &'static str,
        takes: Millis,
        deed: impl FnOnce(&mut crate::State, &str) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        let volume = &self.volume;
        self.caller
            .local(name, takes, |s, me| {
                if !s.host(me).devices.contains(volume) {
                    return Err(DiskError::Host(format!("{volume}: No such device")));
                }
                deed(s, me)
            })
            .await
    }
}

#[async_trait]
impl Device for Nvme {
    fn path(&self) -> &str {
        &self.path
    }

    fn size(&self) -> u64 {
        SIZE
    }

    async fn sample(&self) -> Result<Sample, DiskError> {
        let volume = &self.volume;
        self.call("sample", 10, |s, _| Ok(s.disks.get(volume).unwrap_or(&Content::Blank).sample())).await
    }

    async fn format(&self, _blank: BlankDevice, consent: &FormatConsent) -> Result<(), DiskError> {
        let (volume, uuid) = (&self.volume, &consent.uuid().to_string());
        self.call("format begins", 20, |s, me| {
            laws::formatting(s, me, volume, uuid);
            s.disks.insert(volume.clone(), Content::InProgress(uuid.to_owned()));
            Ok(())
        })
        .await?;
        self.call("format ends", 800, |s, _| {
            s.disks.insert(volume.clone(), Content::xfs(uuid));
            Ok(())
        })
        .await
    }

    async fn preen(&self, _fs: Fs, _within: Duration) -> Result<Option<String>, DiskError> {
        self.call("preen", 1, |_, _| Ok(None)).await
    }

    async fn mount(&self, _fs: Fs, at: &str, _options: &[String]) -> Result<(), DiskError> {
        let volume = &self.volume;
        self.call("mount", 10, |s, me| {
            if s.host(me).mount.is_some() {
                return Err(DiskError::Configuration(format!("{at} is a mount already")));
            }
            // EINVAL: what this kernel cannot mount, another may.
            if !matches!(s.disks.get(volume), Some(Content::Xfs { .. })) {
                return Err(DiskError::Host(format!("mount {volume}: Invalid argument")));
            }
            s.host(me).mount = Some(Mount { volume: volume.clone(), at: at.to_owned() });
            Ok(())
        })
        .await
    }

    async fn grow(&self, _fs: Fs, _at: &str) -> Result<bool, DiskError> {
        self.call("grow", 1, |_, _| Ok(false)).await
    }
}
