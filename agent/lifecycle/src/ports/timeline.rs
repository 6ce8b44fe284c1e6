//! Where progress is shown: each step, what it waits for, and how it ended.

use crate::Step;

/// The timeline of a boot.
pub trait Timeline: Send + Sync {
    /// A step begins.
    fn began(&self, step: Step);

    /// The step waits: for what, and the last state seen.
    fn waiting(&self, step: Step, what: &str);

    /// A fact that an operator will look for: a change that was made, a decision and its reason.
    fn fact(&self, step: Step, fact: &str);

    /// The step ended.
    fn ended(&self, step: Step, outcome: &str);
}
