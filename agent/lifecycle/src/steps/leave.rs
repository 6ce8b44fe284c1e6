//! Until the cluster can do without this broker: no partition falls under its min.insync.replicas by our going.

use crate::parts::service_identity::min_in_sync_of_file;
use crate::ports::{ClaimsError, Turn};
use crate::retry::{CALLS, LOOKS, Next, pause, retry};
use crate::{Boot, Step, Trouble};
use berth_plan::BrokerId;
use berth_plan::outcome::Kind;
use berth_plan::service::leaving::{Haste, Leave, judge_all};
use berth_plan::service::readiness::naming;
use std::collections::BTreeSet;

const STEP: Step = Step::Leave;

/// Waits until this broker may go and it is its turn: one of the cluster at a time, or two that look at once would both see
/// enough copies, and leave too few. The turn is taken to look and to stop, never to wait; none where the instance goes
/// without: in haste, or at the end of its time.
pub(crate) async fn wait_for_turn_to_leave(
    boot: &Boot,
    id: BrokerId,
    haste: Haste,
) -> Result<Option<Box<dyn Turn>>, Trouble> {
    loop {
        wait_until_spared(boot, id, haste).await?;
        if haste == Haste::Now {
            return Ok(None);
        }
        let left = boot.deadline().since(boot.ports.host.since_boot());
        let waiting = |who: String| {
            boot.ports.timeline.waiting(STEP, &format!("the turn to leave, which {who} has"));
        };
        let turn = match boot.ports.claims.turn(&boot.intent(), left, &waiting).await {
            Ok(turn) => turn,
            Err(error @ ClaimsError::Away(_)) if !boot.is_late_to_leave() => {
                boot.ports.timeline.waiting(STEP, &error.to_string());
                pause(boot, CALLS.wait(3, |bound| boot.ports.host.random(bound))).await;
                continue;
            }
            Err(error) if haste == Haste::Bounded => {
                let fact = format!("goes without its turn, the time is up: {error}");
                boot.ports.timeline.fact(STEP, &fact);
                return Ok(None);
            }
            Err(ClaimsError::Busy { holder, waited }) => {
                let sentence = format!(
                    "{holder} has had the turn to leave for {} s; nothing was stopped; see what its berth waits for",
                    waited.as_secs()
                );
                return Err(Trouble::new(STEP, Kind::ControlPlane, sentence));
            }
            Err(error) => return Err(Trouble::claims(STEP, &error)),
        };
        match look(boot, id).await {
            Ok(leave) if leave.is_free() => return Ok(Some(turn)),
            Ok(_) | Err(_) if boot.is_late_to_leave() && haste == Haste::Bounded => return Ok(Some(turn)),
            Ok(_) | Err(_) => turn.end().await,
        }
    }
}

/// Waits until every partition that names this broker has enough others in sync. What never will have is told and not
/// waited for.
///
/// Ends as trouble only where the haste is [`Haste::Patient`] and the deadline has passed.
async fn wait_until_spared(boot: &Boot, id: BrokerId, haste: Haste) -> Result<(), Trouble> {
    if haste == Haste::Now {
        boot.ports.timeline.fact(STEP, "the partitions of this broker are not looked at, as was asked");
        return Ok(());
    }
    let began = boot.ports.host.since_boot();
    let mut named = false;
    for looks in 0.. {
        let awaited = match retry(boot, STEP, async || look(boot, id).await.map_err(Next::from)).await {
            Ok(leave) => {
                if !named && !leave.never.is_empty() {
                    let fact = format!("not waited for: {}", leave.never.join("; "));
                    boot.ports.timeline.fact(STEP, &fact);
                }
                named = true;
                if leave.is_free() {
                    return Ok(());
                }
                leave.to_string()
            }
            Err(trouble) => trouble.sentence,
        };
        boot.ports.timeline.waiting(STEP, &awaited);
        if boot.is_late_to_leave() {
            let waited = boot.ports.host.since_boot().since(began).as_secs();
            if haste == Haste::Bounded {
                let fact = format!("goes all the same, the time is up: waited {waited} s for {awaited}");
                boot.ports.timeline.fact(STEP, &fact);
                return Ok(());
            }
            let sentence = format!(
                "broker {id} is still needed: waited {waited} s for {awaited}; nothing was stopped; `berth release --now` goes all the same"
            );
            return Err(Trouble::new(STEP, Kind::ControlPlane, sentence));
        }
        pause(boot, LOOKS.wait(looks, |bound| boot.ports.host.random(bound))).await;
    }
    Ok(())
}

/// One look at all partitions that name us. A broker that is not registered is missed by nobody: what it could do it does
/// not do now.
async fn look(boot: &Boot, id: BrokerId) -> Result<Leave, Trouble> {
    let register = &boot.ports.registrations;
    let trouble = |error| Trouble::register(STEP, &error);
    let assignments = register.assignments().await.map_err(trouble)?;
    let living: BTreeSet<BrokerId> = register.all().await.map_err(trouble)?.into_keys().collect();
    if !living.contains(&id) {
        return Ok(Leave::default());
    }
    // Whom they name cannot be told: it may be this broker.
    let odd = assignments.unreadable.iter().map(|why| format!("a topic to be readable: {why}"));
    let odd: Vec<String> = odd.collect();
    let ours = naming(id, &assignments.partitions);
    let topics = ours.iter().map(|partition| partition.topic.clone()).collect();
    let mut min = register.min_in_sync(&topics).await.map_err(trouble)?;
    min.file = min_in_sync_of_file(boot);
    let looks = register.look(&ours, None).await.map_err(trouble)?;
    let mut leave = judge_all(id, &assignments.partitions, &looks, &living, &min);
    leave.waits.extend(odd);
    Ok(leave)
}
