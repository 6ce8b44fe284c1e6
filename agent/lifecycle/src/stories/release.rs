//! Letting go for good: the cluster can do without this broker, the service is stopped by its own stop, and the slot is free for
//! the next instance, which waits for no session time-out and no log recovery.
//!
//! Safe to run again after a kill between any two lines: what is done is found done. `busy` and `detaching` that do not end are
//! told and never forced.

use super::unwind::{Unwound, Why, undo_on_host_without_claims, unwind};
use crate::parts::mine::mine;
use crate::parts::released::{self, Released, forget_release, mark_released};
use crate::parts::settled;
use crate::parts::stray_attachments::detach_all;
use crate::ports::{Host, HostError, Transition};
use crate::retry::{CALLS, Next, pause, retry};
use crate::steps::{
    TOLD_SOON, complete_hooks, stop_service, wait_for_mount_users, wait_for_turn_to_leave,
    wait_until_deregistered, while_hooks_wait,
};
use crate::{Boot, Step, Trouble};
use berth_plan::outcome::Kind;
use berth_plan::service::leaving::Haste;
use berth_plan::{BootId, BrokerId, InstanceId, UnixTime};

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Why, for the claim's history.
    pub reason: String,
    /// What is done about partitions that need this broker.
    pub haste: Haste,
    /// Whether the instance stays without a slot over a reboot too.
    pub stays: bool,
}

/// How a release ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Nothing of a slot is left here. The slot that it had; none where it had none.
    Released(Option<BrokerId>),
    /// The service is stopped or was, and something is left: what, as a sentence. Another run goes on.
    Partly(String),
    /// Nothing was touched: why.
    Stayed(String),
}

/// Lets go of this instance's slot, then tells the terminate hook. That is told on its own time, CONTINUE also where
/// something is left: the instance goes all the same.
pub async fn release(boot: &Boot, request: &Request) -> Ended {
    let ended = match while_hooks_wait(boot, Transition::Terminating, leave(boot, request)).await {
        Ok(id) => Ended::Released(id),
        Err(Left::Untouched(trouble)) => return Ended::Stayed(trouble.sentence),
        Err(Left::Partly(sentence)) => Ended::Partly(sentence),
    };
    complete_hooks(boot, Transition::Terminating, true, TOLD_SOON).await;
    ended
}

/// The operator wants this instance to take a slot again: the marker of its release goes.
pub fn take_back(host: &dyn Host) -> Result<(), HostError> {
    forget_release(host)
}

/// Since when and why this instance is released, or about to be; none where it is not.
pub fn standing(
    host: &dyn Host,
    me: &InstanceId,
    boot: &BootId,
) -> Result<Option<(UnixTime, String)>, HostError> {
    Ok(released::read(host, me, boot)?.map(|released| (released.at, released.reason)))
}

/// What kept a release from its end.
enum Left {
    /// Before anything was touched.
    Untouched(Trouble),
    /// Afterwards.
    Partly(String),
}

fn partly(trouble: Trouble) -> Left {
    Left::Partly(trouble.sentence)
}

async fn leave(boot: &Boot, request: &Request) -> Result<Option<BrokerId>, Left> {
    boot.leaves();
    let mine = match retry(boot, Step::Leave, async || slot_of_mine(boot).await.map_err(Next::from)).await {
        Ok(mine) => mine,
        Err(away) if request.haste == Haste::Patient => return Err(Left::Untouched(away)),
        Err(away) => return leave_without_claims(boot, request, away).await,
    };
    let Some(id) = mine else {
        mark(boot, request).map_err(Left::Untouched)?;
        stop_service(boot).await.map_err(partly)?;
        detach_strays(boot).await.map_err(Left::Partly)?;
        return Ok(None);
    };
    let turn = wait_for_turn_to_leave(boot, id, request.haste).await.map_err(Left::Untouched)?;
    let stopped = stop_in_turn(boot, id, request).await;
    if let Some(turn) = turn {
        turn.end().await;
    }
    stopped?;
    wait_for_mount_users(boot).await.map_err(partly)?;
    give_slot_back(boot, &request.reason).await?;
    detach_strays(boot).await.map_err(Left::Partly)?;
    Ok(Some(id))
}

/// From the marker to the end of the registration: what others look at before they leave.
async fn stop_in_turn(boot: &Boot, id: BrokerId, request: &Request) -> Result<(), Left> {
    mark(boot, request).map_err(Left::Untouched)?;
    stop_service(boot).await.map_err(partly)?;
    wait_until_deregistered(boot, id).await;
    Ok(())
}

/// What of the cluster is attached here though no claim names me: a boot that was ended between an attach and its claim.
async fn detach_strays(boot: &Boot) -> Result<(), String> {
    for tries in 0.. {
        let left = match detach_all(boot).await {
            Ok(left) if left.is_empty() => break,
            Ok(left) => format!("{} to be seen detached", left.join(", ")),
            // A cluster without a slot in this zone has nothing here.
            Err(trouble) if trouble.kind == Kind::Configuration => break,
            Err(trouble) => trouble.sentence,
        };
        if boot.is_late_to_leave() {
            return Err(left);
        }
        boot.ports.timeline.waiting(Step::Unwind, &left);
        pause(boot, CALLS.wait(tries, |bound| boot.ports.host.random(bound))).await;
    }
    Ok(())
}

/// The slot whose claim names me.
async fn slot_of_mine(boot: &Boot) -> Result<Option<BrokerId>, Trouble> {
    let records = boot.ports.claims.records().await.map_err(|e| Trouble::claims(Step::Leave, &e))?;
    let settled = settled::read(boot.ports.host.as_ref()).ok().flatten().map(|settled| settled.slot);
    if let Some(id) = settled.filter(|id| records.get(id).is_some_and(|r| r.unreadable.is_some())) {
        let sentence = format!(
            "the record of slot {id}, which this instance has, cannot be read by this version of berth: release it with the version that wrote it"
        );
        return Err(Trouble::new(Step::Leave, Kind::Configuration, sentence));
    }
    Ok(mine(&boot.me.instance, &records).map(|(id, _)| id))
}

/// From here on nothing of this instance starts the service or takes a slot.
fn mark(boot: &Boot, request: &Request) -> Result<(), Trouble> {
    let host = boot.ports.host.as_ref();
    let released = Released {
        instance: boot.me.instance.clone(),
        boot: boot.me.boot.clone(),
        reason: request.reason.clone(),
        at: host.unix_time(),
    };
    mark_released(host, &released, request.stays).map_err(|e| Trouble::host(Step::Leave, e))
}

async fn give_slot_back(boot: &Boot, reason: &str) -> Result<(), Left> {
    for tries in 0.. {
        let left = match unwind(boot, Why::Released(reason)).await {
            // Another claim may name me: a slot that was passed over on the way to this one.
            Ok(Unwound::Done) => match slot_of_mine(boot).await {
                Ok(None) => return Ok(()),
                Ok(Some(id)) => format!("slot {id} names this instance too"),
                Err(trouble) => trouble.sentence,
            },
            Ok(Unwound::Left(left)) => left,
            Ok(Unwound::IsHolder) => {
                let other = "the slot was started again meanwhile; somebody else runs berth on this instance";
                return Err(Left::Partly(other.to_owned()));
            }
            Err(trouble) => trouble.sentence,
        };
        if boot.is_late_to_leave() {
            return Err(Left::Partly(left));
        }
        boot.ports.timeline.waiting(Step::Unwind, &left);
        pause(boot, CALLS.wait(tries, |bound| boot.ports.host.random(bound))).await;
    }
    Ok(())
}

/// The instance goes, and the claims cannot be read: the service ends cleanly and the volume is unmounted. What is attached
/// stays, and goes with the instance; the claim is taken from whoever is gone.
async fn leave_without_claims(
    boot: &Boot,
    request: &Request,
    away: Trouble,
) -> Result<Option<BrokerId>, Left> {
    let id = settled::read(boot.ports.host.as_ref()).ok().flatten().map(|settled| settled.slot);
    mark(boot, request).map_err(partly)?;
    stop_service(boot).await.map_err(partly)?;
    wait_for_mount_users(boot).await.map_err(partly)?;
    undo_on_host_without_claims(boot).await.map_err(partly)?;
    let slot = id.map_or_else(|| "its slot".to_owned(), |id| format!("slot {id}"));
    Err(Left::Partly(format!(
        "the service is stopped and unmounted, {slot} stays claimed and attached: {}",
        away.sentence
    )))
}
