//! Step 5: the slot's interface, as soon as the exclusive attach was accepted.

use crate::parts::attachments::worth_another_try;
use crate::parts::held::Held;
use crate::parts::stray_attachments;
use crate::parts::unmanaged::mark_unmanaged;
use crate::ports::Refusal;
use crate::retry::{LOOKS, Patience, pause};
use crate::{Boot, Step, Trouble};
use berth_plan::InstanceId;
use berth_plan::ec2::{AttachmentState, EniSeen, Picture, free_device_index};

const STEP: Step = Step::AttachEni;

/// Attaches the interface; nothing to do where slots have none, or where it is attached to me.
pub(crate) async fn attach_eni(boot: &Boot, held: &Held, picture: &Picture) -> Result<(), Trouble> {
    let Some(mut eni) = held.slot.eni.clone() else { return Ok(()) };
    let me = &boot.me.instance;
    let mut indexes = picture.instances.get(me).map(|me| me.indexes.clone()).unwrap_or_default();
    let mut tries = 0;
    // Also where it is attached already: after a reboot the managers know nothing of it.
    mark_unmanaged(boot, &eni).await;
    loop {
        if is_on(&eni, me) {
            return Ok(());
        }
        let index = free_device_index(&indexes);
        // Whoever cancels this call does not know what became of it.
        let expected = boot.expects_strays();
        let refused = match boot.ports.cloud.attach_eni(&eni.id, me, index).await {
            Ok(attachment) => {
                boot.answered(expected);
                boot.progressed(|p| p.attachment = Some(attachment.clone()));
                boot.ports.timeline.fact(STEP, &format!("{} accepted as {attachment} of {me}", eni.id));
                return Ok(());
            }
            Err(refused) => {
                boot.answered(expected);
                refused
            }
        };
        if refused.refusal == Refusal::PlaceTaken {
            indexes.insert(index);
        }
        let mut waits_for = worth_another_try(boot, STEP, &refused)?;
        if let Some(other) = holder(&eni) {
            waits_for.sentence = format!("{other} to let go of {}; {}", eni.id, waits_for.sentence);
        }
        boot.ports.timeline.waiting(STEP, &waits_for.sentence);
        if boot.is_overdue() {
            let sentence = format!("waited until the deadline for {}", waits_for.sentence);
            return Err(Trouble { sentence, ..waits_for });
        }
        pause(boot, LOOKS.wait(tries, |bound| boot.ports.host.random(bound))).await;
        tries += 1;
        // Who waits clears what is not its own: the interface that another instance waits for may be here.
        let enis = match stray_attachments::sweep(boot, held.slot.id).await {
            Ok(seen) => seen.picture.enis,
            Err(_) => boot.ports.cloud.enis(&boot.config.cluster, &boot.me.zone).await.unwrap_or_default(),
        };
        if let Some(fresh) = enis.into_iter().find(|fresh| fresh.id == eni.id) {
            eni = fresh;
        }
    }
}

/// An interface that is on its way off this instance has to be attached again.
fn is_on(eni: &EniSeen, me: &InstanceId) -> bool {
    let attachment = eni.attachment.as_ref().filter(|a| a.instance.as_ref() == Some(me));
    attachment.is_some_and(|a| matches!(a.state, AttachmentState::Attached | AttachmentState::Attaching))
}

fn holder(eni: &EniSeen) -> Option<&InstanceId> {
    eni.attachment.as_ref().filter(|a| a.state != AttachmentState::Detached)?.instance.as_ref()
}
