//! Attachments of this instance: detaching them, and what a refused attach means.

use super::notes;
use crate::ports::{CloudError, Refusal};
use crate::{Boot, Step, Trouble};
use berth_plan::outcome::Kind;
use berth_plan::slot::Slot;
use berth_plan::{InstanceId, VolumeId};

/// One DetachVolume, its note written ahead.
pub(crate) async fn send_detach(boot: &Boot, volume: &VolumeId) -> Result<(), String> {
    notes::note_detach(boot, volume).map_err(|error| error.to_string())?;
    let sent = boot.ports.cloud.detach_volume(volume, &boot.me.instance).await;
    as_detached(sent).map_err(|error| error.to_string())
}

/// "It is not attached" is what a detach is for.
pub(crate) fn as_detached(sent: Result<(), CloudError>) -> Result<(), CloudError> {
    match sent {
        Err(error) if matches!(error.refusal, Refusal::NotAttached | Refusal::WrongState) => Ok(()),
        other => other,
    }
}

/// Whether an attach that was not accepted may be on a later try.
pub(crate) fn worth_another_try(boot: &Boot, error: CloudError) -> Result<String, Trouble> {
    if error.refusal == Refusal::Unknown {
        boot.expects_strays();
    }
    let trouble = Trouble::cloud(Step::AttachVolume, &error);
    if trouble.kind == Kind::Configuration { Err(trouble) } else { Ok(error.to_string()) }
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
