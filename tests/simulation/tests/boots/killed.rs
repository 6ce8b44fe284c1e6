//! A boot that is killed between any two calls of its ports, and run again.

use crate::{ready, the_instance, undisturbed};
use simulation::fate::changes_something;
use simulation::{Content, Death, Exit, Life, Scene, Settled, World, simulate};
use std::sync::Arc;

/// What comes between the kill and the second run.
#[derive(Clone, Copy)]
enum Between {
    Nothing,
    Reboot,
}

async fn second_run(world: &Arc<World>, instance: &str, between: Between) -> Exit {
    if let Between::Reboot = between {
        world.with(|s| s.region.reboot_instance(instance));
        world.until(60_000, |s| s.host(instance).up.then_some(())).await.expect("it boots again");
    } else {
        world.pass(1_000).await;
    }
    world.boot(instance).exit().await
}

/// Kills at every call in turn. Every world ends like the undisturbed one.
fn for_every_kill(scene: &Scene, death: Death, between: Between) {
    let (undisturbed, calls) = undisturbed(scene);
    assert!(calls.len() > 50, "{calls:?}");
    let signal = calls.iter().position(|name| *name == "SignalResource").expect("a boot tells its outcome");
    for (call, name) in calls.into_iter().enumerate() {
        // In flight is what another machine carries out; what this host does is done or not.
        if death != Death::Clean && !changes_something(name) {
            continue;
        }
        simulate(async {
            let world = scene.open();
            let instance = the_instance(&world).await;
            let first = world.boot_with(&instance, Life::default().killed_at(call, death));
            assert_eq!(first.exit().await, Exit::Killed);
            let at = format!("killed at call {call}, {name}, {death:?}");
            let exit = second_run(&world, &instance, between).await;
            let trace = || world.with(|s| s.trace.join("\n"));
            assert_eq!(exit, ready(0), "{at}\n{}", trace());
            world.pass(120_000).await;
            let mut settled = world.with(|s| Settled::of(s, &instance));
            // A `started` that lands after `done` spends nothing: the claim remembers the file system.
            if death != Death::Clean && settled.consent.as_deref() == Some("started") {
                settled.consent = undisturbed.consent.clone();
            }
            // Killed once both notes of the answer are written, a new boot has nothing to tell any more.
            if let (true, Between::Reboot) = (call > signal + 2, between) {
                assert_eq!(settled.told, [""; 0], "{at}");
                settled.told = undisturbed.told.clone();
            }
            // Killed after the answer and before it is noted: the one place where a boot says its word again.
            if let (true, Between::Nothing) = (call == signal + 1, between) {
                assert_eq!((name, settled.told.len()), ("note", 2), "{at}");
                settled.told.dedup();
            }
            assert_eq!(settled, undisturbed, "{at}\n{}", trace());
            assert!(world.with(|s| s.formats) <= 2, "{at}");
            world.assert_lawful();
        });
    }
}

fn formatted() -> Scene {
    Scene { slots: vec![('a', vec![0, 1])], desired: 1, ..Scene::default() }
}

fn blank() -> Scene {
    Scene { content: Content::Blank, format: Some("xfs"), ..formatted() }
}

#[test]
fn a_boot_killed_between_any_two_port_calls_ends_the_same_when_run_again() {
    for_every_kill(&formatted(), Death::Clean, Between::Nothing);
}

#[test]
fn a_boot_killed_between_any_two_port_calls_ends_the_same_after_a_reboot() {
    for_every_kill(&formatted(), Death::Clean, Between::Reboot);
}

#[test]
fn a_format_killed_between_any_two_port_calls_is_finished_under_its_own_uuid() {
    for_every_kill(&blank(), Death::Clean, Between::Nothing);
    for_every_kill(&blank(), Death::Clean, Between::Reboot);
}

#[test]
fn a_request_that_outlives_its_killed_run_changes_nothing_of_the_end() {
    for after in [100, 3_000, 9_000] {
        for_every_kill(&formatted(), Death::InFlight(after), Between::Nothing);
    }
    for_every_kill(&formatted(), Death::InFlight(9_000), Between::Reboot);
    for_every_kill(&blank(), Death::InFlight(3_000), Between::Nothing);
}
