//! The cases, one rule each.

use super::{Deed, Run, Store};
use berth_lifecycle::ports::{ClaimsError, Locked};
use berth_plan::records::{Claim, FaultCode, FaultRecord, Holder, Intent, Revision, SlotRecords, VERSION};
use berth_plan::service::identity::Reset;
use berth_plan::{BrokerId, StoreTime, UnixTime};
use std::time::Duration;

const ONE: &str = "i-00000000000000001";
const OTHER: &str = "i-00000000000000002";
const THIRD: &str = "i-00000000000000003";

/// Longer than any queue of these cases.
const PATIENCE: Duration = Duration::from_secs(60);

type Case = for<'a> fn(&'a dyn Store) -> Deed<'a>;

macro_rules! all {
    ($($case:ident),* $(,)?) => {
        /// All of them.
        pub(super) const ALL: &[(&str, Case)] = &[$((stringify!($case), |store| Box::pin($case(store)))),*];
    };
}

all![
    an_intent_is_written_only_by_who_has_the_lock,
    the_lock_is_one_runs_at_a_time,
    the_turn_to_leave_is_one_runs_at_a_time_and_stands_beside_the_lock,
    a_place_in_the_queue_that_waits_too_long_is_given_back,
    earlier_runs_of_an_instance_leave_no_lock_and_no_intent,
    an_intent_goes_with_its_session,
    a_claim_is_taken_with_the_intent_and_ends_it,
    a_claim_is_taken_at_the_revision_read_or_not_at_all,
    a_write_on_an_old_revision_is_a_conflict,
    an_intent_is_dropped_by_its_own_token_alone,
    a_fault_is_recorded_at_the_revision_read_or_not_at_all,
    a_fault_that_lands_after_it_was_lifted_is_refused,
    what_another_version_wrote_survives_a_rewrite,
    a_record_that_cannot_be_read_concerns_its_own_slot_alone,
    the_time_of_a_change_and_of_the_lock_are_of_one_clock,
];

fn id(number: u32) -> BrokerId {
    BrokerId::new(number).expect("a broker id")
}

/// The intent of a run.
fn intent(instance: &str, token: &str) -> Intent {
    Intent {
        v: VERSION,
        instance: instance.parse().expect("an instance id"),
        boot: "00000000-0000-0000-0000-000000000001".parse().expect("a boot id"),
        token: token.parse().expect("a token"),
    }
}

fn held_by(instance: &str) -> Claim {
    let Intent { instance, boot, .. } = intent(instance, "t");
    let zone = "eu-central-1a".parse().expect("a zone");
    Claim::vacant().taken(Holder { instance, boot, zone, volume: None, eni: None }, UnixTime::from_millis(5))
}

fn fault(reason: &str) -> FaultRecord {
    FaultRecord {
        v: VERSION,
        code: FaultCode::Foreign,
        reason: reason.to_owned(),
        seen_by: ONE.parse().expect("an instance id"),
        count: 1,
        seen_on: "something".to_owned(),
    }
}

async fn lock(run: &Run, intent: &Intent) -> Box<dyn Locked> {
    run.lock(intent, PATIENCE, &|_| {}).await.expect("the lock is to be had")
}

/// Takes the lock, writes the intent, gives the lock back.
async fn intend(run: &Run, slot: u32, intent: &Intent) {
    let lock = lock(run, intent).await;
    lock.intend(id(slot), intent).await.expect("the lock is held");
    lock.unlock().await;
}

async fn of(run: &Run, slot: u32) -> SlotRecords {
    let one = run.record(id(slot)).await.expect("it answers");
    let all = run.records().await.expect("it answers");
    assert_eq!(all.get(&id(slot)).cloned().unwrap_or_default(), one, "one slot and all slots agree");
    one
}

async fn revision(run: &Run, slot: u32) -> Option<Revision> {
    of(run, slot).await.claim.map(|claim| claim.revision)
}

fn is_conflict<T>(result: &Result<T, ClaimsError>) -> bool {
    matches!(result, Err(ClaimsError::Conflict(_)))
}

async fn an_intent_is_written_only_by_who_has_the_lock(store: &dyn Store) {
    let (run, later) = (store.run(ONE), store.run(ONE));
    let (first, second) = (intent(ONE, "first"), intent(ONE, "second"));
    let lost = lock(&run, &first).await;
    let held = lock(&later, &second).await;
    let refused = lost.intend(id(0), &first).await;
    assert!(refused.is_err(), "the lock was lost");
    assert_eq!(of(&later, 0).await.intent, None);
    held.intend(id(0), &second).await.expect("the lock is held");
    assert_eq!(held.records().await.expect("it answers")[&id(0)].intent, Some(second.clone()));
    let twice = held.intend(id(0), &intent(ONE, "third")).await;
    assert!(twice.is_err(), "a slot has one intent");
    held.unlock().await;
}

async fn the_lock_is_one_runs_at_a_time(store: &dyn Store) {
    let (run, other) = (store.run(ONE), store.run(OTHER));
    let (mine, theirs) = (intent(ONE, "mine"), intent(OTHER, "theirs"));
    let held = lock(&run, &mine).await;
    let told = std::sync::Mutex::new(Vec::new());
    let (first, waits) = tokio::sync::oneshot::channel();
    let first = std::sync::Mutex::new(Some(first));
    let waiting = |who: String| {
        told.lock().expect("no holder of this lock panics").push(who);
        if let Some(first) = first.lock().expect("no holder of this lock panics").take() {
            let _ = first.send(());
        }
    };
    let queued = other.lock(&theirs, PATIENCE, &waiting);
    let works = async {
        waits.await.expect("it is told who has the lock");
        held.intend(id(0), &mine).await.expect("the lock is held");
        held.unlock().await;
    };
    let (got, ()) = tokio::join!(queued, works);
    let got = got.expect("it was given back");
    assert_eq!(
        got.records().await.expect("it answers")[&id(0)].intent,
        Some(mine),
        "read after its turn came"
    );
    assert_eq!(told.lock().expect("no holder of this lock panics")[0], ONE);
    got.unlock().await;
}

async fn the_turn_to_leave_is_one_runs_at_a_time_and_stands_beside_the_lock(store: &dyn Store) {
    let (run, other) = (store.run(ONE), store.run(OTHER));
    let (mine, theirs) = (intent(ONE, "mine"), intent(OTHER, "theirs"));
    let turn = run.turn(&mine, PATIENCE, &|_| {}).await.expect("nobody has it");
    let lock = lock(&other, &theirs).await;
    lock.unlock().await;
    let refused = other.turn(&theirs, Duration::from_millis(300), &|_| {}).await;
    assert!(matches!(refused.map(drop), Err(ClaimsError::Busy { holder, .. }) if holder == ONE));
    turn.end().await;
    let turn = other.turn(&theirs, Duration::ZERO, &|_| {}).await.expect("it was given on");
    turn.end().await;
}

async fn a_place_in_the_queue_that_waits_too_long_is_given_back(store: &dyn Store) {
    let (run, second, third) = (store.run(ONE), store.run(OTHER), store.run(THIRD));
    let held = lock(&run, &intent(ONE, "hangs")).await;
    for (run, instance) in [(&second, OTHER), (&third, THIRD)] {
        let refused = run.lock(&intent(instance, "waits"), Duration::from_millis(300), &|_| {}).await;
        let Err(ClaimsError::Busy { holder, waited }) = refused.map(drop) else {
            panic!("{instance} has the lock")
        };
        assert_eq!(holder, ONE);
        assert!((300..10_000).contains(&waited.as_millis()), "{waited:?}");
    }
    held.unlock().await;
    // Nothing of the two is in the way: the third has its turn at once, though the second came before it.
    let got = third
        .lock(&intent(THIRD, "again"), Duration::ZERO, &|_| {})
        .await
        .expect("nobody else is in the queue");
    got.unlock().await;
}

async fn earlier_runs_of_an_instance_leave_no_lock_and_no_intent(store: &dyn Store) {
    let (run, other, later) = (store.run(ONE), store.run(OTHER), store.run(ONE));
    intend(&other, 1, &intent(OTHER, "theirs")).await;
    let of_the_dead = lock(&run, &intent(ONE, "dead")).await;
    of_the_dead.intend(id(0), &intent(ONE, "dead")).await.expect("the lock is held");
    let lock = later.lock(&intent(ONE, "alive"), PATIENCE, &|who| panic!("it waits for {who}")).await;
    let lock = lock.expect("its own earlier run is in nobody's way");
    let records = lock.records().await.expect("it answers");
    assert_eq!(records.get(&id(0)).and_then(|slot| slot.intent.clone()), None);
    assert_eq!(records[&id(1)].intent, Some(intent(OTHER, "theirs")), "another's stays");
    lock.unlock().await;
}

async fn an_intent_goes_with_its_session(store: &dyn Store) {
    let (run, other) = (store.run(ONE), store.run(OTHER));
    let mine = intent(ONE, "mine");
    intend(&run, 0, &mine).await;
    assert_eq!(of(&other, 0).await.intent, Some(mine.clone()));
    run.end().await;
    assert_eq!(of(&other, 0).await.intent, None);
    let late = store.run(ONE).hold(id(0), &held_by(ONE), None, &mine).await;
    assert!(is_conflict(&late), "{late:?}");
    assert_eq!(of(&other, 0).await.claim, None);
}

async fn a_claim_is_taken_with_the_intent_and_ends_it(store: &dyn Store) {
    let (run, other) = (store.run(ONE), store.run(OTHER));
    let mine = intent(ONE, "mine");
    intend(&run, 0, &mine).await;
    let of_another = run.hold(id(0), &held_by(ONE), None, &intent(ONE, "another-run")).await;
    assert!(is_conflict(&of_another), "{of_another:?}");
    let at =
        run.hold(id(0), &held_by(ONE), None, &mine).await.expect("intent and slot are as they were read");
    let now = of(&other, 0).await;
    assert_eq!(now.intent, None, "one transaction");
    let claim = now.claim.expect("it was written");
    assert_eq!((claim.value, claim.revision), (held_by(ONE), at));
    let again = run.hold(id(0), &held_by(ONE), Some(at), &mine).await;
    assert!(is_conflict(&again), "its intent is spent: {again:?}");
}

async fn a_claim_is_taken_at_the_revision_read_or_not_at_all(store: &dyn Store) {
    let (run, other) = (store.run(ONE), store.run(OTHER));
    let mine = intent(ONE, "mine");
    intend(&run, 0, &mine).await;
    let written = other.write(id(0), &Claim::vacant(), None).await.expect("nobody ever claimed it");
    let old = run.hold(id(0), &held_by(ONE), None, &mine).await;
    assert!(is_conflict(&old), "{old:?}");
    let now = of(&other, 0).await;
    assert_eq!(now.intent, Some(mine.clone()), "nothing of it was carried out");
    assert_eq!(now.claim.map(|claim| claim.value), Some(Claim::vacant()));
    let at = run.hold(id(0), &held_by(ONE), Some(written), &mine).await.expect("it was just read");
    assert_eq!(revision(&other, 0).await, Some(at));
}

async fn a_write_on_an_old_revision_is_a_conflict(store: &dyn Store) {
    let (run, other) = (store.run(ONE), store.run(OTHER));
    let first = run.write(id(0), &held_by(ONE), None).await.expect("nobody ever claimed it");
    let again = other.write(id(0), &held_by(OTHER), None).await;
    assert!(is_conflict(&again), "it is there already: {again:?}");
    let second = run.write(id(0), &held_by(ONE), Some(first)).await.expect("it was just written");
    assert_ne!(first, second, "each write has a revision, of the same bytes too");
    let old = other.write(id(0), &held_by(OTHER), Some(first)).await;
    assert!(is_conflict(&old), "{old:?}");
    assert_eq!(of(&other, 0).await.claim.map(|claim| claim.value), Some(held_by(ONE)));
    let nowhere = other.write(id(1), &held_by(OTHER), Some(first)).await;
    assert!(is_conflict(&nowhere), "{nowhere:?}");
}

async fn an_intent_is_dropped_by_its_own_token_alone(store: &dyn Store) {
    let (run, other) = (store.run(ONE), store.run(OTHER));
    let mine = intent(ONE, "mine");
    intend(&run, 0, &mine).await;
    other.drop_intent(id(0), &intent(OTHER, "theirs")).await.expect("there is nothing of theirs");
    run.drop_intent(id(0), &intent(ONE, "another-run")).await.expect("there is nothing of that run");
    assert_eq!(of(&other, 0).await.intent, Some(mine.clone()));
    run.drop_intent(id(0), &mine).await.expect("it is its own");
    assert_eq!(of(&other, 0).await.intent, None);
    run.drop_intent(id(0), &mine).await.expect("it is gone already");
}

async fn a_fault_is_recorded_at_the_revision_read_or_not_at_all(store: &dyn Store) {
    let run = store.run(ONE);
    run.record_fault(id(0), &fault("seen"), None).await.expect("nobody ever claimed it");
    let now = of(&run, 0).await;
    let claim = now.claim.expect("a vacant one was made");
    assert_eq!((now.fault, claim.value), (Some(fault("seen")), Claim::vacant()));
    let late = run.record_fault(id(0), &fault("seen late"), None).await;
    assert!(late.is_err(), "it was written meanwhile");
    let next = run.write(id(0), &held_by(OTHER), Some(claim.revision)).await.expect("it was just read");
    let late = run.record_fault(id(0), &fault("seen late"), Some(claim.revision)).await;
    assert!(late.is_err(), "it was written meanwhile");
    assert_eq!(of(&run, 0).await.fault, Some(fault("seen")));
    run.record_fault(id(0), &fault("seen again"), Some(next)).await.expect("it was just written");
    assert_eq!(of(&run, 0).await.fault, Some(fault("seen again")));
    assert_eq!(revision(&run, 0).await, Some(next), "a fault is no change of the claim");
}

async fn a_fault_that_lands_after_it_was_lifted_is_refused(store: &dyn Store) {
    let (run, operator) = (store.run(ONE), store.run("ops"));
    let read = run.write(id(0), &Claim::vacant(), None).await.expect("nobody ever claimed it");
    run.record_fault(id(0), &fault("seen"), Some(read)).await.expect("it was just written");
    let old = operator.lift_fault(id(0), &Claim::vacant(), None).await;
    assert!(old.is_err(), "it is there already");
    assert_eq!(of(&run, 0).await.fault, Some(fault("seen")));
    let lifted = operator.lift_fault(id(0), &Claim::vacant(), Some(read)).await.expect("it was just read");
    assert_ne!(lifted, read, "the revision rises, of the same bytes too");
    let late = run.record_fault(id(0), &fault("seen"), Some(read)).await;
    assert!(late.is_err(), "it was sent before");
    let now = of(&run, 0).await;
    assert_eq!((now.fault, now.claim.map(|claim| claim.revision)), (None, Some(lifted)));
    let none = operator.lift_fault(id(0), &Claim::vacant(), Some(lifted)).await;
    none.expect("that there is no fault is no trouble");
}

async fn what_another_version_wrote_survives_a_rewrite(store: &dyn Store) {
    let run = store.run(ONE);
    intend(&run, 0, &intent(ONE, "mine")).await;
    store.put(0, r#"{"v":1,"state":"free","holder":null,"colour":{"a":[1,2]}}"#).await;
    let read = of(&run, 0).await.claim.expect("it can be read");
    let word = Reset { at: UnixTime::from_millis(1), by: "root@ops".to_owned(), accept: Default::default() };
    let at = run.write(id(0), &read.value.reset(word), Some(read.revision)).await.expect("it was just read");
    let now = of(&run, 0).await.claim.expect("it is there").value;
    run.hold(
        id(0),
        &now.taken(held_by(ONE).holder.expect("it has one"), UnixTime::from_millis(5)),
        Some(at),
        &intent(ONE, "mine"),
    )
    .await
    .expect("it was just written");
    let bytes = store.bytes(0).await;
    assert!(bytes.contains(r#""colour":{"a":[1,2]}"#) && bytes.contains("root@ops"), "{bytes}");
}

async fn a_record_that_cannot_be_read_concerns_its_own_slot_alone(store: &dyn Store) {
    let run = store.run(ONE);
    run.write(id(1), &held_by(ONE), None).await.expect("nobody ever claimed it");
    for odd in ["<html>", r#"{"v":2,"state":"free"}"#] {
        store.put(0, odd).await;
        let now = of(&run, 0).await;
        assert!(now.unreadable.as_ref().is_some_and(|why| why.contains("slots/0")), "{now:?}");
        assert_eq!((now.claim, now.intent, now.fault), (None, None, None));
        let other = of(&run, 1).await;
        assert_eq!((other.unreadable, other.claim.map(|claim| claim.value)), (None, Some(held_by(ONE))));
    }
}

async fn the_time_of_a_change_and_of_the_lock_are_of_one_clock(store: &dyn Store) {
    let run = store.run(ONE);
    let before = lock(&run, &intent(ONE, "mine")).await;
    run.write(id(0), &held_by(ONE), None).await.expect("nobody ever claimed it");
    let (from, changed) = (before.taken_at(), of(&run, 0).await.claim.expect("it was written").changed);
    before.unlock().await;
    let after = lock(&run, &intent(ONE, "mine")).await;
    assert!((from..=after.taken_at()).contains(&changed), "{from}, {changed}, {}", after.taken_at());
    assert!(changed > StoreTime::default());
    after.unlock().await;
}
