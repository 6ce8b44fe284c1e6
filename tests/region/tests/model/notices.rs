//! What EC2 says ahead: spot interruptions, rebalance recommendations, scheduled events.

use region::model::*;

use crate::world::*;

fn state(world: &World, id: &str) -> InstanceState {
    world.region.instance(id).expect("the instance is there").state
}

#[test]
fn a_spot_interruption_is_said_two_minutes_ahead_and_then_done() {
    let mut world = world();
    let id = world.running(&world.a.clone());
    assert_eq!(world.meta(&id, "spot/instance-action"), Err(404));
    assert_eq!(world.meta(&id, "spot/termination-time"), Err(404));
    assert!(world.region.interrupt_spot(&id, SpotAction::Terminate));
    // The world began at 2026-01-01T00:00:00Z and two seconds have passed.
    let said = r#"{"action":"terminate","time":"2026-01-01T00:02:02Z"}"#;
    assert_eq!(world.meta(&id, "spot/instance-action").as_deref(), Ok(said));
    assert_eq!(world.meta(&id, "spot/termination-time").as_deref(), Ok("2026-01-01T00:02:02Z"));
    world.pass(119_999);
    assert_eq!(state(&world, &id), InstanceState::Running);
    world.pass(1);
    assert_eq!(state(&world, &id), InstanceState::ShuttingDown);
    let reason = world.region.instance(&id).unwrap().reason.clone().unwrap().0;
    assert_eq!(reason, "Server.SpotInstanceTermination");
    assert!(!world.region.interrupt_spot(&id, SpotAction::Terminate), "it does not run");
}

#[test]
fn a_stop_has_its_notice_and_a_hibernation_begins_at_once() {
    let mut world = world();
    world.region.settings_mut().delays.instance_stopping = Delay::Fixed(2_000);
    let (stopped, slept) = (world.running(&world.a.clone()), world.running(&world.a.clone()));
    assert!(world.region.interrupt_spot(&stopped, SpotAction::Stop));
    assert!(world.meta(&stopped, "spot/instance-action").unwrap().contains(r#""action":"stop""#));
    assert_eq!(world.meta(&stopped, "spot/termination-time"), Err(404), "it is not terminated");
    assert!(world.region.interrupt_spot(&slept, SpotAction::Hibernate));
    world.pass(0);
    assert_eq!(
        (state(&world, &slept), state(&world, &stopped)),
        (InstanceState::Stopping, InstanceState::Running)
    );
    world.pass(120_000);
    assert_eq!(state(&world, &stopped), InstanceState::Stopping);
    world.pass(2_000);
    world.region.start_instance(&stopped);
    assert_eq!(world.meta(&stopped, "spot/instance-action"), Err(404), "a start ends the notice");
}

#[test]
fn no_hook_delays_a_spot_interruption() {
    let mut world = world();
    let hook = HookSpec::new("down", Transition::Terminating);
    let subnets = vec![world.a.clone()];
    let name = "brokers".to_owned();
    let spec = GroupSpec { name, max: 2, desired: 1, subnets, hooks: vec![hook], ..GroupSpec::default() };
    world.region.add_group(spec);
    world.pass(1_000 + PENDING);
    let id = world.region.group("brokers").unwrap().members.keys().next().unwrap().clone();
    world.region.interrupt_spot(&id, SpotAction::Terminate);
    world.pass(120_000 + 500);
    assert_eq!(state(&world, &id), InstanceState::ShuttingDown);
    assert_eq!(world.region.group("brokers").unwrap().members[&id].lifecycle, "Terminating:Wait");
    world.pass(GOING);
    assert_eq!(state(&world, &id), InstanceState::Terminated);
}

#[test]
fn a_rebalance_recommendation_is_said_and_nothing_follows() {
    let mut world = world();
    let id = world.running(&world.a.clone());
    assert_eq!(world.meta(&id, "events/recommendations/rebalance"), Err(404));
    assert!(world.region.recommend_rebalance(&id));
    let said = r#"{"noticeTime":"2026-01-01T00:00:02Z"}"#;
    assert_eq!(world.meta(&id, "events/recommendations/rebalance").as_deref(), Ok(said));
    world.pass(3_600_000);
    assert_eq!(state(&world, &id), InstanceState::Running);
    assert!(!world.region.recommend_rebalance("i-00000000000000000"));
}

fn event(code: EventCode) -> EventSpec {
    EventSpec { code, description: "scheduled reboot".into(), in_ms: 86_400_000, for_ms: 600_000 }
}

#[test]
fn scheduled_events_are_listed_done_when_their_time_comes_and_then_history() {
    let mut world = world();
    let id = world.running(&world.a.clone());
    let list = |world: &mut World, which: &str| -> serde_json::Value {
        let text = world.meta(&id, &format!("events/maintenance/{which}")).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    assert_eq!(list(&mut world, "scheduled"), serde_json::json!([]));
    let event_id = world.region.schedule_event(&id, event(EventCode::SystemReboot)).unwrap();
    let wanted = serde_json::json!([{
        "NotBefore": "02 Jan 2026 00:00:02 GMT", "Code": "system-reboot", "Description": "scheduled reboot",
        "EventId": event_id, "NotAfter": "02 Jan 2026 00:10:02 GMT", "State": "active",
    }]);
    assert_eq!(list(&mut world, "scheduled"), wanted);
    assert_eq!(list(&mut world, "history"), serde_json::json!([]));
    world.pass(86_400_000);
    assert_eq!(count(&world.region, |event| matches!(event, Event::InstanceRebooted { .. })), 1);
    assert_eq!(list(&mut world, "scheduled"), serde_json::json!([]));
    let past = list(&mut world, "history");
    assert_eq!(past[0]["State"], "completed");
    assert_eq!(past[0]["Description"], "[Completed] scheduled reboot");
}

#[test]
fn a_canceled_event_does_nothing_and_a_retirement_stops() {
    let mut world = world();
    let id = world.running(&world.a.clone());
    let canceled = world.region.schedule_event(&id, event(EventCode::InstanceReboot)).unwrap();
    assert!(world.region.cancel_event(&id, &canceled));
    assert!(!world.region.cancel_event(&id, &canceled));
    world.pass(86_400_000);
    assert_eq!(count(&world.region, |event| matches!(event, Event::InstanceRebooted { .. })), 0);
    world.region.schedule_event(&id, event(EventCode::InstanceRetirement)).unwrap();
    world.pass(86_400_000);
    assert!(matches!(state(&world, &id), InstanceState::Stopping | InstanceState::Stopped));
}
