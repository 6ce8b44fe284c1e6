//! Several instances, one after another and at the same moment.

use crate::{ready, the_instance};
use simulation::claims::node;
use simulation::{Exit, Scene, Settled, World, simulate};
use std::collections::BTreeSet;
use std::sync::Arc;

async fn boot_all(world: &Arc<World>, count: usize) -> Vec<(String, Exit)> {
    let instances = world.hosts_up(count).await;
    let runs: Vec<_> = instances.iter().map(|i| (i.clone(), world.boot(i))).collect();
    let mut exits = Vec::new();
    for (instance, run) in runs {
        exits.push((instance, run.exit().await));
    }
    exits
}

fn slots(exits: &[(String, Exit)]) -> BTreeSet<u32> {
    (0..100).filter(|id| exits.iter().any(|(_, exit)| *exit == ready(*id))).collect()
}

#[test]
fn three_at_the_same_moment_in_three_zones_take_the_slots_of_their_zones() {
    simulate(async {
        let zones = vec![('a', vec![0]), ('b', vec![1]), ('c', vec![2])];
        let world = Scene { slots: zones, desired: 3, ..Scene::default() }.open();
        let exits = boot_all(&world, 3).await;
        assert_eq!(slots(&exits), [0, 1, 2].into(), "{exits:?}");
        world.assert_lawful();
    });
}

#[test]
fn three_at_the_same_moment_in_one_zone_take_its_three_lowest_slots() {
    for seed in 0..20 {
        simulate(async {
            let zones = vec![('a', vec![0, 1, 2, 7, 8])];
            let world = Scene { seed, slots: zones, desired: 3, ..Scene::default() }.open();
            world.with(|s| (s.rules.aws_takes, s.rules.zookeeper_takes) = ((10, 900), (1, 60)));
            let exits = boot_all(&world, 3).await;
            assert_eq!(slots(&exits), [0, 1, 2].into(), "seed {seed}: {exits:?}");
            world.assert_lawful();
        });
    }
}

#[test]
fn a_replacement_becomes_the_same_broker_with_the_same_volume_and_data() {
    simulate(async {
        let world = Scene { slots: vec![('a', vec![4])], desired: 1, ..Scene::default() }.open();
        let first = the_instance(&world).await;
        assert_eq!(world.boot(&first).exit().await, ready(4));
        let disk = world.with(|s| s.disks.clone());
        world.with(|s| s.region.terminate_instance(&first));
        let second = world.until(600_000, |s| {
            let mut up = s.hosts.iter().filter(|(id, host)| host.up && **id != first);
            up.next().map(|(id, _)| id.clone())
        });
        let second = second.await.expect("the group launches a replacement");
        assert_eq!(world.boot(&second).exit().await, ready(4));
        let settled = world.with(|s| Settled::of(s, &second));
        assert_eq!((settled.slot, settled.claim, settled.mounted), (Some(4), (true, true, true), true));
        assert_eq!(world.with(|s| s.disks.clone()), disk);
        world.assert_lawful();
    });
}

#[test]
fn a_successor_waits_for_the_stale_registration_of_the_broker_before_it() {
    simulate(async {
        let world = Scene { slots: vec![('a', vec![4])], desired: 1, ..Scene::default() }.open();
        world.with(|s| {
            s.region.settings_mut().delays.instance_shutting_down = region::model::Delay::Fixed(2_500)
        });
        let first = the_instance(&world).await;
        assert_eq!(world.boot(&first).exit().await, ready(4));
        let session = world.with(|s| s.host(&first).broker.session).expect("it is registered");
        world.with(|s| s.region.terminate_instance(&first));
        world.until(60_000, |s| (!s.host(&first).up).then_some(())).await;
        let off = world.now();
        let second = world.launch('a');
        world.with(|s| s.region.settings_mut().delays.instance_pending = region::model::Delay::Fixed(1));
        world.until(60_000, |s| s.host(&second).up.then_some(())).await;
        assert_eq!(world.boot(&second).exit().await, ready(4));
        let trace = world.with(|s| s.trace.join("\n"));
        assert!(!world.with(|s| s.zk.sessions.contains_key(&session)));
        assert!(world.now() > off + 18_000, "started before the registration was gone\n{trace}");
        assert_eq!(world.with(|s| s.host(&second).broker.invocation), 1, "{trace}");
        world.assert_lawful();
    });
}

#[test]
fn the_successor_of_a_holder_that_stays_after_all_chooses_again() {
    simulate(async {
        let world = Scene { slots: vec![('a', vec![0, 1])], desired: 2, ..Scene::default() }.open();
        let both = world.hosts_up(2).await;
        let (holder, successor) = (&both[0], &both[1]);
        assert_eq!(world.boot(holder).exit().await, ready(0));
        world.with(|s| s.region.set_lifecycle(holder, "Terminating:Wait"));
        let berth = world.boot(successor);
        let intends = |s: &mut simulation::State| s.zk.nodes.contains_key(&node("intents", 0)).then_some(());
        world.until(30_000, intends).await.expect("it goes for the slot of the one that goes");
        world.pass(20_000).await;
        world.with(|s| s.region.set_lifecycle(holder, "Terminating:Retained"));
        assert_eq!(berth.exit().await, ready(1));
        assert!(world.now() < 200_000, "it did not wait for the deadline");
        world.assert_lawful();
    });
}
