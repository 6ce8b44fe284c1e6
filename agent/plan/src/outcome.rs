//! What a boot tells CloudFormation and Auto Scaling, by what went wrong and how far it had come.
//!
//! A bad hour of a control plane must not terminate a healthy fleet: ZooKeeper, EC2 or IMDS trouble is never a reason
//! to call an instance unhealthy.

use serde::{Deserialize, Serialize};

/// What went wrong, as far as the telling cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// ZooKeeper, EC2, IMDS, throttling.
    ControlPlane,
    /// A stuck attachment, a device or link that never appears.
    Host,
    /// Something that the operator must mend; the next instance would do the same.
    Configuration,
    /// The disk or EC2 shows a fault of this one slot.
    SlotFault,
    /// No slot of my zone is vacant, or its holder does not go.
    NoSlot,
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

/// What a boot does when it ends without success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// Try again: at the deadline, if it has one here, [`Course::End`] of [`at_deadline`].
    Retry,
    /// The slot goes back with a fault record, the boot chooses again.
    ChooseAgain,
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

const fn ending(slot: SlotAction, failure: bool, unhealthy: bool, exit: u8) -> Course {
    Course::End(Ending { slot, failure, unhealthy, exit })
}

/// What to do about trouble when it is met.
pub fn course(kind: Kind, phase: Phase) -> Course {
    match (kind, phase) {
        (Kind::ControlPlane | Kind::NoSlot | Kind::Host, _) => Course::Retry,
        (Kind::SlotFault, Phase::NoSlot | Phase::Attached) => Course::ChooseAgain,
        (Kind::Configuration, Phase::NoSlot) => ending(SlotAction::Keep, true, false, EXIT_CONFIGURATION),
        (Kind::Configuration, Phase::Attached) => ending(SlotAction::Unwind, true, false, EXIT_CONFIGURATION),
        (Kind::Configuration, Phase::Started) => ending(SlotAction::Keep, false, false, EXIT_CONFIGURATION),
        (Kind::SlotFault, Phase::Started) => ending(SlotAction::Keep, false, false, 1),
        (Kind::UnitFailed, _) => ending(SlotAction::Keep, true, false, 1),
    }
}

/// What to do when trouble that is worth a retry is still there at the deadline. A started slot has no deadline: its
/// holder goes on for ever.
pub fn at_deadline(kind: Kind, phase: Phase) -> Course {
    match (kind, phase) {
        (_, Phase::Started) => course(kind, phase),
        (Kind::Host | Kind::NoSlot, Phase::Attached) => ending(SlotAction::Unwind, true, true, 1),
        (Kind::NoSlot | Kind::Host, _) => ending(SlotAction::Keep, true, true, 1),
        (Kind::ControlPlane, _) => ending(SlotAction::Keep, true, false, 1),
        _ => course(kind, phase),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 6] = [
        Kind::ControlPlane,
        Kind::Host,
        Kind::Configuration,
        Kind::SlotFault,
        Kind::NoSlot,
        Kind::UnitFailed,
    ];
    const PHASES: [Phase; 3] = [Phase::NoSlot, Phase::Attached, Phase::Started];

    fn endings() -> impl Iterator<Item = (Kind, Phase, Ending)> {
        KINDS.into_iter().flat_map(|kind| PHASES.map(|phase| (kind, phase))).flat_map(|(kind, phase)| {
            [course(kind, phase), at_deadline(kind, phase)].into_iter().filter_map(move |course| match course
            {
                Course::End(ending) => Some((kind, phase, ending)),
                _ => None,
            })
        })
    }

    #[test]
    fn a_control_plane_is_never_a_reason_to_be_unhealthy() {
        for (kind, phase, ending) in endings() {
            let innocent = matches!(kind, Kind::ControlPlane | Kind::Configuration);
            assert!(!(innocent && ending.unhealthy), "{kind:?} {phase:?}");
        }
    }

    #[test]
    fn a_started_slot_is_never_given_up() {
        for (kind, phase, ending) in endings() {
            assert!(phase != Phase::Started || ending.slot == SlotAction::Keep, "{kind:?}");
        }
    }

    #[test]
    fn configuration_ends_with_78_and_nothing_else_does() {
        for (kind, _, ending) in endings() {
            assert_eq!(ending.exit == EXIT_CONFIGURATION, kind == Kind::Configuration, "{kind:?}");
        }
    }

    #[test]
    fn a_holder_of_a_started_slot_goes_on_through_a_bad_hour() {
        assert_eq!(at_deadline(Kind::ControlPlane, Phase::Started), Course::Retry);
        assert_eq!(course(Kind::SlotFault, Phase::Attached), Course::ChooseAgain);
    }
}
