//! Whether an instance may claim a slot, by the state that Auto Scaling wants it in.

/// The tag that Auto Scaling gives to what it launches.
pub const GROUP_TAG: &str = "aws:autoscaling:groupName";

use super::LifecycleState;

/// Whether an instance may claim a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum May {
    /// It may.
    Now,
    /// Not before the state is another one: what is waited for.
    Later(String),
    /// It is on its way out: why.
    Never(String),
}

/// Whether an instance whose target state is `state` may claim a slot. None: the metadata service answered 404, which
/// on a new instance of a group means "not yet" (Auto Scaling user guide, "Retrieve the target lifecycle state through
/// instance metadata", has the list of states).
pub fn may_claim(state: Option<&LifecycleState>, is_in_group: bool) -> May {
    match state {
        None if is_in_group => May::Later("Auto Scaling to say its target state".to_owned()),
        None => May::Now,
        Some(state @ (LifecycleState::Terminated | LifecycleState::WarmedTerminated)) => {
            May::Never(format!("its target state is {state}: a terminating instance does not claim"))
        }
        Some(state) if state.is_warmed() => {
            May::Later(format!("the target state InService; it is {state}, in the warm pool"))
        }
        // An instance in Standby, or detached from its group, is its operator's, and runs.
        Some(_) => May::Now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_404_means_not_yet_in_a_group_and_nothing_outside_one() {
        assert_eq!(may_claim(None, false), May::Now);
        assert!(matches!(may_claim(None, true), May::Later(_)));
    }

    #[test]
    fn a_warm_pool_is_waited_out_and_a_terminating_instance_claims_nothing() {
        let judged = |state: &str| may_claim(Some(&LifecycleState::from(state)), true);
        for state in ["Warmed:Running", "Warmed:Stopped", "Warmed:Hibernated", "Warmed:Anew"] {
            assert!(matches!(judged(state), May::Later(why) if why.contains(state)));
        }
        for state in ["Terminated", "Warmed:Terminated"] {
            assert!(matches!(judged(state), May::Never(why) if why.contains(state)));
        }
        for state in ["InService", "Standby", "Detached"] {
            assert_eq!(judged(state), May::Now);
        }
    }
}
