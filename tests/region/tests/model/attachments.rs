//! Volumes: who gets them, when, and what is refused.

use region::model::*;

use crate::world::*;

#[test]
fn of_two_callers_for_one_volume_exactly_one_wins() {
    let mut world = world();
    let (one, two) = (world.running(&world.a.clone()), world.running(&world.a.clone()));
    let volume = world.volume("a");
    assert_eq!(world.attach(&volume, &two, "/dev/sdf").unwrap(), "attaching");
    let (code, message) = refusal(world.attach(&volume, &one, "/dev/sdf"));
    assert_eq!(
        (code.as_str(), message),
        ("VolumeInUse", format!("{volume} is already attached to an instance"))
    );
    assert_eq!(world.region.volume(&volume).unwrap().attachments[0].instance, two);
}

#[test]
fn an_accepted_attach_is_in_use_at_once_and_attached_later() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let volume = world.volume("a");
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    assert_eq!(world.seen(&volume), ("in-use".into(), Some("attaching".into())));
    world.pass(ATTACH - 1);
    assert_eq!(world.seen(&volume).1.unwrap(), "attaching");
    world.pass(1);
    assert_eq!(world.seen(&volume).1.unwrap(), "attached");
    let attached = world.region.volume(&volume).unwrap().attachments[0].clone();
    assert!(!attached.delete_on_termination);
}

#[test]
fn a_volume_that_an_operator_made_to_go_with_its_instance_goes_with_it() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let (gone, kept) = (world.volume("a"), world.volume("a"));
    world.attach(&gone, &instance, "/dev/sdf").unwrap();
    world.attach(&kept, &instance, "/dev/sdg").unwrap();
    world.pass(ATTACH);
    world.region.set_delete_on_termination(&gone, true);
    world.region.terminate_instance(&instance);
    world.pass(GOING);
    assert!(world.region.volume(&gone).is_none() && world.region.volume(&kept).is_some());
}

#[test]
fn the_delay_of_an_attach_is_in_the_journal() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let volume = world.volume("a");
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    let told = |event: &Event| matches!(event, Event::VolumeAttaching { delay_ms: Some(ATTACH), .. });
    assert_eq!(count(&world.region, told), 1);
}

#[test]
fn the_same_attach_again_is_refused_even_to_its_holder() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let volume = world.volume("a");
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    world.pass(ATTACH);
    assert_eq!(code(world.attach(&volume, &instance, "/dev/sdf")), "VolumeInUse");
}

#[test]
fn a_volume_of_another_zone_is_refused() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let volume = world.volume("b");
    assert_eq!(code(world.attach(&volume, &instance, "/dev/sdf")), "InvalidVolume.ZoneMismatch");
}

#[test]
fn nothing_is_attached_to_an_instance_that_is_not_running_yet() {
    let mut world = world();
    let instance = world.region.run_instance(LaunchSpec { subnet: world.a.clone(), ..LaunchSpec::default() });
    let volume = world.volume("a");
    let (code, message) = refusal(world.attach(&volume, &instance, "/dev/sdf"));
    assert_eq!(
        (code.as_str(), message),
        ("IncorrectState", format!("Instance '{instance}' is not 'running'."))
    );
}

#[test]
fn a_volume_that_is_being_made_cannot_be_attached() {
    let mut world = world();
    world.region.settings_mut().delays.volume_create = Delay::Fixed(1_500);
    let instance = world.running(&world.a.clone());
    let spec = VolumeSpec { zone: "eu-central-1a".into(), ..VolumeSpec::default() };
    let request = CreateVolumeRequest { spec, ..CreateVolumeRequest::default() };
    let made = world.region.create_volume(&Caller::admin(), request).unwrap();
    assert_eq!(made.state, "creating");
    assert_eq!(code(world.attach(&made.volume, &instance, "/dev/sdf")), "IncorrectState");
    world.pass(1_500);
    world.attach(&made.volume, &instance, "/dev/sdf").unwrap();
}

#[test]
fn a_device_name_is_checked_and_used_once() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let (one, two) = (world.volume("a"), world.volume("a"));
    assert_eq!(code(world.attach(&one, &instance, "/dev/nvme1n1")), "InvalidParameterValue");
    world.attach(&one, &instance, "/dev/sdf").unwrap();
    let (code, message) = refusal(world.attach(&two, &instance, "/dev/sdf"));
    assert_eq!(code, "InvalidParameterValue");
    assert!(message.contains("Attachment point /dev/sdf is already in use"), "{message}");
    world.attach(&two, &instance, "/dev/sdg").unwrap();
}

#[test]
fn the_root_device_counts_as_a_name_in_use() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let volume = world.volume("a");
    assert_eq!(code(world.attach(&volume, &instance, "/dev/xvda")), "InvalidParameterValue");
}

#[test]
fn volumes_and_interfaces_share_twenty_eight_places() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    // The primary interface and the root volume have two of them.
    for n in 0..26u8 {
        let volume = world.volume("a");
        world.attach(&volume, &instance, &format!("/dev/xvdb{}", (b'a' + n) as char)).unwrap();
    }
    let volume = world.volume("a");
    assert_eq!(code(world.attach(&volume, &instance, "/dev/sdf")), "AttachmentLimitExceeded");
    let eni = world.eni(&world.a.clone());
    assert_eq!(code(world.attach_eni(&eni, &instance, 1)), "AttachmentLimitExceeded");
}

#[test]
fn ids_that_are_absent_or_none_have_their_own_codes() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let volume = world.volume("a");
    assert_eq!(code(world.attach("vol-00000000000000000", &instance, "/dev/sdf")), "InvalidVolume.NotFound");
    assert_eq!(code(world.attach("volume", &instance, "/dev/sdf")), "InvalidParameterValue");
    assert_eq!(code(world.attach(&volume, "i-00000000000000000", "/dev/sdf")), "InvalidInstanceID.NotFound");
    assert_eq!(code(world.attach(&volume, "me", "/dev/sdf")), "InvalidInstanceID.Malformed");
}

#[test]
fn several_instances_may_attach_a_multi_attach_volume() {
    let mut world = world();
    let (one, two) = (world.running(&world.a.clone()), world.running(&world.a.clone()));
    let spec = VolumeSpec {
        zone: "eu-central-1a".into(),
        volume_type: "io2".into(),
        multi_attach: true,
        ..VolumeSpec::default()
    };
    let volume = world.region.add_volume(spec);
    world.attach(&volume, &one, "/dev/sdf").unwrap();
    world.attach(&volume, &two, "/dev/sdf").unwrap();
    assert_eq!(code(world.attach(&volume, &two, "/dev/sdg")), "VolumeInUse");
    let anywhere = DetachVolumeRequest { volume: volume.clone(), ..DetachVolumeRequest::default() };
    assert_eq!(code(world.region.detach_volume(&Caller::admin(), anywhere)), "MissingParameter");
    world.detach(&volume, &one).unwrap();
    world.pass(DETACH);
    assert_eq!(world.seen(&volume).0, "in-use");
}

#[test]
fn a_detach_takes_its_time_and_then_the_volume_is_available() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let volume = world.volume("a");
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    world.pass(ATTACH);
    assert_eq!(world.detach(&volume, &instance).unwrap(), "detaching");
    assert_eq!(code(world.attach(&volume, &instance, "/dev/sdf")), "IncorrectState");
    world.pass(DETACH);
    assert_eq!(world.seen(&volume), ("available".into(), None));
    let (code, message) = refusal(world.detach(&volume, &instance));
    assert_eq!(
        (code.as_str(), message),
        ("IncorrectState", format!("Volume '{volume}' is in the 'available' state."))
    );
}

#[test]
fn a_detach_from_another_instance_is_refused() {
    let mut world = world();
    let (one, two) = (world.running(&world.a.clone()), world.running(&world.a.clone()));
    let volume = world.volume("a");
    world.attach(&volume, &one, "/dev/sdf").unwrap();
    assert_eq!(code(world.detach(&volume, &two)), "InvalidAttachment.NotFound");
    let root = world.region.instance(&one).unwrap().root_volume.clone().unwrap();
    assert_eq!(code(world.detach(&root, &one)), "OperationNotPermitted");
}

#[test]
fn a_terminating_instance_holds_its_volumes_until_it_is_terminated() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let (volume, eni) = (world.volume("a"), world.eni(&world.a.clone()));
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    let attachment = world.attach_eni(&eni, &instance, 1).unwrap();
    world.pass(ATTACH);
    let root = world.region.instance(&instance).unwrap().root_volume.clone().unwrap();
    world.region.terminate_instance(&instance);
    world.pass(GOING - 1);
    assert_eq!(world.seen(&volume), ("in-use".into(), Some("attached".into())));
    assert_eq!(code(world.detach(&volume, &instance)), "IncorrectInstanceState");
    assert_eq!(code(world.detach_eni(&attachment)), "IncorrectInstanceState");
    world.pass(1);
    assert_eq!(world.seen(&volume), ("available".into(), None));
    assert!(world.region.eni(&eni).unwrap().attachment.is_none());
    assert!(world.region.volume(&root).is_none(), "the root volume goes with its instance");
}

#[test]
fn a_stopped_instance_keeps_what_it_has() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let volume = world.volume("a");
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    world.region.stop_instance(&instance);
    world.pass(ATTACH);
    assert_eq!(world.region.instance(&instance).unwrap().state, InstanceState::Stopped);
    world.region.start_instance(&instance);
    world.pass(PENDING);
    assert_eq!(world.region.instance(&instance).unwrap().state, InstanceState::Running);
    assert_eq!(world.seen(&volume).1.unwrap(), "attached");
}

#[test]
fn a_client_token_makes_one_volume_only() {
    let mut world = world();
    let make = |world: &mut World, size_gib| {
        let spec = VolumeSpec { zone: "eu-central-1a".into(), size_gib, ..VolumeSpec::default() };
        let request = CreateVolumeRequest { spec, client_token: Some("once".into()), dry_run: false };
        world.region.create_volume(&Caller::admin(), request).map(|view| view.volume)
    };
    let first = make(&mut world, 5).unwrap();
    assert_eq!(make(&mut world, 5).unwrap(), first);
    assert_eq!(code(make(&mut world, 6)), "IdempotentParameterMismatch");
}

#[test]
fn a_dry_run_is_refused_as_such_and_changes_nothing() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let volume = world.volume("a");
    let request = AttachVolumeRequest {
        volume: volume.clone(),
        instance: instance.clone(),
        device: "/dev/sdf".into(),
        dry_run: true,
    };
    let result = world.region.attach_volume(&Caller::instance(&instance), request);
    assert!(matches!(result, Err(CallError::Refused(Refusal { status: 412, .. }))), "{result:?}");
    assert_eq!(world.seen(&volume).0, "available");
}

#[test]
fn an_attach_that_was_detached_meanwhile_never_becomes_attached() {
    let mut world = world();
    world.region.settings_mut().delays.volume_detach = Delay::Fixed(60_000);
    let instance = world.running(&world.a.clone());
    let volume = world.volume("a");
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    world.detach(&volume, &instance).unwrap();
    world.pass(ATTACH);
    assert_eq!(world.seen(&volume).1.unwrap(), "detaching");
    assert_eq!(count(&world.region, |event| matches!(event, Event::VolumeAttached { .. })), 0);
}
