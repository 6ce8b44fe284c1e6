//! Network interfaces: where they fit, and what is refused.

use region::model::*;

use crate::world::*;

#[test]
fn an_interface_is_on_one_instance_at_a_time() {
    let mut world = world();
    let (one, two) = (world.running(&world.a.clone()), world.running(&world.a.clone()));
    let eni = world.eni(&world.a.clone());
    world.attach_eni(&eni, &one, 1).unwrap();
    let (code, message) = refusal(world.attach_eni(&eni, &two, 1));
    assert_eq!(
        (code.as_str(), message),
        ("InvalidNetworkInterface.InUse", format!("Interface: [{eni}] in use."))
    );
}

#[test]
fn a_device_index_is_used_once() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let eni = world.eni(&world.a.clone());
    let (code, message) = refusal(world.attach_eni(&eni, &instance, 0));
    assert_eq!(code, "InvalidParameterValue");
    let said = format!("Instance '{instance}' already has an interface attached at device index '0'.");
    assert_eq!(message, said);
}

#[test]
fn an_interface_of_another_zone_is_refused() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let eni = world.eni(&world.b.clone());
    let (code, message) = refusal(world.attach_eni(&eni, &instance, 1));
    assert_eq!(code, "InvalidParameterCombination");
    assert!(message.contains("not in the same availability zone"), "{message}");
}

#[test]
fn an_instance_type_has_so_many_interfaces() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    for index in 1..3 {
        let eni = world.eni(&world.a.clone());
        world.attach_eni(&eni, &instance, index).unwrap();
    }
    let eni = world.eni(&world.a.clone());
    let (code, message) = refusal(world.attach_eni(&eni, &instance, 3));
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("AttachmentLimitExceeded", "Interface count 4 exceeds the limit for m5.large",)
    );
}

#[test]
fn attaching_and_detaching_take_their_time() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let eni = world.eni(&world.a.clone());
    let attachment = world.attach_eni(&eni, &instance, 1).unwrap();
    let state = |world: &World| world.region.eni(&eni).unwrap().attachment.as_ref().map(|at| at.state.word());
    assert_eq!(state(&world), Some("attaching"));
    world.pass(ATTACH);
    assert_eq!(state(&world), Some("attached"));
    let told = |event: &Event| {
        matches!(event, Event::EniAttached { device_index: 1, cidr, addresses, .. }
            if cidr == "10.0.1.0/24" && addresses.len() == 1)
    };
    assert_eq!(count(&world.region, told), 1);
    world.detach_eni(&attachment).unwrap();
    assert_eq!(code(world.detach_eni(&attachment)), "IncorrectState");
    world.pass(DETACH);
    assert_eq!(state(&world), None);
    assert_eq!(code(world.detach_eni(&attachment)), "InvalidAttachmentID.NotFound");
}

#[test]
fn the_primary_interface_cannot_be_detached() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let primary = world.region.instance(&instance).unwrap().eni.clone();
    let attachment = world.region.eni(&primary).unwrap().attachment.as_ref().unwrap().id.clone();
    assert_eq!(code(world.detach_eni(&attachment)), "OperationNotPermitted");
}

#[test]
fn delete_on_termination_is_set_by_attachment_and_honoured() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let (kept, lost) = (world.eni(&world.a.clone()), world.eni(&world.a.clone()));
    world.attach_eni(&kept, &instance, 1).unwrap();
    let attachment = world.attach_eni(&lost, &instance, 2).unwrap();
    let modify = |attachment: &str| ModifyEniRequest {
        eni: lost.clone(),
        delete_on_termination: Some((attachment.into(), true)),
        ..ModifyEniRequest::default()
    };
    let wrong = modify("eni-attach-00000000000000000");
    let result = world.region.modify_network_interface_attribute(&Caller::admin(), wrong);
    assert_eq!(code(result), "InvalidAttachmentID.NotFound");
    world.region.modify_network_interface_attribute(&Caller::admin(), modify(&attachment)).unwrap();
    let both = ModifyEniRequest { source_dest_check: Some(false), ..modify(&attachment) };
    let result = world.region.modify_network_interface_attribute(&Caller::admin(), both);
    assert_eq!(code(result), "InvalidParameterCombination");
    world.region.terminate_instance(&instance);
    world.pass(GOING);
    assert!(world.region.eni(&kept).unwrap().attachment.is_none());
    assert!(world.region.eni(&lost).is_none());
}

#[test]
fn a_fixed_address_is_in_the_subnet_and_nobody_elses() {
    let mut world = world();
    let make = |world: &mut World, address: &str| {
        let spec = EniSpec {
            subnet: world.a.clone(),
            private_ips: vec![address.parse().unwrap()],
            ..EniSpec::default()
        };
        let request = CreateEniRequest { spec, ..CreateEniRequest::default() };
        world.region.create_network_interface(&Caller::admin(), request).map(|eni| eni.address)
    };
    assert_eq!(make(&mut world, "10.0.1.50").unwrap(), "10.0.1.50");
    assert_eq!(code(make(&mut world, "10.0.1.50")), "InvalidIPAddress.InUse");
    assert_eq!(code(make(&mut world, "10.0.2.50")), "InvalidParameterValue");
    assert_eq!(code(make(&mut world, "10.0.1.1")), "InvalidParameterValue");
}
