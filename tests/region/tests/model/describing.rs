//! Describe calls: filters, ids, pages, and states that are not the newest.

use region::model::*;

use crate::world::*;

fn filter(name: &str, value: &str) -> DescribeRequest {
    DescribeRequest { filters: vec![(name.into(), vec![value.into()])], ..DescribeRequest::default() }
}

#[test]
fn an_unknown_filter_is_refused_and_not_ignored() {
    let mut world = world();
    let result = world.region.describe_volumes(&Caller::admin(), filter("tags", "x"));
    assert_eq!(refusal(result), ("InvalidParameterValue".into(), "The filter 'tags' is invalid".into()));
}

#[test]
fn filters_take_wildcards_and_any_of_their_values() {
    let mut world = world();
    for name in ["KAFKA-1", "KAFKA-2", "ZOO-1"] {
        let tags = [("Name".to_owned(), name.to_owned())].into();
        world.region.add_volume(VolumeSpec { zone: "eu-central-1a".into(), tags, ..VolumeSpec::default() });
    }
    let mut found = |request| world.region.describe_volumes(&Caller::admin(), request).unwrap().items.len();
    assert_eq!(found(filter("tag:Name", "KAFKA-*")), 2);
    assert_eq!(found(filter("tag-key", "Name")), 3);
    let mut both = filter("tag:Name", "ZOO-1");
    both.filters[0].1.push("KAFKA-1".into());
    assert_eq!(found(both.clone()), 2);
    both.filters.push(("availability-zone".into(), vec!["eu-central-1b".into()]));
    assert_eq!(found(both), 0);
}

#[test]
fn ids_and_page_sizes_exclude_each_other() {
    let mut world = world();
    let volume = world.volume("a");
    let request = DescribeRequest { ids: vec![volume], max_results: Some(5), ..DescribeRequest::default() };
    assert_eq!(code(world.region.describe_volumes(&Caller::admin(), request)), "InvalidParameterCombination");
}

#[test]
fn page_sizes_have_bounds() {
    let mut world = world();
    for size in [0, 4, 1_001] {
        let request = DescribeRequest { max_results: Some(size), ..DescribeRequest::default() };
        let result = world.region.describe_network_interfaces(&Caller::admin(), request);
        assert_eq!(code(result), "InvalidParameterValue", "{size}");
    }
}

#[test]
fn pages_hold_everything_once() {
    let mut world = world();
    for _ in 0..13 {
        world.volume("a");
    }
    let mut request = DescribeRequest { max_results: Some(5), ..DescribeRequest::default() };
    let mut seen = Vec::new();
    loop {
        let page = world.region.describe_volumes(&Caller::admin(), request.clone()).unwrap();
        assert!(page.items.len() <= 5);
        seen.extend(page.items.into_iter().map(|view| view.volume));
        match page.next_token {
            Some(token) => request.next_token = Some(token),
            None => break,
        }
    }
    assert_eq!(seen.len(), 13);
    seen.dedup();
    assert_eq!(seen.len(), 13);
    request.next_token = Some("mine".into());
    assert_eq!(code(world.region.describe_volumes(&Caller::admin(), request)), "InvalidPaginationToken");
}

#[test]
fn an_account_with_very_many_interfaces_must_be_asked_in_pages() {
    let mut world = world_with(Settings { many_interfaces: 3, throttle: false, ..Settings::default() });
    for _ in 0..3 {
        world.eni(&world.a.clone());
    }
    let mut ask = |request| world.region.describe_network_interfaces(&Caller::admin(), request);
    assert_eq!(code(ask(filter("tag:Name", "KAFKA-1"))), "OperationNotPermitted");
    let paged = DescribeRequest { max_results: Some(5), ..filter("tag:Name", "KAFKA-1") };
    assert_eq!(ask(paged).unwrap().items.len(), 0);
    assert_eq!(ask(filter("subnet-id", "subnet-*")).unwrap().items.len(), 3);
}

#[test]
fn a_change_is_seen_later_where_reads_are_eventual() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let volume = world.volume("a");
    world.region.settings_mut().delays.describe_staleness = Delay::Fixed(5_000);
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    assert_eq!(world.seen(&volume), ("available".into(), None));
    // The act itself is not eventual.
    assert_eq!(code(world.attach(&volume, &instance, "/dev/sdg")), "VolumeInUse");
    world.pass(5_000);
    assert_eq!(world.seen(&volume).0, "in-use");
}

#[test]
fn tags_spread_on_their_own_time() {
    let mut world = world();
    let volume = world.volume("a");
    world.region.settings_mut().delays.tag_visibility = Delay::Fixed(2_000);
    let request = TagsRequest {
        resources: vec![volume],
        tags: vec![("berth:format".into(), Some("xfs".into()))],
        dry_run: false,
    };
    world.region.create_tags(&Caller::admin(), request).unwrap();
    let found = |world: &mut World| {
        world
            .region
            .describe_volumes(&Caller::admin(), filter("tag:berth:format", "xfs"))
            .unwrap()
            .items
            .len()
    };
    assert_eq!(found(&mut world), 0);
    world.pass(2_000);
    assert_eq!(found(&mut world), 1);
}

#[test]
fn tags_of_absent_things_and_reserved_keys_are_refused() {
    let mut world = world();
    let volume = world.volume("a");
    let mut tag = |resource: &str, key: &str| {
        let tags = vec![(key.to_owned(), Some("x".to_owned()))];
        let request = TagsRequest { resources: vec![resource.into()], tags, dry_run: false };
        world.region.create_tags(&Caller::admin(), request)
    };
    assert_eq!(code(tag("vol-00000000000000000", "k")), "InvalidVolume.NotFound");
    assert_eq!(code(tag("ami-00000000000000000", "k")), "InvalidID");
    assert_eq!(code(tag(&volume, "aws:k")), "InvalidParameterValue");
    for n in 0..50 {
        tag(&volume, &format!("k{n}")).unwrap();
    }
    tag(&volume, "k7").unwrap();
    assert_eq!(code(tag(&volume, "one too many")), "TagLimitExceeded");
}

#[test]
fn a_terminated_instance_is_visible_for_an_hour() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    world.region.terminate_instance(&instance);
    world.pass(GOING);
    let by_id = DescribeRequest { ids: vec![instance.clone()], ..DescribeRequest::default() };
    let view = world.region.describe_instances(&Caller::admin(), by_id.clone()).unwrap().items.remove(0);
    assert_eq!(view.state.name, "terminated");
    assert!(view.interfaces.is_empty() && view.volumes.is_empty() && view.address.is_none());
    world.pass(3_600_000);
    assert_eq!(code(world.region.describe_instances(&Caller::admin(), by_id)), "InvalidInstanceID.NotFound");
    let volume = world.volume("a");
    assert_eq!(code(world.attach(&volume, &instance, "/dev/sdf")), "InvalidInstanceID.NotFound");
    // By filter an absent instance is no error.
    let by_filter = filter("instance-id", &instance);
    assert_eq!(world.region.describe_instances(&Caller::admin(), by_filter).unwrap().items.len(), 0);
}

#[test]
fn an_instance_shows_its_interfaces_and_volumes() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let (volume, eni) = (world.volume("a"), world.eni(&world.a.clone()));
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    world.attach_eni(&eni, &instance, 1).unwrap();
    let request = filter("instance-id", &instance);
    let view = world.region.describe_instances(&Caller::admin(), request).unwrap().items.remove(0);
    assert_eq!(view.interfaces[1].eni, eni);
    assert_eq!(view.interfaces[1].attachment.status, "attaching");
    assert!(view.volumes.iter().any(|at| at.ebs.volume == volume && at.device == "/dev/sdf"));
    assert_eq!(view.placement.zone, "eu-central-1a");
    assert_eq!(view.state.code, 16);
}

#[test]
fn status_checks_show_running_instances_only_unless_all_are_asked_for() {
    let mut world = world();
    let failed = world.running(&world.a.clone());
    world.region.run_instance(LaunchSpec { subnet: world.a.clone(), ..LaunchSpec::default() });
    world.region.fail_instance(&failed);
    let mut ask = |all| {
        let request = DescribeStatusRequest { all, ..DescribeStatusRequest::default() };
        world.region.describe_instance_status(&Caller::admin(), request).unwrap().items
    };
    let running = ask(false);
    assert_eq!((running.len(), running[0].checks.status.as_str()), (1, "impaired"));
    assert_eq!(ask(true).len(), 2);
}

#[test]
fn types_of_the_xen_hypervisor_are_told_from_nitro() {
    let mut world = world();
    let ids = ["g2.2xlarge", "g3s.xlarge", "m4.large", "m5.large"].map(str::to_owned).to_vec();
    let request = DescribeRequest { ids, ..DescribeRequest::default() };
    let page = world.region.describe_instance_types(&Caller::admin(), request).unwrap();
    let seen: Vec<(&str, &str, &str)> =
        page.items.iter().map(|t| (&*t.name, &*t.hypervisor, &*t.ebs.nvme)).collect();
    assert_eq!(
        seen,
        [
            ("g2.2xlarge", "xen", "unsupported"),
            ("g3s.xlarge", "xen", "unsupported"),
            ("m4.large", "xen", "unsupported"),
            ("m5.large", "nitro", "required"),
        ]
    );
}
