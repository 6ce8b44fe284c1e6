//! Everything that can happen next in a world, and the law.

use crate::rules::{Fate, Out, fate, next_ask, still_sends};
use crate::world::{INSTANCES, Instance, Life, NONE, Permit, Phase, Run, SLOTS, Unit, World};
use berth_plan::permit::Ask;

/// A world that follows, whether a fault brought it, and the law that was broken on the way.
pub(crate) struct Move {
    pub world: World,
    pub what: &'static str,
    pub fault: bool,
    pub broken: bool,
}

pub(crate) struct Moves<'a> {
    from: &'a World,
    out: Out,
    found: Vec<Move>,
}

impl Moves<'_> {
    pub(crate) fn of(from: &World, out: Out) -> Vec<Move> {
        let mut moves = Moves { from, out, found: Vec::new() };
        moves.runs();
        moves.under_way();
        moves.permit();
        moves.time();
        moves.group();
        moves.services();
        moves.faults();
        moves.found
    }

    fn add(&mut self, what: &'static str, fault: bool, change: impl FnOnce(&mut World)) {
        let mut world = *self.from;
        change(&mut world);
        self.found.push(Move { world: world.tidied(), what, fault, broken: false });
    }

    /// A run looks and decides; carries out what it decided; or is lost on the way.
    fn runs(&mut self) {
        let from = *self.from;
        for (n, run) in from.runs.iter().enumerate() {
            match run {
                Some(run) => self.goes_on(n, *run),
                // The other place is the same.
                None if n > 0 && from.runs[0].is_none() => {}
                None => self.begins(n),
            }
        }
    }

    fn begins(&mut self, n: usize) {
        let from = *self.from;
        let busy = |who: u8| from.runs.iter().flatten().any(|run| run.who == who);
        for who in from.living().filter(|who| from.acts(*who) && !busy(*who)) {
            for subject in from.living() {
                let own = who == subject && from.of(who).unit == Unit::Failed;
                let lost = who != subject && from.of(subject).hung;
                let decided = (own || lost).then(|| next_ask(&from, who, subject, self.out)).flatten();
                let run = |phase| Some(Run { who, subject, phase, fresh: true, paused: false });
                match decided {
                    Some(Ask::Take { .. }) => {
                        self.add("looks, and will take", false, |w| w.runs[n] = run(Phase::Take))
                    }
                    Some(Ask::WriteAsking { .. }) => {
                        let asked = from.permit.is_some_and(|permit| permit.asking);
                        let skips = self.out == Out::P4Anew && asked;
                        let phase = if skips { Phase::Send } else { Phase::WriteAsking };
                        self.add("looks, and will ask", false, |w| w.runs[n] = run(phase));
                    }
                    _ => {}
                }
            }
        }
    }

    fn goes_on(&mut self, n: usize, run: Run) {
        let from = *self.from;
        self.add("a run is killed", true, |w| w.runs[n] = None);
        if !run.paused {
            self.add("a run is paused", true, |w| w.runs[n] = Some(Run { paused: true, ..run }));
        }
        let Some(at) = from.slot_of(run.subject) else {
            return self.add("its subject is gone: starts over", false, |w| w.runs[n] = None);
        };
        let Run { who: owner, subject, .. } = run;
        let permit = |asking| {
            let late = from.permit.is_some_and(|permit| asking && permit.late);
            Permit { slot: at as u8, subject, owner, asking, unchanged: 0, late }
        };
        let before = self.out == Out::P5Before && run.phase == Phase::Take && from.permit.is_none();
        let lands = run.fresh || before || self.out == Out::Revision;
        match run.phase {
            Phase::Take | Phase::WriteAsking if !lands => {
                self.add("refused: starts over", false, |w| w.runs[n] = None);
            }
            Phase::Take => {
                let goes_on = (self.out == Out::P5Before).then_some(Phase::WriteAsking);
                self.add("takes the permit", false, |w| {
                    w.set_permit(Some(permit(false)));
                    w.runs[n] = goes_on.map(|phase| Run { phase, fresh: true, paused: false, ..run });
                });
                self.dies_writing(n, permit(false));
            }
            Phase::WriteAsking => {
                self.add("writes asking", false, |w| {
                    w.set_permit(Some(permit(true)));
                    w.runs[n] = Some(Run { phase: Phase::Send, fresh: true, ..run });
                });
                self.dies_writing(n, permit(true));
            }
            Phase::Send => {
                let sends = still_sends(&from, run.who, subject, run.paused, self.out);
                match from.asks.iter().position(|ask| *ask == NONE).filter(|_| sends) {
                    Some(free) => self.add("asks", false, |w| {
                        (w.asks[free], w.runs[n]) = (subject, None);
                    }),
                    None => self.add("was paused: starts over", false, |w| w.runs[n] = None),
                }
            }
        }
    }

    fn dies_writing(&mut self, n: usize, permit: Permit) {
        if self.from.faults.late > 0 && self.from.write.is_none() {
            self.add("a run is killed, its write under way", true, |w| {
                (w.write, w.runs[n]) = (Some(Some(permit)), None);
                w.faults.late -= 1;
            });
        }
    }

    fn under_way(&mut self) {
        let from = *self.from;
        for (n, ask) in from.asks.iter().enumerate().filter(|(_, ask)| **ask != NONE) {
            self.add("an ask is lost", true, |w| w.asks[n] = NONE);
            self.add("an ask arrives", false, |w| {
                w.asks[n] = NONE;
                if let Some(slot) = w.slot_of(*ask) {
                    w.instances[usize::from(*ask)].unhealthy = true;
                    w.replacing[slot] = true;
                }
            });
            let at = from.slot_of(*ask);
            let second = at.is_some_and(|at| (0..SLOTS).any(|slot| slot != at && from.replacing[slot]));
            self.found.last_mut().expect("just added").broken = second;
        }
        if let Some(permit) = from.write {
            self.add("a late write arrives", true, |w| w.set_permit(permit));
            self.add("a late write is lost", false, |w| w.write = None);
        }
    }

    /// Anybody who lives looks after the permit.
    fn permit(&mut self) {
        let from = *self.from;
        let Some(permit) = from.permit.filter(|_| from.living().any(|n| from.acts(n))) else { return };
        match fate(&from, self.out) {
            Fate::GoesOn => {}
            Fate::SetHealthy => self.add("the subject is called healthy", false, |w| {
                w.instances[usize::from(permit.subject)].unhealthy = false;
                w.replacing[usize::from(permit.slot)] = false;
            }),
            Fate::Over => {
                self.add("the permit is ended", false, |w| w.set_permit(None));
                if from.faults.late > 0 && from.write.is_none() {
                    self.add("the end of the permit is under way", true, |w| {
                        w.write = Some(None);
                        w.faults.late -= 1;
                    });
                }
            }
        }
    }

    /// A minute is the bound of every ask on its way; a run that stands still for one was paused.
    fn time(&mut self) {
        let Some(permit) = self.from.permit.filter(|_| self.from.asks == [NONE; 2]) else { return };
        let mut passes = |what, to: Permit| {
            self.add(what, false, |w| {
                w.permit = Some(to);
                w.runs.iter_mut().flatten().for_each(|run| run.paused = true);
            });
        };
        match (permit.unchanged, permit.late) {
            (0, _) => passes("a minute passes", Permit { unchanged: 1, ..permit }),
            (1, _) => passes("a lease passes", Permit { unchanged: 2, ..permit }),
            (_, false) => passes("the deadline passes", Permit { late: true, ..permit }),
            _ => {}
        }
    }

    fn group(&mut self) {
        let from = *self.from;
        for n in from.living() {
            if from.of(n).unhealthy && !from.suspended {
                self.add("the group replaces", false, |w| w.terminate(n));
            } else if from.members() > from.desired {
                self.add("the group scales in", false, |w| w.terminate(n));
            }
        }
        let unused = (0..INSTANCES).find(|n| from.instances[*n].life == Life::Unused);
        if let Some(n) = unused.filter(|_| from.members() < from.desired) {
            self.add("the group launches", false, |w| {
                w.instances[n] = Instance { life: Life::Living, ..Instance::default() };
            });
        }
        let waiting = from.living().find(|n| from.acts(*n) && from.slot_of(*n).is_none());
        if let (Some(n), Some(slot)) = (waiting, from.vacant()) {
            self.add("takes the slot", false, |w| w.holder[slot] = n);
        }
    }

    fn services(&mut self) {
        let from = *self.from;
        for (slot, entry) in from.registered.iter().enumerate().filter(|(_, entry)| **entry != NONE) {
            let serves = from.lives(*entry) && from.of(*entry).unit == Unit::Up && !from.of(*entry).hung;
            if !serves {
                self.add("a registration goes", false, |w| w.registered[slot] = NONE);
            }
        }
        for (slot, holder) in from.holder.iter().enumerate().filter(|(_, holder)| **holder != NONE) {
            let comes = from.acts(*holder) && from.of(*holder).unit != Unit::Failed;
            if comes && from.registered[slot] == NONE {
                self.add("a broker registers", false, |w| {
                    w.instances[usize::from(*holder)].unit = Unit::Up;
                    w.registered[slot] = *holder;
                    // The one that was called unhealthy is still to be replaced.
                    w.replacing[slot] &= from.of(*holder).unhealthy;
                });
            }
        }
    }

    fn faults(&mut self) {
        let from = *self.from;
        let left = from.faults;
        for n in from.living() {
            let at = usize::from(n);
            if left.fail > 0 && from.acts(n) && from.slot_of(n).is_some() && from.of(n).unit != Unit::Failed {
                self.add("a unit fails", true, |w| {
                    w.instances[at].unit = Unit::Failed;
                    w.faults.fail -= 1;
                });
            }
            if left.heal > 0 && from.of(n).unit == Unit::Failed && from.acts(n) {
                self.add("a unit heals", true, |w| {
                    w.instances[at].unit = Unit::Starting;
                    w.faults.heal -= 1;
                });
            }
            if left.heal > 0 && from.of(n).hung {
                self.add("a host wakes", true, |w| {
                    w.instances[at].hung = false;
                    w.faults.heal -= 1;
                });
            }
            if left.hang > 0 && from.acts(n) && from.slot_of(n).is_some() {
                self.add("a host hangs", true, |w| {
                    w.instances[at].hung = true;
                    w.stop_runs_of(n);
                    w.faults.hang -= 1;
                });
            }
            if left.terminate > 0 {
                self.add("an instance is terminated from outside", true, |w| {
                    w.terminate(n);
                    w.faults.terminate -= 1;
                });
            }
        }
        if left.lower > 0 && from.desired > 1 {
            self.add("the capacity is lowered", true, |w| {
                w.desired -= 1;
                w.faults.lower -= 1;
            });
        }
        if left.suspend > 0 && !from.suspended {
            self.add("ReplaceUnhealthy is suspended", true, |w| {
                w.suspended = true;
                w.faults.suspend -= 1;
            });
        }
        if left.resume > 0 && from.suspended {
            self.add("ReplaceUnhealthy is resumed", true, |w| {
                w.suspended = false;
                w.faults.resume -= 1;
            });
        }
    }
}
