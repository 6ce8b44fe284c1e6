//! The model's world: three slots, the instances on them, the group that replaces them, one permit, and what is under way.
//!
//! A revision is never counted: every change of the permit makes all copies read before it stale, and a stale one never
//! becomes fresh again.

pub(crate) const SLOTS: usize = 3;
pub(crate) const INSTANCES: usize = 5;
/// No instance, or no slot.
pub(crate) const NONE: u8 = 9;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Life {
    #[default]
    Unused,
    Living,
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Unit {
    #[default]
    Starting,
    Up,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Instance {
    pub life: Life,
    pub unit: Unit,
    pub unhealthy: bool,
    /// The whole host hangs: its agent does nothing, and its registration goes.
    pub hung: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Permit {
    pub slot: u8,
    pub subject: u8,
    pub owner: u8,
    pub asking: bool,
    /// Unchanged for: 0 less than a minute, 1 a minute, 2 a lease.
    pub unchanged: u8,
    /// The deadline is over.
    pub late: bool,
}

/// Where a run stands: what it has decided and not yet done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Phase {
    Take,
    WriteAsking,
    Send,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Run {
    pub who: u8,
    pub subject: u8,
    pub phase: Phase,
    /// The permit is at the revision that it read or wrote last.
    pub fresh: bool,
    /// Its look is older than ten seconds.
    pub paused: bool,
}

/// What strikes, each from a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Faults {
    pub fail: u8,
    pub heal: u8,
    pub hang: u8,
    pub terminate: u8,
    pub lower: u8,
    pub suspend: u8,
    pub resume: u8,
    pub late: u8,
}

impl Faults {
    pub(crate) fn are_within(self, other: Self) -> bool {
        let each = |f: Self| [f.fail, f.heal, f.hang, f.terminate, f.lower, f.suspend, f.resume, f.late];
        each(self).iter().zip(each(other)).all(|(mine, others)| *mine <= others)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub instances: [Instance; INSTANCES],
    pub holder: [u8; SLOTS],
    /// Whose process made the entry that stands in the register.
    pub registered: [u8; SLOTS],
    /// The holder was called unhealthy, and no successor has served since.
    pub replacing: [bool; SLOTS],
    pub desired: u8,
    pub suspended: bool,
    pub permit: Option<Permit>,
    pub runs: [Option<Run>; 2],
    /// Asks that Auto Scaling has not got yet.
    pub asks: [u8; 2],
    /// A write of the permit under way whose writer is dead: still at the right revision. None inside: the permit is over.
    pub write: Option<Option<Permit>>,
    pub faults: Faults,
}

impl World {
    pub(crate) fn new(desired: u8, faults: Faults) -> Self {
        let mut world = Self {
            instances: [Instance::default(); INSTANCES],
            holder: [NONE; SLOTS],
            registered: [NONE; SLOTS],
            replacing: [false; SLOTS],
            desired,
            suspended: false,
            permit: None,
            runs: [None; 2],
            asks: [NONE; 2],
            write: None,
            faults,
        };
        for n in 0..desired {
            world.instances[usize::from(n)] =
                Instance { life: Life::Living, unit: Unit::Up, ..Instance::default() };
            world.holder[usize::from(n)] = n;
            world.registered[usize::from(n)] = n;
        }
        world
    }

    /// Further on: the host of instance 0 hangs, a peer has asked for it, and Auto Scaling has it as unhealthy.
    pub(crate) fn a_peer_has_asked(faults: Faults) -> Self {
        let mut world = Self::new(3, faults);
        (world.instances[0].hung, world.instances[0].unhealthy) = (true, true);
        (world.registered[0], world.replacing[0]) = (NONE, true);
        let (slot, subject, owner) = (0, 0, 1);
        world.permit = Some(Permit { slot, subject, owner, asking: true, unchanged: 1, late: false });
        world
    }

    pub(crate) fn of(&self, n: u8) -> &Instance {
        &self.instances[usize::from(n)]
    }

    pub(crate) fn lives(&self, n: u8) -> bool {
        self.of(n).life == Life::Living
    }

    /// Whether its agent does anything.
    pub(crate) fn acts(&self, n: u8) -> bool {
        self.lives(n) && !self.of(n).hung
    }

    pub(crate) fn living(&self) -> impl Iterator<Item = u8> {
        let world = *self;
        (0..INSTANCES as u8).filter(move |n| world.lives(*n))
    }

    pub(crate) fn slot_of(&self, n: u8) -> Option<usize> {
        self.holder.iter().position(|holder| *holder == n)
    }

    pub(crate) fn members(&self) -> u8 {
        self.living().count() as u8
    }

    pub(crate) fn waiting(&self) -> usize {
        self.living().filter(|n| self.slot_of(*n).is_none()).count()
    }

    /// Whether somebody will still come for a vacant slot.
    pub(crate) fn somebody_comes(&self) -> bool {
        self.members() < self.desired || self.waiting() > 0
    }

    pub(crate) fn vacant(&self) -> Option<usize> {
        self.holder.iter().position(|holder| *holder == NONE)
    }

    /// The permit changes: every copy is stale, and a write under way will be refused.
    pub(crate) fn set_permit(&mut self, permit: Option<Permit>) {
        self.permit = permit;
        self.write = None;
        self.runs.iter_mut().flatten().for_each(|run| run.fresh = false);
    }

    pub(crate) fn terminate(&mut self, n: u8) {
        if let Some(slot) = self.slot_of(n) {
            self.holder[slot] = NONE;
        }
        self.instances[usize::from(n)] = Instance { life: Life::Gone, ..Instance::default() };
        self.stop_runs_of(n);
    }

    pub(crate) fn stop_runs_of(&mut self, n: u8) {
        self.runs.iter_mut().filter(|run| run.is_some_and(|run| run.who == n)).for_each(|run| *run = None);
    }

    /// The same state in one shape: who is gone and nowhere named is forgotten, and what has no order has one.
    pub(crate) fn tidied(mut self) -> Self {
        for n in 0..INSTANCES as u8 {
            let by_permit = |permit: &Permit| permit.subject == n || permit.owner == n;
            let named = self.registered.contains(&n)
                || self.asks.contains(&n)
                || self.permit.as_ref().is_some_and(by_permit)
                || self.write.flatten().as_ref().is_some_and(by_permit)
                || self.runs.iter().flatten().any(|run| run.subject == n);
            if self.of(n).life == Life::Gone && !named {
                self.instances[usize::from(n)] = Instance::default();
            }
        }
        for slot in 0..SLOTS {
            // Nobody will come for it: that replacement is over.
            self.replacing[slot] &= self.holder[slot] != NONE || self.somebody_comes();
        }
        self.runs.sort_unstable();
        self.asks.sort_unstable();
        self
    }
}
