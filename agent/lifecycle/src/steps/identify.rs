//! Step 1: who am I, and may I claim at all.

use crate::{Me, Step, Trouble};
use berth_plan::ec2::LifecycleState;
use berth_plan::outcome::Kind;

/// Families whose instances run on Xen: their volumes have no serial, so a device cannot be told to be the slot's
/// (EC2 user guide, "Instances built on the AWS Nitro System").
const XEN: [&str; 24] = [
    "t1", "t2", "m1", "m2", "m3", "m4", "c1", "c3", "c4", "cc2", "cr1", "r3", "r4", "x1", "x1e", "d2", "h1",
    "hs1", "i2", "i3", "p2", "p3", "g3", "f1",
];

/// Refuses an instance that cannot claim. A sentence: it must not claim now, without any trouble.
pub(crate) fn refuse_unfit(me: &Me) -> Result<Option<String>, Trouble> {
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
    let family = me.instance_type.split('.').next().unwrap_or_default();
    let metal = me.instance_type.ends_with(".metal");
    if XEN.contains(&family) && !metal {
        return Err(Trouble::new(
            Step::Identify,
            Kind::Configuration,
            format!(
                "{} is of type {}, which runs on Xen: its devices have no serial, so the slot's volume cannot be told from another; use a Nitro type",
                me.instance, me.instance_type
            ),
        ));
    }
    Ok(None)
}
