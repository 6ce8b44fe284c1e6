//! Letting go for good: what a release waits for, what it leaves, and that it may be cut anywhere.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use crate::{ready, the_instance, undisturbed};
use berth_lifecycle::ports::{MountUser, UnitState};
use berth_lifecycle::stories::boot::Ended as Booted;
use berth_lifecycle::stories::release::{Ended, Request};
use berth_plan::BrokerId;
use berth_plan::service::leaving::Haste;
use simulation::fate::changes_something;
use simulation::{Death, Exit, Life, Scene, Settled, State, World, broker, claims, laws, simulate};
use std::sync::Arc;

const TEN_MINUTES: u64 = 600_000;

fn asked(haste: Haste) -> Request {
    Request { reason: "the type is changed".to_owned(), haste, stays: false }
}

fn released(id: u32) -> Exit {
    Exit::Released(Ended::Released(BrokerId::new(id)))
}

async fn release(world: &Arc<World>, instance: &str, haste: Haste) -> Exit {
    world.release(instance, Life::default(), TEN_MINUTES, asked(haste)).exit().await
}

/// Nothing of a slot is left on the instance, and the claim says why.
fn assert_let_go(s: &mut State, instance: &str) {
    assert_eq!(s.region.brought_to(instance), (vec![], vec![]));
    let host = s.host(instance);
    assert_eq!((host.mount.clone(), host.ip_rules.len(), host.unmanaged.len()), (None, 0, 0));
    assert_eq!(host.broker.state, UnitState::Inactive);
    let claim = claims::one(&s.zk, BrokerId::new(0).unwrap()).unwrap().claim.unwrap().value;
    assert_eq!((claim.names(), claim.started.as_ref()), (None, None));
    assert_eq!(claim.history.last().unwrap().why, "released: the type is changed");
    assert!(!s.zk.nodes.contains_key(&broker::registration(0)));
}

fn one() -> Scene {
    Scene { slots: vec![('a', vec![0])], desired: 1, ..Scene::default() }
}

#[test]
fn a_release_leaves_nothing() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        assert_eq!(release(&world, &instance, Haste::Patient).await, released(0));
        world.with(|s| {
            assert_let_go(s, &instance);
        });
        world.assert_lawful();
    });
}

#[test]
fn a_released_instance_takes_no_slot_until_its_next_kernel_boot() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        assert_eq!(release(&world, &instance, Haste::Patient).await, released(0));
        let exit = world.boot(&instance).exit().await;
        assert!(
            matches!(&exit, Exit::Ended(Booted::NotNow(why)) if why.contains("was released (the type is changed)")),
            "{exit:?}"
        );
        world.with(|s| s.region.reboot_instance(&instance));
        world.until(60_000, |s| s.host(&instance).up.then_some(())).await.expect("it boots again");
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        world.assert_lawful();
    });
}

#[test]
fn one_that_stays_released_takes_no_slot_after_a_reboot_either() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        let request = Request { stays: true, ..asked(Haste::Patient) };
        let run = world.release(&instance, Life::default(), TEN_MINUTES, request);
        assert_eq!(run.exit().await, released(0));
        world.with(|s| s.region.reboot_instance(&instance));
        world.until(60_000, |s| s.host(&instance).up.then_some(())).await.expect("it boots again");
        let exit = world.boot(&instance).exit().await;
        assert!(matches!(exit, Exit::Ended(Booted::NotNow(_))), "{exit:?}");
    });
}

/// Brokers 0 and 1 beside the elder, each partition on all three, two of which must be in sync; broker 1 is down.
async fn needed() -> (Arc<World>, Vec<String>) {
    let world = Scene { slots: vec![('a', vec![0, 1])], desired: 2, ..Scene::default() }.open();
    world.with(|s| s.rules.min_in_sync = Some(2));
    let mut instances = world.hosts_up(2).await;
    assert_eq!(world.boot(&instances[0]).exit().await, ready(0));
    assert_eq!(world.boot(&instances[1]).exit().await, ready(1));
    world.pass(30_000).await;
    world.with(|s| broker::die(s, &instances[1], "killed"));
    instances.truncate(2);
    (world, instances)
}

#[test]
fn a_broker_that_is_needed_stays_and_says_for_which_partitions() {
    simulate(async {
        let (world, instances) = needed().await;
        let exit = release(&world, &instances[0], Haste::Patient).await;
        let Exit::Released(Ended::Stayed(why)) = exit else { panic!("{exit:?}") };
        assert!(why.contains("payments-0 to have 2 in sync without broker 0 (it has 1)"), "{why}");
        assert!(why.contains("nothing was stopped"), "{why}");
        let settled = world.with(|s| Settled::of(s, &instances[0]));
        assert_eq!((settled.slot, settled.unit, settled.registered), (Some(0), UnitState::Active, true));
    });
}

#[test]
fn it_goes_as_soon_as_it_is_needed_no_more() {
    simulate(async {
        let (world, instances) = needed().await;
        let run = world.release(&instances[0], Life::default(), TEN_MINUTES, asked(Haste::Patient));
        world.pass(60_000).await;
        assert_eq!(world.with(|s| s.host(&instances[0]).broker.state), UnitState::Active);
        world.with(|s| s.host(&instances[1]).broker.starts = 0);
        assert_eq!(world.boot(&instances[1]).exit().await, ready(1));
        assert_eq!(run.exit().await, released(0));
    });
}

/// Three brokers on each partition, two of which must be in sync: one may go.
#[test]
fn of_two_that_would_go_at_once_one_goes_and_the_other_is_needed() {
    simulate(async {
        let world = Scene { slots: vec![('a', vec![0, 1])], desired: 2, ..Scene::default() }.open();
        world.with(|s| s.rules.min_in_sync = Some(2));
        let instances = world.hosts_up(2).await;
        assert_eq!(world.boot(&instances[0]).exit().await, ready(0));
        assert_eq!(world.boot(&instances[1]).exit().await, ready(1));
        world.pass(30_000).await;
        let [first, second] =
            [0, 1].map(|n| world.release(&instances[n], Life::default(), 120_000, asked(Haste::Patient)));
        let (first, second) = tokio::join!(first.exit(), second.exit());
        let stayed = |exit: &Exit| matches!(exit, Exit::Released(Ended::Stayed(why)) if why.contains("to have 2 in sync"));
        assert!(stayed(&first) != stayed(&second), "{first:?} {second:?}");
        let up =
            world.with(|s| instances.iter().filter(|i| s.host(i).broker.state == UnitState::Active).count());
        assert_eq!(up, 1);
    });
}

#[test]
fn an_instance_that_goes_anyway_waits_to_the_end_of_its_time_and_goes() {
    simulate(async {
        let (world, instances) = needed().await;
        let began = world.now();
        assert_eq!(release(&world, &instances[0], Haste::Bounded).await, released(0));
        assert!(world.now() - began >= TEN_MINUTES);
        let (world, instances) = needed().await;
        let began = world.now();
        assert_eq!(release(&world, &instances[0], Haste::Now).await, released(0));
        assert!(world.now() - began < 60_000);
    });
}

#[test]
fn who_uses_the_mount_is_named_and_nothing_is_forced() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        let user = MountUser { pid: 77, name: "less".into(), path: "/kafkalogs/data/x.log".into() };
        world.with(|s| s.host(&instance).mount_users.push(user));
        let run = world.release(&instance, Life::default(), 60_000, asked(Haste::Patient));
        let exit = run.exit().await;
        let Exit::Released(Ended::Partly(left)) = exit else { panic!("{exit:?}") };
        assert!(left.contains("less (pid 77) has /kafkalogs/data/x.log"), "{left}");
        assert!(world.with(|s| Settled::of(s, &instance).volume));
        world.with(|s| s.host(&instance).mount_users.clear());
        assert_eq!(release(&world, &instance, Haste::Patient).await, released(0));
        world.with(|s| assert_let_go(s, &instance));
    });
}

#[test]
fn with_zookeeper_away_the_service_ends_cleanly_and_what_is_attached_stays() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        world.with(|s| s.zk.down = true);
        let exit = world.release(&instance, Life::default(), 60_000, asked(Haste::Patient)).exit().await;
        assert!(matches!(exit, Exit::Released(Ended::Stayed(_))), "{exit:?}");
        assert_eq!(world.with(|s| s.host(&instance).broker.state), UnitState::Active);
        let exit = world.release(&instance, Life::default(), 60_000, asked(Haste::Bounded)).exit().await;
        let Exit::Released(Ended::Partly(left)) = exit else { panic!("{exit:?}") };
        assert!(left.contains("slot 0 stays claimed and attached"), "{left}");
        world.with(|s| {
            assert_eq!(
                (s.host(&instance).broker.state, s.host(&instance).mount.clone()),
                (UnitState::Inactive, None)
            );
            assert_eq!(s.region.brought_to(&instance).0.len(), 1);
            s.zk.down = false;
        });
        assert_eq!(release(&world, &instance, Haste::Bounded).await, released(0));
        world.with(|s| assert_let_go(s, &instance));
    });
}

#[test]
fn a_release_killed_between_any_two_port_calls_ends_the_same_when_run_again() {
    let calls = simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        let run = world.release(&instance, Life::default(), TEN_MINUTES, asked(Haste::Patient));
        let life = run.life.clone();
        assert_eq!(run.exit().await, released(0));
        life.calls()
    });
    assert!(calls.len() > 20, "{calls:?}");
    println!("a release of {} port calls: {calls:?}", calls.len());
    for death in [Death::Clean, Death::InFlight(20_000)] {
        for (call, name) in calls.iter().enumerate() {
            if death != Death::Clean && !changes_something(name) {
                continue;
            }
            simulate(async {
                let world = one().open();
                let instance = the_instance(&world).await;
                assert_eq!(world.boot(&instance).exit().await, ready(0));
                let life = Life::default().killed_at(call, death);
                let run = world.release(&instance, life, TEN_MINUTES, asked(Haste::Patient));
                let at = format!("killed at call {call}, {name}, {death:?}");
                assert_eq!(run.exit().await, Exit::Killed, "{at}");
                world.pass(1_000).await;
                let exit = release(&world, &instance, Haste::Patient).await;
                assert!(matches!(exit, Exit::Released(Ended::Released(_))), "{at}: {exit:?}");
                world.pass(120_000).await;
                world.with(|s| assert_let_go(s, &instance));
                world.assert_lawful();
            });
        }
    }
}

#[test]
fn a_release_after_a_boot_that_was_cut_anywhere_leaves_nothing_attached() {
    let (_, calls) = undisturbed(&one());
    for death in [Death::Clean, Death::InFlight(20_000)] {
        for (call, name) in calls.iter().enumerate() {
            if !changes_something(name) {
                continue;
            }
            simulate(async {
                let world = one().open();
                let instance = the_instance(&world).await;
                let cut = world.boot_with(&instance, Life::default().killed_at(call, death));
                assert_eq!(cut.exit().await, Exit::Killed);
                // What was in flight lands before it is looked for; what lands later is for the next run.
                world.pass(30_000).await;
                let at = format!("killed at call {call}, {name}, {death:?}");
                let exit = release(&world, &instance, Haste::Patient).await;
                assert!(matches!(exit, Exit::Released(Ended::Released(_))), "{at}: {exit:?}");
                world.with(|s| {
                    assert_eq!(s.region.brought_to(&instance), (vec![], vec![]), "{at}");
                    assert_eq!(s.host(&instance).mount, None, "{at}");
                    assert_eq!(laws::claims_of(s, &instance), [], "{at}");
                });
                world.assert_lawful();
            });
        }
    }
}
