//! Instance refreshes: how many at a time, what they wait for, how they end.

use std::collections::BTreeSet;

use region::model::*;

use crate::world::*;

fn group(
    world: &mut World,
    desired: u32,
    hooks: Vec<HookSpec>,
    maintenance: Option<Maintenance>,
) -> Vec<InstanceId> {
    world.region.add_group(GroupSpec {
        name: "brokers".into(),
        max: desired,
        desired,
        subnets: vec![world.a.clone()],
        hooks,
        maintenance,
        ..GroupSpec::default()
    });
    world.pass(1_000 + PENDING);
    counting(world).into_iter().collect()
}

fn counting(world: &World) -> BTreeSet<InstanceId> {
    let members = &world.region.group("brokers").expect("the group is there").members;
    members.iter().filter(|(_, member)| member.counts()).map(|(id, _)| id.clone()).collect()
}

fn serving(world: &World) -> usize {
    let members = &world.region.group("brokers").expect("the group is there").members;
    members.values().filter(|member| member.lifecycle == "InService").count()
}

fn start(world: &mut World, min: Option<u32>, max: Option<u32>, warmup: u64) -> Result<String, CallError> {
    let group = "brokers".into();
    let request = StartRefreshRequest { group, min_healthy: min, max_healthy: max, warmup: Some(warmup) };
    world.region.start_instance_refresh(&Caller::admin(), request)
}

fn newest(world: &mut World) -> RefreshView {
    let request = DescribeRefreshesRequest { group: "brokers".into(), ids: Vec::new() };
    world.region.describe_instance_refreshes(&Caller::admin(), request).expect("it answers").remove(0)
}

/// Lets time pass until the refresh has ended; the fewest in service and the most that counted meanwhile.
fn watch(world: &mut World) -> (usize, usize) {
    let (mut fewest, mut most) = (usize::MAX, 0);
    for _ in 0..10_000 {
        world.pass(100);
        (fewest, most) = (fewest.min(serving(world)), most.max(counting(world).len()));
        if newest(world).status != "InProgress" {
            return (fewest, most);
        }
    }
    panic!("the refresh does not end");
}

#[test]
fn one_at_a_time_is_ended_first_and_each_new_one_is_waited_for() {
    let mut world = world();
    let old = group(&mut world, 3, Vec::new(), None);
    start(&mut world, None, None, 0).unwrap();
    assert_eq!(watch(&mut world), (2, 3), "90 percent of three leaves two");
    let view = newest(&mut world);
    assert_eq!((&*view.status, view.percent, view.left), ("Successful", 100, 0));
    assert_eq!((view.preferences.min_healthy, view.preferences.max_healthy), (90, 100));
    let new = counting(&world);
    assert!(new.len() == 3 && old.iter().all(|id| !new.contains(id)), "{new:?}");
}

#[test]
fn a_lower_share_takes_more_at_a_time() {
    let mut world = world();
    group(&mut world, 4, Vec::new(), None);
    start(&mut world, Some(50), None, 0).unwrap();
    assert_eq!(watch(&mut world), (2, 4));
}

#[test]
fn above_a_hundred_percent_the_new_one_is_launched_before_the_old_one_ends() {
    let mut world = world();
    let policy = Maintenance { min_healthy: 100, max_healthy: 134 };
    let old = group(&mut world, 3, Vec::new(), Some(policy));
    start(&mut world, None, None, 0).unwrap();
    assert_eq!(watch(&mut world), (3, 5), "134 percent of three is five, and never fewer than three serve");
    assert_eq!(newest(&mut world).status, "Successful");
    assert!(counting(&world).len() == 3 && old.iter().all(|id| !counting(&world).contains(id)));
}

#[test]
fn the_next_one_waits_for_the_launching_hook_and_for_the_warmup() {
    let mut world = world();
    let hook = HookSpec { heartbeat: 60_000, ..HookSpec::new("up", Transition::Launching) };
    let old = group(&mut world, 2, vec![hook], None);
    let complete = |world: &mut World, id: &str| {
        let action = ActionRequest {
            group: "brokers".into(),
            hook: "up".into(),
            instance: Some(id.into()),
            token: None,
        };
        let request = CompleteActionRequest { action, result: HookResult::Continue };
        world.region.complete_lifecycle_action(&Caller::admin(), request).unwrap();
        world.pass(0);
    };
    old.iter().for_each(|id| complete(&mut world, id));
    start(&mut world, None, None, 20).unwrap();
    world.pass(30_000);
    let new: Vec<InstanceId> = counting(&world).into_iter().filter(|id| !old.contains(id)).collect();
    assert_eq!((new.len(), counting(&world).len()), (1, 2), "the hook holds it");
    complete(&mut world, &new[0]);
    world.pass(19_999);
    assert!(old.iter().any(|id| counting(&world).contains(id)), "it is not warm yet");
    assert_eq!(newest(&mut world).percent, 0);
    world.pass(1);
    assert!(!old.iter().any(|id| counting(&world).contains(id)));
    assert_eq!(newest(&mut world).percent, 50);
}

#[test]
fn a_refresh_whose_instances_never_serve_fails_after_an_hour() {
    let mut world = world();
    let hook = HookSpec { heartbeat: 7_200_000, ..HookSpec::new("up", Transition::Launching) };
    group(&mut world, 1, Vec::new(), None);
    let put = PutHookRequest {
        group: "brokers".into(),
        hook: hook.name,
        transition: Some(hook.transition),
        heartbeat: Some(7_200),
        ..PutHookRequest::default()
    };
    world.region.put_lifecycle_hook(&Caller::admin(), put).unwrap();
    start(&mut world, None, None, 0).unwrap();
    world.pass(3_599_999);
    assert_eq!(newest(&mut world).status, "InProgress");
    world.pass(1);
    assert_eq!(newest(&mut world).status, "Failed");
}

#[test]
fn there_is_one_refresh_at_a_time_and_a_cancelled_one_takes_no_more() {
    let mut world = world();
    let old = group(&mut world, 3, Vec::new(), None);
    let cancel = |world: &mut World| {
        world
            .region
            .cancel_instance_refresh(&Caller::admin(), CancelRefreshRequest { group: "brokers".into() })
    };
    assert_eq!(code(cancel(&mut world)), "ActiveInstanceRefreshNotFound");
    let id = start(&mut world, None, None, 0).unwrap();
    assert_eq!(code(start(&mut world, None, None, 0)), "InstanceRefreshInProgress");
    world.pass(0);
    assert_eq!(cancel(&mut world).unwrap(), id);
    world.pass(60_000);
    assert_eq!(newest(&mut world).status, "Cancelled");
    assert_eq!(old.iter().filter(|id| counting(&world).contains(*id)).count(), 2, "one was taken before");
    for (min, max) in [(101, 100), (90, 99), (90, 201), (50, 151)] {
        assert_eq!(code(start(&mut world, Some(min), Some(max), 0)), "ValidationError");
    }
}
