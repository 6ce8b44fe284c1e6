//! Auto Scaling groups: balance, replacement, health, standby.

use region::model::*;

use crate::world::*;

fn group(world: &mut World, desired: u32, grace: Millis, launch: LaunchSource) -> Vec<InstanceId> {
    let subnets = vec![world.a.clone(), world.b.clone()];
    world.region.add_group(GroupSpec {
        name: "brokers".into(),
        max: 5,
        desired,
        subnets,
        launch,
        health_check_grace: grace,
        tags: [("team".to_owned(), "data".to_owned())].into(),
        ..GroupSpec::default()
    });
    world.pass(1_000 + PENDING);
    members(world)
}

fn members(world: &World) -> Vec<InstanceId> {
    world.region.group("brokers").expect("the group is there").members.keys().cloned().collect()
}

fn zone_of(world: &World, instance: &str) -> String {
    world.region.instance(instance).expect("the instance is there").zone.clone()
}

fn set_health(world: &mut World, instance: &str, respect_grace: bool) -> Result<(), CallError> {
    let request = SetHealthRequest { instance: instance.into(), health: "Unhealthy".into(), respect_grace };
    world.region.set_instance_health(&Caller::instance(instance), request)
}

#[test]
fn a_group_launches_all_at_once_and_in_balance() {
    let mut world = world();
    let ids = group(&mut world, 4, 0, LaunchSource::default());
    let in_a = ids.iter().filter(|id| zone_of(&world, id) == "eu-central-1a").count();
    assert_eq!((ids.len(), in_a), (4, 2));
    let launches: Vec<Millis> = world
        .region
        .journal()
        .iter()
        .filter(|entry| matches!(entry.event, Event::InstanceLaunched { .. }))
        .map(|entry| entry.at)
        .collect();
    assert_eq!(launches, [1_000; 4]);
    let view = world.region.describe_auto_scaling_groups(&Caller::admin(), Default::default()).unwrap();
    assert!(view.items[0].instances.iter().all(|member| member.lifecycle == "InService"));
    assert_eq!(world.region.instance(&ids[0]).unwrap().tags["aws:autoscaling:groupName"], "brokers");
    assert_eq!(world.region.instance(&ids[0]).unwrap().tags["team"], "data");
}

#[test]
fn launch_configurations_launch_as_templates_do() {
    let mut world = world();
    let data = LaunchData { name: "lc".into(), user_data: "#!/bin/sh\n".into(), ..LaunchData::default() };
    let ids = group(&mut world, 1, 0, LaunchSource::Configuration(data));
    let request = DescribeGroupsRequest { names: ids, ..DescribeGroupsRequest::default() };
    let page = world.region.describe_auto_scaling_instances(&Caller::admin(), request).unwrap();
    assert_eq!(page.items[0].configuration.as_deref(), Some("lc"));
    assert!(page.items[0].template.is_none());
}

#[test]
fn a_failed_instance_is_replaced_in_its_zone_while_it_still_shuts_down() {
    let mut world = world();
    let ids = group(&mut world, 2, 0, LaunchSource::default());
    world.region.fail_instance(&ids[0]);
    world.pass(2_999);
    assert_eq!(members(&world), ids, "the health check takes its time");
    world.pass(1 + 1_000);
    let new = members(&world).into_iter().find(|id| !ids.contains(id)).expect("a replacement is launched");
    assert_eq!(zone_of(&world, &new), zone_of(&world, &ids[0]));
    assert_eq!(world.region.instance(&ids[0]).unwrap().state, InstanceState::ShuttingDown);
    world.pass(GOING);
    assert_eq!(world.region.instance(&ids[0]).unwrap().state, InstanceState::Terminated);
    assert_eq!(members(&world).len(), 2);
}

#[test]
fn an_instance_terminated_by_an_operator_is_noticed_and_replaced() {
    let mut world = world();
    let ids = group(&mut world, 2, 0, LaunchSource::default());
    world.region.terminate_instance(&ids[1]);
    world.pass(500 + 1_000);
    assert_eq!(world.region.group("brokers").unwrap().members.values().filter(|m| m.counts()).count(), 2);
}

#[test]
fn unhealthy_means_replaced_at_once_outside_the_grace_period() {
    let mut world = world();
    let ids = group(&mut world, 1, 0, LaunchSource::default());
    set_health(&mut world, &ids[0], true).unwrap();
    assert_eq!(world.region.instance(&ids[0]).unwrap().state, InstanceState::ShuttingDown);
    let told = |event: &Event| matches!(event, Event::HealthSet { health, .. } if health == "Unhealthy");
    assert_eq!(count(&world.region, told), 1);
}

#[test]
fn within_the_grace_period_unhealthy_counts_only_when_told_not_to_respect_it() {
    let mut world = world();
    let ids = group(&mut world, 1, 300_000, LaunchSource::default());
    set_health(&mut world, &ids[0], true).unwrap();
    assert_eq!(world.region.instance(&ids[0]).unwrap().state, InstanceState::Running);
    set_health(&mut world, &ids[0], false).unwrap();
    assert_eq!(world.region.instance(&ids[0]).unwrap().state, InstanceState::ShuttingDown);
}

#[test]
fn health_of_an_instance_without_a_group_is_refused() {
    let mut world = world();
    let alone = world.running(&world.a.clone());
    assert_eq!(code(set_health(&mut world, &alone, true)), "ValidationError");
}

#[test]
fn describing_leaves_unknown_ids_out_and_refuses_more_than_fifty() {
    let mut world = world();
    let mut names = group(&mut world, 1, 0, LaunchSource::default());
    names.push("i-00000000000000000".into());
    let request = DescribeGroupsRequest { names, ..DescribeGroupsRequest::default() };
    let page = world.region.describe_auto_scaling_instances(&Caller::admin(), request).unwrap();
    assert_eq!((page.items.len(), page.items[0].lifecycle.as_str()), (1, "InService"));
    let names = vec!["i-00000000000000000".to_owned(); 51];
    let request = DescribeGroupsRequest { names, ..DescribeGroupsRequest::default() };
    let result = world.region.describe_auto_scaling_instances(&Caller::admin(), request);
    assert_eq!(code(result), "ValidationError");
}

#[test]
fn standby_is_neither_checked_nor_counted() {
    let mut world = world();
    let ids = group(&mut world, 1, 0, LaunchSource::default());
    let request = StandbyRequest { group: "brokers".into(), ids: ids.clone(), decrement: true };
    world.region.enter_standby(&Caller::admin(), request).unwrap();
    world.region.fail_instance(&ids[0]);
    world.pass(60_000);
    assert_eq!(world.region.instance(&ids[0]).unwrap().state, InstanceState::Running);
    assert_eq!(members(&world), ids);
}

#[test]
fn a_suspended_launch_waits_for_its_resumption() {
    let mut world = world();
    let ids = group(&mut world, 1, 0, LaunchSource::default());
    let launch = || ProcessesRequest { group: "brokers".into(), processes: vec!["Launch".into()] };
    world.region.suspend_processes(&Caller::admin(), launch()).unwrap();
    world.region.terminate_instance(&ids[0]);
    world.pass(60_000);
    assert!(members(&world).is_empty());
    world.region.resume_processes(&Caller::admin(), launch()).unwrap();
    world.pass(1_000);
    assert_eq!(members(&world).len(), 1);
}

#[test]
fn a_smaller_wanted_size_takes_from_the_fullest_zone() {
    let mut world = world();
    group(&mut world, 3, 0, LaunchSource::default());
    let size = GroupSizeRequest { group: "brokers".into(), desired: Some(2), ..GroupSizeRequest::default() };
    world.region.set_desired_capacity(&Caller::admin(), size).unwrap();
    world.pass(1_000 + GOING);
    let left = members(&world);
    assert_eq!(left.len(), 2);
    assert_ne!(zone_of(&world, &left[0]), zone_of(&world, &left[1]));
}
