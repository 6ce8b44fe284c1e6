//! What a boot does about trouble and what it tells CloudFormation and Auto Scaling, by what went wrong and how far it had
//! come.
//!
//! A bad hour of a control plane must not terminate a healthy fleet: ZooKeeper, EC2 or IMDS trouble is never a reason
//! to call an instance unhealthy.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What went wrong, as far as the outcome cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// ZooKeeper, EC2, IMDS, throttling.
    ControlPlane,
    /// The role may not make a call. IAM is eventually consistent (IAM user guide, "Changes that I make are not always
    /// immediately visible"): a fresh role or policy may be refused for minutes, and then not.
    Permission,
    /// A stuck attachment, a device or link that never appears, a tool or kernel of this image.
    Host,
    /// Something that the operator must mend; the next instance would do the same.
    Configuration,
    /// The disk or EC2 shows a fault of this one slot.
    SlotFault,
    /// No slot of my zone is vacant, or its holder does not go.
    NoSlot,
    /// The slot that this run went for is another's, or must be looked at anew.
    Elsewhere,
    /// The unit failed for good.
    UnitFailed,
}

/// How far the boot had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// No slot yet.
    NoSlot,
    /// A slot is attached or about to be; its claim is not marked `started`.
    Attached,
    /// The claim is marked `started` for this instance.
    Started,
}

/// What to do with the slot before anything is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotAction {
    /// Nothing is touched.
    Keep,
    /// Detach and give the claim back.
    Unwind,
}

/// What a boot does about trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// Try again from the top.
    Retry,
    /// Let go of the slot, and choose again.
    ChooseAgain {
        /// Whether a fault of the slot is recorded first: it is passed over from then on.
        record_fault: bool,
    },
    /// FAILURE is told, once a boot, and the run goes on, slower: who keeps a slot never stops trying, and a control plane
    /// that was away comes back.
    FailAndGoOn,
    /// The boot ends.
    End(Ending),
}

/// How a boot ends without success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// What happens to the slot first.
    pub slot: SlotAction,
    /// Whether CloudFormation is told FAILURE.
    pub failure: bool,
    /// Whether Auto Scaling is told that this instance is unhealthy.
    pub unhealthy: bool,
    /// The program's exit code.
    pub exit: u8,
}

/// Exit code of a configuration error: `EX_CONFIG` of sysexits.h.
pub const EXIT_CONFIGURATION: u8 = 78;

/// For how long a refusal by IAM is waited out before it counts as configuration: a sixth of the boot's deadline, five
/// minutes at most. Longer than a change takes to be seen everywhere, and soon enough for whoever waits for FAILURE.
pub fn permission_patience(deadline: Duration) -> Duration {
    (deadline / 6).min(Duration::from_secs(300))
}

const fn ending(slot: SlotAction, failure: bool, unhealthy: bool, exit: u8) -> Course {
    Course::End(Ending { slot, failure, unhealthy, exit })
}

/// What to do about trouble: the whole table, and nothing is decided beside it. `late`: the deadline has passed, or, for
/// [`Kind::Permission`], the [`permission_patience`].
pub fn course(kind: Kind, phase: Phase, late: bool) -> Course {
    use Phase::{Attached, NoSlot, Started};
    use SlotAction::{Keep, Unwind};
    match (kind, phase, late) {
        (Kind::ControlPlane, NoSlot | Attached, true) => Course::FailAndGoOn,
        (Kind::Permission, NoSlot, true) => ending(Keep, true, false, EXIT_CONFIGURATION),
        (Kind::Permission, Attached, true) => ending(Unwind, true, false, EXIT_CONFIGURATION),
        (Kind::Host | Kind::NoSlot, NoSlot, true) => ending(Keep, true, true, 1),
        (Kind::Host | Kind::NoSlot, Attached, true) => ending(Unwind, true, true, 1),
        (Kind::ControlPlane | Kind::Permission | Kind::Host | Kind::NoSlot, ..) => Course::Retry,
        (Kind::Configuration, NoSlot, _) => ending(Keep, true, false, EXIT_CONFIGURATION),
        (Kind::Configuration, Attached, _) => ending(Unwind, true, false, EXIT_CONFIGURATION),
        (Kind::Configuration, Started, _) => ending(Keep, false, false, EXIT_CONFIGURATION),
        (Kind::SlotFault, NoSlot | Attached, _) => Course::ChooseAgain { record_fault: true },
        // A late one ends as "no slot" at the choice, which takes none after the deadline.
        (Kind::Elsewhere, NoSlot | Attached, _) => Course::ChooseAgain { record_fault: false },
        (Kind::SlotFault | Kind::Elsewhere, Started, _) => Course::Retry,
        (Kind::UnitFailed, ..) => Course::FailAndGoOn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 8] = [
        Kind::ControlPlane,
        Kind::Permission,
        Kind::Host,
        Kind::Configuration,
        Kind::SlotFault,
        Kind::NoSlot,
        Kind::Elsewhere,
        Kind::UnitFailed,
    ];
    const PHASES: [Phase; 3] = [Phase::NoSlot, Phase::Attached, Phase::Started];

    fn cells() -> impl Iterator<Item = (Kind, Phase, bool, Course)> {
        let cell = |kind, phase| [false, true].map(|late| (kind, phase, late, course(kind, phase, late)));
        KINDS.into_iter().flat_map(move |kind| PHASES.into_iter().flat_map(move |phase| cell(kind, phase)))
    }

    fn endings() -> impl Iterator<Item = (Kind, Phase, Ending)> {
        cells().filter_map(|(kind, phase, _, course)| match course {
            Course::End(ending) => Some((kind, phase, ending)),
            _ => None,
        })
    }

    #[test]
    fn only_a_host_or_the_lack_of_a_slot_is_a_reason_to_be_unhealthy() {
        for (kind, phase, ending) in endings() {
            let concerned = matches!(kind, Kind::Host | Kind::NoSlot) && phase != Phase::Started;
            assert_eq!(ending.unhealthy, concerned, "{kind:?} {phase:?}");
        }
    }

    #[test]
    fn who_keeps_a_started_slot_gives_it_up_for_nothing_and_stops_trying_for_configuration_alone() {
        for (kind, phase, late, course) in cells().filter(|(_, phase, ..)| *phase == Phase::Started) {
            let goes_on = matches!(course, Course::Retry | Course::FailAndGoOn);
            assert_eq!(goes_on, kind != Kind::Configuration, "{kind:?} {phase:?} {late}");
            let keeps = matches!(course, Course::End(ending) if ending.slot == SlotAction::Keep);
            assert!(goes_on || keeps, "{kind:?}");
        }
    }

    #[test]
    fn who_has_a_slot_ends_only_after_it_was_given_back() {
        for (kind, phase, ending) in endings().filter(|(_, phase, _)| *phase == Phase::Attached) {
            assert_eq!(ending.slot, SlotAction::Unwind, "{kind:?} {phase:?}");
        }
    }

    #[test]
    fn a_control_plane_that_is_away_ends_no_boot() {
        for (kind, phase, _) in endings() {
            assert!(kind != Kind::ControlPlane, "{phase:?}");
        }
    }

    #[test]
    fn what_the_operator_must_mend_ends_with_78_and_nothing_else_does() {
        for (kind, _, ending) in endings() {
            let operator = matches!(kind, Kind::Configuration | Kind::Permission);
            assert_eq!(ending.exit == EXIT_CONFIGURATION, operator, "{kind:?}");
        }
    }

    #[test]
    fn a_refusal_by_iam_is_waited_out_first() {
        for phase in PHASES {
            assert_eq!(course(Kind::Permission, phase, false), Course::Retry);
        }
        assert_eq!(permission_patience(Duration::from_secs(1_800)), Duration::from_secs(300));
        assert_eq!(permission_patience(Duration::from_secs(60)), Duration::from_secs(10));
    }
}
