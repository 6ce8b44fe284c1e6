//! Several instances, one after another and at the same moment.

use crate::{ready, the_instance, undisturbed};
use region::model::{AttachVolumeRequest, Caller};
use simulation::claims::node;
use simulation::{Death, Exit, Life, Mishap, Scene, Settled, World, simulate};
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

#[test]
fn a_slot_whose_volume_another_instance_took_first_is_not_claimed() {
    simulate(async {
        let world = Scene { slots: vec![('a', vec![0, 1])], desired: 1, ..Scene::default() }.open();
        let instance = the_instance(&world).await;
        let other = world.launch('a');
        world.until(60_000, |s| s.host(&other).up.then_some(())).await.expect("it boots");
        let berth = world.boot(&instance);
        let intends = |s: &mut simulation::State| s.zk.nodes.contains_key(&node("intents", 0)).then_some(());
        world.until(30_000, intends).await.expect("it goes for the lowest slot");
        world.with(|s| {
            let volume = s.rules.slots[&0].0.clone();
            let request =
                AttachVolumeRequest { volume, instance: other, device: "/dev/sdf".into(), dry_run: false };
            s.region.attach_volume(&Caller::admin(), request).expect("it is free");
        });
        assert_eq!(berth.exit().await, ready(1));
        assert!(!world.with(|s| s.zk.nodes.contains_key(&node("slots", 0))));
        world.assert_lawful();
    });
}

/// The write of a killed run lands when another instance, by an older picture, has the intent: at every distance
/// between the two boots.
#[test]
fn the_claim_of_a_dead_run_that_lands_late_is_refused_where_its_intent_is_gone() {
    let (_, calls) = undisturbed(&Scene { slots: vec![('a', vec![0, 1])], desired: 1, ..Scene::default() });
    let hold = calls.iter().position(|call| *call == "hold").expect("a boot writes its claim");
    // The second reads under the lock later than it took its picture: one of its reads fails first.
    let locked =
        calls.iter().position(|call| *call == "locked records").expect("a boot reads under the lock");
    let mut second_in_between = 0;
    for distance in (0..8_000).step_by(200) {
        simulate(async {
            let world = Scene { slots: vec![('a', vec![0, 1])], desired: 2, ..Scene::default() }.open();
            let both = world.hosts_up(2).await;
            world.with(|s| (s.rules.zookeeper_takes, s.rules.restarts) = ((700, 700), true));
            let _first = world.boot_with(&both[0], Life::default().killed_at(hold, Death::InFlight(9_500)));
            world.pass(distance).await;
            let _second = world.boot_with(&both[1], Life::default().mishap_at(locked, Mishap::Throttled));
            world.pass(180_000).await;
            let holders: BTreeSet<Option<u32>> =
                both.iter().map(|i| world.with(|s| Settled::of(s, i).slot)).collect();
            assert_eq!(
                holders,
                [Some(0), Some(1)].into(),
                "{distance}\n{}",
                world.with(|s| s.trace.join("\n"))
            );
            second_in_between += u32::from(world.with(|s| Settled::of(s, &both[1]).slot) == Some(0));
            world.assert_lawful();
        });
    }
    assert!(second_in_between > 0, "the second took the slot of the first at no distance");
}

#[test]
fn a_slot_whose_volume_is_on_a_live_instance_is_taken_though_no_claim_says_so() {
    simulate(async {
        let world = Scene { slots: vec![('a', vec![0, 1])], desired: 1, ..Scene::default() }.open();
        let instance = the_instance(&world).await;
        let other = world.launch('a');
        world.until(60_000, |s| s.host(&other).up.then_some(())).await.expect("it boots");
        world.with(|s| {
            let volume = s.rules.slots[&0].0.clone();
            let request =
                AttachVolumeRequest { volume, instance: other, device: "/dev/sdf".into(), dry_run: false };
            s.region.attach_volume(&Caller::admin(), request).expect("it is free");
        });
        let began = world.now();
        assert_eq!(world.boot(&instance).exit().await, ready(1));
        assert!(world.now() < began + 60_000, "it waited for the other");
        world.assert_lawful();
    });
}

/// The second instance of a group, once it is up.
async fn second(world: &Arc<World>, first: &str) -> String {
    let up = world.until(600_000, |s| {
        let mut up = s.hosts.iter().filter(|(id, host)| host.up && *id != first);
        up.next().map(|(id, _)| id.clone())
    });
    up.await.expect("the group launches a replacement")
}

#[test]
fn a_slot_whose_holder_ec2_has_forgotten_is_taken() {
    simulate(async {
        let world = Scene { slots: vec![('a', vec![4])], desired: 1, ..Scene::default() }.open();
        let first = the_instance(&world).await;
        assert_eq!(world.boot(&first).exit().await, ready(4));
        world.with(|s| s.region.terminate_instance(&first));
        let second = second(&world, &first).await;
        // Two hours later EC2 shows nothing of the first: its claim alone names it.
        world.pass(2 * 3_600_000).await;
        assert_eq!(world.boot(&second).exit().await, ready(4));
        world.assert_lawful();
    });
}
