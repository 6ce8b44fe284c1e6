//! Boots that end without a slot.

use crate::{actions, gave_up, group_words, ready};
use berth_plan::records::{Intent, VERSION};
use simulation::claims::node;
use simulation::zookeeper::Op;
use simulation::{Content, Death, Exit, Life, Scene, Settled, State, simulate};

fn group(ids: Vec<u32>, desired: u32) -> Scene {
    let suspended = vec!["ReplaceUnhealthy".to_owned()];
    Scene {
        slots: vec![('a', ids)],
        desired,
        suspended,
        config: "[boot]\ndeadline = \"10m\"\n",
        ..Scene::default()
    }
}

#[test]
fn more_instances_than_slots_the_rest_wait_and_tell_failure_at_the_deadline() {
    simulate(async {
        let world = group(vec![0, 1], 4).open();
        let instances = world.hosts_up(4).await;
        let runs: Vec<_> = instances.iter().map(|i| (i.clone(), world.boot(i))).collect();
        let (mut filled, mut rest) = (0, 0);
        for (instance, run) in runs {
            let exit = run.exit().await;
            let settled = world.with(|s| Settled::of(s, &instance));
            if gave_up(&exit) == Some(1) {
                rest += 1;
                assert!(world.with(|s| s.now - s.host(&instance).booted_at) >= 600_000);
                let (volumes, enis) = world.with(|s| s.region.brought_to(&instance));
                assert!(volumes.is_empty() && enis.is_empty(), "{volumes:?} {enis:?}");
                assert_eq!(settled.slot, None);
                let told = actions(&world, &instance, "cloudformation");
                assert_eq!(
                    (told.len(), group_words(&world, &instance).last()),
                    (1, Some(&"SetInstanceHealth".to_owned()))
                );
            } else {
                assert!(exit == ready(0) || exit == ready(1), "{exit:?}");
                filled += 1;
            }
        }
        assert_eq!((filled, rest), (2, 2));
        world.assert_lawful();
    });
}

#[test]
fn zookeeper_away_before_a_slot_is_told_at_the_deadline_is_never_unhealthy_and_ends_no_boot() {
    simulate(async {
        let world = group(vec![0], 1).open();
        let instance = world.hosts_up(1).await.remove(0);
        world.with(|s| s.zk.down = true);
        let run = world.boot(&instance);
        world.pass(3_600_000).await;
        assert!(world.with(|s| s.runs.live.contains_key(&instance)), "it goes on past every deadline");
        world.with(|s| s.zk.down = false);
        assert_eq!(run.exit().await, ready(0));
        let settled = world.with(|s| Settled::of(s, &instance));
        assert_eq!((settled.told, settled.slot), (vec!["FAILURE".to_owned()], Some(0)));
        assert_eq!(group_words(&world, &instance), [""; 0]);
        world.assert_lawful();
    });
}

/// A berth that hangs keeps its session alive, and with it the lock.
#[test]
fn a_lock_that_is_never_given_back_is_told_at_the_deadline_with_its_owner_and_ends_no_boot() {
    simulate(async {
        let world = group(vec![0], 1).open();
        let instance = world.hosts_up(1).await.remove(0);
        let owner = world.with(|s| {
            let session = s.zk.connect("i-0badbadbadbadbad0", 10_000);
            let intent = Intent {
                v: VERSION,
                instance: "i-0badbadbadbadbad0".parse().expect("an instance id"),
                boot: "00000000-0000-0000-0000-000000000001".parse().expect("a boot id"),
                token: "theirs".parse().expect("a token"),
            };
            let path = node("lock", "n-0000000000");
            let queued = Op::Create { path, data: intent.bytes(), ephemeral: true };
            s.zk.multi(session, &[queued], 0).expect("nobody has the lock");
            session
        });
        let run = world.boot(&instance);
        let told = |s: &mut State| s.told.iter().any(|(_, _, told)| told == "FAILURE").then_some(s.now);
        let deadline = world.with(|s| s.host(&instance).booted_at) + 600_000;
        let at = world.until(1_200_000, told).await;
        let trace = world.with(|s| s.trace.join("\n"));
        let at = at.unwrap_or_else(|| panic!("nothing was told\n{trace}"));
        assert!((deadline..deadline + 5_000).contains(&at), "told at {at}, deadline {deadline}\n{trace}");
        let sentence = "the lock is held by i-0badbadbadbadbad0, and was waited for 59";
        assert!(trace.contains(sentence), "{trace}");
        world.pass(5_000).await;
        let queue: Vec<String> = world.with(|s| {
            s.zk.below(node("lock", "").trim_end_matches('/')).map(|(n, _)| n.to_owned()).collect()
        });
        assert_eq!(queue, ["n-0000000000"], "its own place is given back");
        assert!(world.with(|s| s.runs.live.contains_key(&instance)), "it goes on");
        assert_eq!(group_words(&world, &instance), [""; 0]);
        world.with(|s| s.zk.end(owner));
        assert_eq!(run.exit().await, ready(0));
        assert_eq!(world.with(|s| Settled::of(s, &instance)).told, ["FAILURE"]);
        world.assert_lawful();
    });
}

/// A throttled AttachVolume is the control plane's trouble, not the lack of a slot.
#[test]
fn an_attach_that_is_throttled_until_the_deadline_is_no_reason_to_be_unhealthy() {
    simulate(async {
        let world = group(vec![0], 1).open();
        let instance = world.hosts_up(1).await.remove(0);
        world.with(|s| {
            let throttled = region::model::Fault::next("AttachVolume", region::model::FaultKind::Throttle);
            s.region.inject(region::model::Fault { count: Some(100_000), ..throttled });
        });
        let run = world.boot(&instance);
        world.pass(1_800_000).await;
        assert!(world.with(|s| s.runs.live.contains_key(&instance)), "it goes on");
        world.with(|s| s.region.clear_faults());
        assert_eq!(run.exit().await, ready(0));
        let settled = world.with(|s| Settled::of(s, &instance));
        assert_eq!(settled.told, ["FAILURE"]);
        assert_eq!(group_words(&world, &instance), [""; 0]);
        world.assert_lawful();
    });
}

/// IAM is eventually consistent: a fresh role or policy is refused for a while.
#[test]
fn a_role_that_iam_does_not_know_yet_ends_no_boot_and_one_that_stays_refused_ends_as_configuration() {
    for (refused_for, end) in [(20_000, ready(0)), (10_000_000, Exit::Killed)] {
        for action in ["DescribeVolumes", "AttachVolume", "AttachNetworkInterface"] {
            simulate(async {
                let world = group(vec![0], 1).open();
                let instance = world.hosts_up(1).await.remove(0);
                world.with(|s| {
                    let refused = region::model::Fault::next(action, region::model::FaultKind::Unauthorized);
                    s.region.inject(region::model::Fault {
                        count: Some(100_000),
                        for_ms: Some(refused_for),
                        ..refused
                    });
                });
                let exit = world.boot(&instance).exit().await;
                let trace = world.with(|s| s.trace.join("\n"));
                let settled = world.with(|s| Settled::of(s, &instance));
                if end == Exit::Killed {
                    assert_eq!(gave_up(&exit), Some(78), "{action}\n{trace}");
                    // A sixth of the deadline, and the way out.
                    let took = world.with(|s| s.now - s.host(&instance).booted_at);
                    assert!((100_000..250_000).contains(&took), "{action}: {took} ms\n{trace}");
                    assert_eq!((settled.slot, settled.told), (None, vec!["FAILURE".to_owned()]), "{action}");
                } else {
                    assert_eq!(exit, end, "{action}\n{trace}");
                    assert_eq!(settled.told, ["SUCCESS"], "{action}");
                }
                world.assert_lawful();
            });
        }
    }
}

/// The deadline passes between two tries: what ended the last one is told, and not the lack of a slot.
#[test]
fn a_deadline_that_passes_between_two_tries_is_their_troubles() {
    use region::model::{Fault, FaultKind::Unauthorized};
    for (action, left) in ["AttachVolume", "AttachNetworkInterface"]
        .into_iter()
        .flat_map(|action| (1_000..9_000).step_by(500).map(move |left| (action, left)))
    {
        simulate(async {
            let scene = Scene { config: "[boot]\ndeadline = \"1m\"\n", ..group(vec![0], 1) };
            let world = scene.open();
            let instance = world.hosts_up(1).await.remove(0);
            // An earlier run, of which only its note of the time is left.
            let first = world.boot_with(&instance, Life::default().killed_at(1, Death::Clean));
            first.exit().await;
            world.pass(60_000 - left).await;
            let refused = Fault { count: Some(100_000), ..Fault::next(action, Unauthorized) };
            world.with(|s| s.region.inject(refused));
            let exit = world.boot(&instance).exit().await;
            let trace = world.with(|s| s.trace.join("\n"));
            let settled = world.with(|s| Settled::of(s, &instance));
            assert_eq!(gave_up(&exit), Some(78), "{action}, {left} ms: {exit:?}\n{trace}");
            assert_eq!((settled.slot, settled.told), (None, vec!["FAILURE".to_owned()]), "{action}");
            assert_eq!(group_words(&world, &instance), [""; 0], "{action}, {left} ms");
            world.assert_lawful();
        });
    }
}

#[test]
fn zookeeper_away_after_the_start_is_waited_out_past_the_deadline() {
    simulate(async {
        let world = group(vec![0], 1).open();
        let instance = world.hosts_up(1).await.remove(0);
        world.with(|s| s.rules.broker_syncs = 60_000);
        let run = world.boot(&instance);
        world.until(600_000, |s| s.host(&instance).broker.session).await.expect("the broker registers");
        world.with(|s| s.zk.down = true);
        world.pass(1_200_000).await;
        assert!(world.with(|s| s.runs.live.contains_key(&instance)), "it goes on");
        world.with(|s| s.zk.down = false);
        assert_eq!(run.exit().await, ready(0));
        let settled = world.with(|s| Settled::of(s, &instance));
        assert_eq!(settled.told, ["SUCCESS"]);
        assert_eq!(group_words(&world, &instance), [""; 0]);
        world.assert_lawful();
    });
}

#[test]
fn a_holder_waits_out_a_zookeeper_that_is_away_after_its_reboot() {
    simulate(async {
        let world = group(vec![0], 1).open();
        let instance = world.hosts_up(1).await.remove(0);
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        world.with(|s| s.region.reboot_instance(&instance));
        world.until(10_000, |s| (!s.host(&instance).up).then_some(())).await;
        world.until(60_000, |s| s.host(&instance).up.then_some(())).await;
        world.with(|s| s.zk.down = true);
        let run = world.boot(&instance);
        world.pass(3 * 3_600_000).await;
        assert!(world.with(|s| s.runs.live.contains_key(&instance)), "it goes on past every deadline");
        world.with(|s| s.zk.down = false);
        assert_eq!(run.exit().await, ready(0));
        assert_eq!(group_words(&world, &instance), [""; 0]);
        world.assert_lawful();
    });
}

#[test]
fn an_attachment_that_is_stuck_is_unwound_at_the_deadline_and_the_instance_called_unhealthy() {
    simulate(async {
        let world = group(vec![0], 1).open();
        let instance = world.hosts_up(1).await.remove(0);
        world.with(|s| {
            let stuck = region::model::FaultKind::StuckAttaching;
            s.region.inject(region::model::Fault::next("AttachVolume", stuck));
        });
        let exit: Exit = world.boot(&instance).exit().await;
        assert_eq!(gave_up(&exit), Some(1));
        let settled = world.with(|s| Settled::of(s, &instance));
        assert_eq!((settled.slot, settled.told), (None, vec!["FAILURE".to_owned()]));
        assert_eq!(world.with(|s| s.region.brought_to(&instance)), (vec![], vec![]));
        assert!(group_words(&world, &instance).contains(&"SetInstanceHealth".to_owned()));
        world.assert_lawful();
    });
}

#[test]
fn a_slot_that_was_started_is_not_given_up_when_its_disk_goes_bad() {
    simulate(async {
        let world = group(vec![0, 1], 1).open();
        let instance = world.hosts_up(1).await.remove(0);
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        let good = world.with(|s| {
            let volume = s.rules.slots[&0].0.clone();
            s.region.reboot_instance(&instance);
            s.disks.insert(volume, Content::Unreadable).expect("it had a content")
        });
        world.pass(1_000).await;
        world.until(60_000, |s| s.host(&instance).up.then_some(())).await.expect("it boots again");
        let run = world.boot(&instance);
        world.pass(7_200_000).await;
        assert!(world.with(|s| s.runs.live.contains_key(&instance)), "it goes on");
        let settled = world.with(|s| Settled::of(s, &instance));
        assert_eq!((settled.slot, settled.claim.0, settled.volume, settled.eni), (Some(0), true, true, true));
        assert_eq!(settled.told, [""; 0], "a slot that was started is no outcome of this boot");
        assert_eq!(world.with(|s| s.told.clone()), [(instance.clone(), 1, "SUCCESS".to_owned())]);
        assert!(!actions(&world, &instance, "ec2").contains(&"DetachVolume".to_owned()));
        world.with(|s| {
            let volume = s.rules.slots[&0].0.clone();
            s.disks.insert(volume, good)
        });
        assert_eq!(run.exit().await, ready(0), "the disk was mended");
        world.assert_lawful();
    });
}

#[test]
fn a_boot_that_gives_up_leaves_no_rule_though_its_interface_was_pulled_out() {
    simulate(async {
        let world = group(vec![0], 1).open();
        let instance = world.hosts_up(1).await.remove(0);
        world.with(|s| {
            let stuck = region::model::FaultKind::StuckAttaching;
            s.region.inject(region::model::Fault::next("AttachVolume", stuck));
        });
        let run = world.boot(&instance);
        world
            .until(120_000, |s| (!s.host(&instance).ip_rules.is_empty()).then_some(()))
            .await
            .expect("the interface is configured while the volume is awaited");
        world.with(|s| {
            let eni = s.rules.slots[&0].1.clone();
            let at = s.region.eni(&eni).and_then(|eni| eni.attachment.clone()).expect("it is attached");
            let request = region::model::DetachEniRequest { attachment: at.id, ..Default::default() };
            s.region.detach_network_interface(&region::model::Caller::admin(), request).expect("it is");
        });
        assert_eq!(gave_up(&run.exit().await), Some(1));
        assert_eq!(world.with(|s| s.host(&instance).ip_rules.clone()), []);
        world.assert_lawful();
    });
}
