//! A random walk: a cluster boots while things go wrong, and when they cease everything must be in its place.
//!
//! One seed decides the scene, the faults and their times. The budget of faults is small: what is wanted is each
//! combination of a few, over many seeds, not a storm in which nothing is judged.

use crate::fate::Mishap;
use crate::scene::Scene;
use crate::world::{State, World};
use crate::{Content, broker, laws};
use berth_plan::Millis;
use region::model::Delay;
use std::sync::Arc;

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Crash,
    Mishap(Mishap),
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

fn scene(chance: &mut fastrand::Rng, seed: u64) -> Scene {
    let mut next = 0;
    let mut zone = |name| {
        let ids: Vec<u32> = (0..chance.u32(1..=2)).map(|n| next + n).collect();
        next += 2;
        (name, ids)
    };
    let mut slots = vec![zone('a')];
    if seed % 2 == 1 {
        slots.push(zone('b'));
    }
    let all: u32 = slots.iter().map(|(_, ids)| ids.len() as u32).sum();
    let desired = chance.u32(1..=all);
    let config = "[boot]\ndeadline = \"10m\"\n";
    let plain = Scene { seed, slots, desired, config, ..Scene::default() };
    if chance.bool() { Scene { content: Content::Blank, format: Some("xfs"), ..plain } } else { plain }
}

fn trouble(chance: &mut fastrand::Rng) -> Trouble {
    match chance.u32(..16) {
        0..=3 => Trouble::Crash,
        4 | 5 => Trouble::Mishap(Mishap::Lost),
        6 | 7 => Trouble::Mishap(Mishap::Late(chance.u64(100..40_000))),
        8 => Trouble::Mishap(Mishap::Stale(chance.u64(500..60_000))),
        9 => Trouble::Mishap(Mishap::SessionExpired),
        10 => Trouble::Reboot,
        11 => Trouble::Terminate,
        12 => Trouble::HardwareDies,
        13 => Trouble::BrokerLosesItsSession,
        14 => Trouble::EnsembleDown(chance.u64(5_000..90_000)),
        _ => Trouble::CutOff(chance.u64(5_000..60_000)),
    }
}

/// Walks.
pub async fn walk(seed: u64) -> Walked {
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
    for _ in 0..chance.u32(1..=6) {
        // A fault a call is the smallest step in which something can differ: most come while a boot is under way.
        world.pass(if chance.u32(..4) == 0 { chance.u64(..300_000) } else { chance.u64(..15_000) }).await;
        let what = trouble(&mut chance);
        world.with(|s| befall(&world, s, what, &mut chance));
    }
    rest(&world).await;
    world.with(|s| Walked {
        violations: s.violations.iter().cloned().collect(),
        trace: s.trace.clone(),
        journal: s.region.journal().iter().map(|entry| format!("{entry:?}\n")).collect(),
    })
}

fn befall(world: &Arc<World>, s: &mut State, what: Trouble, chance: &mut fastrand::Rng) {
    let up: Vec<String> = s.hosts.iter().filter(|(_, host)| host.up).map(|(id, _)| id.clone()).collect();
    let Some(instance) = chance.choice(&up).cloned() else { return };
    s.tell(format!("FAULT {what:?} on {instance}"));
    match what {
        Trouble::Crash => {
            if let Some(life) = s.runs.live.get(&instance) {
                life.kill();
            }
        }
        Trouble::Mishap(mishap) => {
            if let Some(life) = s.runs.live.get(&instance) {
                life.befall_soon(mishap, chance.usize(..12));
            }
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
    world.pass(1_500_000).await;
    world.with(|s| {
        let idle: Vec<String> = (s.hosts.iter())
            .filter(|(id, host)| host.up && host.broker.session.is_none() && !s.runs.live.contains_key(*id))
            .map(|(id, _)| id.clone())
            .collect();
        for instance in idle {
            s.tell(format!("the operator reboots {instance}"));
            s.region.reboot_instance(&instance);
        }
    });
    world.pass(1_500_000).await;
    world.with(laws::check_rest);
}
