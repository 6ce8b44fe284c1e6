//! `berth slot`: a fault is lifted, and what lands late does not bring it back.

use crate::{ready, the_instance};
use berth_plan::BrokerId;
use berth_plan::records::{Claim, FaultCode, FaultRecord, VERSION};
use simulation::claims::node;
use simulation::{Content, Scene, simulate};

fn id() -> BrokerId {
    BrokerId::new(0).expect("a broker id")
}

fn fault() -> FaultRecord {
    FaultRecord {
        v: VERSION,
        code: FaultCode::Foreign,
        reason: "it has somebody's data".to_owned(),
        seen_by: "i-0123456789abcdef0".parse().expect("an instance id"),
        count: 1,
        seen_on: "something".to_owned(),
    }
}

#[test]
fn the_slot_that_was_mended_is_taken_once_its_fault_is_lifted() {
    simulate(async {
        let world = Scene { desired: 1, ..Scene::default() }.open();
        let volume = world.with(|s| s.rules.slots[&0].0.clone());
        world.with(|s| s.disks.insert(volume.clone(), Content::Foreign));
        let instance = the_instance(&world).await;
        let berth = world.boot(&instance);
        world.until(120_000, |s| s.zk.nodes.get(&node("faults", 0)).map(drop)).await.expect("it is marked");
        world.pass(60_000).await;
        world.with(|s| s.disks.insert(volume, Content::xfs("0e0e0e0e-0000-4000-8000-000000000000")));
        let lifted = world.desk().clear(id()).await.expect("it is marked faulty");
        assert_eq!((lifted.code, lifted.count), (FaultCode::Foreign, 1));
        assert_eq!(berth.exit().await, ready(0));
        let again = world.desk().clear(id()).await.expect_err("there is nothing to lift");
        assert!(again.to_string().contains("not marked faulty"), "{again}");
        world.assert_lawful();
    });
}

/// The write of a dead run, sent before the fault was lifted: with a claim and on a slot that nobody ever claimed.
#[test]
fn a_fault_that_lands_after_it_was_lifted_is_refused() {
    simulate(async {
        let world = Scene::default().open();
        for before in [None, Some(Claim::vacant())] {
            let desk = world.desk();
            let read = match before {
                None => None,
                Some(claim) => {
                    let now = desk.claims.record(id()).await.expect("it answers").claim.map(|c| c.revision);
                    Some(desk.claims.write(id(), &claim, now).await.expect("the revision was just read"))
                }
            };
            desk.claims.record_fault(id(), &fault(), read).await.expect("the slot is as it was read");
            desk.clear(id()).await.expect("it is marked");
            let late = desk.claims.record_fault(id(), &fault(), read).await;
            assert!(late.is_err(), "at {read:?}");
            assert!(!world.with(|s| s.zk.nodes.contains_key(&node("faults", 0))));
        }
    });
}

/// EC2 forgets a terminated instance after an hour; that the operator has written since does not make its claim young again.
#[test]
fn an_operators_word_does_not_restart_the_hour_of_a_forgotten_holder() {
    simulate(async {
        let world = Scene { desired: 1, ..Scene::default() }.open();
        let first = the_instance(&world).await;
        assert_eq!(world.boot(&first).exit().await, ready(0));
        world.with(|s| s.region.terminate_instance(&first));
        let second = world.until(600_000, |s| {
            let mut up = s.hosts.iter().filter(|(id, host)| host.up && **id != first);
            up.next().map(|(id, _)| id.clone())
        });
        let second = second.await.expect("the group launches a replacement");
        world.pass(2 * 3_600_000).await;
        let desk = world.desk();
        let read = desk.claims.record(id()).await.expect("it answers").claim.map(|c| c.revision);
        desk.claims.record_fault(id(), &fault(), read).await.expect("the slot is as it was read");
        desk.clear(id()).await.expect("it is marked");
        let began = world.now();
        assert_eq!(world.boot(&second).exit().await, ready(0));
        assert!(world.now() < began + 120_000, "it took {} ms", world.now() - began);
        world.assert_lawful();
    });
}
