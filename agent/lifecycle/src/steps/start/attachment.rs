//! The last look before the service runs: the slot's exclusive part is attached to me. Never skipped.

use super::STEP;
use crate::parts::held::Held;
use crate::retry::{Next, retry};
use crate::{Boot, Trouble};
use berth_plan::ec2::AttachmentState;
use berth_plan::outcome::Kind;

/// Confirms by a read that the volume (the interface, where slots have no volume) is attached to this instance.
pub(super) async fn confirm_attachment(boot: &Boot, held: &Held) -> Result<(), Trouble> {
    let me = &boot.me.instance;
    let mut looks = 0;
    retry(boot, STEP, async || {
        looks += 1;
        let mut slot = held.slot.clone();
        if let Some(volume) = &mut slot.volume {
            let of_me = boot.ports.cloud.volumes_of(me).await.map_err(|e| Trouble::cloud(STEP, &e))?;
            *volume = match of_me.into_iter().find(|v| v.id == volume.id) {
                Some(seen) => seen,
                None => return Err(not_attached(&volume.id.to_string(), boot, looks)),
            };
        } else if let Some(eni) = &mut slot.eni {
            let of_me = boot.ports.cloud.enis_of(me).await.map_err(|e| Trouble::cloud(STEP, &e))?;
            *eni = match of_me.into_iter().find(|e| e.id == eni.id) {
                Some(seen) => seen,
                None => return Err(not_attached(&eni.id.to_string(), boot, looks)),
            };
        }
        let leaving = slot
            .volume
            .iter()
            .flat_map(|v| &v.attachments)
            .find(|a| !matches!(a.state, AttachmentState::Attached | AttachmentState::Attaching));
        match leaving {
            None => Ok(()),
            Some(attachment) => {
                let sentence = format!(
                    "slot {}: its volume is {} on {me}; the service is not started on it",
                    slot.id, attachment.state
                );
                Err(Next::Again(Trouble::new(STEP, Kind::ControlPlane, sentence)))
            }
        }
    })
    .await
}

/// One read may be behind; several that agree mean that the volume is not mine.
fn not_attached(id: &str, boot: &Boot, looks: u32) -> Next {
    let sentence = format!("{id} is not attached to {} in {looks} reads before the start", boot.me.instance);
    if looks < 4 {
        Next::Again(Trouble::new(STEP, Kind::ControlPlane, sentence))
    } else {
        Next::Stop(Trouble::elsewhere(STEP, sentence))
    }
}
