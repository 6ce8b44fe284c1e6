//! Life-cycle hooks of the group: held while berth works, and told how it ended.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use crate::{gave_up, ready, the_instance};
use berth_lifecycle::stories::release::{Ended, Request};
use berth_plan::BrokerId;
use berth_plan::service::leaving::Haste;
use region::model::{
    Caller, Event, Fault, FaultKind, GroupTerminateRequest, HookSpec, PoolState, Transition,
};
use simulation::{Exit, Life, Scene, World, broker, simulate};
use std::sync::Arc;

fn hook(transition: Transition, seconds: u64) -> HookSpec {
    HookSpec { heartbeat: seconds * 1_000, ..HookSpec::new("berth", transition) }
}

fn held(transition: Transition) -> Scene {
    let hooks = vec![hook(transition, 60)];
    Scene { slots: vec![('a', vec![0])], desired: 1, hooks, ..Scene::default() }
}

/// The actions of hooks that an instance called, with what they said.
fn said(world: &Arc<World>, instance: &str) -> Vec<String> {
    world.with(|s| {
        let calls = s.region.journal().iter().filter_map(|entry| match &entry.event {
            Event::Call { action, caller, params, outcome, .. } if caller.as_deref() == Some(instance) => {
                let result = params.get("LifecycleActionResult").cloned().unwrap_or_default();
                let is_word =
                    ["CompleteLifecycleAction", "RecordLifecycleActionHeartbeat"].contains(&action.as_str());
                is_word.then(|| format!("{action} {result} {outcome}").replace("  ", " "))
            }
            _ => None,
        });
        calls.collect()
    })
}

fn state(world: &Arc<World>, instance: &str) -> String {
    world.with(|s| {
        s.region
            .group("brokers")
            .unwrap()
            .members
            .get(instance)
            .map_or("gone".to_owned(), |m| m.lifecycle.clone())
    })
}

#[test]
fn a_launching_instance_comes_into_service_when_its_broker_is_ready() {
    simulate(async {
        let world = held(Transition::Launching).open();
        let instance = the_instance(&world).await;
        assert_eq!(state(&world, &instance), "Pending:Wait");
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        assert_eq!(said(&world, &instance), ["CompleteLifecycleAction CONTINUE ok"]);
        world.pass(5_000).await;
        assert_eq!(state(&world, &instance), "InService");
        world.assert_lawful();
    });
}

#[test]
fn a_long_boot_keeps_its_hook_waiting() {
    simulate(async {
        let world = held(Transition::Launching).open();
        world.with(|s| s.rules.broker_syncs = 600_000);
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        let said = said(&world, &instance);
        let beats = said.iter().filter(|word| *word == "RecordLifecycleActionHeartbeat ok").count();
        assert!((25..40).contains(&beats), "ten minutes, three in each minute: {beats}");
        assert_eq!(said.last().unwrap(), "CompleteLifecycleAction CONTINUE ok");
        assert_ne!(state(&world, &instance), "gone");
    });
}

#[test]
fn a_boot_that_gives_up_abandons_the_launch() {
    simulate(async {
        let world = Scene { config: "[boot]\ndeadline = \"2m\"", ..held(Transition::Launching) }.open();
        let instance = the_instance(&world).await;
        world.with(|s| broker::register_stranger(s, 0, "10.9.9.9:9092"));
        let exit = world.boot(&instance).exit().await;
        assert!(gave_up(&exit).is_some(), "{exit:?}");
        assert_eq!(said(&world, &instance).last().unwrap(), "CompleteLifecycleAction ABANDON ok");
    });
}

#[test]
fn a_run_that_is_cut_between_the_hook_and_the_signal_says_both_again() {
    simulate(async {
        let world = held(Transition::Launching).open();
        let instance = the_instance(&world).await;
        let first = world.boot(&instance);
        let life = first.life.clone();
        assert_eq!(first.exit().await, ready(0));
        let signal = life.calls().iter().position(|call| *call == "SignalResource").unwrap();
        let world = held(Transition::Launching).open();
        let instance = the_instance(&world).await;
        let cut = world.boot_with(&instance, Life::default().killed_at(signal, simulation::Death::Clean));
        assert_eq!(cut.exit().await, Exit::Killed);
        world.pass(1_000).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        let said = said(&world, &instance);
        assert_eq!(said[0], "CompleteLifecycleAction CONTINUE ok");
        assert!(said[1].starts_with("CompleteLifecycleAction CONTINUE ValidationError"), "{said:?}");
        assert_eq!(world.with(|s| s.told.len()), 1);
    });
}

#[test]
fn hooks_that_cannot_be_asked_for_keep_no_broker_from_its_success() {
    simulate(async {
        let world =
            Scene { hooks: vec![hook(Transition::Launching, 7_200)], ..held(Transition::Launching) }.open();
        let instance = the_instance(&world).await;
        let away = Fault { count: None, ..Fault::next("DescribeLifecycleHooks", FaultKind::ServerError) };
        world.with(|s| s.region.inject(away));
        let run = world.boot(&instance);
        world.pass(600_000).await;
        assert_eq!((said(&world, &instance), world.with(|s| s.told.len())), (vec![], 1), "SUCCESS is told");
        world.with(|s| s.region.clear_faults());
        assert_eq!(run.exit().await, ready(0));
        assert_eq!(said(&world, &instance).last().unwrap(), "CompleteLifecycleAction CONTINUE ok");
    });
}

#[test]
fn a_terminating_instance_is_held_until_its_slot_is_free() {
    simulate(async {
        let world = held(Transition::Terminating).open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        assert_eq!(said(&world, &instance), [""; 0]);
        world.with(|s| {
            let request = GroupTerminateRequest { instance: instance.clone(), decrement: true };
            s.region
                .terminate_instance_in_auto_scaling_group(&Caller::admin(), request)
                .expect("it is a member");
        });
        world
            .until(60_000, |s| {
                let member = s.region.group("brokers")?.members.get(&instance)?.lifecycle.clone();
                (member == "Terminating:Wait").then_some(())
            })
            .await
            .expect("the hook holds it");
        let request = Request { reason: "scale-in".to_owned(), haste: Haste::Bounded, stays: false };
        let exit = world.release(&instance, Life::default(), 600_000, request).exit().await;
        assert_eq!(exit, Exit::Released(Ended::Released(BrokerId::new(0))));
        assert_eq!(said(&world, &instance), ["CompleteLifecycleAction CONTINUE ok"]);
        world.pass(60_000).await;
        assert_ne!(state(&world, &instance), "Terminating:Wait");
    });
}

#[test]
fn an_instance_on_its_way_into_a_warm_pool_is_not_held_up_by_its_hook() {
    simulate(async {
        let world = held(Transition::Launching).open();
        let instance = the_instance(&world).await;
        world.with(|s| s.region.enter_warm_pool(&instance, PoolState::Running));
        world.pass(1_000).await;
        let run = world.boot(&instance);
        world.pass(600_000).await;
        assert!(said(&world, &instance)[0].starts_with("CompleteLifecycleAction CONTINUE"));
        assert_ne!(state(&world, &instance), "gone", "its hook's time is not over with ABANDON");
        drop(run);
    });
}
