//! What CloudFormation and Auto Scaling hear, when they are away, gone, or have heard it before.

use crate::{actions, gave_up, one, ready, rebooted, the_instance, trace};
use region::model::{Fault, FaultKind};
use simulation::{Exit, Scene, Settled, simulate};

#[test]
fn a_failure_is_told_for_hours_while_cloudformation_answers_503() {
    simulate(async {
        let config = "[boot]\ndeadline = \"10m\"\n";
        let suspended = vec!["ReplaceUnhealthy".to_owned()];
        let world = Scene { slots: vec![('a', vec![])], config, suspended, ..one() }.open();
        let instance = the_instance(&world).await;
        world.with(|s| s.region.inject(Fault::always("SignalResource", FaultKind::Unavailable)));
        let run = world.boot(&instance);
        world.pass(3 * 3_600_000).await;
        assert!(world.with(|s| s.runs.live.contains_key(&instance)), "{}", trace(&world));
        world.with(|s| s.region.clear_faults());
        assert!(gave_up(&run.exit().await).is_some());
        let settled = world.with(|s| Settled::of(s, &instance));
        assert_eq!(settled.told, ["FAILURE"], "{}", trace(&world));
        let tries = actions(&world, &instance, "cloudformation").len();
        assert!((150..2_000).contains(&tries), "{tries} calls in three hours");
    });
}

#[test]
fn what_nobody_hears_for_twelve_hours_is_given_up() {
    simulate(async {
        let config = "[boot]\ndeadline = \"10m\"\n";
        let world = Scene { slots: vec![('a', vec![])], config, ..one() }.open();
        let instance = the_instance(&world).await;
        world.with(|s| s.region.inject(Fault::always("SignalResource", FaultKind::Unavailable)));
        let run = world.boot(&instance);
        assert!(gave_up(&run.exit().await).is_some());
        assert!(world.now() > 12 * 3_600_000, "{}", world.now());
    });
}

#[test]
fn unhealthy_is_told_while_failure_finds_no_listener_for_hours() {
    simulate(async {
        let config = "[boot]\ndeadline = \"10m\"\n";
        let suspended = vec!["ReplaceUnhealthy".to_owned()];
        let world = Scene { slots: vec![('a', vec![0])], desired: 2, config, suspended, ..one() }.open();
        let instances = world.hosts_up(2).await;
        assert_eq!(world.boot(&instances[0]).exit().await, ready(0));
        world.with(|s| s.region.inject(Fault::always("SignalResource", FaultKind::Unavailable)));
        let run = world.boot(&instances[1]);
        world.pass(1_200_000).await;
        let called = actions(&world, &instances[1], "autoscaling");
        assert!(called.contains(&"SetInstanceHealth".to_owned()), "{called:?}\n{}", trace(&world));
        world.with(|s| s.region.clear_faults());
        assert_eq!(gave_up(&run.exit().await), Some(1));
    });
}

#[test]
fn a_pending_update_of_the_group_is_waited_out() {
    simulate(async {
        let config = "[boot]\ndeadline = \"10m\"\n";
        let suspended = vec!["ReplaceUnhealthy".to_owned()];
        let world = Scene { slots: vec![('a', vec![0])], desired: 2, config, suspended, ..one() }.open();
        let instances = world.hosts_up(2).await;
        assert_eq!(world.boot(&instances[0]).exit().await, ready(0));
        world.with(|s| s.region.inject(Fault::next("SetInstanceHealth", FaultKind::Contention)));
        assert_eq!(gave_up(&world.boot(&instances[1]).exit().await), Some(1));
        assert!(trace(&world).contains("is called Unhealthy"), "{}", trace(&world));
    });
}

#[test]
fn a_stack_that_was_deleted_around_the_instance_has_no_listener_and_the_boot_is_good() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        world.with(|s| s.region.delete_stack("kafka", true));
        assert_eq!(world.boot(&instance).exit().await, ready(0), "{}", trace(&world));
        assert!(trace(&world).contains("nobody to tell"), "{}", trace(&world));
    });
}

#[test]
fn a_reboot_of_a_holder_tells_nothing() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        for _ in 0..2 {
            rebooted(&world, &instance).await;
            assert_eq!(world.boot(&instance).exit().await, ready(0));
            // A second run of that boot has nothing to tell either.
            assert_eq!(world.boot(&instance).exit().await, ready(0));
        }
        assert_eq!(world.with(|s| s.told.clone()), [(instance.clone(), 1, "SUCCESS".to_owned())]);
        assert!(trace(&world).contains("nothing is told to CloudFormation"), "{}", trace(&world));
        world.assert_lawful();
    });
}

#[test]
fn a_failure_of_a_rebooted_holder_is_not_told_to_a_stack_in_mid_update() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        rebooted(&world, &instance).await;
        world.with(|s| s.rules.broker_starts = 3_600_000);
        let run = world.boot(&instance);
        world.until(120_000, |s| s.host(&instance).broker.serves.is_some().then_some(())).await.expect("up");
        world.with(|s| simulation::broker::die(s, &instance, "exit-code"));
        world.pass(600_000).await;
        assert!(world.with(|s| s.runs.live.contains_key(&instance)), "who keeps a slot goes on");
        assert_eq!(world.with(|s| s.told.len()), 1, "{}", trace(&world));
        drop(run);
    });
}

#[test]
fn a_reboot_before_the_outcome_was_told_tells_it() {
    simulate(async {
        let world = one().open();
        world.with(|s| s.rules.broker_syncs = 600_000);
        let instance = the_instance(&world).await;
        let run = world.boot(&instance);
        world.until(120_000, |s| s.host(&instance).broker.session).await.expect("it registers");
        run.life.kill();
        assert_eq!(run.exit().await, Exit::Killed);
        rebooted(&world, &instance).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        assert_eq!(world.with(|s| s.told.clone()), [(instance.clone(), 2, "SUCCESS".to_owned())]);
        world.assert_lawful();
    });
}

#[test]
fn an_instance_that_was_called_unhealthy_and_is_ready_after_all_is_called_healthy_again() {
    simulate(async {
        let config = "[boot]\ndeadline = \"10m\"\n";
        let suspended = vec!["ReplaceUnhealthy".to_owned()];
        let world = Scene { slots: vec![('a', vec![0])], desired: 2, config, suspended, ..one() }.open();
        let instances = world.hosts_up(2).await;
        assert_eq!(world.boot(&instances[0]).exit().await, ready(0));
        assert_eq!(gave_up(&world.boot(&instances[1]).exit().await), Some(1));
        world.with(|s| s.region.terminate_instance(&instances[0]));
        world.pass(300_000).await;
        assert_eq!(world.boot(&instances[1]).exit().await, ready(0), "{}", trace(&world));
        assert!(trace(&world).contains(&format!("{} is called Healthy", instances[1])), "{}", trace(&world));
        assert_eq!(world.with(|s| Settled::of(s, &instances[1])).told, ["FAILURE"]);
    });
}
