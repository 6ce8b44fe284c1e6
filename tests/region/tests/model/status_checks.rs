//! Status checks and scheduled events as DescribeInstanceStatus shows them, and what a group makes of them.

use region::model::*;

use crate::world::*;

fn status(world: &mut World, id: &str, all: bool) -> Option<InstanceStatusView> {
    let describe = DescribeRequest { ids: vec![id.into()], ..DescribeRequest::default() };
    let request = DescribeStatusRequest { describe, all };
    let page = world.region.describe_instance_status(&Caller::admin(), request).expect("it answers");
    page.items.into_iter().next()
}

fn words(view: &InstanceStatusView) -> [&str; 3] {
    [&view.system.status, &view.checks.status, &view.ebs.status]
}

fn impaired(which: &str) -> ChecksChange {
    let check = |name: &str| (name == which).then_some(Check::Impaired);
    ChecksChange { system: check("system"), instance: check("instance"), ebs: check("ebs") }
}

fn member(world: &mut World, grace: Millis, health_check_type: &str) -> InstanceId {
    world.region.add_group(GroupSpec {
        name: "brokers".into(),
        max: 3,
        desired: 1,
        subnets: vec![world.a.clone()],
        health_check_grace: grace,
        health_check_type: health_check_type.into(),
        ..GroupSpec::default()
    });
    world.pass(1_000 + PENDING);
    world.region.group("brokers").expect("the group is there").members.keys().next().expect("one").clone()
}

fn state(world: &World, id: &str) -> InstanceState {
    world.region.instance(id).expect("the instance is there").state
}

#[test]
fn each_check_is_shown_by_itself_with_when_it_failed() {
    let mut world = world();
    let id = world.running(&world.a.clone());
    assert_eq!(words(&status(&mut world, &id, false).unwrap()), ["ok", "ok", "ok"]);
    assert!(world.region.set_checks(&id, &impaired("ebs")));
    let view = status(&mut world, &id, false).unwrap();
    assert_eq!(words(&view), ["ok", "ok", "impaired"]);
    let detail = &view.ebs.details[0];
    assert_eq!((&*detail.name, &*detail.status), ("reachability", "failed"));
    assert_eq!(detail.since.as_deref(), Some("2026-01-01T00:00:02.000Z"));
    assert_eq!(view.system.details[0].status, "passed");
    let change = ChecksChange { ebs: Some(Check::Ok), instance: Some(Check::InsufficientData), system: None };
    world.region.set_checks(&id, &change);
    assert_eq!(words(&status(&mut world, &id, false).unwrap()), ["ok", "insufficient-data", "ok"]);
    assert!(!world.region.set_checks("i-00000000000000000", &ChecksChange::default()));
}

#[test]
fn one_that_does_not_run_is_shown_only_when_all_are_asked_for() {
    let mut world = world();
    let id = world.running(&world.a.clone());
    world.region.stop_instance(&id);
    world.pass(60_000);
    assert!(status(&mut world, &id, false).is_none());
    assert_eq!(words(&status(&mut world, &id, true).unwrap()), ["not-applicable"; 3]);
}

#[test]
fn scheduled_events_stand_in_the_status() {
    let mut world = world();
    let id = world.running(&world.a.clone());
    let spec =
        EventSpec { code: EventCode::InstanceStop, description: "retires".into(), in_ms: 60_000, for_ms: 0 };
    let event = world.region.schedule_event(&id, spec).unwrap();
    let view = status(&mut world, &id, false).unwrap();
    assert_eq!((&view.events[0].id, &*view.events[0].code), (&event, "instance-stop"));
    assert_eq!(view.events[0].not_before, "2026-01-01T00:01:02.000Z");
    world.pass(60_000);
    assert_eq!(status(&mut world, &id, true).unwrap().events[0].description, "[Completed] retires");
}

#[test]
fn an_impaired_instance_is_replaced_after_a_while_unless_it_recovers() {
    for which in ["system", "instance"] {
        let mut world = world();
        let id = member(&mut world, 0, "");
        world.region.set_checks(&id, &impaired(which));
        world.pass(2_999);
        assert_eq!(state(&world, &id), InstanceState::Running);
        world.pass(1);
        assert_eq!(state(&world, &id), InstanceState::ShuttingDown, "{which}");
    }
    let mut world = world();
    let id = member(&mut world, 0, "");
    world.region.set_checks(&id, &impaired("instance"));
    world.pass(2_000);
    world.region.set_checks(&id, &ChecksChange { instance: Some(Check::Ok), ..ChecksChange::default() });
    world.pass(60_000);
    assert_eq!(state(&world, &id), InstanceState::Running);
}

#[test]
fn impaired_volumes_count_only_for_a_group_that_checks_them() {
    for (checked, ends) in [("EC2", InstanceState::Running), ("EC2,EBS", InstanceState::ShuttingDown)] {
        let mut world = world();
        let id = member(&mut world, 0, checked);
        world.region.set_checks(&id, &impaired("ebs"));
        world.pass(3_000);
        assert_eq!(state(&world, &id), ends, "{checked}");
    }
}

#[test]
fn within_the_grace_period_impaired_waits_and_stopped_does_not() {
    let mut world_ill = world();
    let id = member(&mut world_ill, 300_000, "");
    world_ill.region.set_checks(&id, &impaired("system"));
    world_ill.pass(299_999);
    assert_eq!(state(&world_ill, &id), InstanceState::Running);
    world_ill.pass(1);
    assert_eq!(state(&world_ill, &id), InstanceState::ShuttingDown);
    let mut world_off = world();
    let id = member(&mut world_off, 300_000, "");
    world_off.region.stop_instance(&id);
    world_off.pass(500);
    assert_eq!(world_off.region.group("brokers").unwrap().members[&id].lifecycle, "Terminating");
}

#[test]
fn health_is_not_looked_at_before_the_instance_is_in_service() {
    let mut world = world();
    let hook = HookSpec { heartbeat: 60_000, ..HookSpec::new("up", Transition::Launching) };
    let (name, subnets) = ("brokers".to_owned(), vec![world.a.clone()]);
    let spec = GroupSpec { name, max: 3, desired: 1, subnets, hooks: vec![hook], ..GroupSpec::default() };
    world.region.add_group(spec);
    world.pass(1_000 + PENDING);
    let id = world.region.group("brokers").unwrap().members.keys().next().unwrap().clone();
    world.region.set_checks(&id, &impaired("instance"));
    world.pass(30_000);
    assert_eq!(world.region.group("brokers").unwrap().members[&id].lifecycle, "Pending:Wait");
    let action =
        ActionRequest { group: "brokers".into(), hook: "up".into(), instance: Some(id.clone()), token: None };
    let done = CompleteActionRequest { action, result: HookResult::Continue };
    world.region.complete_lifecycle_action(&Caller::admin(), done).unwrap();
    world.pass(2_999);
    assert_eq!(state(&world, &id), InstanceState::Running);
    world.pass(1);
    assert_eq!(state(&world, &id), InstanceState::ShuttingDown);
}

#[test]
fn a_scheduled_event_makes_an_instance_of_a_group_unhealthy_as_an_impaired_check_does() {
    let mut world = world();
    let id = member(&mut world, 0, "");
    let spec = EventSpec {
        code: EventCode::InstanceRetirement,
        description: String::new(),
        in_ms: 86_400_000,
        for_ms: 0,
    };
    world.region.schedule_event(&id, spec).unwrap();
    world.pass(3_000);
    assert_eq!(state(&world, &id), InstanceState::ShuttingDown);
}
