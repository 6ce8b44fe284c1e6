//! Whole boots, one rule a test.

mod cluster;
mod configuration;
mod contract;
mod defects;
mod empty_starts;
mod given_up;
mod groups;
mod hooks;
mod killed;
mod mishaps;
mod permit;
mod plan;
mod releases;
mod signalled;
mod slot_faults;
mod slots;
mod start;
mod strays;
mod undisturbed;
mod walk;

use berth_lifecycle::stories::boot::Ended;
use berth_plan::BrokerId;
use simulation::{Exit, Scene, Settled, World, simulate};
use std::sync::Arc;

/// The exit of a boot whose broker is ready.
fn ready(id: u32) -> Exit {
    Exit::Ended(Ended::Ready(BrokerId::new(id).expect("slot ids are broker ids")))
}

/// The exit code of a boot that gave up.
fn gave_up(exit: &Exit) -> Option<u8> {
    match exit {
        Exit::Ended(Ended::GaveUp(_, code)) => Some(*code),
        _ => None,
    }
}

/// A scene with one instance.
fn one() -> Scene {
    Scene { desired: 1, ..Scene::default() }
}

/// What happened in a world, for the sentence of a test that fails.
fn trace(world: &World) -> String {
    world.with(|s| s.trace.join("\n"))
}

/// The instance goes down and boots again.
async fn rebooted(world: &Arc<World>, instance: &str) {
    world.with(|s| s.region.reboot_instance(instance));
    world.until(10_000, |s| (!s.host(instance).up).then_some(())).await.expect("it goes down");
    world.until(60_000, |s| s.host(instance).up.then_some(())).await.expect("it boots again");
}

/// The one instance of a scene.
async fn the_instance(world: &World) -> String {
    world.hosts_up(1).await.remove(0)
}

/// The actions that an instance called, of one API or of all.
fn actions(world: &Arc<World>, instance: &str, of: &str) -> Vec<String> {
    world.with(|s| {
        let journal = s.region.journal().iter().filter_map(|entry| match &entry.event {
            region::model::Event::Call { api, action, caller, .. }
                if caller.as_deref() == Some(instance) && (of.is_empty() || api == of) =>
            {
                Some(action.clone())
            }
            _ => None,
        });
        journal.collect()
    })
}

/// What an instance told its group: every call of Auto Scaling but the questions.
fn group_words(world: &Arc<World>, instance: &str) -> Vec<String> {
    let calls = actions(world, instance, "autoscaling").into_iter();
    calls.filter(|action| !action.starts_with("Describe")).collect()
}

/// What an undisturbed boot of a scene leaves behind, and the names of its calls.
fn undisturbed(scene: &Scene) -> (Settled, Vec<&'static str>) {
    simulate(async {
        let world = scene.open();
        let instance = the_instance(&world).await;
        let berth = world.boot(&instance);
        let life = berth.life.clone();
        assert_eq!(berth.exit().await, ready(0));
        (world.with(|s| Settled::of(s, &instance)), life.calls())
    })
}
