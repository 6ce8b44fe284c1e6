//! The permit's record in the store: what stands against late writes, and what survives.

use berth_lifecycle::ports::{ClaimsError, Permits};
use berth_plan::BrokerId;
use berth_plan::records::{Permit, Reason, Taking, Versioned};
use simulation::fate::{Death, Life, Mishap};
use simulation::zookeeper::Op;
use simulation::{Scene, permit::node, simulate};
use std::sync::Arc;
use tokio::time::{Duration, sleep};

const ONE: &str = "i-00000000000000001";
const OTHER: &str = "i-00000000000000002";

fn taken(before: Option<&Permit>, by: &str) -> Permit {
    let instance = || by.parse().expect("it is an instance id");
    let (slot, token) = (BrokerId::new(0).expect("a broker id"), "run".parse().expect("a token"));
    let taking = Taking { slot, subject: instance(), reason: Reason::UnitFailed, owner: instance(), token };
    Permit::taken(before, taking)
}

async fn read(permits: &Arc<dyn Permits>) -> Versioned<Permit> {
    permits.permit().await.expect("the ensemble answers").expect("it was taken")
}

#[test]
fn a_write_at_another_revision_than_the_stores_is_a_conflict() {
    simulate(async {
        let world = Scene::default().open();
        let (one, other) = (world.permits(ONE, Life::default()), world.permits(OTHER, Life::default()));
        assert_eq!(one.permit().await.expect("the ensemble answers"), None);
        let first = one.write_permit(&taken(None, ONE), None).await.expect("nobody had it");
        let late = other.write_permit(&taken(None, OTHER), None).await;
        assert!(matches!(late, Err(ClaimsError::Conflict(_))), "{late:?}");

        let seen = read(&other).await;
        assert_eq!((seen.revision, &seen.value), (first, &taken(None, ONE)));
        sleep(Duration::from_secs(5)).await;
        let asking = seen.asking(seen.value.owner.clone(), seen.value.token.clone());
        let second = one.write_permit(&asking, Some(first)).await.expect("it is at the revision read");
        let again = read(&other).await;
        assert_eq!((again.revision, again.since()), (second, seen.changed));
        assert!(again.changed.since(seen.changed) >= Duration::from_secs(5), "the store's own clock");
        let behind = other.write_permit(&seen.ended("well again"), Some(first)).await;
        assert!(matches!(behind, Err(ClaimsError::Conflict(_))), "{behind:?}");
    });
}

#[test]
fn a_dead_runs_write_lands_only_where_nobody_wrote_since() {
    for overtaken in [false, true] {
        simulate(async {
            let world = Scene::default().open();
            let life = Life::default().killed_at(0, Death::InFlight(2_000));
            let (dead, taken_by_it) = (world.permits(ONE, life), taken(None, ONE));
            tokio::select! {
                biased;
                _ = dead.write_permit(&taken_by_it, None) => panic!("it was killed"),
                () = sleep(Duration::from_millis(100)) => {}
            }
            let other = world.permits(OTHER, Life::default());
            if overtaken {
                other.write_permit(&taken(None, OTHER), None).await.expect("nobody had it yet");
            }
            world.until(10_000, |s| (s.now >= 3_000).then_some(())).await;
            let seen = read(&other).await;
            assert_eq!(seen.value.owner.as_str(), if overtaken { OTHER } else { ONE });
        });
    }
}

#[test]
fn an_outcome_that_is_not_known_is_told_as_such_and_the_record_outlives_the_session() {
    simulate(async {
        let world = Scene::default().open();
        let one = world.permits(ONE, Life::default().mishap_at(0, Mishap::Lost));
        let lost = one.write_permit(&taken(None, ONE), None).await;
        assert!(matches!(lost, Err(ClaimsError::Away(_))), "{lost:?}");
        world.with(|s| s.cut_off(ONE));
        sleep(Duration::from_secs(60)).await;
        assert_eq!(read(&world.permits(OTHER, Life::default())).await.value, taken(None, ONE));
        world.with(|s| s.zk.down = true);
        let away = world.permits(OTHER, Life::default()).permit().await;
        assert!(matches!(away, Err(ClaimsError::Away(_))), "{away:?}");
    });
}

#[test]
fn a_record_of_another_format_is_refused_and_what_another_version_added_stays() {
    simulate(async {
        let world = Scene::default().open();
        let permits = world.permits(ONE, Life::default());
        let mut strange = taken(None, OTHER);
        strange.other.insert("colour".to_owned(), 7.into());
        let first = permits.write_permit(&strange, None).await.expect("nobody had it");
        let ended = read(&permits).await.ended("replaced");
        let next = permits.write_permit(&taken(Some(&ended), ONE), Some(first)).await.expect("as read");
        assert_eq!(read(&permits).await.value.other["colour"], 7);
        world.with(|s| {
            let (wall, session) = (s.wall(), s.zk.connect("operator", 10_000));
            let version = i32::try_from(next.in_store()).expect("few writes");
            s.zk.multi(session, &[Op::Set(node(), br#"{"v":2}"#.to_vec(), version)], wall)
                .expect("it is there");
        });
        let refused = permits.permit().await;
        assert!(matches!(&refused, Err(ClaimsError::Refused(why)) if why.contains("v=2")), "{refused:?}");
    });
}
