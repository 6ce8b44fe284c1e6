//! Breadth first over every world that can be reached; then backwards from the settled ones.

use crate::moves::Moves;
use crate::rules::{Out, next_ask};
use crate::world::{NONE, Unit, World};
use berth_plan::permit::Ask;
use std::collections::HashMap;
use std::fmt;

/// What a search found. A path is what happened, from the first world on.
#[derive(Debug)]
pub(crate) struct Found {
    pub states: usize,
    pub moves: usize,
    pub traps: usize,
    /// It was stopped at so many states: the law held in them, and whether one can be left is not judged.
    pub stopped: bool,
    pub violation: Option<Vec<String>>,
    pub trap: Option<Vec<String>>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} states, {} moves, ", self.states, self.moves)?;
        match &self.violation {
            Some(path) => write!(f, "two replaced at once after {} moves", path.len()),
            None if self.stopped => f.write_str("stopped, traps not judged"),
            None => write!(f, "{} traps", self.traps),
        }
    }
}

/// Searches all that follows from `first`, up to so many states. It ends at the first broken law.
pub(crate) fn search(first: World, out: Out, at_most: usize) -> Found {
    let first = first.tidied();
    let mut worlds = vec![first];
    let mut known = HashMap::from([(first, 0_u32)]);
    let mut came: Vec<(u32, &'static str)> = vec![(0, "")];
    // By the world led to: from where without a fault.
    let mut back: Vec<Vec<u32>> = vec![Vec::new()];
    let (mut next, mut moves) = (0, 0);
    while next < worlds.len() && worlds.len() < at_most {
        let from = worlds[next];
        for step in Moves::of(&from, out) {
            moves += 1;
            let to = *known.entry(step.world).or_insert_with(|| {
                worlds.push(step.world);
                came.push((next as u32, step.what));
                back.push(Vec::new());
                worlds.len() as u32 - 1
            });
            if step.broken {
                let mut path = path(&came, next as u32);
                path.push(step.what.to_owned());
                let (states, violation) = (worlds.len(), Some(path));
                return Found { states, moves, traps: 0, stopped: false, violation, trap: None };
            }
            if !step.fault && to as usize != next {
                back[to as usize].push(next as u32);
            }
        }
        next += 1;
    }
    if next < worlds.len() {
        return Found { states: worlds.len(), moves, traps: 0, stopped: true, violation: None, trap: None };
    }
    let mut good: Vec<bool> = worlds.iter().map(is_settled).collect();
    let mut todo: Vec<u32> = (0..worlds.len() as u32).filter(|n| good[*n as usize]).collect();
    while let Some(n) = todo.pop() {
        for from in &back[n as usize] {
            if !std::mem::replace(&mut good[*from as usize], true) {
                todo.push(*from);
            }
        }
    }
    let traps = good.iter().filter(|good| !**good).count();
    let trap = good.iter().position(|good| !good).map(|n| {
        println!("a trap: {:?}", worlds[n]);
        path(&came, n as u32)
    });
    Found { states: worlds.len(), moves, traps, stopped: false, violation: None, trap }
}

fn path(came: &[(u32, &'static str)], mut n: u32) -> Vec<String> {
    let mut path = Vec::new();
    while n != 0 {
        let (from, what) = came[n as usize];
        path.push(what.to_owned());
        n = from;
    }
    path.reverse();
    path
}

/// Nothing is under way, and by the whole rule nobody has a reason to begin.
fn is_settled(world: &World) -> bool {
    let quiet = world.permit.is_none()
        && world.write.is_none()
        && world.asks == [NONE; 2]
        && world.runs == [None; 2]
        && world.members() == world.desired
        && (world.waiting() == 0 || world.vacant().is_none());
    let at_rest = |n: u8| {
        let of = world.of(n);
        !of.unhealthy && (of.hung || of.unit != Unit::Starting || world.slot_of(n).is_none())
    };
    let wants = |who: u8, subject: u8| {
        let own = who == subject && world.of(who).unit == Unit::Failed;
        let lost = who != subject && world.of(subject).hung;
        let decided = || next_ask(world, who, subject, Out::Nothing);
        (own || lost) && matches!(decided(), Some(Ask::Take { .. } | Ask::WriteAsking { .. }))
    };
    let nobody_wants = || {
        let acting = world.living().filter(|n| world.acts(*n));
        acting.into_iter().all(|who| world.living().all(|subject| !wants(who, subject)))
    };
    quiet && world.living().all(at_rest) && nobody_wants()
}
