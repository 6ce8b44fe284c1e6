//! Step 1: who am I, and may I claim at all.

use crate::{Agent, Step, Trouble};
use berth_plan::ec2::LifecycleState;
use berth_plan::outcome::Kind;

/// Families whose instances run on Xen: their volumes have no serial, so a device cannot be told to be the slot's
/// (EC2 user guide, "Instances built on the AWS Nitro System": what is not listed there).
const XEN: [&str; 29] = [
    "t1", "t2", "m1", "m2", "m3", "m4", "c1", "c3", "c4", "cc1", "cc2", "cg1", "cr1", "r3", "r4", "x1",
    "x1e", "d2", "h1", "hi1", "hs1", "i2", "i3", "p2", "p3", "g2", "g3", "g3s", "f1",
];

/// Refuses an instance that cannot claim. A sentence: it must not claim now, without any trouble.
pub(crate) fn refuse_unfit(agent: &Agent) -> Result<Option<String>, Trouble> {
    let me = &agent.me;
    if let Some(state) = &me.target_state {
        if state.is_warmed() {
            return Ok(Some(format!(
                "the target state of {} is {state}: it claims when it is taken out of the warm pool",
                me.instance
            )));
        }
        if *state == LifecycleState::Terminated {
            return Ok(Some(format!(
                "the target state of {} is {state}: a terminating instance does not claim",
                me.instance
            )));
        }
    }
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
    Ok(None)
}

fn unfit(sentence: String) -> Trouble {
    Trouble::new(Step::Identify, Kind::Configuration, sentence)
}
