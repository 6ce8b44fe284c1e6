//! Volumes that cannot be attached, or do not stay attached.

use region::model::*;

use crate::world::*;

fn ready() -> (World, InstanceId, VolumeId) {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let volume = world.volume("a");
    (world, instance, volume)
}

fn put(world: &mut World, volume: &str, state: SettableVolumeState) {
    assert!(world.region.set_volume(volume, &VolumeChange { state: Some(state), ..VolumeChange::default() }));
}

fn give_key(world: &mut World, volume: &str, key: Key) {
    assert!(world.region.set_volume(volume, &VolumeChange { key: Some(key), ..VolumeChange::default() }));
}

#[test]
fn a_volume_that_is_creating_deleting_or_in_error_is_shown_so_and_refused() {
    for (state, word) in [
        (SettableVolumeState::Creating, "creating"),
        (SettableVolumeState::Deleting, "deleting"),
        (SettableVolumeState::Error, "error"),
    ] {
        let (mut world, instance, volume) = ready();
        put(&mut world, &volume, state);
        assert_eq!(world.seen(&volume), (word.into(), None));
        let said = refusal(world.attach(&volume, &instance, "/dev/sdf"));
        assert_eq!(said, ("IncorrectState".into(), format!("{volume} is not 'available'.")), "{word}");
        put(&mut world, &volume, SettableVolumeState::Available);
        assert!(world.attach(&volume, &instance, "/dev/sdf").is_ok(), "{word}");
    }
}

#[test]
fn a_volume_can_begin_in_any_state_but_in_use() {
    let mut world = world();
    let spec: VolumeSpec =
        serde_json::from_str(r#"{"zone": "eu-central-1a", "state": "error", "key": "disabled"}"#).unwrap();
    let volume = world.region.add_volume(spec);
    assert_eq!(world.seen(&volume).0, "error");
    assert!(world.region.volume(&volume).unwrap().encrypted, "only an encrypted volume has a key");
    let wrong = serde_json::from_str::<VolumeSpec>(r#"{"state": "in-use"}"#).unwrap_err();
    assert!(wrong.to_string().contains("in-use"), "{wrong}");
}

#[test]
fn a_volume_that_fails_while_attached_is_in_error_and_stays_so_when_it_is_free() {
    let (mut world, instance, volume) = ready();
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    world.pass(ATTACH);
    put(&mut world, &volume, SettableVolumeState::Error);
    assert_eq!(world.seen(&volume), ("error".into(), Some("attached".into())));
    world.detach(&volume, &instance).unwrap();
    world.pass(DETACH);
    assert_eq!(world.seen(&volume), ("error".into(), None));
    put(&mut world, &volume, SettableVolumeState::Available);
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    put(&mut world, &volume, SettableVolumeState::Error);
    put(&mut world, &volume, SettableVolumeState::Available);
    assert_eq!(world.seen(&volume).0, "in-use", "available is as the attachments have it");
}

#[test]
fn a_deletion_takes_its_time_and_then_the_volume_is_not_found() {
    let (mut world, instance, volume) = ready();
    world.region.settings_mut().delays.volume_delete = Delay::Fixed(5_000);
    world
        .region
        .delete_volume(&Caller::admin(), DeleteRequest { id: volume.clone(), dry_run: false })
        .unwrap();
    assert_eq!(world.seen(&volume).0, "deleting");
    assert_eq!(code(world.attach(&volume, &instance, "/dev/sdf")), "IncorrectState");
    world.pass(5_000);
    assert_eq!(code(world.attach(&volume, &instance, "/dev/sdf")), "InvalidVolume.NotFound");
}

#[test]
fn a_key_that_is_disabled_or_without_grant_refuses_the_attach() {
    for key in [Key::Disabled, Key::NoGrant] {
        let (mut world, instance, volume) = ready();
        give_key(&mut world, &volume, key);
        let (code, message) = refusal(world.attach(&volume, &instance, "/dev/sdf"));
        assert_eq!(code, "CustomerKeyHasBeenRevoked");
        assert!(message.starts_with(&format!("Volume {volume} cannot be attached.")), "{message}");
        assert_eq!(world.seen(&volume), ("available".into(), None));
        give_key(&mut world, &volume, Key::Usable);
        assert!(world.attach(&volume, &instance, "/dev/sdf").is_ok());
    }
}

#[test]
fn a_key_that_is_disabled_later_changes_nothing_until_the_next_attach() {
    let (mut world, instance, volume) = ready();
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    world.pass(ATTACH);
    give_key(&mut world, &volume, Key::Disabled);
    assert_eq!(world.seen(&volume), ("in-use".into(), Some("attached".into())));
    world.detach(&volume, &instance).unwrap();
    world.pass(DETACH);
    assert_eq!(code(world.attach(&volume, &instance, "/dev/sdf")), "CustomerKeyHasBeenRevoked");
}

#[test]
fn a_key_pending_deletion_undoes_an_attach_that_was_accepted() {
    let (mut world, instance, volume) = ready();
    world.region.settings_mut().delays.volume_undone = Delay::Fixed(ATTACH - 1);
    give_key(&mut world, &volume, Key::PendingDeletion);
    assert_eq!(world.attach(&volume, &instance, "/dev/sdf").unwrap(), "attaching");
    world.pass(ATTACH - 2);
    assert_eq!(world.seen(&volume), ("in-use".into(), Some("attaching".into())));
    world.pass(1);
    assert_eq!(world.seen(&volume), ("available".into(), None));
    world.pass(ATTACH);
    assert_eq!(count(&world.region, |event| matches!(event, Event::VolumeAttached { .. })), 0);
}

#[test]
fn an_attach_that_ebs_undoes_was_attached_for_a_while() {
    let (mut world, instance, volume) = ready();
    world.region.inject(Fault::next("AttachVolume", FaultKind::Undone(10_000)));
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    world.pass(ATTACH);
    assert_eq!(world.seen(&volume), ("in-use".into(), Some("attached".into())));
    world.pass(10_000 - ATTACH);
    assert_eq!(world.seen(&volume), ("available".into(), None));
    let detached = |event: &Event| matches!(event, Event::VolumeDetached { .. });
    assert_eq!(count(&world.region, detached), 1);
    // The next attachment is another one: nothing undoes it.
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    world.pass(60_000);
    assert_eq!(world.seen(&volume), ("in-use".into(), Some("attached".into())));
}

#[test]
fn what_was_detached_before_ebs_undoes_it_is_not_undone_again() {
    let (mut world, instance, volume) = ready();
    world.region.inject(Fault::next("AttachVolume", FaultKind::Undone(10_000)));
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    world.pass(ATTACH);
    world.detach(&volume, &instance).unwrap();
    world.pass(DETACH);
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    world.pass(60_000);
    assert_eq!(world.seen(&volume), ("in-use".into(), Some("attached".into())));
}

#[test]
fn a_detach_can_take_long() {
    let (mut world, instance, volume) = ready();
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    world.pass(ATTACH);
    world.region.inject(Fault::next("DetachVolume", FaultKind::DetachingFor(600_000)));
    world.detach(&volume, &instance).unwrap();
    world.pass(599_999);
    assert_eq!(world.seen(&volume), ("in-use".into(), Some("detaching".into())));
    world.pass(1);
    assert_eq!(world.seen(&volume), ("available".into(), None));
}
