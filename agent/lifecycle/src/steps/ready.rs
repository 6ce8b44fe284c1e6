//! Step 10: until the broker is back in sync.

use super::attach::Held;
use super::start::still_mine;
use crate::patience::{Next, retry};
use crate::ports::UnitState;
use crate::{Run, Step, Trouble};
use berth_plan::Millis;
use berth_plan::claim::Registration;
use berth_plan::config::Ready;
use berth_plan::readiness::{Look, Partition, Verdict, judge, ours};
use berth_plan::telling::Kind;
use std::collections::BTreeMap;

const STEP: Step = Step::Ready;

/// Waits for readiness.
pub(crate) async fn ready(run: &Run, held: &Held, registration: &Registration) -> Result<(), Trouble> {
    if run.config.ready == Ready::Registered {
        return Ok(());
    }
    let me = held.slot.id;
    let assignments = retry(run, STEP, async || {
        run.ports.registrations.assignments().await.map_err(|error| Trouble::claims(STEP, &error).into())
    })
    .await?;
    let mut open = ours(me, &assignments);
    let all = open.len();
    let mut since: BTreeMap<Partition, Millis> = BTreeMap::new();
    let mut pause = 1_000;
    loop {
        let looks = look(run, &open).await?;
        let now = run.ports.host.since_boot();
        let mut reason = None;
        open.retain(|partition| {
            let look = looks.get(partition).unwrap_or(&Look::Deleted);
            let in_sync = matches!(look, Look::State(s) if s.isr.iter().any(|id| i64::from(*id) == i64::from(me.number())));
            let held = if in_sync { now - *since.entry(partition.clone()).or_insert(now) } else { since.remove(partition); 0 };
            match judge(me, registration.czxid, look, held) {
                Verdict::Done => false,
                Verdict::Dropped(why) => {
                    run.ports.timeline.fact(STEP, &format!("{partition} is not waited for: {why}"));
                    false
                }
                Verdict::Open(why) => {
                    reason.get_or_insert_with(|| format!("{partition}: {why}"));
                    true
                }
            }
        });
        let Some(reason) = reason else { break };
        still_up(run, held, registration).await?;
        run.ports
            .timeline
            .waiting(STEP, &format!("{} of {all} partitions in sync; {reason}", all - open.len()));
        run.ports.host.sleep(pause).await;
        pause = (pause * 2).min(5_000);
    }
    run.ports.timeline.fact(STEP, &format!("broker {me} is in sync: {all} partitions"));
    Ok(())
}

async fn look(run: &Run, open: &[Partition]) -> Result<BTreeMap<Partition, Look>, Trouble> {
    retry(run, STEP, async || {
        run.ports.registrations.look(open).await.map_err(|error| Next::from(Trouble::claims(STEP, &error)))
    })
    .await
}

async fn still_up(run: &Run, held: &Held, registration: &Registration) -> Result<(), Trouble> {
    still_mine(run, held).await?;
    let unit = run.ports.service.unit(&run.config.unit).await.map_err(|e| Trouble::service(STEP, e))?;
    if matches!(unit.state, UnitState::Failed | UnitState::Missing) {
        let sentence = format!(
            "{} failed ({}) before broker {} was in sync",
            run.config.unit, unit.result, registration.id
        );
        return Err(Trouble::new(STEP, Kind::UnitFailed, sentence));
    }
    let now = run.ports.registrations.of(registration.id).await.map_err(|e| Trouble::claims(STEP, &e))?;
    if now.is_some_and(|now| now.czxid == registration.czxid) {
        return Ok(());
    }
    let sentence = format!("broker {} lost its registration before it was in sync", registration.id);
    Err(Trouble::new(STEP, Kind::ControlPlane, sentence))
}
