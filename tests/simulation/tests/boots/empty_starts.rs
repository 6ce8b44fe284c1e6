//! Empty log dirs: a broker that the cluster knows comes up on one by the operator's word alone, and never leads what it does
//! not have.

use crate::{gave_up, ready};
use berth_plan::BrokerId;
use simulation::claims::{node, one};
use simulation::{Berth, Content, Scene, State, World, simulate};
use std::sync::Arc;

/// Two brokers that were in the cluster before berth was, one a zone. The log dir of 0 is empty. `in_sync` is what the
/// cluster says of the last partition; of the others both are.
fn two_brokers(in_sync: &str) -> Arc<World> {
    let world = Scene { slots: vec![('a', vec![0]), ('b', vec![1])], ..Scene::default() }.open();
    world.with(|s| {
        s.rules.known.extend([0, 1]);
        let meta = "version=0\nbroker.id=1\ncluster.id=this-cluster\n";
        let data = Content::with_file("0e0e0e0e-0000-4000-8000-000000000001", "data/meta.properties", meta);
        s.disks.insert(s.rules.slots[&1].0.clone(), data);
        s.zk.nodes.get_mut("/kafka/states/2").expect("a partition").data = in_sync.as_bytes().to_vec();
    });
    world
}

fn id(number: u32) -> BrokerId {
    BrokerId::new(number).expect("the ids of these tests are broker ids")
}

/// Starts berth on a new instance of a zone.
async fn booting(world: &Arc<World>, zone: char) -> (String, Berth) {
    let instance = world.launch(zone);
    world.until(60_000, |s| s.host(&instance).up.then_some(())).await.expect("it boots");
    let berth = world.boot(&instance);
    (instance, berth)
}

fn reason(s: &State) -> Option<String> {
    s.zk.nodes.get(&node("faults", 0)).map(|fault| String::from_utf8_lossy(&fault.data).into_owned())
}

async fn refused(world: &Arc<World>) -> String {
    world.until(300_000, |s| reason(s)).await.expect("the empty log dir is refused")
}

fn serves(world: &Arc<World>, instance: &str) -> bool {
    world.with(|s| s.host(instance).broker.serves.is_some())
}

fn is_reset(world: &Arc<World>) -> bool {
    world.with(|s| {
        let records = one(&s.zk, id(0)).expect("records");
        records.claim.is_some_and(|claim| claim.value.reset.is_some())
    })
}

/// Both were killed together, and the empty one comes back first: it would lead, and the other truncate to it.
#[test]
fn the_first_to_come_back_is_refused_where_its_log_dir_is_empty() {
    simulate(async {
        let world = two_brokers("[0,1]");
        let (empty, berth) = booting(&world, 'a').await;
        let reason = refused(&world).await;
        assert!(reason.contains("payments-2") && reason.contains("berth slot reset 0"), "{reason}");
        assert!(!serves(&world, &empty));
        let (_, other) = booting(&world, 'b').await;
        assert_eq!(other.exit().await, ready(1));
        let done = world.desk().reset(id(0), false).await.expect("broker 1 leads");
        assert!(done.lifted.is_some() && done.reset.accept.is_empty(), "{done:?}");
        assert_eq!(berth.exit().await, ready(0));
        assert!(!is_reset(&world), "the word is spent once the broker has registered");
        world.assert_lawful();
    });
}

#[test]
fn a_reset_slot_waits_until_another_broker_leads() {
    simulate(async {
        let world = two_brokers("[0,1]");
        world.desk().reset(id(0), false).await.expect("broker 1 may come back");
        let (empty, berth) = booting(&world, 'a').await;
        world.pass(240_000).await;
        assert!(!serves(&world, &empty), "nobody leads payments-2");
        let (_, other) = booting(&world, 'b').await;
        assert_eq!(other.exit().await, ready(1));
        assert_eq!(berth.exit().await, ready(0));
        world.assert_lawful();
    });
}

#[test]
fn a_partition_that_nobody_else_has_comes_up_empty_by_a_word_on_its_loss_alone() {
    simulate(async {
        let world = two_brokers("[0]");
        let (_, berth) = booting(&world, 'a').await;
        refused(&world).await;
        let refused = world.desk().reset(id(0), false).await.expect_err("the loss is not accepted");
        let sentence = refused.to_string();
        assert!(sentence.contains("payments-2") && sentence.contains("--accept-loss"), "{sentence}");
        let done = world.desk().reset(id(0), true).await.expect("the loss is accepted");
        assert_eq!(done.reset.accept, ["payments-2".to_owned()].into());
        assert_eq!(berth.exit().await, ready(0));
        world.assert_lawful();
    });
}

#[test]
fn a_word_on_a_loss_counts_for_no_other_partition() {
    simulate(async {
        let world = two_brokers("[0]");
        world.desk().reset(id(0), true).await.expect("the loss is accepted");
        world.with(|s| s.zk.nodes.get_mut("/kafka/states/1").expect("a partition").data = b"[0]".to_vec());
        let (empty, _berth) = booting(&world, 'a').await;
        let reason = refused(&world).await;
        assert!(reason.contains("has payments-1 in sync"), "{reason}");
        assert!(!serves(&world, &empty));
        world.assert_lawful();
    });
}

#[test]
fn what_is_not_needed_is_not_recorded() {
    simulate(async {
        let world = two_brokers("[0,1]");
        let refused = world.desk().reset(id(2), false).await.expect_err("nobody knows broker 2");
        assert!(refused.to_string().contains("needs no reset"), "{refused}");
        let (_, other) = booting(&world, 'b').await;
        assert_eq!(other.exit().await, ready(1));
        let refused = world.desk().reset(id(1), false).await.expect_err("broker 1 is up");
        assert!(refused.to_string().contains("is registered at"), "{refused}");
        let refused = world.desk().reset(id(0), true).await.expect_err("broker 1 has everything");
        assert!(refused.to_string().contains("is enough"), "{refused}");
        assert!(!is_reset(&world));
        world.assert_lawful();
    });
}

/// It may name the broker: absence is not agreement.
#[test]
fn a_topic_that_cannot_be_read_stops_an_empty_start_and_no_other() {
    simulate(async {
        let world = two_brokers("[1000,1]");
        let odd = "/kafka/brokers/topics/odd is not what Kafka writes there";
        world.with(|s| (s.rules.odd_topics, s.rules.known) = (vec![odd.to_owned()], [1].into()));
        let (_, berth) = booting(&world, 'a').await;
        let exit = berth.exit().await;
        assert_eq!(gave_up(&exit), Some(78), "{exit:?}");
        assert!(format!("{exit:?}").contains(odd), "{exit:?}");
        let (_, other) = booting(&world, 'b').await;
        assert_eq!(other.exit().await, ready(1));
        world.assert_lawful();
    });
}
