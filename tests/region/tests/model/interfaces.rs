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

/// An instance with four network cards, and an interface at index 1 of the second card.
fn many_cards(world: &mut World) -> InstanceId {
    let (instance_type, subnet) = ("p4d.24xlarge".to_owned(), world.a.clone());
    let instance = world.region.run_instance(LaunchSpec { instance_type, subnet, ..LaunchSpec::default() });
    world.pass(PENDING);
    let eni = world.eni(&world.a.clone());
    assert!(attach_at(world, &eni, &instance, Some(1), 1).is_ok());
    instance
}

fn attach_at(
    world: &mut World,
    eni: &str,
    instance: &str,
    card: Option<u32>,
    index: u32,
) -> Result<AttachedEniView, CallError> {
    let request = AttachEniRequest {
        eni: eni.into(),
        instance: instance.into(),
        device_index: index,
        network_card_index: card,
        dry_run: false,
    };
    world.region.attach_network_interface(&Caller::instance(instance), request)
}

#[test]
fn without_a_card_an_index_that_is_used_on_any_card_is_taken() {
    let mut world = world();
    let instance = many_cards(&mut world);
    let eni = world.eni(&world.a.clone());
    let (code, message) = refusal(attach_at(&mut world, &eni, &instance, None, 1));
    let said = format!("Instance '{instance}' already has an interface attached at device index '1'.");
    assert_eq!((code.as_str(), message), ("InvalidParameterValue", said));
    let attached = attach_at(&mut world, &eni, &instance, Some(0), 1).unwrap();
    assert_eq!(attached.network_card_index, 0);
    let third = world.eni(&world.a.clone());
    let taken = attach_at(&mut world, &third, &instance, Some(0), 1);
    assert_eq!(crate::world::code(taken), "InvalidParameterValue");
}

#[test]
fn an_instance_type_has_so_many_cards() {
    let mut world = world();
    let (many, one) = (many_cards(&mut world), world.running(&world.a.clone()));
    let eni = world.eni(&world.a.clone());
    for (instance, card) in [(&many, 4), (&one, 1)] {
        let result = attach_at(&mut world, &eni, instance, Some(card), 1);
        assert_eq!(code(result), "InvalidParameterValue");
    }
    let names = vec![("instance-type".to_owned(), vec!["p4d.24xlarge".to_owned()])];
    let request = DescribeRequest { filters: names, ..DescribeRequest::default() };
    let types = world.region.describe_instance_types(&Caller::admin(), request).unwrap();
    assert_eq!(types.items[0].network.cards, 4);
}

#[test]
fn the_card_of_an_interface_is_shown() {
    let mut world = world();
    let instance = many_cards(&mut world);
    let request = DescribeRequest { ids: vec![instance], ..DescribeRequest::default() };
    let page = world.region.describe_instances(&Caller::admin(), request).unwrap();
    let mut cards: Vec<u32> =
        page.items[0].interfaces.iter().map(|i| i.attachment.network_card_index).collect();
    cards.sort_unstable();
    assert_eq!(cards, [0, 1]);
}

#[test]
fn the_journal_tells_a_card_that_was_named_from_one_that_was_not() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    for (index, card) in [(1, Some(0)), (2, None)] {
        let eni = world.eni(&world.a.clone());
        attach_at(&mut world, &eni, &instance, card, index).unwrap();
    }
    let named = world.region.journal().iter().filter_map(|entry| match &entry.event {
        Event::Call { action, params, .. } if action == "AttachNetworkInterface" => {
            Some(params.get("NetworkCardIndex").map(String::as_str))
        }
        _ => None,
    });
    assert_eq!(named.collect::<Vec<_>>(), [Some("0"), None]);
}
