//! Instances that Auto Scaling does not want in service yet, or no more.

use crate::{actions, one, ready, the_instance};
use berth_lifecycle::stories::boot::Ended;
use region::model::{Delay, PoolState};
use simulation::{Exit, Scene, Settled, simulate};

const DAY: u64 = 24 * 3_600_000;

#[test]
fn an_instance_of_a_warm_pool_stays_and_claims_when_it_is_taken_into_service() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        world.with(|s| s.region.enter_warm_pool(&instance, PoolState::Running));
        world.pass(1_000).await;
        let run = world.boot(&instance);
        world.pass(3 * DAY).await;
        assert!(world.with(|s| s.runs.live.contains_key(&instance)), "it stays resident");
        assert_eq!(actions(&world, &instance, "ec2"), [""; 0]);
        // What holds it up on its way into the pool, or out of it, is asked for.
        assert!(
            actions(&world, &instance, "autoscaling").iter().all(|call| call == "DescribeLifecycleHooks")
        );
        assert_eq!(world.with(|s| Settled::of(s, &instance)).slot, None);
        let taken = world.now();
        world.with(|s| s.region.leave_warm_pool(&instance));
        assert_eq!(run.exit().await, ready(0), "its deadline begins with the service");
        assert!(world.now() < taken + 60_000);
        world.assert_lawful();
    });
}

#[test]
fn a_404_of_the_target_state_on_a_new_instance_of_a_group_means_not_yet() {
    simulate(async {
        let world = one().open();
        world.with(|s| s.region.settings_mut().delays.imds_target_state = Delay::Fixed(2 * 3_600_000));
        let instance = the_instance(&world).await;
        let run = world.boot(&instance);
        world.pass(3_600_000).await;
        assert!(
            world.with(|s| s.runs.live.contains_key(&instance)),
            "{}",
            world.with(|s| s.trace.join("\n"))
        );
        assert_eq!(actions(&world, &instance, "ec2"), ["DescribeInstances"]);
        assert!(world.with(|s| s.trace.join("\n")).contains("Auto Scaling to say its target state"));
        assert_eq!(run.exit().await, ready(0));
        world.assert_lawful();
    });
}

#[test]
fn an_instance_outside_any_group_claims_at_once() {
    simulate(async {
        let world = Scene::default().open();
        let instance = world.launch('a');
        world.hosts_up(1).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        assert_eq!(actions(&world, &instance, "ec2").len(), 7);
    });
}

#[test]
fn an_instance_on_its_way_out_claims_nothing() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        world.with(|s| s.region.set_lifecycle(&instance, "Terminating:Wait"));
        world.pass(1_000).await;
        let exit = world.boot(&instance).exit().await;
        assert!(matches!(exit, Exit::Ended(Ended::NotNow(_))), "{exit:?}");
        assert_eq!(world.with(|s| Settled::of(s, &instance)).slot, None);
    });
}
