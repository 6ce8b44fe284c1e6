//! Step 1: may this instance claim a slot, and may it claim one now.

use crate::parts::released;
use crate::retry::{Pace, retry};
use crate::{Agent, Boot, Me, Step, Trouble};
use berth_plan::ec2::{GROUP_TAG, LifecycleState, May, may_claim};
use berth_plan::outcome::Kind;
use std::time::Duration;

const STEP: Step = Step::Identify;

/// Families whose instances run on Xen: their volumes have no serial, so a device cannot be told to be the slot's
/// (EC2 user guide, "Instances built on the AWS Nitro System": what is not listed there).
const XEN: [&str; 29] = [
    "t1", "t2", "m1", "m2", "m3", "m4", "c1", "c3", "c4", "cc1", "cc2", "cg1", "cr1", "r3", "r4", "x1",
    "x1e", "d2", "h1", "hi1", "hs1", "i2", "i3", "p2", "p3", "g2", "g3", "g3s", "f1",
];

/// How fast the target state is asked for: a new instance has it within seconds, one of a warm pool in days; it costs a
/// call of the metadata service, which no limit of EC2 counts.
const ASKED: Pace = Pace { first: Duration::from_millis(200), cap: Duration::from_secs(3) };

/// Refuses an instance that cannot hold a slot, whatever its group wants.
pub(crate) fn refuse_unfit(agent: &Agent) -> Result<(), Trouble> {
    let me = &agent.me;
    if XEN.contains(&me.instance_type.family()) && !me.instance_type.is_metal() {
        return Err(unfit(format!(
            "{} is of type {}, which runs on Xen: its devices have no serial, so the slot's volume cannot be told from another; use a Nitro type",
            me.instance, me.instance_type
        )));
    }
    if me.address.is_none() {
        return Err(unfit(format!(
            "the primary interface of {} has IPv6 addresses alone; a slot needs IPv4: start the group's instances in a subnet that gives them an IPv4 address",
            me.instance
        )));
    }
    let rack = agent.config.rack_in(&me.zone, me.zone_id.as_ref());
    rack.map_err(|error| unfit(error.to_string()))?;
    Ok(())
}

fn unfit(sentence: String) -> Trouble {
    Trouble::new(STEP, Kind::Configuration, sentence)
}

/// Whether Auto Scaling prepares this instance for a warm pool: its hook there waits for a word, and not for a slot.
pub(crate) fn is_for_warm_pool(me: &Me) -> bool {
    me.target_state.as_ref().is_some_and(LifecycleState::is_warmed)
}

/// Why this instance takes no slot: it was released; none where it was not.
pub(crate) fn is_released(boot: &Boot) -> Result<Option<String>, Trouble> {
    let (host, me) = (boot.ports.host.as_ref(), &boot.me);
    let released = released::read(host, &me.instance, &me.boot).map_err(|e| Trouble::host(STEP, e))?;
    Ok(released.map(|released| {
        format!("{} was released ({}); `berth boot --again` takes a slot again", me.instance, released.reason)
    }))
}

/// Why an instance in this target state claims nothing now; for a look that does not wait.
pub(crate) fn unfit_now(me: &Me) -> Option<String> {
    match may_claim(me.target_state.as_ref(), false) {
        May::Now => None,
        May::Later(why) | May::Never(why) => Some(format!("{}: {why}", me.instance)),
    }
}

/// Waits until Auto Scaling wants this instance in service, for as long as that takes: it stays in a warm pool for days,
/// and may be hibernated there. A sentence: it is on its way out.
pub(crate) async fn wait_until_in_service(boot: &Boot) -> Result<Option<String>, Trouble> {
    if boot.progress().in_service {
        return Ok(None);
    }
    let mut state = boot.me.target_state.clone();
    let mut is_in_group = None;
    let mut tries = 0;
    loop {
        // Only who has no slot yet has to know; a holder of a started slot was in service before.
        if state.is_none() && is_in_group.is_none() && !boot.progress().started {
            is_in_group = Some(is_member_of_group(boot).await?);
        }
        match may_claim(state.as_ref(), is_in_group == Some(true)) {
            May::Now => break,
            May::Never(why) => return Ok(Some(format!("{}: {why}", boot.me.instance))),
            May::Later(why) => {
                if tries == 0 {
                    boot.ports.timeline.began(STEP);
                }
                boot.ports.timeline.waiting(STEP, &why);
            }
        }
        boot.ports.host.sleep(ASKED.wait(tries, |bound| boot.ports.host.random(bound))).await;
        tries += 1;
        match boot.ports.cloud.target_state().await {
            Ok(now) => state = now,
            // What was seen last is still waited for.
            Err(error) => tracing::debug!(%error, "the target state is asked for again"),
        }
    }
    if tries > 0 {
        boot.ports.timeline.ended(STEP, state.as_ref().map_or("", LifecycleState::as_str));
        boot.deadline_begins();
    }
    boot.progressed(|p| p.in_service = true);
    Ok(None)
}

/// Auto Scaling tags what it launches, with the launch itself (Auto Scaling user guide, "Tag Auto Scaling groups and
/// instances").
async fn is_member_of_group(boot: &Boot) -> Result<bool, Trouble> {
    let me = &boot.me.instance;
    retry(boot, STEP, async || {
        let seen = boot.ports.cloud.instances(&[me.clone()].into()).await;
        let mut seen = seen.map_err(|error| Trouble::cloud(STEP, &error))?;
        match seen.remove(me) {
            Some(seen) => Ok(seen.tags.contains_key(GROUP_TAG)),
            None => {
                let sentence = format!("EC2 does not show {me} yet: is it in an Auto Scaling group?");
                Err(Trouble::new(STEP, Kind::ControlPlane, sentence).into())
            }
        }
    })
    .await
}
