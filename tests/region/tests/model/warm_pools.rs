//! Warm pools: what the metadata and Auto Scaling say of an instance there, and how it comes into service.

use region::model::*;

use crate::world::*;

fn group(world: &mut World, desired: u32, warm_pool: Option<WarmPool>) {
    world.region.settings_mut().delays.instance_stopping = Delay::Fixed(2_000);
    world.region.add_group(GroupSpec {
        name: "brokers".into(),
        max: 5,
        desired,
        subnets: vec![world.a.clone()],
        warm_pool,
        ..GroupSpec::default()
    });
    world.pass(1_000);
}

fn members(world: &World) -> Vec<InstanceId> {
    world.region.group("brokers").expect("the group is there").members.keys().cloned().collect()
}

/// The life-cycle state by DescribeAutoScalingInstances, the target state by the metadata, the instance's state.
fn seen(world: &mut World, id: &str) -> (String, String, &'static str) {
    let request = DescribeGroupsRequest { names: vec![id.into()], ..DescribeGroupsRequest::default() };
    let page = world.region.describe_auto_scaling_instances(&Caller::admin(), request).expect("it answers");
    let headers = [("X-aws-ec2-metadata-token-ttl-seconds".to_owned(), "60".to_owned())];
    let put = ImdsRequest { method: "PUT", path: "/latest/api/token", headers: &headers };
    let token = world.region.imds(id, &put).body;
    let headers = [("X-aws-ec2-metadata-token".to_owned(), token)];
    let path = "/latest/meta-data/autoscaling/target-lifecycle-state";
    let target = world.region.imds(id, &ImdsRequest { method: "GET", path, headers: &headers });
    assert_eq!(target.status, 200);
    let state = world.region.instance(id).expect("it is there").state.word();
    (page.items[0].lifecycle.clone(), target.body, state)
}

fn said(lifecycle: &str, target: &str, state: &'static str) -> (String, String, &'static str) {
    (lifecycle.to_owned(), target.to_owned(), state)
}

#[test]
fn an_instance_is_launched_into_the_pool_boots_waits_and_comes_into_service() {
    for (state, waits, ec2) in [
        (PoolState::Stopped, "Warmed:Stopped", "stopped"),
        (PoolState::Hibernated, "Warmed:Hibernated", "stopped"),
        (PoolState::Running, "Warmed:Running", "running"),
    ] {
        let mut world = world();
        group(&mut world, 0, Some(WarmPool { state, size: 1 }));
        let id = members(&world)[0].clone();
        assert_eq!(seen(&mut world, &id), said("Warmed:Pending", waits, "pending"));
        world.pass(PENDING + 2_000);
        assert_eq!(seen(&mut world, &id), said(waits, waits, ec2));
        world.pass(60_000);
        assert_eq!(seen(&mut world, &id), said(waits, waits, ec2), "nobody takes it for ill");
        world.region.leave_warm_pool(&id);
        if state == PoolState::Running {
            assert_eq!(seen(&mut world, &id), said("InService", "InService", "running"));
        } else {
            assert_eq!(seen(&mut world, &id), said("Pending", "InService", "pending"));
            world.pass(PENDING);
            assert_eq!(seen(&mut world, &id), said("InService", "InService", "running"));
        }
        world.pass(60_000);
        assert_eq!(seen(&mut world, &id).0, "InService");
        assert_eq!(members(&world).len(), 2, "the pool is filled again");
    }
}

#[test]
fn a_group_that_lacks_an_instance_takes_one_of_its_pool_before_it_launches_one() {
    let mut world = world();
    group(&mut world, 1, Some(WarmPool { state: PoolState::Stopped, size: 1 }));
    world.pass(PENDING + 2_000);
    let states: Vec<String> = members(&world).iter().map(|id| seen(&mut world, id).0).collect();
    assert!(states.contains(&"InService".into()) && states.contains(&"Warmed:Stopped".into()), "{states:?}");
    let find = |world: &mut World, state: &str| {
        members(world).into_iter().find(|id| seen(world, id).0 == state).expect("there is one")
    };
    let (serving, warmed) = (find(&mut world, "InService"), find(&mut world, "Warmed:Stopped"));
    let listed = world
        .region
        .describe_auto_scaling_groups(&Caller::admin(), DescribeGroupsRequest::default())
        .unwrap()
        .items[0]
        .instances
        .len();
    assert_eq!(listed, 1, "the group does not list its pool");
    world.region.terminate_instance(&serving);
    world.pass(500 + 1_000);
    assert_eq!(seen(&mut world, &warmed), said("Pending", "InService", "pending"));
    world.pass(PENDING);
    assert_eq!(seen(&mut world, &warmed), said("InService", "InService", "running"));
}

#[test]
fn an_instance_goes_back_into_the_pool_and_comes_out_while_it_still_stops() {
    let mut world = world();
    group(&mut world, 1, None);
    world.pass(PENDING);
    let id = members(&world)[0].clone();
    world.region.enter_warm_pool(&id, PoolState::Stopped);
    assert_eq!(seen(&mut world, &id), said("Warmed:Pending", "Warmed:Stopped", "stopping"));
    world.pass(100);
    world.region.leave_warm_pool(&id);
    assert_eq!(seen(&mut world, &id), said("Pending", "InService", "stopping"));
    world.pass(2_000 + PENDING);
    assert_eq!(seen(&mut world, &id), said("InService", "InService", "running"));
    assert_eq!(members(&world), [id], "nothing was launched beside it");
}

#[test]
fn the_group_name_is_a_tag_of_the_instance_from_its_launch() {
    let mut world = world();
    group(&mut world, 1, None);
    let id = members(&world)[0].clone();
    let instance = world.region.instance(&id).unwrap();
    assert_eq!(instance.state, InstanceState::Pending);
    assert_eq!(instance.tags["aws:autoscaling:groupName"], "brokers");
}

#[test]
fn a_pending_update_of_the_group_contends_with_its_health() {
    let mut world = world();
    group(&mut world, 1, None);
    world.pass(PENDING);
    let id = members(&world)[0].clone();
    let ill = || SetHealthRequest { instance: id.clone(), health: "Unhealthy".into(), respect_grace: false };
    world.region.inject(Fault::next("SetInstanceHealth", FaultKind::Contention));
    let Err(CallError::Refused(refusal)) = world.region.set_instance_health(&Caller::instance(&id), ill())
    else {
        panic!("this should be refused")
    };
    assert_eq!((refusal.status, refusal.code.as_str()), (500, "ResourceContention"));
    assert!(refusal.message.starts_with("You already have a pending update"), "{}", refusal.message);
    assert_eq!(seen(&mut world, &id).0, "InService");
    world.region.set_instance_health(&Caller::instance(&id), ill()).unwrap();
    assert_eq!(seen(&mut world, &id).0, "Terminating");
}
