//! The instance metadata service: tokens, what is served, and what is not there yet.

use region::model::*;

use crate::world::*;

fn ask(world: &mut World, instance: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> ImdsAnswer {
    let headers: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    world.region.imds(instance, &ImdsRequest { method, path, headers: &headers })
}

fn token(world: &mut World, instance: &str) -> String {
    let ttl = [("X-aws-ec2-metadata-token-ttl-seconds", "60")];
    let answer = ask(world, instance, "PUT", "/latest/api/token", &ttl);
    assert_eq!(answer.status, 200);
    answer.body
}

/// The value at a path below meta-data, or the status that came instead.
fn get(world: &mut World, instance: &str, path: &str) -> Result<String, u16> {
    let token = token(world, instance);
    let path = format!("/latest/meta-data/{path}");
    let answer = ask(world, instance, "GET", &path, &[("X-aws-ec2-metadata-token", &token)]);
    if answer.status == 200 { Ok(answer.body) } else { Err(answer.status) }
}

#[test]
fn a_token_needs_a_ttl_and_a_direct_caller() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let path = "/latest/api/token";
    let ttl = "x-aws-ec2-metadata-token-ttl-seconds";
    assert_eq!(ask(&mut world, &instance, "PUT", path, &[]).status, 400);
    assert_eq!(ask(&mut world, &instance, "PUT", path, &[(ttl, "0")]).status, 400);
    assert_eq!(ask(&mut world, &instance, "PUT", path, &[(ttl, "21601")]).status, 400);
    let forwarded = [(ttl, "60"), ("X-Forwarded-For", "10.0.0.1")];
    assert_eq!(ask(&mut world, &instance, "PUT", path, &forwarded).status, 403);
    assert_eq!(ask(&mut world, &instance, "PUT", "/2021-03-23/api/token", &[(ttl, "60")]).status, 403);
    let answer = ask(&mut world, &instance, "PUT", path, &[(ttl, "60")]);
    assert!(answer.headers.contains(&("X-Aws-Ec2-Metadata-Token-Ttl-Seconds".into(), "60".into())));
}

#[test]
fn nothing_is_served_without_a_token_of_this_instance_that_still_lives() {
    let mut world = world();
    let (instance, other) = (world.running(&world.a.clone()), world.running(&world.a.clone()));
    let path = "/latest/meta-data/instance-id";
    let mine = token(&mut world, &instance);
    let theirs = token(&mut world, &other);
    let with = |world: &mut World, token: &str| {
        ask(world, &instance, "GET", path, &[("X-aws-ec2-metadata-token", token)])
    };
    assert_eq!(ask(&mut world, &instance, "GET", path, &[]).status, 401);
    assert_eq!(with(&mut world, &theirs).status, 401);
    let answer = with(&mut world, &mine);
    assert_eq!((answer.status, answer.body.as_str()), (200, instance.as_str()));
    world.pass(60_000);
    let late = with(&mut world, &mine);
    assert_eq!(late.status, 401);
    assert!(late.body.contains("<html"), "an error's body is a page, not a value");
}

#[test]
fn who_i_am_is_served() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    for (path, wanted) in [
        ("instance-type", "m5.large"),
        ("placement/availability-zone", "eu-central-1a"),
        ("placement/availability-zone-id", "euc1-az1"),
        ("placement/region", "eu-central-1"),
        ("local-ipv4", "10.0.1.10"),
        ("services/domain", "amazonaws.com"),
        ("services/partition", "aws"),
        ("iam/security-credentials/", "berth"),
    ] {
        assert_eq!(get(&mut world, &instance, path), Ok(wanted.to_owned()), "{path}");
    }
    let mac = get(&mut world, &instance, "mac").unwrap();
    assert_eq!(get(&mut world, &instance, "network/interfaces/macs/"), Ok(format!("{mac}/")));
    let of_mac = format!("network/interfaces/macs/{mac}/subnet-ipv4-cidr-block");
    assert_eq!(get(&mut world, &instance, &of_mac), Ok("10.0.1.0/24".into()));
    for absent in ["spot/instance-action", "events/recommendations/rebalance", "ipv6", "public-ipv4"] {
        assert_eq!(get(&mut world, &instance, absent), Err(404), "{absent}");
    }
}

#[test]
fn a_new_interface_is_not_listed_at_first_and_then_has_number_zero() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let eni = world.eni(&world.a.clone());
    world.region.settings_mut().delays.imds_new_interface = Delay::Fixed(1_000);
    world.region.settings_mut().delays.imds_device_number = Delay::Fixed(2_000);
    world.attach_eni(&eni, &instance, 1).unwrap();
    world.pass(ATTACH);
    let mac = world.region.eni(&eni).unwrap().mac.clone();
    let number = format!("network/interfaces/macs/{mac}/device-number");
    assert_eq!(get(&mut world, &instance, &number), Err(404));
    world.pass(1_000);
    assert_eq!(get(&mut world, &instance, &number), Ok("0".into()));
    world.pass(2_000);
    assert_eq!(get(&mut world, &instance, &number), Ok("1".into()));
}

#[test]
fn tags_are_served_where_that_is_enabled_and_nowhere_else() {
    let mut world = world();
    let mut run = |metadata_tags| {
        let tags =
            [("berth:cluster", "orders"), ("two words", "no")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let spec =
            LaunchSpec { subnet: world.a.clone(), tags: tags.into(), metadata_tags, ..LaunchSpec::default() };
        world.region.run_instance(spec)
    };
    let (with, without) = (run(true), run(false));
    assert_eq!(get(&mut world, &with, "tags/instance/berth:cluster"), Ok("orders".into()));
    assert_eq!(get(&mut world, &with, "tags/instance"), Ok("berth:cluster".into()));
    assert_eq!(get(&mut world, &without, "tags/instance/berth:cluster"), Err(404));
}

#[test]
fn the_target_state_is_absent_at_first_and_outside_a_group() {
    let mut world = world();
    let alone = world.running(&world.a.clone());
    world.region.settings_mut().delays.imds_target_state = Delay::Fixed(3_000);
    let subnets = vec![world.a.clone()];
    let spec = GroupSpec { name: "g".into(), max: 1, desired: 1, subnets, ..GroupSpec::default() };
    world.region.add_group(spec);
    world.pass(1_000);
    let member = world.region.group("g").unwrap().members.keys().next().unwrap().clone();
    let path = "autoscaling/target-lifecycle-state";
    assert_eq!(get(&mut world, &alone, path), Err(404));
    assert_eq!(get(&mut world, &member, path), Err(404));
    world.pass(3_000);
    assert_eq!(get(&mut world, &member, path), Ok("InService".into()));
    // The target is always one of the steady states; a pool that says nothing else stops its instances.
    world.region.set_lifecycle(&member, "Warmed:Pending:Wait");
    assert_eq!(get(&mut world, &member, path), Ok("Warmed:Stopped".into()));
}

#[test]
fn credentials_of_an_instance_prove_it_and_end() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let text = get(&mut world, &instance, "iam/security-credentials/berth").unwrap();
    let served: serde_json::Value = serde_json::from_str(&text).unwrap();
    let access_key = served["AccessKeyId"].as_str().unwrap();
    let known = world.region.known_key(access_key).unwrap();
    assert_eq!(known.caller.instance, Some(instance.clone()));
    assert_eq!(known.token.as_deref(), served["Token"].as_str());
    world.pass(6 * 3_600_000);
    assert!(world.region.known_key(access_key).unwrap().expired);
    let later: serde_json::Value =
        serde_json::from_str(&get(&mut world, &instance, "iam/security-credentials/berth").unwrap()).unwrap();
    assert_ne!(later["AccessKeyId"].as_str(), Some(access_key));
}

#[test]
fn faults_reach_the_metadata_too() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    world.region.inject(Fault::next("GET /latest/meta-data/mac", FaultKind::Unauthorized));
    assert_eq!(get(&mut world, &instance, "mac"), Err(401));
    assert!(get(&mut world, &instance, "mac").is_ok());
    world.region.inject(Fault { api: Some("imds".into()), ..Fault::next("PUT *", FaultKind::Reset) });
    let answer = ask(&mut world, &instance, "PUT", "/latest/api/token", &[]);
    assert!(answer.dropped);
}

#[test]
fn the_metadata_can_answer_with_a_page_with_nothing_or_with_far_too_much() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let at = "GET /latest/meta-data/mac";
    world.region.inject(Fault::next(at, FaultKind::Html));
    let page = get(&mut world, &instance, "mac").unwrap();
    assert!(page.contains("<html"), "{page}");
    world.region.inject(Fault::next(at, FaultKind::Empty));
    assert_eq!(get(&mut world, &instance, "mac"), Ok(String::new()));
    world.region.inject(Fault::next(at, FaultKind::Large(16 << 20)));
    assert_eq!(get(&mut world, &instance, "mac").map(|body| body.len()), Ok(16 << 20));
    assert_eq!(get(&mut world, &instance, "mac").map(|mac| mac.len()), Ok(17), "and then it is itself again");
    world.region.inject(Fault::next("PUT *", FaultKind::Html));
    let ttl = [("X-aws-ec2-metadata-token-ttl-seconds", "60")];
    let answer = ask(&mut world, &instance, "PUT", "/latest/api/token", &ttl);
    assert!(answer.status == 200 && answer.body.contains("<html"), "a token can be a page too");
}

#[test]
fn the_metadata_can_be_away_for_a_while() {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    for (kind, status) in [(FaultKind::ServerError, 500), (FaultKind::Unavailable, 503)] {
        let api = Some("imds".into());
        world.region.inject(Fault { api, for_ms: Some(3_000), ..Fault::always("GET *", kind) });
        assert_eq!(get(&mut world, &instance, "mac"), Err(status));
        world.pass(2_999);
        assert_eq!(get(&mut world, &instance, "instance-id"), Err(status));
        world.pass(1);
        assert_eq!(get(&mut world, &instance, "instance-id"), Ok(instance.clone()));
    }
}

#[test]
fn an_ipv6_only_instance_has_no_ipv4_address_to_show() {
    let mut world = world();
    let spec = LaunchSpec { subnet: world.a.clone(), ipv6_only: true, ..LaunchSpec::default() };
    let instance = world.region.run_instance(spec);
    world.pass(PENDING);
    assert_eq!(get(&mut world, &instance, "local-ipv4"), Err(404));
    let mac = get(&mut world, &instance, "mac").unwrap();
    let of_mac = |key: &str| format!("network/interfaces/macs/{mac}/{key}");
    for absent in ["local-ipv4s", "subnet-ipv4-cidr-block"] {
        assert_eq!(get(&mut world, &instance, &of_mac(absent)), Err(404), "{absent}");
    }
    let ipv6 = get(&mut world, &instance, "ipv6").unwrap();
    assert!(ipv6.parse::<std::net::Ipv6Addr>().is_ok(), "{ipv6}");
    assert_eq!(get(&mut world, &instance, &of_mac("ipv6s")), Ok(ipv6.clone()));
    let request = DescribeRequest { ids: vec![instance.clone()], ..DescribeRequest::default() };
    let page = world.region.describe_instances(&Caller::admin(), request).unwrap();
    let view = &page.items[0];
    assert_eq!((&view.address, view.interfaces[0].ipv6s[0].address.as_str()), (&None, ipv6.as_str()));
    assert!(view.interfaces[0].addresses.is_empty());
    // A second interface with an IPv4 address is as ever.
    let eni = world.eni(&world.a.clone());
    world.attach_eni(&eni, &instance, 1).unwrap();
    world.pass(ATTACH);
    let second = world.region.eni(&eni).unwrap().mac.clone();
    assert!(get(&mut world, &instance, &format!("network/interfaces/macs/{second}/local-ipv4s")).is_ok());
}
