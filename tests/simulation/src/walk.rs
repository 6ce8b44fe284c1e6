//! A random walk: a cluster boots while things go wrong, and when they cease everything must be in its place.
//!
//! One seed decides the scene, the faults and their times. The budget of faults is small: what is wanted is each
//! combination of a few, over many seeds, not a storm in which nothing is judged.

use crate::fate::{Death, Mishap};
use crate::scene::Scene;
use crate::world::Millis;
use crate::world::{State, World};
use crate::{Content, broker, laws};
use region::model::{Delay, Fault, FaultKind};
use std::sync::Arc;

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// The run is killed after so many calls more.
    Crash(Death, usize),
    /// An attachment hangs.
    Stuck,
    /// A detachment hangs.
    Busy,
    /// A lifecycle hook holds the instance for so long before it is terminated.
    Hook(Millis),
    Mishap(Mishap, usize),
    Reboot,
    Terminate,
    HardwareDies,
    BrokerLosesItsSession,
    EnsembleDown(Millis),
    CutOff(Millis),
}

/// What a walk left: the broken laws, and all that happened.
pub struct Walked {
    /// Broken laws; none is good.
    pub violations: Vec<String>,
    /// The trace.
    pub trace: Vec<String>,
    /// The region's journal, one line an entry.
    pub journal: String,
}

/// As many slots in each zone, so that the group, which balances zones, launches nowhere more than there are slots: who
/// waits in vain is replaced over and over, and that is another test's subject.
fn scene(chance: &mut fastrand::Rng, seed: u64) -> Scene {
    let in_each = chance.u32(1..=2);
    let zones = chance.u32(1..=2);
    let slots = (0..zones).map(|zone| {
        let letter = char::from(b'a' + zone as u8);
        (letter, (0..in_each).map(|n| 2 * zone + n).collect())
    });
    let slots: Vec<_> = slots.collect();
    let desired = chance.u32(1..=in_each * zones);
    let deadlines =
        ["[boot]\ndeadline = \"1m\"\n", "[boot]\ndeadline = \"3m\"\n", "[boot]\ndeadline = \"10m\"\n"];
    let config = deadlines[chance.usize(..3)];
    let plain = Scene { seed, slots, desired, config, ..Scene::default() };
    if chance.bool() { Scene { content: Content::Blank, format: Some("xfs"), ..plain } } else { plain }
}

fn trouble(chance: &mut fastrand::Rng) -> Trouble {
    match chance.u32(..20) {
        0..=3 => Trouble::Crash(Death::Clean, chance.usize(..60)),
        4..=6 => Trouble::Crash(Death::InFlight(chance.u64(50..30_000)), chance.usize(..60)),
        7 | 8 => Trouble::Mishap(Mishap::Lost, chance.usize(..60)),
        9 | 10 => Trouble::Mishap(Mishap::Late(chance.u64(100..60_000)), chance.usize(..60)),
        11 => Trouble::Mishap(Mishap::Stale(chance.u64(500..60_000)), chance.usize(..60)),
        12 => Trouble::Mishap(Mishap::SessionExpired, chance.usize(..60)),
        13 => Trouble::Reboot,
        14 => Trouble::Terminate,
        15 => {
            if chance.bool() {
                Trouble::Hook(chance.u64(10_000..90_000))
            } else {
                Trouble::HardwareDies
            }
        }
        16 => Trouble::BrokerLosesItsSession,
        17 => Trouble::EnsembleDown(chance.u64(5_000..90_000)),
        18 => {
            if chance.bool() {
                Trouble::Stuck
            } else {
                Trouble::Busy
            }
        }
        _ => Trouble::CutOff(chance.u64(5_000..60_000)),
    }
}

/// A cluster boots while things go wrong.
async fn troubled(seed: u64) -> Arc<World> {
    let mut chance = fastrand::Rng::with_seed(seed ^ 0x5eed);
    let scene = scene(&mut chance, seed);
    let world = scene.open();
    world.with(|s| {
        (s.rules.starts_itself, s.rules.restarts) = (true, true);
        (s.rules.aws_takes, s.rules.zookeeper_takes) = ((10, 600), (1, 80));
        if chance.u32(..3) == 0 {
            s.region.settings_mut().delays.describe_staleness = Delay::Uniform(0, 3_000);
        }
        s.tell(format!("seed {seed}: {:?}, {} instances, {:?}", scene.slots, scene.desired, scene.content));
    });
    let spare =
        scene.slots.iter().all(|(_, ids)| ids.len() == 2) && scene.desired as usize <= scene.slots.len();
    if spare && chance.bool() {
        let bad = scene.slots[0].1[0];
        world.with(|s| s.disks.insert(s.rules.slots[&bad].0.clone(), Content::Foreign));
    }
    world.until(60_000, |s| (!s.runs.live.is_empty()).then_some(())).await;
    for _ in 0..chance.u32(1..=6) {
        // Most come while a boot is under way.
        world.pass(if chance.u32(..4) == 0 { chance.u64(..200_000) } else { chance.u64(..8_000) }).await;
        let what = trouble(&mut chance);
        world.with(|s| befall(&world, s, what, &mut chance));
    }
    world
}

/// Walks.
pub async fn walk(seed: u64) -> Walked {
    let world = troubled(seed).await;
    rest(&world).await;
    world.with(|s| Walked {
        violations: s.violations.iter().cloned().collect(),
        trace: s.trace.clone(),
        journal: s.region.journal().iter().map(|entry| format!("{entry:?}\n")).collect(),
    })
}

/// A walk that stops in its midst: all runs are killed, nobody starts another, and what is under way comes to its end.
pub async fn interrupted(seed: u64) -> Arc<World> {
    let world = troubled(seed).await;
    let after = fastrand::Rng::with_seed(seed).u64(..8_000);
    world.pass(after).await;
    world.with(|s| {
        (s.rules.starts_itself, s.rules.restarts) = (false, false);
        s.runs.live.values().for_each(|life| life.kill());
    });
    // Starts that were on their way.
    world.pass(2_000).await;
    world.with(|s| {
        s.runs.live.values().for_each(|life| life.kill());
        s.region.clear_faults();
        s.tell("the walk is interrupted");
    });
    world.pass(900_000).await;
    world
}

fn befall(world: &Arc<World>, s: &mut State, what: Trouble, chance: &mut fastrand::Rng) {
    // Who boots is hit first: what is settled is hit where nobody boots.
    let mut up: Vec<String> = s.runs.live.keys().cloned().collect();
    if up.is_empty() || chance.u32(..4) == 0 {
        up = s.hosts.iter().filter(|(_, host)| host.up).map(|(id, _)| id.clone()).collect();
    }
    let Some(instance) = chance.choice(&up).cloned() else { return };
    s.tell(format!("FAULT {what:?} on {instance}"));
    match what {
        Trouble::Crash(death, after) => {
            if let Some(life) = s.runs.live.get(&instance) {
                life.kill_soon(death, after);
            }
        }
        Trouble::Mishap(mishap, after) => {
            if let Some(life) = s.runs.live.get(&instance) {
                life.befall_soon(mishap, after);
            }
        }
        Trouble::Stuck => s.region.inject(Fault::next("Attach*", FaultKind::StuckAttaching)),
        Trouble::Busy => s.region.inject(Fault::next("DetachVolume", FaultKind::Busy)),
        Trouble::Hook(millis) => {
            s.region.set_lifecycle(&instance, "Terminating:Wait");
            s.later(millis, move |s| s.region.terminate_instance(&instance));
        }
        Trouble::Reboot => s.region.reboot_instance(&instance),
        Trouble::Terminate => s.region.terminate_instance(&instance),
        Trouble::HardwareDies => s.region.fail_instance(&instance),
        Trouble::BrokerLosesItsSession => broker::lose_session(world, s, &instance),
        Trouble::EnsembleDown(millis) => {
            s.zk.down = true;
            s.later(millis, |s| s.zk.down = false);
        }
        Trouble::CutOff(millis) => {
            s.cut_off(&instance);
            s.later(millis, move |s| s.reconnect(&instance));
        }
    }
}

/// Faults cease; an operator reboots what gave up; after that everything is in its place.
async fn rest(world: &Arc<World>) {
    world.pass(900_000).await;
    world.with(|s| {
        s.region.clear_faults();
        let idle: Vec<String> = (s.hosts.iter())
            .filter(|(id, host)| host.up && host.broker.session.is_none() && !s.runs.live.contains_key(*id))
            .map(|(id, _)| id.clone())
            .collect();
        for instance in idle {
            s.tell(format!("the operator reboots {instance}"));
            s.region.reboot_instance(&instance);
        }
    });
    world.pass(900_000).await;
    world.with(laws::check_rest);
}
