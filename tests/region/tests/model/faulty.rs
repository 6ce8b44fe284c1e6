//! Faults on demand, throttling, and the journal that tells of both.

use region::model::*;

use crate::world::*;

fn ready() -> (World, InstanceId, VolumeId) {
    let mut world = world();
    let instance = world.running(&world.a.clone());
    let volume = world.volume("a");
    (world, instance, volume)
}

#[test]
fn a_lost_reply_was_done() {
    let (mut world, instance, volume) = ready();
    world.region.inject(Fault::next("AttachVolume", FaultKind::LostReply));
    assert_eq!(world.attach(&volume, &instance, "/dev/sdf"), Err(CallError::Lost));
    assert_eq!(code(world.attach(&volume, &instance, "/dev/sdf")), "VolumeInUse");
    assert_eq!(world.region.volume(&volume).unwrap().attachments[0].instance, instance);
}

#[test]
fn a_late_commit_is_done_when_nobody_expects_it_any_more() {
    let (mut world, instance, volume) = ready();
    let other = world.running(&world.a.clone());
    world.region.inject(Fault::next("AttachVolume", FaultKind::LateCommit(10_000)));
    assert_eq!(world.attach(&volume, &instance, "/dev/sdf"), Err(CallError::Lost));
    assert_eq!(world.seen(&volume).0, "available");
    world.pass(9_999);
    assert_eq!(world.seen(&volume).0, "available");
    world.pass(1);
    assert_eq!(world.region.volume(&volume).unwrap().attachments[0].instance, instance);
    assert_eq!(code(world.attach(&volume, &other, "/dev/sdf")), "VolumeInUse");
}

#[test]
fn a_late_commit_finds_the_world_as_it_then_is() {
    let (mut world, instance, volume) = ready();
    let other = world.running(&world.a.clone());
    world.region.inject(Fault::next("AttachVolume", FaultKind::LateCommit(10_000)));
    assert_eq!(world.attach(&volume, &instance, "/dev/sdf"), Err(CallError::Lost));
    world.attach(&volume, &other, "/dev/sdf").unwrap();
    world.pass(10_000);
    let attachments = &world.region.volume(&volume).unwrap().attachments;
    assert_eq!((attachments.len(), attachments[0].instance.as_str()), (1, other.as_str()));
}

#[test]
fn a_reset_was_not_done() {
    let (mut world, instance, volume) = ready();
    world.region.inject(Fault::next("AttachVolume", FaultKind::Reset));
    assert_eq!(world.attach(&volume, &instance, "/dev/sdf"), Err(CallError::Reset));
    assert_eq!(world.seen(&volume).0, "available");
}

#[test]
fn errors_of_the_server_are_those_of_the_api() {
    let (mut world, instance, volume) = ready();
    for (kind, status, wanted) in [
        (FaultKind::Throttle, 503, "RequestLimitExceeded"),
        (FaultKind::ServerError, 500, "InternalError"),
        (FaultKind::Unavailable, 503, "Unavailable"),
        (FaultKind::Unauthorized, 403, "UnauthorizedOperation"),
        (
            FaultKind::Refuse { status: 400, code: "CustomerKeyHasBeenRevoked".into(), message: "no".into() },
            400,
            "CustomerKeyHasBeenRevoked",
        ),
    ] {
        world.region.inject(Fault::next("AttachVolume", kind));
        match world.attach(&volume, &instance, "/dev/sdf") {
            Err(CallError::Refused(refusal)) => {
                assert_eq!((refusal.status, refusal.code.as_str()), (status, wanted));
            }
            other => panic!("{other:?}"),
        }
    }
    let kinds = [(FaultKind::Throttle, "Throttling"), (FaultKind::Unauthorized, "AccessDenied")];
    for (kind, wanted) in kinds {
        world.region.inject(Fault::next("Describe*", kind));
        let result = world.region.describe_stacks(&Caller::admin(), DescribeStackRequest::default());
        assert_eq!(code(result), wanted);
    }
    assert_eq!(world.seen(&volume).0, "available");
}

/// The status, code and message of a refusal.
fn told<T: std::fmt::Debug>(result: Result<T, CallError>) -> (u16, String, String) {
    match result {
        Err(CallError::Refused(refusal)) => (refusal.status, refusal.code, refusal.message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn missing_permissions_and_bad_credentials_are_told_in_the_words_of_each_api() {
    let (mut world, instance, volume) = ready();
    let eni = world.eni(&world.a.clone());
    let wrong = "AWS was not able to validate the provided access credentials";
    let may_not = format!("assumed-role/berth/{instance} is not authorized to perform: ec2:Attach");
    for (kind, status, wanted, says) in [
        (FaultKind::Unauthorized, 403, "UnauthorizedOperation", may_not.as_str()),
        (FaultKind::BadCredentials, 401, "AuthFailure", wrong),
        (FaultKind::Expired, 400, "RequestExpired", "Request has expired."),
    ] {
        world.region.inject(Fault { count: Some(2), ..Fault::always("Attach*", kind) });
        let volume = told(world.attach(&volume, &instance, "/dev/sdf"));
        let eni = told(world.attach_eni(&eni, &instance, 1));
        for (got, code, message) in [volume, eni] {
            assert_eq!((got, code.as_str()), (status, wanted));
            assert!(message.contains(says), "{message}");
        }
    }
    let describe = || DescribeGroupsRequest::default();
    for (kind, wanted, says) in [
        (FaultKind::Unauthorized, "AccessDenied", "autoscaling:DescribeAutoScalingInstances"),
        (
            FaultKind::BadCredentials,
            "InvalidClientTokenId",
            "security token included in the request is invalid",
        ),
        (FaultKind::Expired, "ExpiredToken", "security token included in the request is expired"),
    ] {
        world.region.inject(Fault::next("DescribeAutoScalingInstances", kind));
        let caller = Caller::instance(&instance);
        let (status, code, message) = told(world.region.describe_auto_scaling_instances(&caller, describe()));
        assert_eq!((status, code.as_str()), (403, wanted));
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn a_permission_that_spreads_is_missing_for_a_while_to_one_caller_and_action() {
    let (mut world, instance, volume) = ready();
    let other = world.running(&world.a.clone());
    let free = world.volume("a");
    let fault = Fault {
        caller: Some(instance.clone()),
        for_ms: Some(5_000),
        ..Fault::always("AttachVolume", FaultKind::Unauthorized)
    };
    world.region.inject(fault);
    assert_eq!(code(world.attach(&volume, &instance, "/dev/sdf")), "UnauthorizedOperation");
    assert!(world.attach(&free, &other, "/dev/sdf").is_ok());
    assert_eq!(code(world.detach(&volume, &instance)), "IncorrectState", "another action");
    world.pass(4_999);
    assert_eq!(code(world.attach(&volume, &instance, "/dev/sdf")), "UnauthorizedOperation");
    assert_eq!(world.region.faults().count(), 1);
    world.pass(1);
    assert_eq!(world.region.faults().count(), 0);
    assert!(world.attach(&volume, &instance, "/dev/sdf").is_ok());
}

#[test]
fn a_fault_ends_by_its_count_or_by_its_time_whichever_is_first() {
    let (mut world, instance, volume) = ready();
    let fault = |kind| Fault { count: Some(2), for_ms: Some(1_000), ..Fault::always("AttachVolume", kind) };
    world.region.inject(fault(FaultKind::Unavailable));
    assert_eq!(code(world.attach(&volume, &instance, "bad")), "Unavailable");
    assert_eq!(code(world.attach(&volume, &instance, "bad")), "Unavailable");
    assert_eq!(code(world.attach(&volume, &instance, "bad")), "InvalidParameterValue");
    world.region.inject(fault(FaultKind::Unavailable));
    world.pass(1_000);
    assert_eq!(code(world.attach(&volume, &instance, "bad")), "InvalidParameterValue");
}

#[test]
fn a_fault_of_one_api_is_not_used_up_by_another() {
    let (mut world, instance, volume) = ready();
    let any = |kind| Fault { action: None, ..Fault::next("", kind) };
    for kind in [FaultKind::Html, FaultKind::Empty, FaultKind::Large(1), FaultKind::Contention] {
        world.region.inject(any(kind));
    }
    assert!(world.attach(&volume, &instance, "/dev/sdf").is_ok());
    assert_eq!(world.region.faults().count(), 4);
}

#[test]
fn a_stuck_attachment_stays_attaching_until_it_is_detached() {
    let (mut world, instance, volume) = ready();
    world.region.inject(Fault::next("AttachVolume", FaultKind::StuckAttaching));
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    world.pass(3_600_000);
    assert_eq!(world.seen(&volume).1.unwrap(), "attaching");
    world.detach(&volume, &instance).unwrap();
    world.pass(DETACH);
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    world.pass(ATTACH);
    assert_eq!(world.seen(&volume).1.unwrap(), "attached");
}

#[test]
fn a_busy_volume_hangs_until_it_is_detached_again_or_its_instance_goes() {
    let (mut world, instance, volume) = ready();
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    world.pass(ATTACH);
    world.region.inject(Fault::next("DetachVolume", FaultKind::Busy));
    assert_eq!(world.detach(&volume, &instance).unwrap(), "busy");
    world.pass(3_600_000);
    assert_eq!(world.seen(&volume), ("in-use".into(), Some("busy".into())));
    world.region.terminate_instance(&instance);
    world.pass(GOING);
    assert_eq!(world.seen(&volume).0, "available");
}

#[test]
fn a_stale_read_shows_what_was() {
    let (mut world, instance, volume) = ready();
    world.pass(1_000);
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    world.pass(500);
    world.region.inject(Fault::next("DescribeVolumes", FaultKind::Stale(800)));
    assert_eq!(world.seen(&volume).0, "available");
    assert_eq!(world.seen(&volume).0, "in-use");
}

#[test]
fn a_fault_hits_whom_it_names_after_so_many_and_so_often() {
    let (mut world, instance, volume) = ready();
    let other = world.running(&world.a.clone());
    let fault = Fault {
        caller: Some(instance.clone()),
        resource: Some(volume.clone()),
        skip: 1,
        count: Some(2),
        ..Fault::always("AttachVolume", FaultKind::Reset)
    };
    world.region.inject(fault);
    let free = world.volume("a");
    assert_eq!(code(world.attach(&volume, &instance, "bad")), "InvalidParameterValue");
    assert_eq!(world.attach(&volume, &instance, "bad"), Err(CallError::Reset));
    assert!(world.attach(&free, &instance, "/dev/sdf").is_ok());
    assert_eq!(code(world.attach(&volume, &other, "bad")), "InvalidParameterValue");
    assert_eq!(world.attach(&volume, &instance, "bad"), Err(CallError::Reset));
    assert_eq!(code(world.attach(&volume, &instance, "bad")), "InvalidParameterValue");
}

#[test]
fn the_faults_of_one_caller_end_without_those_of_another() {
    let (mut world, instance, volume) = ready();
    let other = world.running(&world.a.clone());
    for caller in [&instance, &other] {
        let caller = Some(caller.clone());
        world.region.inject(Fault { caller, ..Fault::always("AttachVolume", FaultKind::Reset) });
    }
    world.region.clear_faults_of(&other);
    assert_eq!(world.attach(&volume, &instance, "/dev/sdf"), Err(CallError::Reset));
    assert!(world.attach(&volume, &other, "/dev/sdf").is_ok());
}

#[test]
fn an_empty_bucket_throttles_one_action_only() {
    let mut world = world_with(Settings { delays: delays(), ..Settings::default() });
    let instance = world.running(&world.a.clone());
    let volume = world.volume("a");
    let codes: Vec<String> = (0..60).map(|_| code(world.attach(&volume, &instance, "bad"))).collect();
    assert_eq!(codes.iter().filter(|code| *code == "RequestLimitExceeded").count(), 10);
    assert_eq!(code(world.detach(&volume, &instance)), "IncorrectState");
    world.pass(1_000);
    assert_eq!(code(world.attach(&volume, &instance, "bad")), "InvalidParameterValue");
}

#[test]
fn every_call_is_in_the_journal_before_what_it_brought_about() {
    let (mut world, instance, volume) = ready();
    let before = world.region.journal().len();
    world.attach(&volume, &instance, "/dev/sdf").unwrap();
    let journal = &world.region.journal()[before..];
    match &journal[0].event {
        Event::Call { api, action, caller, params, outcome, .. } => {
            assert_eq!((api.as_str(), action.as_str(), outcome.as_str()), ("ec2", "AttachVolume", "ok"));
            assert_eq!(caller.as_deref(), Some(instance.as_str()));
            assert_eq!(params["VolumeId"], volume);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(journal[1].event, Event::VolumeAttaching { .. }));
    let seqs: Vec<usize> = world.region.journal().iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, (0..seqs.len()).collect::<Vec<_>>());
    let line = serde_json::to_string(&journal[1]).unwrap();
    assert_eq!(serde_json::from_str::<Entry>(&line).unwrap(), journal[1]);
}

#[test]
fn the_same_seed_and_calls_give_the_same_journal() {
    let run = |seed| {
        let mut world = world_with(Settings { seed, ..Settings::default() });
        let instance =
            world.region.run_instance(LaunchSpec { subnet: world.a.clone(), ..LaunchSpec::default() });
        world.pass(60_000);
        let volume = world.volume("a");
        world.attach(&volume, &instance, "/dev/sdf").unwrap();
        world.pass(60_000);
        serde_json::to_string(world.region.journal()).unwrap()
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}
