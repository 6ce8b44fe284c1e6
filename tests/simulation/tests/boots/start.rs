//! The start of the service: with the file that berth wrote, and nobody else's registration taken for ours.

use crate::{gave_up, one, ready, rebooted, the_instance, trace};
use simulation::broker::{START_LIMIT, die, register_stranger, registrant, registration};
use simulation::{Exit, Settled, simulate};

const STARTED: &str = "/opt/kafka/config/server.properties";
const WRITTEN: &str = "/etc/kafka/server.properties";

#[test]
fn a_properties_file_that_is_a_link_to_what_the_unit_starts_is_written_through() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        world.with(|s| {
            let host = s.host(&instance);
            host.unit_file = STARTED.to_owned();
            host.symlinks.insert(WRITTEN.to_owned(), STARTED.to_owned());
            host.files.insert(STARTED.to_owned(), b"broker.id=7\n".to_vec());
        });
        let exit = world.boot(&instance).exit().await;
        assert_eq!(exit, ready(0), "{}", trace(&world));
        let link = world.with(|s| s.host(&instance).symlinks.get(WRITTEN).cloned());
        assert_eq!(link.as_deref(), Some(STARTED), "the link is as it was");
        world.assert_lawful();
    });
}

/// A unit that would start Kafka with another identity: the boot ends with 78, nothing was started, the slot is given back.
fn refused(world: impl FnOnce(&mut simulation::host::Host), sentences: &[&str]) {
    simulate(async {
        let opened = one().open();
        let instance = the_instance(&opened).await;
        opened.with(|s| world(s.host(&instance)));
        let exit = opened.boot(&instance).exit().await;
        assert_eq!(gave_up(&exit), Some(78), "{exit:?}\n{}", trace(&opened));
        for sentence in sentences {
            assert!(format!("{exit:?}").contains(sentence), "{exit:?} lacks {sentence}");
        }
        let settled = opened.with(|s| Settled::of(s, &instance));
        assert_eq!((settled.slot, settled.told), (None, vec!["FAILURE".to_owned()]));
        assert_eq!(opened.with(|s| s.host(&instance).broker.invocation), 0, "never started");
        opened.assert_lawful();
    });
}

#[test]
fn a_unit_that_starts_another_file_is_refused_with_both_paths() {
    refused(|host| host.unit_file = STARTED.to_owned(), &[STARTED, WRITTEN, "kafka.service"]);
}

#[test]
fn a_unit_that_overrides_an_identity_key_is_refused() {
    let command = format!("start.sh {WRITTEN} --override broker.id=7");
    refused(|host| host.unit_command = Some(command), &["--override broker.id"]);
}

#[test]
fn a_link_from_the_file_to_write_to_the_base_is_refused() {
    let base = "/etc/kafka/server.properties.base";
    refused(|host| drop(host.symlinks.insert(WRITTEN.to_owned(), base.to_owned())), &[base, "only reads"]);
}

#[test]
fn a_wrapper_that_names_no_file_is_a_fact_and_no_refusal() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        world.with(|s| s.host(&instance).unit_command = Some("/usr/bin/docker run kafka".to_owned()));
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        assert!(trace(&world).contains("is not proven"));
    });
}

#[test]
fn a_strangers_registration_is_not_taken_for_ours_while_the_unit_waits_for_its_restart() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        world.with(|s| s.rules.unit_restarts = true);
        let run = world.boot(&instance);
        world
            .until(120_000, |s| (s.host(&instance).broker.invocation > 0).then_some(()))
            .await
            .expect("started");
        let session = world.with(|s| register_stranger(s, 0, "10.9.9.9:9092"));
        world.pass(40_000).await;
        assert_eq!(world.with(|s| s.told.clone()), [], "{}", trace(&world));
        assert!(trace(&world).contains("is registered as 0 at 10.9.9.9:9092"), "{}", trace(&world));
        world.with(|s| s.end_session(Some(session)));
        assert_eq!(run.exit().await, ready(0), "{}", trace(&world));
        let holder = world.with(|s| s.zk.nodes.get(&registration(0)).map(|node| registrant(&node.data)));
        assert_eq!(holder.as_deref(), Some(instance.as_str()));
        world.assert_lawful();
    });
}

#[test]
fn a_stranger_under_the_id_of_a_rebooted_holder_is_waited_out_and_named() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        rebooted(&world, &instance).await;
        world
            .until(60_000, |s| (!s.zk.nodes.contains_key(&registration(0))).then_some(()))
            .await
            .expect("stale");
        let session = world.with(|s| register_stranger(s, 0, "10.9.9.9:9092"));
        let run = world.boot(&instance);
        world.pass(2 * 3_600_000).await;
        assert!(world.with(|s| s.runs.live.contains_key(&instance)), "it waits past every deadline");
        assert!(trace(&world).contains("at 10.9.9.9:9092 to go"), "{}", trace(&world));
        assert!(trace(&world).contains("stop it there"), "{}", trace(&world));
        assert_eq!(world.with(|s| s.host(&instance).broker.invocation), 0, "not started beside it");
        world.with(|s| s.end_session(Some(session)));
        assert_eq!(run.exit().await, ready(0));
        world.assert_lawful();
    });
}

#[test]
fn a_broker_that_dies_before_it_is_in_sync_is_not_told_as_a_success() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        world.with(|s| (s.rules.unit_restarts, s.rules.broker_syncs) = (true, 30_000));
        let run = world.boot(&instance);
        world.until(120_000, |s| s.host(&instance).broker.session).await.expect("it registers");
        world.with(|s| die(s, &instance, "OutOfMemoryError"));
        let died = world.now();
        assert_eq!(run.exit().await, ready(0), "{}", trace(&world));
        assert!(world.now() > died + 40_000, "it waited for the next broker\n{}", trace(&world));
        assert_eq!(world.with(|s| s.told.len()), 1);
        world.assert_lawful();
    });
}

#[test]
fn a_start_limit_that_was_used_up_before_the_boot_is_no_failure_of_it() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        world.with(|s| {
            let broker = &mut s.host(&instance).broker;
            (broker.starts, broker.state) = (START_LIMIT, berth_lifecycle::ports::UnitState::Failed);
            broker.result = "start-limit-hit".to_owned();
        });
        assert_eq!(world.boot(&instance).exit().await, ready(0), "{}", trace(&world));
        assert_eq!(world.with(|s| s.told.clone()), [(instance.clone(), 1, "SUCCESS".to_owned())]);
    });
}

#[test]
fn a_unit_that_systemd_has_not_begun_yet_is_judged_by_its_next_invocation() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        world.with(|s| s.rules.unit_lags = 4_000);
        assert_eq!(world.boot(&instance).exit().await, ready(0), "{}", trace(&world));
    });
}

#[test]
fn a_broker_that_comes_up_after_a_failure_of_this_boot_says_what_was_told() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        world.with(|s| s.rules.broker_starts = 3_600_000);
        let run = world.boot(&instance);
        world
            .until(120_000, |s| (s.host(&instance).broker.serves.is_some()).then_some(()))
            .await
            .expect("up");
        world.with(|s| die(s, &instance, "exit-code"));
        world.until(120_000, |s| (!s.told.is_empty()).then_some(())).await.expect("failure is told");
        world.with(|s| s.rules.broker_starts = 5_000);
        assert_eq!(run.exit().await, ready(0), "{}", trace(&world));
        assert_eq!(world.with(|s| s.told.clone()), [(instance.clone(), 1, "FAILURE".to_owned())]);
        let said = "the broker is ready now; CloudFormation was told failure ";
        assert!(trace(&world).contains(said), "{}", trace(&world));
        world.assert_lawful();
    });
}

#[test]
fn a_rerun_long_after_ready_has_its_whole_deadline() {
    simulate(async {
        let world = one().open();
        let instance = the_instance(&world).await;
        assert_eq!(world.boot(&instance).exit().await, ready(0));
        assert_eq!(world.with(|s| s.host(&instance).run.get("first-run").cloned()), None);
        assert!(matches!(world.boot(&instance).exit().await, Exit::Ended(_)));
        assert_eq!(world.with(|s| s.host(&instance).run.get("first-run").cloned()), None);
    });
}
