//! The slot that a run goes for.

use super::absences::Absences;
use berth_plan::ec2::Picture;
use berth_plan::records::{Claim, Versioned};
use berth_plan::slot::Slot;

/// What this run goes for.
pub(crate) enum Target {
    /// The slot is mine by its claim.
    Resume(Slot, Box<Versioned<Claim>>),
    /// An intent for it is mine.
    Take(Slot),
}

/// What this run goes for, and what it saw on the way.
pub(crate) struct Targeted {
    pub(crate) target: Target,
    pub(crate) picture: Picture,
    pub(crate) absences: Absences,
}
