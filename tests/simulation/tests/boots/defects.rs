//! What EC2 shows of a slot before it is taken: two resources with one tag, Multi-Attach, a volume that goes with its
//! instance. Passed over with the ids; or, where it is mine already, ended as configuration.

use crate::{actions, gave_up, ready, the_instance};
use region::model::{
    AttachVolumeRequest, Caller, EniChange, EniSpec, SettableVolumeState, Tags, VolumeChange, VolumeSpec,
};
use simulation::{Scene, Settled, simulate};

fn scene(ids: Vec<u32>) -> Scene {
    let suspended = vec!["ReplaceUnhealthy".to_owned()];
    Scene {
        slots: vec![('a', ids)],
        desired: 1,
        suspended,
        config: "[boot]\ndeadline = \"2m\"\n",
        ..Scene::default()
    }
}

fn tags(slot: u32) -> Tags {
    [("berth:cluster", "orders".to_owned()), ("Name", format!("KAFKA-{slot}"))]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

#[test]
fn of_two_interfaces_with_one_tag_both_are_named_and_the_slot_is_passed_over() {
    simulate(async {
        let world = scene(vec![0, 1]).open();
        let second = world.with(|s| {
            let subnet = s.rules.subnets[&'a'].clone();
            s.region.add_eni(EniSpec { subnet, tags: tags(0), ..EniSpec::default() })
        });
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(1));
        let trace = world.with(|s| s.trace.join("\n"));
        let first = world.with(|s| s.rules.slots[&0].1.clone());
        assert!(
            trace.contains(&first) && trace.contains(&second) && trace.contains("all but one"),
            "{trace}"
        );
        world.assert_lawful();
    });
}

#[test]
fn two_volumes_with_one_tag_are_no_slot_and_the_group_may_try_elsewhere() {
    simulate(async {
        let world = scene(vec![0]).open();
        world.with(|s| {
            let spec = VolumeSpec { zone: "eu-central-1a".into(), tags: tags(0), ..VolumeSpec::default() };
            s.region.add_volume(spec)
        });
        let instance = the_instance(&world).await;
        let exit = world.boot(&instance).exit().await;
        assert_eq!(gave_up(&exit), Some(1), "{exit:?}");
        assert!(format!("{exit:?}").contains("have the one tag Name=KAFKA-0"), "{exit:?}");
        assert_eq!(world.with(|s| Settled::of(s, &instance)).told, ["FAILURE"]);
        assert!(actions(&world, &instance, "autoscaling").contains(&"SetInstanceHealth".to_owned()));
        world.assert_lawful();
    });
}

#[test]
fn a_volume_that_would_go_with_the_instance_is_detached_and_brought_again_by_the_next_boot() {
    simulate(async {
        let world = scene(vec![0]).open();
        let instance = the_instance(&world).await;
        world.with(|s| {
            let volume = s.rules.slots[&0].0.clone();
            let request = AttachVolumeRequest {
                volume: volume.clone(),
                instance: instance.clone(),
                device: "/dev/sdf".into(),
                ..AttachVolumeRequest::default()
            };
            s.region.attach_volume(&Caller::admin(), request).expect("it is free");
            s.region.set_delete_on_termination(&volume, true);
        });
        let exit = world.boot(&instance).exit().await;
        let trace = world.with(|s| s.trace.join("\n"));
        assert_eq!(gave_up(&exit), Some(78), "{exit:?}\n{trace}");
        assert!(format!("{exit:?}").contains("it is detached; start berth again"), "{exit:?}");
        assert_eq!(world.with(|s| s.region.brought_to(&instance)), (vec![], vec![]), "{trace}");
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        let kept = world.with(|s| {
            let volume = s.region.volume(&s.rules.slots[&0].0).expect("it is there");
            volume.attachments.iter().all(|at| !at.delete_on_termination)
        });
        assert!(kept);
        world.assert_lawful();
    });
}

#[test]
fn a_holder_whose_volume_would_go_with_it_touches_nothing_and_names_the_command() {
    simulate(async {
        let world = scene(vec![0]).open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        world.with(|s| {
            let volume = s.rules.slots[&0].0.clone();
            s.region.set_delete_on_termination(&volume, true);
        });
        let exit = world.boot(&instance).exit().await;
        assert_eq!(gave_up(&exit), Some(78), "{exit:?}");
        assert!(format!("{exit:?}").contains("aws ec2 modify-instance-attribute"), "{exit:?}");
        let settled = world.with(|s| Settled::of(s, &instance));
        assert!(settled.volume && settled.eni && settled.slot == Some(0), "{settled:?}");
        assert!(!actions(&world, &instance, "ec2").contains(&"DetachVolume".to_owned()));
        world.assert_lawful();
    });
}

/// Nothing of such a slot is asked for: EC2 would refuse it to every instance of the group, one after the other.
#[test]
fn a_slot_of_which_ec2_would_attach_nothing_is_passed_over_and_the_next_one_taken() {
    let broken = |state| VolumeChange { state: Some(state), ..VolumeChange::default() };
    let managed = EniChange { requester_managed: Some(true), ..EniChange::default() };
    let lambda = EniChange { interface_type: Some("lambda".to_owned()), ..EniChange::default() };
    for (volume, eni, says) in [
        (Some(broken(SettableVolumeState::Error)), None, "is in the state error"),
        (Some(broken(SettableVolumeState::Deleting)), None, "is in the state deleting"),
        (None, Some(managed), "requester-managed"),
        (None, Some(lambda), "is of type lambda"),
    ] {
        simulate(async {
            let world = scene(vec![0, 1]).open();
            world.with(|s| {
                let (of_volume, of_eni) = s.rules.slots[&0].clone();
                if let Some(change) = &volume {
                    assert!(s.region.set_volume(&of_volume, change));
                }
                if let Some(change) = &eni {
                    assert!(s.region.set_eni(&of_eni, change));
                }
            });
            let instance = the_instance(&world).await;
            assert_eq!(world.boot(&instance).exit().await, ready(1), "{says}");
            let trace = world.with(|s| s.trace.join("\n"));
            assert!(trace.contains(says), "{says}: {trace}");
            let attaches = actions(&world, &instance, "ec2");
            assert_eq!(attaches.iter().filter(|action| *action == "AttachVolume").count(), 1, "{says}");
            world.assert_lawful();
        });
    }
}
