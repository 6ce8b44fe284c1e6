//! Who holds a slot, and when a holder is gone.
//!
//! One dead or missing witness is never enough: a slot is free when all its holders are gone or me.

use crate::InstanceId;
use crate::ec2::{InstanceState as State, LifecycleState as Group, Picture};
use std::time::Duration;

/// How an instance stands towards the slot that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is this instance.
    Me,
    /// It is terminated, or unknown to EC2 for long enough.
    Gone,
    /// It is on its way out; a successor waits for it.
    Going(String),
    /// It keeps the slot, with a dead broker too.
    Taken(String),
    /// Nobody looked it up before the lock was taken.
    NotLookedUp,
}

/// How old an unknown holder's claim must be before EC2's not knowing it counts as its end: 1 hour, the time for
/// which EC2 still shows a terminated instance (EC2 user guide, "Terminate Amazon EC2 instances").
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);

/// How many spaced reads must agree that EC2 does not know an instance: a describe may be behind
/// (EC2 API reference, "Eventual consistency").
pub const AGREEING_READS: u32 = 3;

/// What is known of a holder beside the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Absence {
    /// Age of the claim that names it, an operator's writes left out, by ZooKeeper's clock alone; none where no claim does.
    pub claim_age: Option<Duration>,
    /// Spaced reads in a row in which EC2 did not know it.
    pub reads: u32,
}

/// How `holder` stands, by the picture.
///
/// Auto Scaling's state counts before EC2's: `Terminating:Wait` is an instance that still runs and will go,
/// `Standby` and `Detached` one that an operator keeps (Auto Scaling user guide, "Instance lifecycle").
pub fn standing(me: &InstanceId, holder: &InstanceId, picture: &Picture, absence: Absence) -> Standing {
    if holder == me {
        return Standing::Me;
    }
    let Some(instance) = picture.instances.get(holder) else {
        if !picture.asked.contains(holder) {
            return Standing::NotLookedUp;
        }
        let old = absence.claim_age.is_some_and(|age| age >= FORGOTTEN_AFTER);
        if old && absence.reads >= AGREEING_READS {
            return Standing::Gone;
        }
        return Standing::Taken(format!(
            "{holder} is unknown to EC2, which is no proof of its end for an hour"
        ));
    };
    match (&instance.state, picture.group_states.get(holder)) {
        (State::Terminated, _) => Standing::Gone,
        (State::ShuttingDown, _) => Standing::Going(format!("{holder} is shutting down")),
        (state @ (State::Stopping | State::Stopped), _) => {
            Standing::Taken(format!("{holder} is {state} and may be started again"))
        }
        (_, Some(state @ (Group::TerminatingWait | Group::TerminatingProceed | Group::Terminating))) => {
            Standing::Going(format!("{holder} is {state}"))
        }
        (
            _,
            Some(
                state @ (Group::Standby
                | Group::EnteringStandby
                | Group::Detached
                | Group::Detaching
                | Group::TerminatingRetained),
            ),
        ) => Standing::Taken(format!("{holder} is {state}: an operator or its group decides")),
        // The plain holder of thousands of slots: one allocation, where a format makes several.
        (state, _) => Standing::Taken([holder.as_str(), " is ", state.as_str()].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec2::InstanceSeen;

    fn look(state: Option<&str>, group: Option<&str>, absence: Absence) -> Standing {
        let me = "i-00000000000000001".parse().unwrap();
        let holder: InstanceId = "i-00000000000000002".parse().unwrap();
        let mut picture = Picture::default();
        picture.asked.insert(holder.clone());
        if let Some(state) = state {
            picture
                .instances
                .insert(holder.clone(), InstanceSeen { state: state.into(), ..Default::default() });
        }
        if let Some(group) = group {
            picture.group_states.insert(holder.clone(), group.into());
        }
        standing(&me, &holder, &picture, absence)
    }

    #[test]
    fn only_a_terminated_instance_is_gone() {
        assert_eq!(look(Some("terminated"), None, Absence::default()), Standing::Gone);
        assert_eq!(look(Some("terminated"), Some("Terminating:Wait"), Absence::default()), Standing::Gone);
        for state in ["running", "pending", "stopping", "stopped"] {
            assert!(matches!(look(Some(state), None, Absence::default()), Standing::Taken(_)), "{state}");
        }
    }

    #[test]
    fn a_terminating_instance_is_going_unless_it_is_retained() {
        assert!(matches!(look(Some("shutting-down"), None, Absence::default()), Standing::Going(_)));
        assert!(matches!(
            look(Some("running"), Some("Terminating:Wait"), Absence::default()),
            Standing::Going(_)
        ));
        assert!(matches!(
            look(Some("running"), Some("Terminating:Retained"), Absence::default()),
            Standing::Taken(_)
        ));
        assert!(matches!(look(Some("running"), Some("InService"), Absence::default()), Standing::Taken(_)));
    }

    #[test]
    fn who_may_come_back_keeps_the_slot_whatever_the_group_says() {
        for group in ["Standby", "EnteringStandby", "Detached", "Detaching", "Terminating:Retained"] {
            let standing = look(Some("running"), Some(group), Absence::default());
            assert!(matches!(standing, Standing::Taken(_)), "{group}: {standing:?}");
        }
        for state in ["stopping", "stopped"] {
            for group in ["Terminating:Wait", "Terminating:Proceed", "InService"] {
                let standing = look(Some(state), Some(group), Absence::default());
                assert!(matches!(standing, Standing::Taken(_)), "{state}, {group}: {standing:?}");
            }
        }
    }

    #[test]
    fn an_unknown_instance_is_gone_only_after_an_hour_and_three_reads() {
        let hour = Some(FORGOTTEN_AFTER);
        assert_eq!(look(None, None, Absence { claim_age: hour, reads: 3 }), Standing::Gone);
        for absence in [
            Absence { claim_age: hour, reads: 2 },
            Absence { claim_age: Some(FORGOTTEN_AFTER - Duration::from_millis(1)), reads: 9 },
            Absence { claim_age: None, reads: 9 },
        ] {
            assert!(matches!(look(None, None, absence), Standing::Taken(_)), "{absence:?}");
        }
    }

    #[test]
    fn who_was_not_looked_up_before_the_lock_is_not_judged() {
        let me: InstanceId = "i-00000000000000001".parse().unwrap();
        let stranger = "i-00000000000000009".parse().unwrap();
        let picture = Picture::default();
        assert_eq!(standing(&me, &stranger, &picture, Absence::default()), Standing::NotLookedUp);
        assert_eq!(standing(&me, &me, &picture, Absence::default()), Standing::Me);
    }
}
