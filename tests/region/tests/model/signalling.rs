//! CloudFormation: what signals do to a stack, and when they are refused.

use region::model::*;

use crate::world::*;

fn stack(world: &mut World, size: u32) -> Vec<InstanceId> {
    let subnets = vec![world.a.clone(), world.b.clone()];
    world.region.add_group(GroupSpec {
        name: "brokers".into(),
        max: 5,
        desired: size,
        subnets,
        ..GroupSpec::default()
    });
    world.region.add_stack(StackSpec {
        name: "kafka".into(),
        group_logical_id: "Brokers".into(),
        group_name: "brokers".into(),
        signals: size,
        timeout_ms: 600_000,
    });
    world.pass(1_000 + PENDING);
    world.region.group("brokers").expect("the group is there").members.keys().cloned().collect()
}

fn signal(world: &mut World, instance: &str, status: &str) -> Result<(), CallError> {
    let request = SignalRequest {
        stack: "kafka".into(),
        resource: "Brokers".into(),
        unique_id: instance.into(),
        status: status.into(),
    };
    world.region.signal_resource(&Caller::instance(instance), request)
}

fn status(world: &World) -> String {
    world.region.stack("kafka").expect("the stack is there").status.clone()
}

#[test]
fn a_creation_is_complete_when_every_instance_has_signalled_once() {
    let mut world = world();
    let ids = stack(&mut world, 2);
    assert_eq!(status(&world), "CREATE_IN_PROGRESS");
    signal(&mut world, &ids[0], "SUCCESS").unwrap();
    signal(&mut world, &ids[0], "SUCCESS").unwrap();
    assert_eq!(status(&world), "CREATE_IN_PROGRESS");
    signal(&mut world, &ids[1], "SUCCESS").unwrap();
    assert_eq!(status(&world), "CREATE_COMPLETE");
}

#[test]
fn a_finished_stack_cannot_be_signaled() {
    let mut world = world();
    let ids = stack(&mut world, 1);
    signal(&mut world, &ids[0], "SUCCESS").unwrap();
    let (code, message) = refusal(signal(&mut world, &ids[0], "SUCCESS"));
    let id = world.region.stack("kafka").unwrap().id.clone();
    let said = format!("Stack {id} is in CREATE_COMPLETE state and cannot be signaled");
    assert_eq!((code.as_str(), message), ("ValidationError", said));
}

#[test]
fn one_failure_fails_the_creation_at_once() {
    let mut world = world();
    let ids = stack(&mut world, 2);
    signal(&mut world, &ids[0], "FAILURE").unwrap();
    assert_eq!(status(&world), "CREATE_FAILED");
}

#[test]
fn silence_fails_the_creation_at_its_timeout() {
    let mut world = world();
    stack(&mut world, 1);
    world.pass(600_000);
    assert_eq!(status(&world), "CREATE_FAILED");
}

#[test]
fn unknown_stacks_and_resources_are_refused() {
    let mut world = world();
    let ids = stack(&mut world, 1);
    let request = |stack: &str, resource: &str| SignalRequest {
        stack: stack.into(),
        resource: resource.into(),
        unique_id: ids[0].clone(),
        status: "SUCCESS".into(),
    };
    for wrong in [request("other", "Brokers"), request("kafka", "Other")] {
        assert_eq!(code(world.region.signal_resource(&Caller::admin(), wrong)), "ValidationError");
    }
}

#[test]
fn a_signal_of_nobody_in_the_group_is_refused_and_does_not_count() {
    let mut world = world();
    let ids = stack(&mut world, 1);
    let stranger = world.running(&world.a.clone());
    for unique_id in ["ip-10-0-1-10.eu-central-1.compute.internal", "i-00000000000000000", &stranger] {
        for word in ["SUCCESS", "FAILURE"] {
            let (code, message) = refusal(signal(&mut world, unique_id, word));
            assert_eq!(code, "ValidationError");
            assert!(message.contains(unique_id), "{message}");
        }
    }
    assert_eq!(status(&world), "CREATE_IN_PROGRESS");
    assert_eq!(count(&world.region, |event| matches!(event, Event::Signal { .. })), 0);
    signal(&mut world, &ids[0], "SUCCESS").unwrap();
    assert_eq!(status(&world), "CREATE_COMPLETE");
}

#[test]
fn an_instance_that_was_terminated_can_signal_no_more() {
    let mut world = world();
    let ids = stack(&mut world, 1);
    world.region.terminate_instance(&ids[0]);
    world.pass(GOING + 10_000);
    assert_eq!(code(signal(&mut world, &ids[0], "SUCCESS")), "ValidationError");
    assert_eq!(status(&world), "CREATE_IN_PROGRESS");
}

#[test]
fn instances_of_a_stack_bear_its_tags() {
    let mut world = world();
    let ids = stack(&mut world, 1);
    let tags = &world.region.instance(&ids[0]).unwrap().tags;
    assert_eq!(tags["aws:cloudformation:stack-name"], "kafka");
    assert_eq!(tags["aws:cloudformation:logical-id"], "Brokers");
}

#[test]
fn a_rolling_update_replaces_one_at_a_time_and_waits_for_its_signal() {
    let mut world = world();
    let ids = stack(&mut world, 2);
    for id in &ids {
        signal(&mut world, id, "SUCCESS").unwrap();
    }
    world.region.update_stack("kafka", UpdateSpec::default());
    let mut replaced = ids.clone();
    for _ in 0..2 {
        assert_eq!(status(&world), "UPDATE_IN_PROGRESS");
        world.pass(GOING + PENDING);
        let members: Vec<InstanceId> =
            world.region.group("brokers").unwrap().members.keys().cloned().collect();
        let new: Vec<&InstanceId> = members.iter().filter(|id| !replaced.contains(id)).collect();
        assert_eq!(new.len(), 1, "one is replaced, the others are left alone");
        let new = new[0].clone();
        signal(&mut world, &new, "SUCCESS").unwrap();
        replaced.push(new);
    }
    assert_eq!(status(&world), "UPDATE_COMPLETE");
}

#[test]
fn a_rolling_update_fails_by_a_failure_or_by_its_pause_time() {
    for fail in [true, false] {
        let mut world = world();
        let ids = stack(&mut world, 1);
        signal(&mut world, &ids[0], "SUCCESS").unwrap();
        world.region.update_stack("kafka", UpdateSpec { pause_time: 60_000, ..UpdateSpec::default() });
        if fail {
            world.pass(GOING + PENDING);
            let members = &world.region.group("brokers").unwrap().members;
            let new = members.keys().find(|id| **id != ids[0]).expect("it was replaced").clone();
            signal(&mut world, &new, "FAILURE").unwrap();
        } else {
            world.pass(60_000);
        }
        assert_eq!(status(&world), "UPDATE_ROLLBACK_COMPLETE");
    }
}

#[test]
fn an_identity_document_proves_its_instance_and_only_as_signed() {
    use base64::Engine;
    let mut world = world();
    let ids = stack(&mut world, 1);
    let document = world.region.identity_document(&ids[0]).unwrap();
    let signature = world.region.identity_signature(&document);
    assert!(signature.contains('\n'), "it comes in lines");
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let flat = signature.replace('\n', "");
    let identity = format!("{}:{flat}", encode(&document));
    assert_eq!(world.region.identify(&identity), Some(ids[0].clone()));
    let forged = document.replace(&ids[0], "i-00000000000000000");
    assert_eq!(world.region.identify(&format!("{}:{flat}", encode(&forged))), None);
    let twice = format!("{}:{}", encode(&document), encode(&flat));
    assert_eq!(world.region.identify(&twice), None);
}

#[test]
fn the_first_word_of_an_instance_counts() {
    let mut world = world();
    let ids = stack(&mut world, 2);
    signal(&mut world, &ids[0], "SUCCESS").unwrap();
    signal(&mut world, &ids[0], "FAILURE").unwrap();
    assert_eq!(status(&world), "CREATE_IN_PROGRESS");
}

#[test]
fn a_stack_that_is_gone_does_not_exist_to_a_signal() {
    let mut world = world();
    let ids = stack(&mut world, 1);
    let id = world.region.stack("kafka").unwrap().id.clone();
    world.region.delete_stack("kafka", true);
    let said = ("ValidationError".to_owned(), "Stack with id kafka does not exist".to_owned());
    assert_eq!(refusal(signal(&mut world, &ids[0], "SUCCESS")), said);
    // The group was retained: its instance lives, with the tags of the stack.
    let instance = world.region.instance(&ids[0]).unwrap();
    assert_eq!(instance.state, InstanceState::Running);
    assert_eq!(instance.tags["aws:cloudformation:stack-name"], "kafka");
    let describe = |stack: &str| DescribeStackRequest { stack: Some(stack.into()), resource: None };
    assert_eq!(code(world.region.describe_stacks(&Caller::admin(), describe("kafka"))), "ValidationError");
    let found = world.region.describe_stacks(&Caller::admin(), describe(&id)).unwrap();
    assert_eq!(found[0].status, "DELETE_COMPLETE", "by its ARN it is found");
}

#[test]
fn a_deleted_stack_takes_its_group_along() {
    let mut world = world();
    let ids = stack(&mut world, 2);
    world.region.delete_stack("kafka", false);
    assert_eq!(status(&world), "DELETE_IN_PROGRESS");
    let (_, message) = refusal(signal(&mut world, &ids[0], "SUCCESS"));
    assert!(message.ends_with("is in DELETE_IN_PROGRESS state and cannot be signaled"), "{message}");
    world.pass(GOING);
    assert!(world.region.stack("kafka").is_none() && world.region.group("brokers").is_none());
    let terminated = |id: &String| world.region.instance(id).unwrap().state == InstanceState::Terminated;
    assert!(ids.iter().all(terminated));
    world.pass(3_600_000);
    let failed =
        |event: &Event| matches!(event, Event::StackStatus { status, .. } if status == "CREATE_FAILED");
    assert_eq!(count(&world.region, failed), 0, "its deadline is void");
}
