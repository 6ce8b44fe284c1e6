//! Lifecycle hooks: what they hold, how they end, and what is seen meanwhile.

use region::model::*;

use crate::world::*;

const BEAT: Millis = 60_000;

fn hook(name: &str, transition: Transition, default_result: HookResult) -> HookSpec {
    HookSpec { heartbeat: BEAT, default_result, ..HookSpec::new(name, transition) }
}

fn launching() -> HookSpec {
    hook("up", Transition::Launching, HookResult::Abandon)
}

fn terminating() -> HookSpec {
    hook("down", Transition::Terminating, HookResult::Abandon)
}

/// A group of one, whose instance runs.
fn group(world: &mut World, hooks: Vec<HookSpec>, warm_pool: Option<WarmPool>) -> InstanceId {
    let subnets = vec![world.a.clone()];
    let desired = if warm_pool.is_some() { 0 } else { 1 };
    let name = "brokers".into();
    world.region.add_group(GroupSpec {
        name,
        max: 5,
        desired,
        subnets,
        hooks,
        warm_pool,
        ..GroupSpec::default()
    });
    world.pass(1_000 + PENDING);
    world.region.group("brokers").expect("the group is there").members.keys().next().expect("one").clone()
}

/// The state by DescribeAutoScalingInstances and the target by the metadata.
fn seen(world: &mut World, id: &str) -> (String, String) {
    let request = DescribeGroupsRequest { names: vec![id.into()], ..DescribeGroupsRequest::default() };
    let page = world.region.describe_auto_scaling_instances(&Caller::admin(), request).expect("it answers");
    let target = world.meta(id, "autoscaling/target-lifecycle-state").unwrap_or_default();
    (page.items.first().map(|one| one.lifecycle.clone()).unwrap_or_default(), target)
}

fn states(lifecycle: &str, target: &str) -> (String, String) {
    (lifecycle.to_owned(), target.to_owned())
}

fn action(hook: &str, id: &str) -> ActionRequest {
    let (group, hook) = ("brokers".to_owned(), hook.to_owned());
    ActionRequest { group, hook, instance: Some(id.to_owned()), token: None }
}

fn complete(world: &mut World, hook: &str, id: &str, result: HookResult) -> Result<(), CallError> {
    let request = CompleteActionRequest { action: action(hook, id), result };
    world.region.complete_lifecycle_action(&Caller::instance(id), request)
}

fn scale_in(world: &mut World, id: &str) {
    let request = GroupTerminateRequest { instance: id.into(), decrement: true };
    world.region.terminate_instance_in_auto_scaling_group(&Caller::admin(), request).expect("it is a member");
}

fn ec2(world: &World, id: &str) -> InstanceState {
    world.region.instance(id).expect("the instance is there").state
}

#[test]
fn a_launching_instance_waits_for_its_hook_with_the_target_in_service_already() {
    let mut world = world();
    world.region.settings_mut().delays.hook_proceed = Delay::Fixed(700);
    let id = group(&mut world, vec![launching()], None);
    assert_eq!(seen(&mut world, &id), states("Pending:Wait", "InService"));
    assert_eq!(ec2(&world, &id), InstanceState::Running);
    complete(&mut world, "up", &id, HookResult::Continue).unwrap();
    assert_eq!(seen(&mut world, &id).0, "Pending:Proceed");
    world.pass(700);
    assert_eq!(seen(&mut world, &id), states("InService", "InService"));
    let said = refusal(complete(&mut world, "up", &id, HookResult::Continue));
    let message = format!("No active Lifecycle Action found with instance ID {id}");
    assert_eq!(said, ("ValidationError".to_owned(), message));
}

#[test]
fn an_abandoned_launch_ends_the_instance_and_another_is_launched() {
    let mut world = world();
    let id = group(&mut world, vec![launching()], None);
    complete(&mut world, "up", &id, HookResult::Abandon).unwrap();
    assert_eq!(ec2(&world, &id), InstanceState::ShuttingDown);
    world.pass(1_000);
    assert_eq!(world.region.group("brokers").unwrap().members.values().filter(|m| m.counts()).count(), 1);
}

#[test]
fn a_launch_whose_time_is_over_ends_as_its_hook_says() {
    for (default, state) in [(HookResult::Abandon, "Terminating"), (HookResult::Continue, "InService")] {
        let mut world = world();
        let id = group(&mut world, vec![hook("up", Transition::Launching, default)], None);
        world.pass(BEAT - 1);
        assert_eq!(seen(&mut world, &id).0, "Pending:Wait");
        world.pass(1);
        assert_eq!(seen(&mut world, &id).0, state);
        assert_eq!(
            code(complete(&mut world, "up", &id, HookResult::Continue)),
            "ValidationError",
            "too late"
        );
    }
}

#[test]
fn a_heartbeat_begins_the_whole_time_again_up_to_a_hundred_times_it() {
    let mut world = world();
    let id = group(&mut world, vec![launching()], None);
    let began = world.region.now();
    let mut beats = 0;
    while seen(&mut world, &id).0 == "Pending:Wait" {
        world.pass(BEAT - 1);
        let beaten =
            world.region.record_lifecycle_action_heartbeat(&Caller::instance(&id), action("up", &id));
        beats += u32::from(beaten.is_ok());
        world.pass(0);
        assert!(beats <= 101, "heartbeats hold it for ever");
    }
    let ended =
        world.region.journal().iter().find(|e| matches!(e.event, Event::HookCompleted { .. })).unwrap();
    assert_eq!(ended.at - began, 100 * BEAT);
    assert_eq!(beats, 100);
}

#[test]
fn a_terminating_instance_runs_until_its_hook_is_completed_with_either_result() {
    for result in [HookResult::Continue, HookResult::Abandon] {
        let mut world = world();
        let id = group(&mut world, vec![terminating()], None);
        scale_in(&mut world, &id);
        assert_eq!(seen(&mut world, &id), states("Terminating:Wait", "Terminated"));
        world.pass(BEAT / 2);
        assert_eq!(ec2(&world, &id), InstanceState::Running);
        complete(&mut world, "down", &id, result).unwrap();
        world.pass(0);
        assert_eq!(ec2(&world, &id), InstanceState::ShuttingDown);
        world.pass(GOING);
        assert_eq!(ec2(&world, &id), InstanceState::Terminated);
        assert!(world.region.group("brokers").unwrap().members.is_empty());
    }
}

#[test]
fn a_second_request_to_terminate_does_not_begin_the_hook_again() {
    let mut world = world();
    let id = group(&mut world, vec![terminating()], None);
    scale_in(&mut world, &id);
    world.pass(BEAT / 2);
    scale_in(&mut world, &id);
    assert_eq!(count(&world.region, |event| matches!(event, Event::HookWaits { .. })), 1);
    world.pass(BEAT / 2);
    assert_eq!(ec2(&world, &id), InstanceState::ShuttingDown);
}

#[test]
fn a_replacement_is_launched_while_the_terminating_hook_still_holds() {
    let mut world = world();
    let id = group(&mut world, vec![terminating()], None);
    world.region.fail_instance(&id);
    world.pass(3_000 + 1_000);
    assert_eq!(seen(&mut world, &id).0, "Terminating:Wait");
    assert_eq!(world.region.group("brokers").unwrap().members.len(), 2);
    world.pass(BEAT);
    assert_eq!(
        ec2(&world, &id),
        InstanceState::ShuttingDown,
        "a dead host cannot complete it; the time does"
    );
}

#[test]
fn several_hooks_are_all_waited_for_and_abandon_skips_the_others() {
    let two = |transition| {
        vec![hook("a", transition, HookResult::Abandon), hook("b", transition, HookResult::Abandon)]
    };
    let mut world_up = world();
    let id = group(&mut world_up, two(Transition::Launching), None);
    complete(&mut world_up, "a", &id, HookResult::Continue).unwrap();
    assert_eq!(seen(&mut world_up, &id).0, "Pending:Wait");
    complete(&mut world_up, "b", &id, HookResult::Continue).unwrap();
    world_up.pass(0);
    assert_eq!(seen(&mut world_up, &id).0, "InService");
    let mut world_down = world();
    let id = group(&mut world_down, two(Transition::Terminating), None);
    scale_in(&mut world_down, &id);
    complete(&mut world_down, "b", &id, HookResult::Abandon).unwrap();
    world_down.pass(0);
    assert_eq!(ec2(&world_down, &id), InstanceState::ShuttingDown);
    assert_eq!(code(complete(&mut world_down, "a", &id, HookResult::Continue)), "ValidationError");
}

#[test]
fn an_action_is_completed_by_its_token_as_well_and_by_no_other() {
    let mut world = world();
    let id = group(&mut world, vec![launching()], None);
    let token = world.region.group("brokers").unwrap().members[&id].actions[0].token.clone();
    let with = |token: Option<&str>| CompleteActionRequest {
        action: ActionRequest { instance: None, token: token.map(str::to_owned), ..action("up", &id) },
        result: HookResult::Continue,
    };
    let caller = Caller::admin();
    let no_token = "00000000-0000-4000-8000-000000000000";
    assert_eq!(
        code(world.region.complete_lifecycle_action(&caller, with(Some(no_token)))),
        "ValidationError"
    );
    assert_eq!(code(world.region.complete_lifecycle_action(&caller, with(None))), "ValidationError");
    world.region.complete_lifecycle_action(&caller, with(Some(&token))).unwrap();
    world.pass(0);
    assert_eq!(seen(&mut world, &id).0, "InService");
}

#[test]
fn unknown_hooks_and_groups_are_refused_and_a_contention_passes() {
    let mut world = world();
    let id = group(&mut world, vec![launching()], None);
    assert_eq!(code(complete(&mut world, "other", &id, HookResult::Continue)), "ValidationError");
    let elsewhere = ActionRequest { group: "other".into(), ..action("up", &id) };
    let caller = Caller::instance(&id);
    let said = refusal(world.region.record_lifecycle_action_heartbeat(&caller, elsewhere));
    assert!(said.1.contains("AutoScalingGroup name not found"), "{said:?}");
    let gone = HookRequest { group: "brokers".into(), hook: "other".into() };
    assert_eq!(code(world.region.delete_lifecycle_hook(&Caller::admin(), gone)), "ValidationError");
    world.region.inject(Fault::next("CompleteLifecycleAction", FaultKind::Contention));
    assert_eq!(code(complete(&mut world, "up", &id, HookResult::Continue)), "ResourceContention");
    complete(&mut world, "up", &id, HookResult::Continue).unwrap();
}

#[test]
fn hooks_are_put_within_their_bounds_changed_and_described_with_their_defaults() {
    let mut world = world();
    group(&mut world, Vec::new(), None);
    let admin = Caller::admin();
    let put = |transition: Option<Transition>, heartbeat: Option<u64>| PutHookRequest {
        group: "brokers".into(),
        hook: "down".into(),
        transition,
        heartbeat,
        ..PutHookRequest::default()
    };
    let down = Some(Transition::Terminating);
    assert_eq!(code(world.region.put_lifecycle_hook(&admin, put(None, None))), "ValidationError");
    for seconds in [29, 7_201] {
        assert_eq!(
            code(world.region.put_lifecycle_hook(&admin, put(down, Some(seconds)))),
            "ValidationError"
        );
    }
    world.region.put_lifecycle_hook(&admin, put(down, None)).unwrap();
    let describe = |world: &mut World| {
        let request = DescribeHooksRequest { group: "brokers".into(), hooks: Vec::new() };
        world.region.describe_lifecycle_hooks(&Caller::admin(), request).unwrap()
    };
    let view = &describe(&mut world)[0];
    assert_eq!((view.heartbeat, view.global_timeout, &*view.default_result), (3_600, 172_800, "ABANDON"));
    world.region.put_lifecycle_hook(&admin, put(None, Some(90))).unwrap();
    let views = describe(&mut world);
    assert_eq!((views.len(), views[0].heartbeat, views[0].global_timeout), (1, 90, 9_000));
    assert_eq!(views[0].transition, "autoscaling:EC2_INSTANCE_TERMINATING");
}

#[test]
fn a_deleted_hook_lets_the_leaving_go_on_and_ends_the_coming() {
    let mut world = world();
    let id = group(&mut world, vec![launching(), terminating()], None);
    let delete = |world: &mut World, hook: &str| {
        let request = HookRequest { group: "brokers".into(), hook: hook.into() };
        world.region.delete_lifecycle_hook(&Caller::admin(), request).unwrap();
    };
    delete(&mut world, "up");
    assert_eq!(seen(&mut world, &id).0, "Terminating:Wait");
    delete(&mut world, "down");
    world.pass(0);
    assert_eq!(ec2(&world, &id), InstanceState::ShuttingDown);
}

#[test]
fn in_a_warm_pool_the_launching_hook_fires_twice() {
    let mut world = world();
    let pool = WarmPool { state: PoolState::Stopped, size: 1 };
    let id = group(&mut world, vec![launching()], Some(pool));
    assert_eq!(seen(&mut world, &id), states("Warmed:Pending:Wait", "Warmed:Stopped"));
    assert_eq!(ec2(&world, &id), InstanceState::Running);
    complete(&mut world, "up", &id, HookResult::Continue).unwrap();
    world.pass(0);
    assert_eq!(seen(&mut world, &id), states("Warmed:Stopped", "Warmed:Stopped"));
    world.region.leave_warm_pool(&id);
    world.pass(PENDING);
    assert_eq!(seen(&mut world, &id), states("Pending:Wait", "InService"));
    complete(&mut world, "up", &id, HookResult::Continue).unwrap();
    world.pass(0);
    assert_eq!(seen(&mut world, &id), states("InService", "InService"));
}

#[test]
fn an_operators_termination_waits_for_no_hook_but_the_action_stays_to_be_completed() {
    let mut world = world();
    let id = group(&mut world, vec![terminating()], None);
    world.region.terminate_instance(&id);
    assert_eq!(ec2(&world, &id), InstanceState::ShuttingDown);
    world.pass(GOING);
    assert_eq!(ec2(&world, &id), InstanceState::Terminated);
    assert_eq!(seen(&mut world, &id).0, "Terminating:Wait");
    complete(&mut world, "down", &id, HookResult::Continue).unwrap();
    world.pass(0);
    assert!(!world.region.group("brokers").unwrap().members.contains_key(&id));
}

#[test]
fn neither_standby_nor_a_forced_deletion_fires_a_hook() {
    let mut world = world();
    let id = group(&mut world, vec![terminating()], None);
    let standby = StandbyRequest { group: "brokers".into(), ids: vec![id.clone()], decrement: true };
    world.region.enter_standby(&Caller::admin(), standby).unwrap();
    let delete = DeleteGroupRequest { group: "brokers".into(), force: true };
    world.region.delete_auto_scaling_group(&Caller::admin(), delete).unwrap();
    world.pass(GOING);
    assert_eq!(ec2(&world, &id), InstanceState::Terminated);
    assert_eq!(count(&world.region, |event| matches!(event, Event::HookWaits { .. })), 0);
    assert!(world.region.group("brokers").is_none());
}
