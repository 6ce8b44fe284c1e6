//! What lands late: requests whose replies were lost, and what they bring to an instance or take from it.

use crate::{gave_up, ready, the_instance};
use region::model::{
    AttachEniRequest, Caller, DetachEniRequest, DetachVolumeRequest, Fault, FaultKind, TagsRequest,
};
use simulation::claims::node;
use simulation::zookeeper::Op;
use simulation::{Content, Scene, Settled, State, simulate};

fn scene(ids: Vec<u32>, desired: u32) -> Scene {
    let suspended = vec!["ReplaceUnhealthy".to_owned()];
    Scene {
        slots: vec![('a', ids)],
        desired,
        suspended,
        config: "[boot]\ndeadline = \"2m\"\n",
        ..Scene::default()
    }
}

fn attach(s: &mut State, slot: u32, to: &str, device_index: u32) {
    let eni = s.rules.slots[&slot].1.clone();
    let request = AttachEniRequest { eni, instance: to.to_owned(), device_index, ..Default::default() };
    s.region.attach_network_interface(&Caller::admin(), request).expect("it is free");
}

#[test]
fn a_detach_that_lands_late_does_not_hit_the_slot_that_was_taken_again() {
    for late in (5_000..60_000).step_by(2_500) {
        simulate(async {
            let world = scene(vec![0], 1).open();
            let instance = the_instance(&world).await;
            world.with(|s| {
                s.region.inject(Fault::next("AttachNetworkInterface", FaultKind::StuckAttaching));
                s.region.inject(Fault::next("DetachVolume", FaultKind::LateCommit(late)));
            });
            assert_eq!(gave_up(&world.boot(&instance).exit().await), Some(1));
            world.with(|s| s.region.reboot_instance(&instance));
            world.until(60_000, |s| s.host(&instance).up.then_some(())).await;
            let exit = world.boot(&instance).exit().await;
            let trace = world.with(|s| s.trace.join("\n"));
            assert_eq!(exit, ready(0), "{late}\n{trace}");
            world.pass(120_000).await;
            world.assert_lawful();
        });
    }
}

/// A late attach at the index or device name that is in use meanwhile is refused by EC2; this one has a free index.
#[test]
fn an_interface_that_lands_on_an_instance_that_went_elsewhere_is_detached_at_the_end_of_its_boot() {
    simulate(async {
        let world = scene(vec![0, 1], 1).open();
        let instance = the_instance(&world).await;
        world.with(|s| s.disks.insert(s.rules.slots[&0].0.clone(), Content::Foreign));
        let berth = world.boot(&instance);
        world.until(100_000, |s| s.host(&instance).broker.session).await.expect("the broker registers");
        world.with(|s| attach(s, 0, &instance, 3));
        assert_eq!(berth.exit().await, ready(1));
        world.pass(10_000).await;
        let settled = world.with(|s| Settled::of(s, &instance));
        assert!(settled.eni && settled.volume, "{settled:?}");
        world.assert_lawful();
    });
}

#[test]
fn an_interface_of_another_slot_is_detached_by_the_next_run_of_a_settled_instance() {
    simulate(async {
        let world = scene(vec![0, 1], 1).open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        world.with(|s| attach(s, 1, &instance, 2));
        world.pass(10_000).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        world.pass(10_000).await;
        assert!(world.with(|s| Settled::of(s, &instance)).eni);
        world.assert_lawful();
    });
}

#[test]
fn two_instances_that_have_each_others_interface_do_not_wait_for_each_other() {
    simulate(async {
        let world = scene(vec![0, 1], 2).open();
        let both = world.hosts_up(2).await;
        world.with(|s| s.rules.aws_takes = (2_000, 2_000));
        let runs = [world.boot(&both[0]), world.boot(&both[1])];
        let volumes = world.until(60_000, |s| {
            let holder = |slot| {
                s.region.volume(&s.rules.slots[&slot].0)?.attachments.first().map(|a| a.instance.clone())
            };
            Some((holder(0)?, holder(1)?))
        });
        let (of_0, of_1) = volumes.await.expect("both attach a volume");
        world.with(|s| {
            attach(s, 0, &of_1, 2);
            attach(s, 1, &of_0, 2);
        });
        let [one, other] = runs;
        let exits = [one.exit().await, other.exit().await];
        let trace = world.with(|s| s.trace.join("\n"));
        assert!(exits.contains(&ready(0)) && exits.contains(&ready(1)), "{exits:?}\n{trace}");
        world.assert_lawful();
    });
}

#[test]
fn a_volume_that_an_operator_detached_before_its_device_came_is_brought_again() {
    simulate(async {
        let world = Scene { config: "[boot]\ndeadline = \"20m\"\n", ..scene(vec![0], 1) }.open();
        world.with(|s| s.region.settings_mut().delays.volume_attach = region::model::Delay::Fixed(4_000));
        let instance = the_instance(&world).await;
        let berth = world.boot(&instance);
        let attaching = world.until(60_000, |s| s.region.brought_to(&instance).0.first().cloned()).await;
        let volume = attaching.expect("it attaches its volume");
        world.pass(1_000).await;
        world.with(|s| {
            let request = DetachVolumeRequest { volume, ..Default::default() };
            s.region.detach_volume(&Caller::admin(), request).expect("an operator may")
        });
        let exit = berth.exit().await;
        let trace = world.with(|s| s.trace.join("\n"));
        assert_eq!(exit, ready(0), "{trace}");
        assert!(world.now() < 300_000, "{trace}");
        world.assert_lawful();
    });
}

#[test]
fn the_service_is_not_started_on_a_volume_that_was_detached_after_its_mount() {
    simulate(async {
        let world = Scene { config: "[boot]\ndeadline = \"20m\"\n", ..scene(vec![0], 1) }.open();
        world.with(|s| {
            let delays = &mut s.region.settings_mut().delays;
            delays.volume_attach = region::model::Delay::Fixed(1_000);
            delays.volume_detach = region::model::Delay::Fixed(1_000);
            delays.eni_attach = region::model::Delay::Fixed(9_000);
        });
        let instance = the_instance(&world).await;
        let berth = world.boot(&instance);
        let mount = world.until(60_000, |s| s.host(&instance).mount.clone()).await.expect("it mounts");
        world.pass(2_000).await;
        world.with(|s| {
            let request = DetachVolumeRequest { volume: mount.volume, ..Default::default() };
            s.region.detach_volume(&Caller::admin(), request).expect("an operator may")
        });
        let exit = berth.exit().await;
        let trace = world.with(|s| s.trace.join("\n"));
        assert_eq!(exit, ready(0), "{trace}");
        assert_eq!(world.with(|s| s.host(&instance).broker.invocation), 1, "{trace}");
        world.assert_lawful();
    });
}

#[test]
fn one_read_that_is_behind_does_not_leave_an_interface_on_an_instance_that_gave_up() {
    simulate(async {
        let world = Scene { content: Content::Blank, ..scene(vec![0], 1) }.open();
        let instance = the_instance(&world).await;
        world.with(|s| {
            let behind = Fault::next("DescribeNetworkInterfaces", FaultKind::Stale(30_000));
            s.region.settings_mut().delays.volume_detach = region::model::Delay::Fixed(1);
            // The look of the boot is right; the first two of the unwinding are behind, and at the second the volume is off.
            s.region.inject(Fault { skip: 1, count: Some(2), ..behind });
        });
        assert_eq!(gave_up(&world.boot(&instance).exit().await), Some(78));
        let trace = world.with(|s| s.trace.join("\n"));
        assert_eq!(world.with(|s| s.region.faults().count()), 0, "the read was behind\n{trace}");
        world.pass(10_000).await;
        assert_eq!(world.with(|s| s.region.brought_to(&instance)), (vec![], vec![]), "{trace}");
        world.assert_lawful();
    });
}

#[test]
fn a_zombie_is_stopped_and_unmounted_before_its_volume_is_detached() {
    simulate(async {
        let world = scene(vec![0, 1], 1).open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        let other = world.with(|s| {
            let path = node("slots", 0);
            let (bytes, version) =
                s.zk.nodes.get(&path).map(|n| (n.data.clone(), n.version)).expect("it is claimed");
            let claim = String::from_utf8(bytes).unwrap_or_default();
            let other = instance.replace(&instance[10..], &"9".repeat(instance.len() - 10));
            let (wall, operator) = (s.wall(), s.zk.connect("operator", 1));
            let set = Op::Set(path, claim.replace(&instance, &other).into_bytes(), version);
            s.zk.multi(operator, &[set], wall).expect("nobody else writes");
            other
        });
        let from = world.with(|s| s.trace.len());
        assert_eq!(world.boot(&instance).exit().await, ready(1), "slot 0 is of {other}");
        let trace = world.with(|s| s.trace[from..].to_vec());
        let first = |what: &str| trace.iter().position(|line| line.contains(what));
        // The volume is detached just before the interface.
        let (stopped, let_go) = (first("kafka stopped"), first("is of another slot than its own"));
        assert!(stopped.is_some() && stopped < let_go, "{}", trace.join("\n"));
    });
}

/// One describe may be behind: a slot that it lacks is not let go of.
#[test]
fn one_answer_of_ec2_that_lacks_the_slot_does_not_make_the_boot_let_go_of_it() {
    simulate(async {
        let world = Scene { config: "[boot]\ndeadline = \"20m\"\n", ..scene(vec![0, 1], 1) }.open();
        let instance = the_instance(&world).await;
        let (volume, eni) = world.with(|s| s.rules.slots[&0].clone());
        let tags = |s: &mut State, put: bool| {
            let name = [("Name".to_owned(), Some(if put { "KAFKA-0" } else { "gone" }.to_owned()))];
            for resource in [&volume, &eni] {
                let request = TagsRequest {
                    resources: vec![resource.clone()],
                    tags: name.clone().into(),
                    ..Default::default()
                };
                s.region.create_tags(&Caller::admin(), request).expect("an operator may");
            }
        };
        // The attach is refused a few times, so that the boot looks again; one of these looks lacks the slot.
        world.with(|s| {
            let busy = Fault::next("AttachVolume", FaultKind::Throttle);
            s.region.inject(Fault { count: Some(3), ..busy });
        });
        let berth = world.boot(&instance);
        world.until(60_000, |s| s.zk.nodes.contains_key(&node("intents", 0)).then_some(())).await;
        world.with(|s| tags(s, false));
        world.pass(2_500).await;
        world.with(|s| tags(s, true));
        let exit = berth.exit().await;
        let trace = world.with(|s| s.trace.join("\n"));
        assert_eq!(exit, ready(0), "{trace}");
        world.assert_lawful();
    });
}

#[test]
fn a_holder_whose_slot_lost_its_tags_keeps_what_is_attached_to_it() {
    simulate(async {
        let world = scene(vec![0, 1], 1).open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        let (volume, eni) = world.with(|s| s.rules.slots[&0].clone());
        world.with(|s| {
            let request = TagsRequest {
                resources: vec![volume, eni],
                tags: vec![("Name".to_owned(), Some("somebody's typo".to_owned()))],
                ..Default::default()
            };
            s.region.create_tags(&Caller::admin(), request).expect("an operator may");
            s.region.reboot_instance(&instance);
        });
        world.pass(1_000).await;
        world.until(60_000, |s| s.host(&instance).up.then_some(())).await.expect("it boots again");
        let exit = world.boot(&instance).exit().await;
        let trace = world.with(|s| s.trace.join("\n"));
        assert_eq!(exit, ready(0), "{trace}");
        assert!(trace.contains("create-tags"), "{trace}");
        world.assert_lawful();
    });
}

/// An interface that is on its way off this instance is no interface of it: it is attached again.
#[test]
fn an_interface_that_is_detaching_is_attached_again() {
    simulate(async {
        let world = Scene { config: "[boot]\ndeadline = \"20m\"\n", ..scene(vec![0], 1) }.open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        world.with(|s| {
            let eni = s.rules.slots[&0].1.clone();
            s.region.settings_mut().delays.eni_detach = region::model::Delay::Fixed(90_000);
            let attachment = s.region.eni(&eni).and_then(|e| e.attachment.clone()).expect("it is attached");
            let request = DetachEniRequest { attachment: attachment.id, ..Default::default() };
            s.region.detach_network_interface(&Caller::admin(), request).expect("an operator may");
            s.region.reboot_instance(&instance);
        });
        world.pass(1_000).await;
        world.until(60_000, |s| s.host(&instance).up.then_some(())).await.expect("it boots again");
        let exit = world.boot(&instance).exit().await;
        let trace = world.with(|s| s.trace.join("\n"));
        assert_eq!(exit, ready(0), "{trace}");
        world.pass(10_000).await;
        assert!(world.with(|s| Settled::of(s, &instance)).eni, "{trace}");
        world.assert_lawful();
    });
}
