//! Step 10: until the broker is back in sync.

use crate::parts::held::Held;
use crate::parts::lost_service::stop_if_lost;
use crate::ports::UnitState;
use crate::retry::{Next, retry};
use crate::{Boot, Step, Trouble};
use berth_plan::SinceBoot;
use berth_plan::config::Ready;
use berth_plan::outcome::Kind;
use berth_plan::service::Registration;
use berth_plan::service::readiness::{Look, Partition, Verdict, judge, ours};
use std::collections::BTreeMap;
use std::time::Duration;

const STEP: Step = Step::Ready;

/// Waits for readiness.
pub(crate) async fn wait_until_ready(
    boot: &Boot,
    held: &Held,
    registration: &Registration,
) -> Result<(), Trouble> {
    if boot.config.ready == Ready::InSync {
        wait_until_in_sync(boot, held, registration).await?;
    }
    // What was in sync a moment ago may have died meanwhile: success is not told of it.
    confirm_up(boot, held, registration).await
}

async fn wait_until_in_sync(boot: &Boot, held: &Held, registration: &Registration) -> Result<(), Trouble> {
    let me = held.slot.id;
    let assignments = retry(boot, STEP, async || {
        boot.ports.registrations.assignments().await.map_err(|error| Trouble::register(STEP, &error).into())
    })
    .await?;
    for topic in &assignments.unreadable {
        boot.ports.timeline.fact(STEP, &format!("not waited for: {topic}"));
    }
    let mut open = ours(me, &assignments.partitions);
    let all = open.len();
    let mut since: BTreeMap<Partition, SinceBoot> = BTreeMap::new();
    let mut pause = Duration::from_secs(1);
    loop {
        let looks = look(boot, &open, registration).await?;
        let now = boot.ports.host.since_boot();
        let mut reason = None;
        open.retain(|partition| {
            let look = looks.get(partition).unwrap_or(&Look::Deleted);
            let in_sync = matches!(look, Look::State(s) if s.isr.iter().any(|id| i64::from(*id) == i64::from(me.number())));
            let held = if in_sync { now.since(*since.entry(partition.clone()).or_insert(now)) } else { since.remove(partition); Duration::ZERO };
            match judge(me, look, held) {
                Verdict::Done => false,
                Verdict::Dropped(why) => {
                    boot.ports.timeline.fact(STEP, &format!("{partition} is not waited for: {why}"));
                    false
                }
                Verdict::Open(why) => {
                    reason.get_or_insert_with(|| format!("{partition}: {why}"));
                    true
                }
            }
        });
        let Some(reason) = reason else { break };
        confirm_up(boot, held, registration).await?;
        boot.ports
            .timeline
            .waiting(STEP, &format!("{} of {all} partitions in sync; {reason}", all - open.len()));
        boot.ports.host.sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
    boot.ports.timeline.fact(STEP, &format!("broker {me} is in sync: {all} partitions"));
    Ok(())
}

async fn look(
    boot: &Boot,
    open: &[Partition],
    registration: &Registration,
) -> Result<BTreeMap<Partition, Look>, Trouble> {
    let since = Some(registration.incarnation);
    retry(boot, STEP, async || {
        boot.ports
            .registrations
            .look(open, since)
            .await
            .map_err(|error| Next::from(Trouble::register(STEP, &error)))
    })
    .await
}

/// The unit is active and the registration is the one that was seen at the start; a slot that was lost is stopped.
async fn confirm_up(boot: &Boot, held: &Held, registration: &Registration) -> Result<(), Trouble> {
    stop_if_lost(boot, held).await?;
    let (name, id) = (&boot.config.unit, registration.id);
    let unit = boot.ports.service.unit(name).await.map_err(|e| Trouble::service(STEP, e))?;
    match unit.state {
        UnitState::Active => {}
        UnitState::Failed | UnitState::Missing => {
            let sentence = format!("{name} failed ({}) before broker {id} was in sync", unit.result);
            return Err(Trouble::new(STEP, Kind::UnitFailed, sentence));
        }
        UnitState::Inactive | UnitState::Activating | UnitState::Deactivating => {
            let sentence = format!(
                "{name} went down ({}) before broker {id} was in sync; it is looked at again",
                unit.result
            );
            return Err(Trouble::new(STEP, Kind::ControlPlane, sentence));
        }
    }
    let now = boot.ports.registrations.of(id).await.map_err(|e| Trouble::register(STEP, &e))?;
    if now.is_some_and(|now| now.incarnation == registration.incarnation) {
        return Ok(());
    }
    let sentence = format!("broker {id} lost its registration before it was in sync");
    Err(Trouble::new(STEP, Kind::ControlPlane, sentence))
}
