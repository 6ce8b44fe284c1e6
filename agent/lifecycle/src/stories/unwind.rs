//! Giving a slot back: the claim is marked as being left, what was attached is detached and seen detached, then the claim
//! goes back, last of all.
//!
//! Never for a slot whose claim is marked `started`: the mark is looked for first, in the very read on whose revision the
//! leaving is written. A release alone takes it away, once the service is down.

use crate::parts::agreement::Agreement;
use crate::parts::attachments::{as_detached, attached_here, parts_by_claim, send_detach};
use crate::parts::mine::mine;
use crate::parts::settled;
use crate::parts::unmanaged::forget_all_unmanaged;
use crate::retry::LOOKS;
use crate::{Boot, Progress, Step, Trouble};
use berth_plan::BrokerId;
use berth_plan::network::undo;
use berth_plan::outcome::Kind;
use berth_plan::records::{Claim, State, Versioned};
use berth_plan::slot::Slot;
use std::time::Duration;

const STEP: Step = Step::Unwind;

/// How long a detach may take to be seen before it is left as unfinished.
const DETACHES_WITHIN: Duration = Duration::from_secs(180);

/// How far apart the looks at a detach are at least.
const SPACED: Duration = Duration::from_secs(5);

/// How many spaced looks must agree that nothing is attached.
const NOTHING_ATTACHED: Agreement = Agreement::new(2, SPACED);

/// Why a slot is given back.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Why<'a> {
    /// The boot gives up.
    GaveUp(&'a str),
    /// The slot is another's, or is looked at anew.
    Elsewhere(&'a str),
    /// A fault of the slot.
    Fault(&'a str),
    /// The instance lets go for good, its service stopped.
    Released(&'a str),
}

impl Why<'_> {
    fn sentence(&self) -> String {
        match self {
            Self::GaveUp(why) => format!("gave up: {why}"),
            Self::Elsewhere(why) => format!("let go: {why}"),
            Self::Fault(why) => format!("passed over: {why}"),
            Self::Released(why) => format!("released: {why}"),
        }
    }
}

/// How an unwinding went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unwound {
    /// Nothing of the slot is left here, or nothing that this run has to wait for.
    Done,
    /// What could not be undone: it stays in the claim as `unfinished`.
    Left(String),
    /// The claim is marked `started` for this instance: it is its holder, and nothing was touched.
    IsHolder,
}

/// Gives back what this run holds of a slot, and waits until it is seen detached.
pub(crate) async fn unwind(boot: &Boot, why: Why<'_>) -> Result<Unwound, Trouble> {
    let Some(slot) = slot_of(boot).await? else { return Ok(Unwound::Done) };
    if !begin_leaving(boot, slot.id, why).await? {
        return Ok(Unwound::IsHolder);
    }
    undo_on_host(boot, &slot).await?;
    let left = detach(boot, &slot).await;
    if left.is_empty() {
        forget_all_unmanaged(boot).await;
    }
    give_back(boot, slot.id, why, &left).await?;
    boot.progressed(forget_slot);
    if left.is_empty() {
        return Ok(Unwound::Done);
    }
    Ok(Unwound::Left(format!("slot {}: still to undo: {}", slot.id, left.join("; "))))
}

/// Lets go of a slot, for another one: both detaches are sent and not waited for. The claim stays `unfinished`; the looks
/// of the next choice see them done and give it back.
pub(crate) async fn let_go(boot: &Boot, why: Why<'_>) -> Result<Unwound, Trouble> {
    let Some(slot) = slot_of(boot).await? else { return Ok(Unwound::Done) };
    if !begin_leaving(boot, slot.id, why).await? {
        return Ok(Unwound::IsHolder);
    }
    undo_on_host(boot, &slot).await?;
    send_detaches(boot, &slot).await;
    boot.nothing_left_of(slot.id, true);
    boot.progressed(forget_slot);
    Ok(Unwound::Done)
}

fn forget_slot(progress: &mut Progress) {
    *progress = Progress { troubles: progress.troubles, ..Progress::default() };
}

/// The slot that this run goes for, or that a run before it left.
async fn slot_of(boot: &Boot) -> Result<Option<Slot>, Trouble> {
    boot.expects_strays();
    match boot.progress().slot {
        Some(slot) => Ok(Some(slot)),
        None => by_claim(boot).await,
    }
}

/// Deletes the intent, so that no write of mine that is still on its way can take the claim; then marks a claim that names
/// me as being left, at the revision read. False where that read says `started`.
async fn begin_leaving(boot: &Boot, id: BrokerId, why: Why<'_>) -> Result<bool, Trouble> {
    let trouble = |error| Trouble::claims(STEP, &error);
    boot.ports.claims.drop_intent(id, &boot.intent()).await.map_err(trouble)?;
    for tries in 0..WRITES {
        let record = boot.ports.claims.record(id).await.map_err(trouble)?;
        let Some(Versioned { value: claim, revision, .. }) = record.claim else { return Ok(true) };
        if claim.names() != Some(&boot.me.instance) || claim.state == State::Unfinished {
            return Ok(true);
        }
        let left = vec![format!("being left: {}", why.sentence())];
        let leaving = match why {
            Why::Released(_) => claim.leaving(left),
            _ if claim.started.is_some() => {
                boot.progressed(|p| p.started = true);
                return Ok(false);
            }
            _ => claim.unfinished(left),
        };
        match boot.ports.claims.write(id, &leaving, Some(revision)).await {
            Ok(_) => return Ok(true),
            Err(error) => tracing::debug!(%error, "reading the claim again"),
        }
        boot.ports.host.sleep(LOOKS.wait(tries, |bound| boot.ports.host.random(bound))).await;
    }
    let sentence = format!("the claim of slot {id} could not be marked as being left in {WRITES} tries");
    Err(Trouble::new(STEP, Kind::ControlPlane, sentence))
}

/// How often a write of the claim is tried on what was read anew.
const WRITES: u32 = 5;

/// The slot of a claim that names me, for a run that ended before it came to one: what of it is attached here.
async fn by_claim(boot: &Boot) -> Result<Option<Slot>, Trouble> {
    let records = boot.ports.claims.records().await.map_err(|e| Trouble::claims(STEP, &e))?;
    let Some((id, claim)) = mine(&boot.me.instance, &records) else { return Ok(None) };
    let mut slot = Slot { id, volume: None, eni: None, defect: None };
    // One describe may be behind, and what it lacks would stay here, attached to a slot that is given back.
    for look in 1..=PARTS_LOOKS {
        let (volume, eni) = parts_by_claim(boot, claim).await?;
        slot.volume = volume.or(slot.volume);
        slot.eni = eni.or(slot.eni);
        let holder = claim.holder.as_ref();
        let lacks_volume = slot.volume.is_none() && holder.is_some_and(|holder| holder.volume.is_some());
        let lacks_eni = slot.eni.is_none() && holder.is_some_and(|holder| holder.eni.is_some());
        if !lacks_volume && !lacks_eni || look == PARTS_LOOKS {
            break;
        }
        boot.ports.host.sleep(SPACED).await;
    }
    Ok(Some(slot))
}

/// How many spaced looks must agree that a part of my slot is not attached here.
const PARTS_LOOKS: u32 = 3;

/// The kernel's side: the gate, the mount, the routes.
async fn undo_on_host(boot: &Boot, slot: &Slot) -> Result<(), Trouble> {
    settled::close_gate(boot.ports.host.as_ref()).map_err(|e| Trouble::host(STEP, e))?;
    let at = &boot.config.mount;
    let mounted = boot.ports.disks.mounted(at).await.map_err(|e| Trouble::disk(STEP, e))?;
    let serial = slot.volume.as_ref().map(|volume| volume.id.serial());
    // What else is mounted there is not ours to unmount.
    if serial.is_some() && mounted.and_then(|mounted| mounted.serial) == serial {
        boot.ports.disks.unmount(at).await.map_err(|e| Trouble::disk(STEP, e))?;
    }
    let marks = boot.ports.network.marked().await.map_err(|e| Trouble::network(STEP, e))?;
    for act in undo(&marks) {
        boot.ports.network.apply(&marks, &act).await.map_err(|e| Trouble::network(STEP, e))?;
    }
    Ok(())
}

/// The kernel's side alone, for a release that cannot read the claims: the volume of the note that opened the gate.
pub(crate) async fn undo_on_host_without_claims(boot: &Boot) -> Result<(), Trouble> {
    boot.ports.disks.unmount(&boot.config.mount).await.map_err(|e| Trouble::disk(STEP, e))
}

/// Sends both detaches, whatever a describe shows: it may be behind. What was refused, as sentences.
async fn send_detaches(boot: &Boot, slot: &Slot) -> Vec<String> {
    let mut refused = Vec::new();
    if let Some(volume) = &slot.volume {
        refused.extend(send_detach(boot, &volume.id).await.err());
    }
    let seen = slot.eni.as_ref().and_then(|eni| eni.attachment.as_ref());
    let seen = seen.filter(|a| a.instance.as_ref() == Some(&boot.me.instance)).map(|a| a.id.clone());
    if let Some(attachment) = boot.progress().attachment.or(seen) {
        let sent = as_detached(boot.ports.cloud.detach_eni(&attachment).await);
        refused.extend(sent.err().map(|error| error.to_string()));
    }
    refused
}

/// Sends both detaches and waits to see them done, sending again what is still attached. What is left, as sentences.
async fn detach(boot: &Boot, slot: &Slot) -> Vec<String> {
    let me = &boot.me.instance;
    let began = boot.ports.host.since_boot();
    let mut nothing_attached = NOTHING_ATTACHED;
    let mut left = send_detaches(boot, slot).await;
    for looks in 0.. {
        match attached_here(boot, slot).await {
            Ok((volume, eni)) => {
                if let Some(volume) = volume {
                    left.push(format!("{volume} is still attached to {me}"));
                    left.extend(send_detach(boot, &volume).await.err());
                }
                if let Some((id, attachment)) = eni {
                    left.push(format!("{id} is still attached to {me}"));
                    let sent = as_detached(boot.ports.cloud.detach_eni(&attachment).await);
                    left.extend(sent.err().map(|error| error.to_string()));
                }
            }
            Err(error) => left.push(error.to_string()),
        }
        if !left.is_empty() {
            nothing_attached.disagrees();
        } else if nothing_attached.agrees(boot.ports.host.since_boot()) {
            boot.ports.timeline.fact(STEP, &format!("slot {} detached from {me}", slot.id));
            return left;
        }
        if boot.ports.host.since_boot().since(began) >= DETACHES_WITHIN {
            break;
        }
        if let Some(state) = left.first() {
            boot.ports.timeline.waiting(STEP, state);
        }
        boot.ports.host.sleep(SPACED.max(LOOKS.wait(looks, |bound| boot.ports.host.random(bound)))).await;
        left.clear();
    }
    left
}

async fn give_back(boot: &Boot, id: BrokerId, why: Why<'_>, left: &[String]) -> Result<(), Trouble> {
    for tries in 0..WRITES {
        let record = boot.ports.claims.record(id).await.map_err(|error| Trouble::claims(STEP, &error))?;
        let Some(Versioned { value: claim, revision, .. }) = record.claim else { return Ok(()) };
        if claim.names() != Some(&boot.me.instance) || claim.state == State::Free || claim.started.is_some() {
            return Ok(());
        }
        let next = returned(boot, &claim, why, left);
        match boot.ports.claims.write(id, &next, Some(revision)).await {
            Ok(_) if left.is_empty() => {
                let fact = format!("claim of slot {id} given back: {}", why.sentence());
                boot.ports.timeline.fact(STEP, &fact);
                return Ok(());
            }
            Ok(_) => return Ok(()),
            Err(error) => tracing::debug!(%error, "reading the claim again"),
        }
        boot.ports.host.sleep(LOOKS.wait(tries, |bound| boot.ports.host.random(bound))).await;
    }
    let sentence = format!("the claim of slot {id} could not be given back in {WRITES} tries");
    Err(Trouble::new(STEP, Kind::ControlPlane, sentence))
}

fn returned(boot: &Boot, claim: &Claim, why: Why<'_>, left: &[String]) -> Claim {
    if left.is_empty() {
        claim.given_back(boot.ports.host.unix_time(), &why.sentence())
    } else {
        claim.unfinished(left.to_vec())
    }
}
