//! Network interfaces that cannot be attached, do not stay with their account, or take long to go.

use region::model::*;

use crate::world::*;

fn ready() -> (World, InstanceId, EniId) {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let eni = world.eni(&world.a.clone());
    (world, instance, eni)
}

fn change(world: &mut World, eni: &str, change: EniChange) {
    assert!(world.region.set_eni(eni, &change));
}

fn view(world: &mut World, eni: &str) -> EniView {
    let request = DescribeRequest { ids: vec![eni.into()], ..DescribeRequest::default() };
    let page = world.region.describe_network_interfaces(&Caller::admin(), request).expect("it is there");
    page.items.into_iter().next().expect("one was asked for")
}

#[test]
fn a_requester_managed_interface_can_be_seen_and_nothing_else() {
    let (mut world, instance, eni) = ready();
    let attachment = world.attach_eni(&eni, &instance, 1).unwrap();
    world.pass(ATTACH);
    change(&mut world, &eni, EniChange { requester_managed: Some(true), ..EniChange::default() });
    assert!(view(&mut world, &eni).requester_managed);
    let said =
        ("AuthFailure".to_owned(), "You do not have permission to access the specified resource.".into());
    assert_eq!(refusal(world.detach_eni(&attachment)), said);
    let describe = ModifyEniRequest {
        eni: eni.clone(),
        description: Some("mine".into()),
        ..ModifyEniRequest::default()
    };
    assert_eq!(refusal(world.region.modify_network_interface_attribute(&Caller::admin(), describe)), said);
    change(&mut world, &eni, EniChange { requester_managed: Some(false), ..EniChange::default() });
    world.detach_eni(&attachment).unwrap();
    world.pass(DETACH);
    change(&mut world, &eni, EniChange { requester_managed: Some(true), ..EniChange::default() });
    assert_eq!(view(&mut world, &eni).status, "available", "what describes show of it looks free");
    assert_eq!(refusal(world.attach_eni(&eni, &instance, 1)), said);
}

#[test]
fn an_interface_of_another_type_is_shown_so_and_refused() {
    for (kind, wanted) in [("lambda", false), ("trunk", false), ("efa", true)] {
        let (mut world, instance, _) = ready();
        let subnet = world.a.clone();
        let spec = EniSpec { subnet, interface_type: Some(kind.into()), ..EniSpec::default() };
        let eni = world.region.add_eni(spec);
        assert_eq!(view(&mut world, &eni).interface_type, kind);
        match world.attach_eni(&eni, &instance, 1) {
            Ok(_) => assert!(wanted, "{kind}"),
            refused => {
                assert_eq!((code(refused).as_str(), wanted), ("OperationNotPermitted", false), "{kind}")
            }
        }
    }
}

#[test]
fn a_pending_interface_is_shown_so_and_refused() {
    let (mut world, instance, eni) = ready();
    let pending = Some(SettableEniStatus::Pending);
    change(&mut world, &eni, EniChange { status: pending, ..EniChange::default() });
    assert_eq!(view(&mut world, &eni).status, "pending");
    assert_eq!(code(world.attach_eni(&eni, &instance, 1)), "IncorrectState");
    let available = Some(SettableEniStatus::Available);
    change(&mut world, &eni, EniChange { status: available, ..EniChange::default() });
    assert_eq!(view(&mut world, &eni).status, "available");
    world.attach_eni(&eni, &instance, 1).unwrap();
}

#[test]
fn a_new_interface_is_pending_as_long_as_the_delay_says() {
    let (mut world, instance, _) = ready();
    world.region.settings_mut().delays.eni_create = Delay::Fixed(2_000);
    let spec = EniSpec { subnet: world.a.clone(), ..EniSpec::default() };
    let request = CreateEniRequest { spec, ..CreateEniRequest::default() };
    let made = world.region.create_network_interface(&Caller::admin(), request).unwrap();
    assert_eq!(made.status, "pending");
    assert_eq!(code(world.attach_eni(&made.eni, &instance, 1)), "IncorrectState");
    world.pass(2_000);
    assert_eq!(view(&mut world, &made.eni).status, "available");
}

#[test]
fn an_interface_that_is_deleted_on_termination_goes_with_its_instance() {
    let (mut world, instance, kept) = ready();
    let gone = world.eni(&world.a.clone());
    let by_call = world.eni(&world.a.clone());
    for (index, eni) in [&kept, &gone].into_iter().enumerate() {
        world.attach_eni(eni, &instance, index as u32 + 1).unwrap();
    }
    world.pass(ATTACH);
    let deleted =
        |world: &mut World, eni: &str| view(world, eni).attachment.map(|at| at.delete_on_termination);
    assert_eq!(deleted(&mut world, &gone), Some(false), "a hot attach leaves it");
    change(&mut world, &gone, EniChange { delete_on_termination: Some(true), ..EniChange::default() });
    assert_eq!(deleted(&mut world, &gone), Some(true));
    // The same by the call that an operator makes.
    let other = world.running(&world.a.clone());
    let attachment = world.attach_eni(&by_call, &other, 1).unwrap();
    let modify = ModifyEniRequest {
        eni: by_call.clone(),
        delete_on_termination: Some((attachment, true)),
        ..ModifyEniRequest::default()
    };
    world.region.modify_network_interface_attribute(&Caller::admin(), modify).unwrap();
    for id in [&instance, &other] {
        world.region.terminate_instance(id);
    }
    world.pass(GOING);
    assert_eq!(view(&mut world, &kept).status, "available");
    assert!(world.region.eni(&gone).is_none() && world.region.eni(&by_call).is_none());
}

#[test]
fn an_attachment_can_be_detaching_for_long_and_force_ends_it() {
    let (mut world, instance, eni) = ready();
    let attachment = world.attach_eni(&eni, &instance, 1).unwrap();
    world.pass(ATTACH);
    world.region.inject(Fault::next("DetachNetworkInterface", FaultKind::DetachingFor(600_000)));
    world.detach_eni(&attachment).unwrap();
    world.pass(599_999);
    let seen = view(&mut world, &eni);
    assert_eq!((seen.status.as_str(), seen.attachment.unwrap().status.as_str()), ("detaching", "detaching"));
    assert_eq!(code(world.attach_eni(&eni, &instance, 1)), "InvalidNetworkInterface.InUse");
    let force = DetachEniRequest { attachment, force: true, ..DetachEniRequest::default() };
    world.region.detach_network_interface(&Caller::admin(), force).unwrap();
    world.pass(DETACH);
    assert_eq!(view(&mut world, &eni).status, "available");
}
