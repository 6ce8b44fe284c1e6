//! Attachments of this instance: detaching them, and what a refused attach means.

use super::notes;
use crate::ports::{CloudError, Refusal};
use crate::{Boot, Step, Trouble};
use berth_plan::ec2::{EniSeen, VolumeSeen};
use berth_plan::outcome::Kind;
use berth_plan::records::Claim;
use berth_plan::slot::Slot;
use berth_plan::{AttachmentId, BrokerId, EniId, InstanceId, VolumeId};
use futures_util::future::try_join;

/// One DetachVolume, its note written ahead.
pub(crate) async fn send_detach(boot: &Boot, volume: &VolumeId) -> Result<(), String> {
    notes::note_detach(boot.ports.host.as_ref(), volume).map_err(|error| error.to_string())?;
    let sent = boot.ports.cloud.detach_volume(volume, &boot.me.instance).await;
    as_detached(sent).map_err(|error| error.to_string())
}

/// What of a slot is attached to an instance.
pub(crate) type Attached = (Option<VolumeId>, Option<(EniId, AttachmentId)>);

/// What of the slot is attached to me, read now: DescribeVolumes and DescribeNetworkInterfaces by instance, whatever their
/// tags say.
pub(crate) async fn attached_here(boot: &Boot, slot: &Slot) -> Result<Attached, CloudError> {
    let (me, cloud) = (&boot.me.instance, &boot.ports.cloud);
    let volumes = async {
        match &slot.volume {
            Some(volume) => Ok(cloud.volumes_of(me).await?.into_iter().find(|v| v.id == volume.id)),
            None => Ok(None),
        }
    };
    let enis = async {
        match &slot.eni {
            Some(eni) => Ok(cloud.enis_of(me).await?.into_iter().find(|e| e.id == eni.id)),
            None => Ok(None),
        }
    };
    let (volume, eni) = try_join(volumes, enis).await?;
    Ok((volume.map(|v| v.id), eni.and_then(|e| e.attachment.map(|a| (e.id, a.id)))))
}

/// The parts that a claim of mine names and that are attached to me, whatever their tags say; none where what makes me the
/// holder is not.
pub(crate) async fn attached_by_claim(
    boot: &Boot,
    id: BrokerId,
    claim: &Claim,
) -> Result<Option<Slot>, Trouble> {
    let (volume, eni) = parts_by_claim(boot, claim).await?;
    let slot = Slot { id, volume, eni, defect: None };
    Ok(slot.exclusively_on(&boot.me.instance).then_some(slot))
}

/// Each part that a claim of mine names and that one look shows attached to me.
pub(crate) async fn parts_by_claim(
    boot: &Boot,
    claim: &Claim,
) -> Result<(Option<VolumeSeen>, Option<EniSeen>), Trouble> {
    let Some(holder) = &claim.holder else { return Ok((None, None)) };
    let (me, cloud) = (&boot.me.instance, &boot.ports.cloud);
    let read = try_join(cloud.volumes_of(me), cloud.enis_of(me)).await;
    let (volumes, enis) = read.map_err(|error| Trouble::cloud(Step::Observe, &error))?;
    let volume = volumes.into_iter().find(|v| Some(&v.id) == holder.volume.as_ref());
    let eni = enis.into_iter().find(|e| Some(&e.id) == holder.eni.as_ref());
    Ok((volume, eni))
}

/// "It is not attached" is what a detach is for.
pub(crate) fn as_detached(sent: Result<(), CloudError>) -> Result<(), CloudError> {
    match sent {
        Err(error) if matches!(error.refusal, Refusal::NotAttached | Refusal::WrongState) => Ok(()),
        other => other,
    }
}

/// Whether an attach that was not accepted may be on a later try: what it waits for then, as trouble of its kind.
pub(crate) fn worth_another_try(boot: &Boot, step: Step, error: &CloudError) -> Result<Trouble, Trouble> {
    if error.refusal == Refusal::Unknown {
        boot.expects_strays();
    }
    // What a slot that was passed over leaves counts until it is detached.
    if error.refusal == Refusal::Limit && boot.has_unfinished() {
        let sentence = format!("{error}; what this instance let go of is still being detached");
        return Ok(Trouble::new(step, Kind::ControlPlane, sentence));
    }
    let trouble = Trouble::attach(step, error);
    let waits = matches!(trouble.kind, Kind::ControlPlane | Kind::NoSlot | Kind::Host);
    if waits { Ok(trouble) } else { Err(trouble) }
}

/// A volume that would be deleted with the instance is nobody's to keep data on.
pub(crate) fn outlives_the_instance(me: &InstanceId, is_started: bool, slot: &Slot) -> Result<(), Trouble> {
    let Some(volume) = &slot.volume else { return Ok(()) };
    let Some(mine) = volume.attachments.iter().find(|a| a.instance == *me && a.delete_on_termination) else {
        return Ok(());
    };
    let advice = if is_started {
        format!(
            "aws ec2 modify-instance-attribute --instance-id {me} --block-device-mappings DeviceName={},Ebs={{DeleteOnTermination=false}}",
            mine.device
        )
    } else {
        // It goes back with the slot, and AttachVolume never says so.
        "it is detached; start berth again, which attaches it itself".to_owned()
    };
    let sentence = format!(
        "the attachment of {} to {me} says DeleteOnTermination=true: its data would go with the instance; {advice}",
        volume.id
    );
    Err(Trouble::new(Step::AttachVolume, Kind::Configuration, sentence))
}
