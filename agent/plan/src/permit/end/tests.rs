use super::super::samples::*;
use super::super::{Fleet, Subject};
use super::*;
use crate::records::Reason;
use crate::{StoreTime, records::Versioned};

const DEADLINE: Duration = Duration::from_secs(1_800);

fn asking(reason: Reason) -> Versioned<Permit> {
    let asking = stored(taken(0, reason), 3).asking(instance(0), "run-0".parse().unwrap());
    stored(asking, 4)
}

/// What is done about a permit of instance 0 at revision 4, unchanged for so many seconds.
fn about(record: &Versioned<Permit>, unchanged: u64, subject: Subject, fleet: Fleet) -> End {
    let look = Look { subject: Ok(subject), ..look(Some(4), fleet) };
    end(&seen(Some(record.clone()), unchanged), Some(&look), DEADLINE)
}

fn that(life: Life, health: Health) -> Subject {
    Subject { life, health, ..subject(0) }
}

fn serving() -> Fleet {
    fleet(vec![held(0, true), held(1, true), held(2, true)], 3)
}

#[test]
fn a_permit_is_looked_at_before_it_is_ended_and_nobody_ends_one_that_is_over() {
    assert_eq!(end(&seen(None, 0), None, DEADLINE), End::Free);
    let record = asking(Reason::UnitFailed);
    let over = stored(record.ended("replaced"), 5);
    assert_eq!(end(&seen(Some(over), 9_999), None, DEADLINE), End::Free);
    let look_again = End::Look { under: record.revision };
    let seen = seen(Some(record), 9_999);
    assert_eq!(end(&seen, None, DEADLINE), look_again);
    let before = look(Some(3), serving());
    assert_eq!(end(&seen, Some(&before), DEADLINE), look_again, "looked before the record was written");
}

/// By the subject's life and health, the slot, and the seconds unchanged: what is done, and a word of its sentence.
#[test]
fn the_whole_table() {
    use Health::{Healthy, Unhealthy};
    use Life::{Going, Gone, Living};
    let vacant_for = |desired| fleet(vec![vacant(0), held(1, true), held(2, true)], desired);
    let succeeded = || fleet(vec![held_by(0, 3, false), held(1, true), held(2, true)], 3);
    for (life, health, fleet, unchanged, done, word) in [
        // Not within 60 s of `asking`, whatever is seen.
        (Living, Healthy, serving(), 59, "keep", "may still arrive"),
        (Gone, Unhealthy, succeeded(), 59, "keep", "may still arrive"),
        (Living, Healthy, serving(), 60, "over", "well again"),
        // Not while a living subject is unhealthy, however silent the owner.
        (Living, Unhealthy, one_down(), 60, "keep", "replaces it"),
        (Living, Unhealthy, one_down(), 1_799, "keep", "replaces it"),
        (Living, Unhealthy, one_down(), 1_800, "healthy", "not replaced within 30 min"),
        (Living, Unhealthy, serving(), 60, "healthy", "well again"),
        // Healthy is refused of one that is terminating.
        (Going, Unhealthy, one_down(), 1_800, "keep", "on its way out"),
        (Going, Healthy, one_down(), 60, "keep", "on its way out"),
        (Gone, Unhealthy, succeeded(), 60, "over", "i-00000000000000003 has slot 0"),
        (Gone, Healthy, vacant_for(3), 60, "keep", "has not come"),
        (Gone, Healthy, vacant_for(2), 60, "over", "nobody will come for slot 0"),
        (Gone, Healthy, vacant_for(3), 300, "over", "silent for 5 min"),
        (Gone, Unhealthy, one_down(), 60, "over", "nobody will come"),
        (Gone, Healthy, fleet(vec![held(1, true)], 3), 60, "over", "no slot 0"),
        (Living, Healthy, one_down(), 60, "keep", "has it"),
        (Living, Healthy, one_down(), 299, "keep", "has it"),
        (Living, Healthy, one_down(), 300, "over", "silent for 5 min"),
        (Living, Healthy, one_down(), 1_800, "over", "not replaced within 30 min"),
    ] {
        let next = about(&asking(Reason::UnitFailed), unchanged, that(life, health), fleet);
        let found = match &next {
            End::Keep(_) => "keep",
            End::SetHealthy { .. } => "healthy",
            End::Write { .. } => "over",
            End::Free | End::Look { .. } => "nothing",
        };
        assert_eq!(found, done, "{life:?} {health:?} {unchanged}: {next}");
        assert!(next.to_string().contains(word), "{life:?} {health:?} {unchanged}: {next}");
    }
}

#[test]
fn a_zone_whose_spare_waits_is_not_the_slots_unless_it_is_the_same() {
    let mut waits = fleet(vec![vacant(0), held(1, true), held(2, true)], 2);
    let gone = || that(Life::Gone, Health::Healthy);
    waits.group.waiting = vec![zone(1)];
    assert!(matches!(about(&asking(Reason::UnitFailed), 60, gone(), waits.clone()), End::Write { .. }));
    waits.group.waiting = vec![zone(1), zone(0)];
    assert!(matches!(about(&asking(Reason::UnitFailed), 60, gone(), waits), End::Keep(_)));
}

#[test]
fn a_registration_is_no_recovery_of_a_volume_that_stalls() {
    let stalled = asking(Reason::VolumeStalled);
    let healthy = || that(Life::Living, Health::Healthy);
    assert!(matches!(about(&stalled, 60, healthy(), serving()), End::Keep(_)));
    assert!(matches!(about(&stalled, 60, that(Life::Living, Health::Unhealthy), serving()), End::Keep(_)));
    let well = Subject { is_well: true, ..healthy() };
    assert!(matches!(about(&stalled, 60, well, serving()), End::Write { .. }));
}

#[test]
fn a_permit_that_was_taken_only_has_no_minute_to_wait() {
    let taken = stored(taken(0, Reason::UnitFailed), 4);
    let next = about(&taken, 0, subject(0), serving());
    let End::Write { permit, at, .. } = next else { panic!("{next}") };
    assert!(!permit.is_held() && at == taken.revision);
}

#[test]
fn the_deadline_runs_from_the_taking_and_asking_anew_does_not_put_it_off() {
    let mut record = asking(Reason::UnitFailed);
    record.changed = StoreTime::from_millis(5_000 + 1_700_000);
    let unhealthy = || that(Life::Living, Health::Unhealthy);
    assert!(matches!(about(&record, 99, unhealthy(), one_down()), End::Keep(_)));
    assert!(matches!(about(&record, 100, unhealthy(), one_down()), End::SetHealthy { .. }));
}

#[test]
fn what_cannot_be_looked_at_ends_nothing() {
    let seen = seen(Some(asking(Reason::UnitFailed)), 9_999);
    let good = look(Some(4), one_down());
    let blind = Look { subject: Err("DescribeInstances: throttled".to_owned()), ..good.clone() };
    assert!(matches!(end(&seen, Some(&blind), DEADLINE), End::Keep(why) if why.contains("throttled")));
    let half = Look {
        subject: Ok(that(Life::Living, Health::Unhealthy)),
        fleet: Err("/brokers/ids: no answer".to_owned()),
        ..good
    };
    let young = PermitSeen { unchanged: Duration::from_secs(120), ..seen };
    assert!(matches!(end(&young, Some(&half), DEADLINE), End::Keep(_)));
}
