//! Step 7, first half: the slot's volume, from the device to a mounted file system.

use crate::parts::held::Held;
use crate::parts::held::write_claim;
use crate::parts::lost_service::stop_lost_service;
use crate::parts::wait_for_attached::wait_for_attached;
use crate::ports::{Device, DiskError};
use crate::retry::{Next, Patience, retry};
use crate::{Boot, Step, Trouble};
use berth_plan::disk::consent::{FormatConsent, FormatTag, TAG};
use berth_plan::disk::plan::{DiskPlan, plan};
use berth_plan::disk::probe::{BlankDevice, probe};
use berth_plan::disk::{Fs, FsUuid};
use berth_plan::ec2::VolumeSeen;
use berth_plan::outcome::Kind;
use berth_plan::records::{Claim, DiskRecord, FaultCode};
use berth_plan::service::identity::MOVE_FROM_ROOT;
use std::time::Duration;

const STEP: Step = Step::Storage;

/// For how long a check may go on where no deadline is nearer: e2fsck reads all inodes of a volume of 16 TiB in an hour or so
/// (assumed).
const CHECKED_WITHIN: Duration = Duration::from_secs(2 * 3_600);

/// A replay of the journal has this long, however near the deadline.
const CHECKED_AT_LEAST: Duration = Duration::from_secs(300);

/// Mounts the slot's volume. Gives back the slot as it is held now.
pub(crate) async fn bring_up_storage(boot: &Boot, held: Held) -> Result<Held, Trouble> {
    let Some(volume) = held.slot.volume.clone() else { return Ok(held) };
    let place = look_at_mount_point(boot, &held, &volume).await?;
    if let Place::Lost(device) = &place {
        // The volume went from under a mount of an earlier run: the service on it is a zombie.
        let why = format!("the device under {} ({device}) is gone", boot.config.mount);
        stop_lost_service(boot, &why).await?;
    }
    let is_mounted = place == Place::Mounted;
    // A run that was killed after the mount may not have confirmed the file system: the claim remembers it last of all.
    let is_remembered = held.claim.disk.as_ref().is_some_and(|disk| disk.volume == volume.id);
    if is_mounted && is_remembered {
        return Ok(held);
    }
    mount_volume(boot, held, &volume, is_mounted).await
}

/// What is at the mount point.
#[derive(PartialEq)]
enum Place {
    /// Nothing.
    Free,
    /// The slot's volume.
    Mounted,
    /// What is left of the slot's volume: this device is gone.
    Lost(String),
}

/// Something else there is the operator's to move.
async fn look_at_mount_point(boot: &Boot, held: &Held, volume: &VolumeSeen) -> Result<Place, Trouble> {
    let at = &boot.config.mount;
    let Some(mounted) = boot.ports.disks.mounted(at).await.map_err(|e| Trouble::disk(STEP, e))? else {
        return Ok(Place::Free);
    };
    if mounted.serial.as_deref() == Some(volume.id.serial().as_str()) {
        return Ok(Place::Mounted);
    }
    if mounted.serial.is_none() && held.claim.started_by(&boot.me.instance) {
        return Ok(Place::Lost(mounted.device));
    }
    let sentence = format!(
        "{at} is a mount of {} ({}), which is not {}; unmount it",
        mounted.device, mounted.fs, volume.id
    );
    Err(Trouble::new(STEP, Kind::Configuration, sentence))
}

/// Mounts it where it is not, grows it, and confirms what it is: in its tag, then in the claim.
async fn mount_volume(
    boot: &Boot,
    mut held: Held,
    volume: &VolumeSeen,
    is_mounted: bool,
) -> Result<Held, Trouble> {
    let at = &boot.config.mount;
    let device = wait_for_device(boot, volume).await?;
    let (fs, uuid, confirm) = if is_mounted {
        look_at_mounted(boot, &held.claim, volume, device.as_ref()).await?
    } else {
        let made = find_or_make_file_system(boot, &held.claim, volume, device.as_ref()).await?;
        refuse_logs_at_the_root_of_ext4(boot, volume, made.0)?;
        check_file_system(boot, volume, device.as_ref(), made.0).await?;
        device.mount(made.0, at, &boot.config.mount_options).await.map_err(|e| Trouble::disk(STEP, e))?;
        let fact = format!("{} mounted at {at}: {} {} on {}", volume.id, made.0, made.1, device.path());
        boot.ports.timeline.fact(STEP, &fact);
        made
    };
    match device.grow(fs, at).await {
        Ok(false) => {}
        Ok(true) => boot
            .ports
            .timeline
            .fact(STEP, &format!("the {fs} of {} grown to {} bytes", volume.id, device.size())),
        // All data is there, and every other instance would meet the same: a small disk is better than none.
        Err(DiskError::Host(why)) => boot.ports.timeline.fact(
            STEP,
            &format!("the {fs} of {} is used as it is, smaller than its volume: {why}", volume.id),
        ),
        Err(error) => return Err(Trouble::disk(STEP, error)),
    }
    if let Some(done) = confirm {
        write_format_tag(boot, volume, &done).await?;
    }
    let record = DiskRecord { volume: volume.id.clone(), fs: fs.into(), uuid };
    if held.claim.disk.as_ref() != Some(&record) {
        held = remember_disk(boot, held, record).await?;
    }
    Ok(held)
}

/// Waits for the kernel to show the volume's device.
async fn wait_for_device(boot: &Boot, volume: &VolumeSeen) -> Result<Box<dyn Device>, Trouble> {
    boot.ports.timeline.waiting(STEP, &format!("the device of {}", volume.id));
    let shown = async |within| {
        boot.ports.disks.appeared(&volume.id, within).await.map_err(|e| Trouble::disk(STEP, e))
    };
    let state = async || {
        let volumes = boot.ports.cloud.volumes_of(&boot.me.instance).await?;
        let mut attachments = volumes.into_iter().filter(|v| v.id == volume.id).flat_map(|v| v.attachments);
        Ok(attachments.find(|a| a.instance == boot.me.instance).map(|a| a.state.to_string()))
    };
    let what = format!("{}: waiting for a device with the serial {}", volume.id, volume.id.serial());
    wait_for_attached(boot, STEP, &what, shown, state).await
}

/// Before e2fsck makes a `lost+found` among the logs.
fn refuse_logs_at_the_root_of_ext4(boot: &Boot, volume: &VolumeSeen, fs: Fs) -> Result<(), Trouble> {
    if fs != Fs::Ext4 || boot.config.log_dir != boot.config.mount {
        return Ok(());
    }
    let sentence = format!(
        "`log_dir = \".\"` does not go with the ext4 of {}: e2fsck keeps a lost+found at its root, and Kafka takes that for a broken partition; write `log_dir = \"data\"` under [volume], and where the logs lie at the root, move them there: {MOVE_FROM_ROOT}",
        volume.id
    );
    Err(Trouble::new(STEP, Kind::Configuration, sentence))
}

/// Repairs what may be repaired unasked. How long that takes is the volume's: the boot's deadline bounds it, and where that
/// is near, it gets some minutes nevertheless.
async fn check_file_system(
    boot: &Boot,
    volume: &VolumeSeen,
    device: &dyn Device,
    fs: Fs,
) -> Result<(), Trouble> {
    let within = boot.within(CHECKED_WITHIN).max(CHECKED_AT_LEAST);
    if let Some(said) = device.preen(fs, within).await.map_err(|e| Trouble::disk(STEP, e))? {
        boot.ports.timeline.fact(STEP, &format!("e2fsck repaired the {fs} of {}: {said}", volume.id));
    }
    Ok(())
}

/// The file system that is mounted already. A mounted device is never formatted.
async fn look_at_mounted(
    boot: &Boot,
    claim: &Claim,
    volume: &VolumeSeen,
    device: &dyn Device,
) -> Result<(Fs, FsUuid, Option<FormatTag>), Trouble> {
    let fresh = fresh_uuid(boot);
    let sample = device.sample().await.map_err(|e| Trouble::disk(STEP, e))?;
    match plan(volume, claim.disk.as_ref(), probe(&sample), device.size(), fresh) {
        DiskPlan::Mount { fs, uuid, confirm } => Ok((fs, uuid, confirm)),
        DiskPlan::Fault(code, sentence) => Err(Trouble::fault(STEP, code, sentence)),
        other => {
            let sentence = format!("{} is mounted, but its device shows {other:?}", volume.id);
            Err(Trouble::fault(STEP, FaultCode::Mounted, sentence))
        }
    }
}

/// The file system to mount: found, or made where the consent says so. And the tag that is still to be confirmed.
async fn find_or_make_file_system(
    boot: &Boot,
    claim: &Claim,
    volume: &VolumeSeen,
    device: &dyn Device,
) -> Result<(Fs, FsUuid, Option<FormatTag>), Trouble> {
    let known = claim.disk.as_ref();
    let fresh = fresh_uuid(boot);
    let look = async |volume: &VolumeSeen| {
        let sample = device.sample().await.map_err(|e| Trouble::disk(STEP, e))?;
        Ok::<_, Trouble>(plan(volume, known, probe(&sample), device.size(), fresh))
    };
    match look(volume).await? {
        DiskPlan::Mount { fs, uuid, confirm } => Ok((fs, uuid, confirm)),
        DiskPlan::Configuration(sentence) => Err(Trouble::new(STEP, Kind::Configuration, sentence)),
        DiskPlan::Fault(code, sentence) => Err(Trouble::fault(STEP, code, sentence)),
        DiskPlan::Format(..) => {
            // The picture's tag may be old: the consent is read anew before it is spent.
            let current = read_volume(boot, volume).await?;
            let DiskPlan::Format(blank, consent) = look(&current).await? else {
                let sentence = format!(
                    "the tag {TAG} of {} changed while it was read; the next look decides",
                    volume.id
                );
                return Err(Trouble::new(STEP, Kind::ControlPlane, sentence));
            };
            format_device(boot, &current, device, blank, &consent).await?;
            match look(&tagged(current, &consent.started())).await? {
                DiskPlan::Mount { fs, uuid, confirm } if uuid == consent.uuid() => Ok((fs, uuid, confirm)),
                other => {
                    let sentence = format!(
                        "{} was formatted as {} {}, but shows {other:?}",
                        volume.id,
                        consent.fs(),
                        consent.uuid()
                    );
                    Err(Trouble::fault(STEP, FaultCode::Format, sentence))
                }
            }
        }
    }
}

/// What a new file system would get.
fn fresh_uuid(boot: &Boot) -> FsUuid {
    boot.ports.host.uuid().parse().expect("Host::uuid gives a UUID")
}

fn tagged(volume: VolumeSeen, tag: &FormatTag) -> VolumeSeen {
    VolumeSeen { format: Some(tag.to_string()), ..volume }
}

/// Spends the consent, then formats.
async fn format_device(
    boot: &Boot,
    volume: &VolumeSeen,
    device: &dyn Device,
    blank: BlankDevice,
    consent: &FormatConsent,
) -> Result<(), Trouble> {
    if !consent.is_spent() {
        write_format_tag(boot, volume, &consent.started()).await?;
    }
    device.format(blank, consent).await.map_err(|e| Trouble::disk(STEP, e))?;
    boot.ports
        .timeline
        .fact(STEP, &format!("{} formatted as {} {}", volume.id, consent.fs(), consent.uuid()));
    Ok(())
}

/// Writes the tag and reads it back: what was not confirmed was not written.
async fn write_format_tag(boot: &Boot, volume: &VolumeSeen, tag: &FormatTag) -> Result<(), Trouble> {
    let text = tag.to_string();
    retry(boot, STEP, async || {
        let now = read_volume(boot, volume).await?.format;
        if now.as_deref() == Some(text.as_str()) {
            return Ok(());
        }
        boot.ports.cloud.tag_volume(&volume.id, TAG, &text).await.map_err(|e| Trouble::cloud(STEP, &e))?;
        let seen = read_volume(boot, volume).await?.format;
        if seen.as_deref() == Some(text.as_str()) {
            return Ok(());
        }
        let sentence = format!(
            "{}: wrote the tag {TAG}={text}, EC2 still shows {}",
            volume.id,
            seen.as_deref().unwrap_or("none")
        );
        Err(Next::Again(Trouble::new(STEP, Kind::ControlPlane, sentence)))
    })
    .await
}

/// The volume as EC2 shows it now.
async fn read_volume(boot: &Boot, volume: &VolumeSeen) -> Result<VolumeSeen, Trouble> {
    retry(boot, STEP, async || {
        let of_me =
            boot.ports.cloud.volumes_of(&boot.me.instance).await.map_err(|e| Trouble::cloud(STEP, &e))?;
        of_me.into_iter().find(|v| v.id == volume.id).ok_or_else(|| {
            let sentence =
                format!("{}: EC2 does not show it attached to {} yet", volume.id, boot.me.instance);
            Next::Again(Trouble::new(STEP, Kind::ControlPlane, sentence))
        })
    })
    .await
}

async fn remember_disk(boot: &Boot, held: Held, record: DiskRecord) -> Result<Held, Trouble> {
    write_claim(boot, STEP, held, |claim| claim.on_disk(record.clone())).await
}
