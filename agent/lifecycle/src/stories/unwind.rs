//! Giving a slot back: what was attached is detached and seen detached, then the claim goes back, last of all.
//!
//! Never called for a slot whose claim is marked `started`.

use crate::parts::attachments::{as_detached, send_detach};
use crate::parts::settled;
use crate::ports::CloudError;
use crate::retry::LOOKS;
use crate::{Boot, Progress, Step, Trouble};
use berth_plan::network::undo;
use berth_plan::outcome::Kind;
use berth_plan::records::{Claim, Holder, SlotRecords, State, Versioned};
use berth_plan::slot::Slot;
use berth_plan::{AttachmentId, Millis, VolumeId};

const STEP: Step = Step::Unwind;

/// How long a detach may take to be seen before it is left as unfinished.
const DETACHES_WITHIN: Millis = 180_000;

/// How far apart these reads are at least.
const SPACED: Millis = 5_000;

/// How many spaced reads must agree that nothing is attached: one may be behind.
const AGREEING_READS: u32 = 2;

/// Why a slot is given back.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Why<'a> {
    /// The boot gives up.
    GaveUp(&'a str),
    /// The slot is another's, or is looked at anew.
    Elsewhere(&'a str),
    /// A fault of the slot.
    Fault(&'a str),
}

impl Why<'_> {
    fn sentence(&self) -> String {
        match self {
            Self::GaveUp(why) => format!("gave up: {why}"),
            Self::Elsewhere(why) => format!("let go: {why}"),
            Self::Fault(why) => format!("passed over: {why}"),
        }
    }
}

/// Gives back what this run holds of a slot. What could not be undone stays in the claim as `unfinished`.
pub(crate) async fn unwind(boot: &Boot, why: Why<'_>) -> Result<(), Trouble> {
    let slot = match boot.progress().slot {
        Some(slot) => Some(slot),
        None => by_claim(boot).await?,
    };
    let Some(slot) = slot else { return Ok(()) };
    boot.expects_strays();
    let left = match host_side(boot, &slot).await {
        Ok(()) => detach(boot, &slot).await,
        Err(trouble) => vec![trouble.sentence],
    };
    give_back(boot, &slot, why, &left).await?;
    if let Err(error) = boot.ports.claims.drop_intent(slot.id, &boot.intent()).await {
        tracing::warn!(%error, slot = %slot.id, "the intent stays until the session ends");
    }
    if !left.is_empty() {
        let sentence = format!("slot {}: still to undo: {}", slot.id, left.join("; "));
        return Err(Trouble::new(STEP, Kind::Host, sentence));
    }
    boot.progressed(|p| *p = Progress { troubles: p.troubles, ..Progress::default() });
    Ok(())
}

/// The slot of a claim that names me, for a run that ended before it came to one: what of it is attached here.
async fn by_claim(boot: &Boot) -> Result<Option<Slot>, Trouble> {
    let me = &boot.me.instance;
    let records = boot.ports.claims.records().await.map_err(|e| Trouble::claims(STEP, &e))?;
    let mine = |r: &SlotRecords| r.claim.as_ref().is_some_and(|c| c.value.names() == Some(me));
    let Some((id, records)) = records.into_iter().find(|(_, r)| mine(r)) else { return Ok(None) };
    let holder = records.claim.and_then(|claim| claim.value.holder);
    let trouble = |error| Trouble::cloud(STEP, &error);
    let volumes = boot.ports.cloud.volumes_of(me).await.map_err(trouble)?;
    let enis = boot.ports.cloud.enis_of(me).await.map_err(trouble)?;
    let of_slot = |holder: &Holder| {
        let volume = volumes.iter().find(|v| Some(&v.id) == holder.volume.as_ref()).cloned();
        let eni = enis.iter().find(|e| Some(&e.id) == holder.eni.as_ref()).cloned();
        Slot { id, volume, eni, defect: None }
    };
    Ok(holder.as_ref().map(of_slot))
}

/// The kernel's side: the gate, the mount, the routes.
async fn host_side(boot: &Boot, slot: &Slot) -> Result<(), Trouble> {
    settled::close_gate(boot.ports.host.as_ref()).map_err(|e| Trouble::host(STEP, e))?;
    let at = &boot.config.mount;
    let mounted = boot.ports.disks.mounted(at).await.map_err(|e| Trouble::disk(STEP, e))?;
    let serial = slot.volume.as_ref().map(|volume| volume.id.serial());
    // What else is mounted there is not ours to unmount.
    if serial.is_some() && mounted.and_then(|mounted| mounted.serial) == serial {
        boot.ports.disks.unmount(at).await.map_err(|e| Trouble::disk(STEP, e))?;
    }
    let marks = boot.ports.network.marks().await.map_err(|e| Trouble::network(STEP, e))?;
    for act in undo(&marks) {
        boot.ports.network.apply(&marks, &act).await.map_err(|e| Trouble::network(STEP, e))?;
    }
    Ok(())
}

/// Sends both detaches whatever a describe shows, then waits to see them done. What is left, as sentences.
pub(crate) async fn detach(boot: &Boot, slot: &Slot) -> Vec<String> {
    let (me, cloud) = (&boot.me.instance, &boot.ports.cloud);
    let began = boot.ports.host.since_boot();
    let (mut agreeing, mut looks) = (0, 0);
    loop {
        let mut left = Vec::new();
        let attached = attached(boot, slot).await;
        if let Some(volume) = &slot.volume
            && (looks == 0 || attached.as_ref().map_or(true, |(v, _)| v.is_some()))
        {
            left.extend(send_detach(boot, &volume.id).await.err());
        }
        if looks == 0
            && let Some(accepted) = boot.progress().attachment
        {
            left.extend(as_detached(cloud.detach_eni(&accepted).await).err().map(|e| e.to_string()));
        }
        match &attached {
            Ok((volume, eni)) => {
                left.extend(volume.as_ref().map(|v| format!("{v} is still attached to {me}")));
                if let Some((id, attachment)) = eni {
                    left.push(format!("{id} is still attached to {me}"));
                    left.extend(as_detached(cloud.detach_eni(attachment).await).err().map(|e| e.to_string()));
                }
            }
            Err(error) => left.push(error.to_string()),
        }
        agreeing = if left.is_empty() { agreeing + 1 } else { 0 };
        if agreeing >= AGREEING_READS {
            boot.ports.timeline.fact(STEP, &format!("slot {} detached from {me}", slot.id));
            return Vec::new();
        }
        if boot.ports.host.since_boot() - began >= DETACHES_WITHIN {
            return left;
        }
        if let Some(state) = left.first() {
            boot.ports.timeline.waiting(STEP, state);
        }
        boot.ports.host.sleep(SPACED.max(LOOKS.wait(looks, |bound| boot.ports.host.random(bound)))).await;
        looks += 1;
    }
}

type Attached = (Option<VolumeId>, Option<(String, AttachmentId)>);

/// What of the slot is attached to me, read now.
async fn attached(boot: &Boot, slot: &Slot) -> Result<Attached, CloudError> {
    let me = &boot.me.instance;
    let volume = match &slot.volume {
        None => None,
        Some(volume) => {
            boot.ports.cloud.volumes_of(me).await?.into_iter().find(|v| v.id == volume.id).map(|v| v.id)
        }
    };
    let eni = match &slot.eni {
        None => None,
        Some(eni) => boot
            .ports
            .cloud
            .enis_of(me)
            .await?
            .into_iter()
            .find(|e| e.id == eni.id)
            .and_then(|e| e.attachment.map(|a| (e.id.to_string(), a.id))),
    };
    Ok((volume, eni))
}

async fn give_back(boot: &Boot, slot: &Slot, why: Why<'_>, left: &[String]) -> Result<(), Trouble> {
    for _ in 0..5 {
        let trouble = |error| Trouble::claims(STEP, &error);
        let record = boot.ports.claims.record(slot.id).await.map_err(trouble)?;
        let Some(Versioned { value: claim, version, .. }) = record.claim else { return Ok(()) };
        if claim.names() != Some(&boot.me.instance) || claim.state == State::Free || claim.started.is_some() {
            return Ok(());
        }
        let next = returned(boot, &claim, why, left);
        match boot.ports.claims.write(slot.id, &next, Some(version)).await {
            Ok(_) => {
                boot.ports
                    .timeline
                    .fact(STEP, &format!("claim of slot {} given back: {}", slot.id, why.sentence()));
                return Ok(());
            }
            Err(error) => tracing::debug!(%error, "reading the claim again"),
        }
        boot.ports.host.sleep(LOOKS.wait(0, |bound| boot.ports.host.random(bound))).await;
    }
    let sentence = format!("the claim of slot {} could not be given back", slot.id);
    Err(Trouble::new(STEP, Kind::ControlPlane, sentence))
}

fn returned(boot: &Boot, claim: &Claim, why: Why<'_>, left: &[String]) -> Claim {
    if left.is_empty() {
        claim.given_back(boot.ports.host.unix_time(), &why.sentence())
    } else {
        claim.unfinished(left.to_vec())
    }
}
