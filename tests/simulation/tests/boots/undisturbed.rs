//! A boot that nothing disturbs, and a second one after it.

use crate::{actions, ready, the_instance};
use berth_lifecycle::ports::UnitState;
use region::model::{Caller, Event, SignalRequest};
use simulation::{Life, Scene, Settled, State, simulate};

#[test]
fn takes_the_lowest_slot_and_brings_all_of_it() {
    simulate(async {
        let world = Scene { slots: vec![('a', vec![3, 5])], desired: 1, ..Scene::default() }.open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(3));
        let settled = world.with(|s| Settled::of(s, &instance));
        let expected = Settled {
            slot: Some(3),
            claim: (true, true, true),
            volume: true,
            eni: true,
            mounted: true,
            consent: None,
            rules: 1,
            unit: UnitState::Active,
            registered: true,
            properties: Some("3".into()),
            left_in_zookeeper: 0,
            told: vec!["SUCCESS".into()],
        };
        assert_eq!(settled, expected);
        assert_eq!(world.with(|s| s.formats), 0);
        world.assert_lawful();
    });
}

#[test]
fn an_undisturbed_boot_calls_ec2_six_times() {
    simulate(async {
        let world = Scene { desired: 1, ..Scene::default() }.open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        let expected = [
            "DescribeNetworkInterfaces",
            "DescribeVolumes",
            "DescribeInstances",
            "AttachVolume",
            "AttachNetworkInterface",
            "DescribeVolumes",
        ];
        assert_eq!(actions(&world, &instance, "ec2"), expected);
        assert_eq!(actions(&world, &instance, "autoscaling"), ["DescribeLifecycleHooks"]);
        assert_eq!(actions(&world, &instance, "cloudformation"), ["SignalResource"]);
    });
}

#[test]
fn success_is_told_once_and_not_before_the_broker_is_in_sync() {
    simulate(async {
        let world = Scene { desired: 1, ..Scene::default() }.open();
        world.with(|s| s.rules.broker_syncs = 90_000);
        let instance = the_instance(&world).await;
        let berth = world.boot(&instance);
        let registered = world.until(120_000, |s| s.host(&instance).broker.session.map(|_| s.now)).await;
        let registered = registered.expect("the broker registers");
        assert_eq!(berth.exit().await, ready(0));
        let told: Vec<u64> = world.with(|s| {
            let calls = s.region.journal().iter();
            let signals = calls
                .filter(|e| matches!(&e.event, Event::Call { action, .. } if action == "SignalResource"));
            signals.map(|e| e.at).collect()
        });
        assert_eq!(told.len(), 1);
        assert!(told[0] >= registered + 90_000, "told at {told:?}, registered at {registered}");
        world.assert_lawful();
    });
}

#[test]
fn a_second_run_on_a_settled_instance_only_reads() {
    simulate(async {
        let world = Scene { desired: 1, ..Scene::default() }.open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        let written = |s: &mut State| -> Vec<(String, i64)> {
            s.zk.nodes.iter().map(|(path, node)| (path.clone(), node.mzxid)).collect()
        };
        let (nodes, calls) = (world.with(written), world.with(|s| s.region.journal().len()));
        let again = world.boot_with(&instance, Life::default());
        let life = again.life.clone();
        assert_eq!(again.exit().await, ready(0));
        let reads = life.calls();
        let changing =
            ["write", "hold", "intend", "queue", "note", "format begins", "mount", "start unit", "apply"];
        assert!(!reads.iter().any(|call| changing.contains(call)), "{reads:#?}");
        assert_eq!(world.with(written), nodes);
        let mutating = world.with(|s| {
            let new = &s.region.journal()[calls..];
            new.iter().filter_map(|e| e.event.as_call()).any(|(action, _)| !action.starts_with("Describe"))
        });
        assert!(!mutating);
        world.assert_lawful();
    });
}

#[test]
fn a_reboot_resumes_the_slot_and_starts_its_service() {
    simulate(async {
        let world = Scene { desired: 1, ..Scene::default() }.open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        world.with(|s| s.region.reboot_instance(&instance));
        world.until(10_000, |s| (!s.host(&instance).up).then_some(())).await;
        world.until(60_000, |s| s.host(&instance).up.then_some(())).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        let settled = world.with(|s| Settled::of(s, &instance));
        assert_eq!((settled.slot, settled.unit, settled.registered), (Some(0), UnitState::Active, true));
        world.assert_lawful();
    });
}

/// Tells an outcome past berth.
fn tell(s: &mut State, instance: &str, status: &str) {
    let (stack, resource) = s.rules.stack.clone().expect("the scene has a stack");
    let unique_id = instance.to_owned();
    let request = SignalRequest { stack, resource, unique_id, status: status.to_owned() };
    let refused = s.region.signal_resource(&Caller::instance(instance), request);
    refused.expect_err("the stack is complete");
}

#[test]
fn a_failure_after_success_breaks_a_law_though_the_stack_is_finished() {
    simulate(async {
        let world = Scene { desired: 1, ..Scene::default() }.open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        world.with(|s| tell(s, &instance, "FAILURE"));
        let expected = format!("boot 1 of {instance} told two outcomes");
        assert_eq!(world.with(|s| s.violations.iter().cloned().collect::<Vec<_>>()), [expected]);
    });
}

#[test]
fn a_success_that_is_repeated_to_a_finished_stack_is_counted() {
    simulate(async {
        let world = Scene { desired: 1, ..Scene::default() }.open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        world.with(|s| tell(s, &instance, "SUCCESS"));
        let settled = world.with(|s| Settled::of(s, &instance));
        assert_eq!(settled.told, ["SUCCESS", "SUCCESS"]);
    });
}
