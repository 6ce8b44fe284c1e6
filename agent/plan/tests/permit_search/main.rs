//! The permit's protocol, searched exhaustively over the very rules of `berth_plan::permit`.
//!
//! Three slots, their instances, two runs at once that ask, a group that replaces and launches for ever; faults at any point,
//! from a budget. The law: no instance is called unhealthy while another slot is being replaced, until its
//! successor serves or nobody will come. And from every state a settled one can be reached without a further fault. Then each
//! clause is taken out, and one of the two breaks.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod moves;
mod rules;
mod search;
mod world;

use rules::Out;
use search::search;
use std::time::Instant;
use world::{Faults, World};

/// The search of one mix ends here, so that all of them end within seconds.
const AT_MOST: usize = 200_000;

const FAILS: Faults =
    Faults { fail: 2, heal: 0, hang: 0, terminate: 0, lower: 0, suspend: 0, resume: 0, late: 0 };

/// Where a search begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    /// Every instance serves; so many there are.
    Serving(u8),
    /// [`World::a_peer_has_asked`].
    PeerAsked,
}

fn world(first: First, faults: Faults) -> World {
    match first {
        First::Serving(desired) => World::new(desired, faults),
        First::PeerAsked => World::a_peer_has_asked(faults),
    }
}

fn mixes() -> Vec<(&'static str, First, Faults)> {
    let (all, one) = (First::Serving(3), Faults { fail: 1, ..FAILS });
    vec![
        ("3 fail", all, Faults { fail: 3, ..FAILS }),
        ("2 fail, heal, late write", all, Faults { heal: 1, late: 1, ..FAILS }),
        ("2 fail, heal, suspended and resumed", all, Faults { heal: 1, suspend: 1, resume: 1, ..FAILS }),
        ("fail, terminated, capacity lowered", all, Faults { terminate: 1, lower: 1, ..one }),
        ("hang, fail", all, Faults { hang: 1, ..one }),
        ("hang, late write", all, Faults { fail: 0, hang: 1, late: 1, ..FAILS }),
        ("a peer asked: heal, fail, terminated", First::PeerAsked, Faults { heal: 1, terminate: 1, ..one }),
        ("fewer instances than slots: 2 fail, heal", First::Serving(2), Faults { heal: 1, ..FAILS }),
    ]
}

#[test]
fn with_every_clause_no_two_are_replaced_at_once_and_every_permit_ends() {
    let begun = Instant::now();
    for (name, first, faults) in mixes() {
        let found = search(world(first, faults), Out::Nothing, AT_MOST);
        println!("{name}: {found}");
        assert!(found.violation.is_none() && found.trap.is_none(), "{name}: {found:#?}");
    }
    println!("in {:.1} s", begun.elapsed().as_secs_f64());
}

/// What breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    TwoAtOnce,
    Trap,
}

#[test]
fn each_clause_taken_out_is_a_hole() {
    let begun = Instant::now();
    let healed = Faults { heal: 1, ..FAILS };
    let all = First::Serving(3);
    let one = Faults { fail: 1, ..FAILS };
    let cases = [
        (Out::P1, all, FAILS, Hole::Trap),
        (Out::P2, all, Faults { hang: 1, ..one }, Hole::Trap),
        (Out::P3, First::PeerAsked, Faults { heal: 1, terminate: 1, ..one }, Hole::TwoAtOnce),
        (Out::P4Minute, all, healed, Hole::TwoAtOnce),
        (Out::P4Anew, all, healed, Hole::TwoAtOnce),
        (Out::P4Paused, all, healed, Hole::TwoAtOnce),
        (Out::P5Always, First::Serving(2), one, Hole::Trap),
        (Out::P5Never, all, FAILS, Hole::TwoAtOnce),
        (Out::P5Dead, all, healed, Hole::TwoAtOnce),
        (Out::P5Before, all, healed, Hole::TwoAtOnce),
        (Out::P6, all, FAILS, Hole::Trap),
        (Out::P7Deadline, all, Faults { suspend: 1, ..one }, Hole::Trap),
        (Out::P7HealthyFirst, all, Faults { suspend: 1, resume: 1, ..healed }, Hole::TwoAtOnce),
        (Out::P8, all, Faults { lower: 1, ..one }, Hole::Trap),
        (Out::P9, all, Faults { fail: 3, ..FAILS }, Hole::TwoAtOnce),
        (Out::Revision, all, healed, Hole::TwoAtOnce),
    ];
    let mut no_hole = Vec::new();
    for (out, first, faults, hole) in cases {
        let whole = mixes().into_iter().any(|(_, of, mix)| of == first && faults.are_within(mix));
        assert!(whole, "{faults:?} is not searched with every clause");
        let found = search(world(first, faults), out, usize::MAX);
        println!("without {out:?}: {found}");
        let path = if hole == Hole::TwoAtOnce { &found.violation } else { &found.trap };
        println!("    {}", path.as_deref().unwrap_or(&[]).join("; "));
        no_hole.extend(path.is_none().then_some((out, hole)));
    }
    println!("in {:.1} s", begun.elapsed().as_secs_f64());
    assert!(no_hole.is_empty(), "nothing breaks without {no_hole:?}");
}
