use super::super::lost_peer::{UNREGISTERED_FOR, Witness};
use super::super::samples::*;
use super::*;
use crate::permit::Fleet;

fn failed() -> Case {
    case(Reason::UnitFailed)
}

/// What instance 0 does for itself at 2 s, after this look at 1 s.
fn after(seen: &PermitSeen, look: &Look, case: &Case) -> Ask {
    ask(&asker(0), case, seen, Progress::Looked(look), at(2_000))
}

/// The same where the permit is its own, taken, at revision 3.
fn judged_of(fleet: Fleet) -> Ask {
    let mine = seen(Some(stored(taken(0, Reason::UnitFailed), 3)), 0);
    after(&mine, &look(Some(3), fleet), &failed())
}

#[test]
fn the_way_is_look_take_look_write_send() {
    let free = seen(None, 0);
    let first = |progress| ask(&asker(0), &failed(), &free, progress, at(2_000));
    assert_eq!(first(Progress::Nothing), Ask::Look { under: None });
    let permit = taken(0, Reason::UnitFailed);
    let take = Ask::Take { permit: Box::new(permit.clone()), at: None };
    assert_eq!(first(Progress::Looked(&look(None, one_down()))), take);

    let mine = stored(permit, 3);
    let then = |look: &Look| after(&seen(Some(mine.clone()), 0), look, &failed());
    let again = Ask::Look { under: Some(Revision::of_store(3)) };
    assert_eq!(then(&look(None, one_down())), again, "the look was before the permit");
    let asking = mine.asking(instance(0), "run-0".parse().unwrap());
    let write = Ask::WriteAsking { permit: Box::new(asking.clone()), at: Revision::of_store(3) };
    assert_eq!(then(&look(Some(3), one_down())), write);

    let looked = look(Some(3), one_down());
    let written = Progress::Asking(&looked, Revision::of_store(4));
    let last = ask(&asker(0), &failed(), &seen(Some(stored(asking, 4)), 0), written, at(2_000));
    assert_eq!(last, Ask::Send { subject: instance(0), before: at(11_000) });
}

#[test]
fn whoever_was_paused_or_overtaken_starts_over() {
    let record = stored(taken(0, Reason::UnitFailed), 3);
    let looked = look(Some(3), one_down());
    let asking = stored(record.asking(instance(0), "run-0".parse().unwrap()), 4);
    let written = Progress::Asking(&looked, Revision::of_store(4));
    for (record, progress, now, starts_over) in [
        (&record, Progress::Looked(&looked), 10_999, false),
        (&record, Progress::Looked(&looked), 11_000, true),
        (&asking, Progress::Looked(&looked), 2_000, true),
        (&asking, written, 10_999, false),
        (&asking, written, 11_000, true),
        (&stored(asking.value.clone(), 5), written, 2_000, true),
    ] {
        let next = ask(&asker(0), &failed(), &seen(Some(record.clone()), 0), progress, at(now));
        let under = Some(record.revision);
        assert_eq!(next == Ask::Look { under }, starts_over, "{progress:?} at {now}: {next}");
    }
}

#[test]
fn an_asking_of_before_is_written_anew_before_each_ask() {
    let asking = stored(taken(0, Reason::UnitFailed), 3).asking(instance(2), "run-2".parse().unwrap());
    let next = after(&seen(Some(stored(asking, 4)), 200), &look(Some(4), one_down()), &failed());
    let Ask::WriteAsking { permit, at } = next else { panic!("{next}") };
    assert_eq!((permit.asks, permit.owner, at), (2, instance(0), Revision::of_store(4)));
}

#[test]
fn the_permit_is_its_subjects() {
    let anothers = seen(Some(stored(taken(1, Reason::UnitFailed), 3)), 900);
    let next = after(&anothers, &look(Some(3), one_down()), &failed());
    let sentence = "the permit is that of slot 1, to have i-00000000000000001 replaced";
    assert_eq!(next, Ask::Wait(sentence.to_owned()));

    // Two witnesses go on with what instance 0 took for itself before its host hung.
    let witness = |n| Witness { instance: instance(n), zone: zone(n) };
    let evidence = Evidence {
        unregistered_for: Some(UNREGISTERED_FOR),
        witnesses: vec![witness(1), witness(2)],
        status_ok: Some(false),
    };
    let lost = Case { evidence, ..case(Reason::LostPeer) };
    let own = seen(Some(stored(taken(0, Reason::UnitFailed), 3)), 0);
    let next = ask(&asker(1), &lost, &own, Progress::Looked(&look(Some(3), one_down())), at(2_000));
    let Ask::WriteAsking { permit, .. } = next else { panic!("{next}") };
    assert_eq!((permit.owner, permit.subject), (instance(1), instance(0)));
    let alone = Case { evidence: Evidence::default(), ..case(Reason::LostPeer) };
    assert!(matches!(ask(&asker(1), &alone, &own, Progress::Nothing, at(0)), Ask::No(_)));
}

#[test]
fn a_control_plane_that_is_away_lets_nobody_ask() {
    let mine = seen(Some(stored(taken(0, Reason::UnitFailed), 3)), 0);
    let good = look(Some(3), one_down());
    for look in [
        Look { subject: Err("DescribeInstances: throttled".to_owned()), ..good.clone() },
        Look { fleet: Err("/brokers/ids: no answer".to_owned()), ..good },
    ] {
        assert!(matches!(after(&mine, &look, &failed()), Ask::Wait(why) if why.contains("is away")));
    }
}

#[test]
fn two_failed_slots_hold_each_other_back_and_that_is_said() {
    let both = fleet(vec![held(0, false), held(1, false), held(2, true)], 3);
    let said = "nobody asks to be replaced: slot 1 (i-00000000000000001) is not registered either, and the cluster \
                would lose two; `berth replace 0` is the operator's word";
    assert_eq!(judged_of(both.clone()), Ask::Operator(said.to_owned()));
    let free = seen(None, 0);
    assert!(matches!(after(&free, &look(None, both), &failed()), Ask::Operator(_)), "nor takes the permit");
    let filling = fleet(vec![held(0, false), vacant(1), held(2, true)], 3);
    assert!(matches!(judged_of(filling), Ask::Wait(why) if why.contains("slot 1 is vacant")));
    let fewer = fleet(vec![held(0, false), vacant(1), held(2, true)], 2);
    assert!(matches!(judged_of(fewer), Ask::WriteAsking { .. }), "fewer instances than slots");
}

#[test]
fn who_is_well_gone_explained_or_another_is_not_asked_for() {
    let of = |subject: super::super::Subject, fleet: Fleet, reason: Reason| {
        let mine = seen(Some(stored(taken(0, reason.clone()), 3)), 0);
        let look = Look { subject: Ok(subject), ..look(Some(3), fleet) };
        after(&mine, &look, &case(reason))
    };
    let serving = || fleet(vec![held(0, true), held(1, true), held(2, true)], 3);
    let changed = |change: fn(&mut super::super::Subject)| {
        let mut subject = subject(0);
        change(&mut subject);
        subject
    };
    let gone = changed(|s| s.life = Life::Gone);
    let going = changed(|s| s.life = Life::Going);
    let standby = changed(|s| s.explained = Some("it is Standby".to_owned()));
    let well = changed(|s| s.is_well = true);
    for (subject, fleet, reason, why) in [
        (gone, one_down(), Reason::UnitFailed, "on its way out"),
        (going, one_down(), Reason::UnitFailed, "on its way out"),
        (standby, one_down(), Reason::UnitFailed, "it is Standby"),
        (well, serving(), Reason::VolumeStalled, "well again"),
        (subject(0), serving(), Reason::UnitFailed, "well again"),
        (
            subject(0),
            fleet(vec![held_by(0, 3, false), held(1, true)], 3),
            Reason::UnitFailed,
            "slot 0 is not held by",
        ),
    ] {
        let next = of(subject, fleet, reason);
        assert!(matches!(&next, Ask::No(said) if said.contains(why)), "{next}");
    }
    let unhealthy = changed(|s| s.health = Health::Unhealthy);
    assert!(matches!(of(unhealthy, one_down(), Reason::UnitFailed), Ask::Wait(_)));
    // Its broker stays registered while its writes hang.
    assert!(matches!(of(subject(0), serving(), Reason::VolumeStalled), Ask::WriteAsking { .. }));
}

#[test]
fn a_group_that_would_not_replace_is_not_asked() {
    let mut suspended = one_down();
    suspended.group.holds_back = Some("its process ReplaceUnhealthy is suspended".to_owned());
    let why = "i-00000000000000000 would stay unhealthy without being replaced: its process ReplaceUnhealthy is suspended";
    assert_eq!(judged_of(suspended), Ask::Wait(why.to_owned()));
}

#[test]
fn a_volume_that_stalls_on_a_second_host_is_the_slots_fault() {
    let after_one = |first: u8, reason: Reason| {
        let asking = stored(taken(first, reason), 1).asking(instance(first), "run".parse().unwrap());
        let mut ended = stored(asking, 2).ended("replaced");
        ended.history[0].slot = slot(0);
        seen(Some(stored(ended, 3)), 0)
    };
    let next = |before: &PermitSeen, reason| after(before, &look(Some(3), one_down()), &case(reason));
    let stalled = after_one(7, Reason::VolumeStalled);
    let said = next(&stalled, Reason::VolumeStalled);
    assert!(
        matches!(&said, Ask::Operator(why) if why.contains("as it did on i-00000000000000007")),
        "{said}"
    );
    for (before, reason) in [
        (&stalled, Reason::UnitFailed),
        (&after_one(7, Reason::UnitFailed), Reason::VolumeStalled),
        // Not replaced the first time: the same host asks again.
        (&after_one(0, Reason::VolumeStalled), Reason::VolumeStalled),
    ] {
        assert!(matches!(next(before, reason), Ask::Take { .. }));
    }
}
