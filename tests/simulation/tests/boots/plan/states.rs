//! Each state that a slot can be in, made by hand: alone in its zone, and with a vacant slot above it.

use super::made::{
    attach_eni, attach_volume, claim, extra, fault, fingerprint, held, intent, put, started, unfinished,
};
use super::{First, booted, foretold, plan};
use berth_plan::{BrokerId, UnixTime, slot};
use region::model::{Delay, VolumeSpec};
use simulation::claims::node;
use simulation::zookeeper::Op;
use simulation::{Scene, State, World, simulate};
use std::sync::Arc;

/// Who the states speak of.
struct Who {
    me: String,
    other: String,
}

const HOUR: u64 = 3_600_000;
const ALONE: &[u32] = &[0];
const WITH_A_VACANT_ONE: &[u32] = &[0, 1];

/// Makes a state of slot 0, then asks the plan and boots: both must come to `expected`.
fn comes_to(ids: &[u32], expected: First, says: &str, make: impl Fn(&mut State, &Who)) {
    in_scene(Scene { slots: vec![('a', ids.to_vec())], ..Scene::default() }, expected, says, make);
}

fn in_scene(scene: Scene, expected: First, says: &str, make: impl Fn(&mut State, &Who)) {
    simulate(async {
        let (world, who) = begun(scene).await;
        world.with(|s| make(s, &who));
        world.pass(30_000).await;
        judged(&world, &who, expected, says, &[]).await;
    });
}

async fn begun(scene: Scene) -> (Arc<World>, Who) {
    // The group leaves who is stopped as it is.
    let suspended = ["HealthCheck", "ReplaceUnhealthy"].map(str::to_owned).to_vec();
    let world = Scene { desired: 2, suspended, ..scene }.open();
    let up = world.hosts_up(2).await;
    (world, Who { me: up[0].clone(), other: up[1].clone() })
}

async fn judged(world: &Arc<World>, who: &Who, expected: First, says: &str, gone: &[&str]) {
    let preview = plan(world, &who.me, gone).await;
    let said = preview.sentence();
    let state = |world: &World| world.with(|s| s.trace.join("\n"));
    assert_eq!(foretold(&preview), expected, "{said}\n{}", state(world));
    let reasons =
        preview.slots.iter().filter_map(|slot| slot.vacancy.as_ref().err().map(ToString::to_string));
    let all: Vec<String> = [said].into_iter().chain(reasons).chain(preview.notes.clone()).collect();
    assert!(all.iter().any(|line| line.contains(says)), "nothing says {says:?}: {all:#?}");
    for id in gone {
        world.with(|s| s.region.terminate_instance(id));
        let ended = |s: &mut State| (s.region.instance(id)?.state.word() == "terminated").then_some(());
        world.until(HOUR, ended).await.expect("it is terminated");
        world.pass(30_000).await;
    }
    let first = booted(world, &who.me).await;
    // Who goes on with a slot and ends there has written no intent before its end.
    let ended_there = preview.refusal.is_some() && first == First::Ended(preview.exit());
    assert!(first == expected || ended_there, "{first:?}: {all:#?}\n{}", state(world));
    if preview.refusal.is_some() {
        let end = world.until(HOUR, |s| (!s.runs.live.contains_key(&who.me)).then_some(())).await;
        end.expect("what is refused ends");
        let exit = world.with(|s| s.runs.ended.last().map(|(.., exit)| crate::gave_up(exit)));
        assert_eq!(exit, Some(Some(preview.exit())), "{}", state(world));
    }
}

/// Slot 0 is not vacant: alone it is waited for, else the next one is taken.
fn passed_over(says: &str, make: impl Fn(&mut State, &Who)) {
    comes_to(ALONE, First::Waited, says, &make);
    comes_to(WITH_A_VACANT_ONE, First::Intended(1), says, &make);
}

/// Slot 0 is gone for, whether or not another is vacant.
fn gone_for(says: &str, make: impl Fn(&mut State, &Who)) {
    for ids in [ALONE, WITH_A_VACANT_ONE] {
        comes_to(ids, First::Intended(0), says, &make);
    }
}

fn gone_on_with(says: &str, make: impl Fn(&mut State, &Who)) {
    for ids in [ALONE, WITH_A_VACANT_ONE] {
        comes_to(ids, First::Resumed(0), says, &make);
    }
}

#[test]
fn a_slot_that_was_never_claimed_or_was_given_back_is_taken() {
    gone_for("take slot 0", |_, _| ());
    gone_for("take slot 0", |s, who| {
        let claim = claim(s, 0, &who.other).given_back(UnixTime::from_millis(s.wall()), "let go");
        put(s, "slots", 0, claim.bytes(), None);
    });
}

#[test]
fn a_slot_of_a_running_instance_is_passed_over_with_a_dead_broker_too() {
    passed_over("is running", |s, who| held(s, 0, &who.other));
    passed_over("is running", |s, who| started(s, 0, &who.other));
    passed_over("is running", |s, who| attach_volume(s, 0, &who.other));
    passed_over("is running", |s, who| attach_eni(s, 0, &who.other));
}

#[test]
fn the_slot_of_an_instance_that_goes_is_waited_for_as_its_successor() {
    gone_for("has let go of it", |s, who| {
        s.region.settings_mut().delays.instance_shutting_down = Delay::Fixed(HOUR);
        started(s, 0, &who.other);
        s.region.terminate_instance(&who.other);
    });
    for state in ["Terminating:Wait", "Terminating:Proceed"] {
        gone_for("has let go of it", |s, who| {
            started(s, 0, &who.other);
            s.region.set_lifecycle(&who.other, state);
        });
    }
}

#[test]
fn the_slot_of_a_terminated_instance_is_taken() {
    gone_for("take slot 0", |s, who| {
        s.region.settings_mut().delays.instance_shutting_down = Delay::Fixed(1_000);
        started(s, 0, &who.other);
        s.region.terminate_instance(&who.other);
    });
}

#[test]
fn the_slot_of_an_instance_that_somebody_keeps_is_passed_over() {
    passed_over("is stopped", |s, who| {
        s.region.settings_mut().delays.instance_stopping = Delay::Fixed(1_000);
        started(s, 0, &who.other);
        s.region.stop_instance(&who.other);
    });
    for state in ["Standby", "Detached"] {
        passed_over(state, |s, who| {
            started(s, 0, &who.other);
            s.region.set_lifecycle(&who.other, state);
        });
    }
}

#[test]
fn the_slot_of_an_instance_that_ec2_forgot_is_passed_over_until_three_looks_agree() {
    const FORGOTTEN: &str = "i-0fffffffffffffff1";
    passed_over("unknown to EC2", |s, _| started(s, 0, FORGOTTEN));
    let old = |s: &mut State, _: &Who| {
        started(s, 0, FORGOTTEN);
        s.zk.nodes.get_mut(&node("slots", 0)).unwrap().mtime -= 2 * HOUR;
    };
    comes_to(WITH_A_VACANT_ONE, First::Intended(1), "unknown to EC2", old);
    comes_to(ALONE, First::Intended(0), "wait, then take slot 0", old);
}

#[test]
fn a_claim_of_another_zone_is_judged_by_its_holder() {
    let elsewhere = |s: &mut State, who: &Who| {
        let mut claim = claim(s, 0, &who.other);
        claim.holder.as_mut().unwrap().zone = "eu-central-1b".parse().unwrap();
        put(s, "slots", 0, claim.bytes(), None);
    };
    passed_over("is running", elsewhere);
    gone_for("take slot 0", |s, who| {
        s.region.settings_mut().delays.instance_shutting_down = Delay::Fixed(1_000);
        elsewhere(s, who);
        s.region.terminate_instance(&who.other);
    });
}

#[test]
fn my_own_slot_is_gone_on_with() {
    gone_on_with("is this instance's already", |s, who| held(s, 0, &who.me));
    gone_on_with("is this instance's already", |s, who| {
        started(s, 0, &who.me);
        attach_volume(s, 0, &who.me);
    });
}

#[test]
fn what_i_left_unfinished_is_finished_first() {
    comes_to(WITH_A_VACANT_ONE, First::Intended(1), "the claim of slot 0", |s, who| {
        unfinished(s, 0, &who.me)
    });
    comes_to(ALONE, First::Intended(0), "the claim of slot 0", |s, who| unfinished(s, 0, &who.me));
    comes_to(ALONE, First::Intended(0), "what is attached here of slot 0 would be detached", |s, who| {
        unfinished(s, 0, &who.me);
        attach_volume(s, 0, &who.me);
    });
}

#[test]
fn of_two_claims_that_name_me_the_one_with_its_volume_here_counts() {
    comes_to(WITH_A_VACANT_ONE, First::Resumed(1), "the claim of slot 0", |s, who| {
        held(s, 0, &who.me);
        held(s, 1, &who.me);
        attach_volume(s, 1, &who.me);
    });
}

#[test]
fn a_volume_on_me_that_no_claim_names_is_adopted() {
    gone_for("whose volume is attached to this instance", |s, who| attach_volume(s, 0, &who.me));
    comes_to(WITH_A_VACANT_ONE, First::Intended(1), "whose volume is attached", |s, who| {
        attach_volume(s, 1, &who.me);
        attach_eni(s, 0, &who.me);
    });
}

#[test]
fn a_volume_on_me_that_would_go_with_me_ends_the_boot() {
    let on_me = |s: &mut State, who: &Who| {
        attach_volume(s, 0, &who.me);
        let volume = s.rules.slots[&0].0.clone();
        s.region.set_delete_on_termination(&volume, true);
    };
    comes_to(ALONE, First::Intended(0), "DeleteOnTermination=true", on_me);
    comes_to(ALONE, First::Resumed(0), "DeleteOnTermination=true", |s, who| {
        held(s, 0, &who.me);
        on_me(s, who);
    });
}

#[test]
fn anothers_live_intent_covers_a_slot_and_an_earlier_one_of_mine_does_not() {
    passed_over("is about to take it", |s, who| intent(s, 0, &who.other, "other"));
    gone_for("take slot 0", |s, who| intent(s, 0, &who.me, "earlier"));
}

#[test]
fn a_fault_marks_a_slot_until_what_it_was_seen_on_changes() {
    passed_over("marked faulty: its device cannot be read", |s, _| fault(s, fingerprint(s)));
    gone_for("take slot 0", |s, _| fault(s, "vol-1 1GiB".to_owned()));
}

#[test]
fn the_test_knows_a_slots_fingerprint() {
    simulate(async {
        let (world, who) = begun(Scene::default()).await;
        let preview = plan(&world, &who.me, &[]).await;
        let slot: &slot::Slot = &preview.slots[0].slot;
        assert_eq!(
            (slot.id, slot.fingerprint()),
            (BrokerId::new(0).unwrap(), world.with(|s| fingerprint(s)))
        );
    });
}

#[test]
fn a_slot_whose_resources_cannot_be_used_is_passed_over() {
    passed_over("have the one tag Name=KAFKA-0", |s, _| extra(s, VolumeSpec::default(), false));
    let only_one = Scene { slots: vec![('a', vec![1])], ..Scene::default() };
    in_scene(only_one.clone(), First::Intended(1), "no network interface of this zone", |s, _| {
        extra(s, VolumeSpec::default(), false);
    });
    in_scene(only_one, First::Intended(1), "Multi-Attach", |s, _| {
        let shared = VolumeSpec { multi_attach: true, volume_type: "io2".into(), ..Default::default() };
        extra(s, shared, true);
    });
}

#[test]
fn a_claim_that_this_berth_cannot_read_passes_its_slot_over_and_ends_a_boot_that_has_its_volume() {
    let unreadable = |s: &mut State| put(s, "slots", 0, br#"{"v":2,"state":"held"}"#.to_vec(), None);
    passed_over("v=2", |s, _| unreadable(s));
    comes_to(WITH_A_VACANT_ONE, First::Ended(78), "v=2", |s, who| {
        unreadable(s);
        attach_volume(s, 0, &who.me);
    });
}

#[test]
fn a_strangers_registration_passes_its_slot_over_and_a_stale_one_is_waited_out() {
    let registered = |s: &mut State| {
        let session = s.zk.connect("stranger", 1_000_000_000);
        let (wall, path) = (s.wall(), simulation::broker::registration(0));
        let op = Op::Create { path, data: b"stranger 10.0.1.99:9092".to_vec(), ephemeral: true };
        s.zk.multi(session, &[op], wall).unwrap();
    };
    passed_over("a broker at 10.0.1.99 is registered", |s, _| registered(s));
    gone_for("the registration of broker 0 at 10.0.1.99 must have gone", |s, who| {
        s.region.settings_mut().delays.instance_shutting_down = Delay::Fixed(1_000);
        started(s, 0, &who.other);
        s.region.terminate_instance(&who.other);
        registered(s);
    });
}

#[test]
fn a_zone_without_slots_ends_the_boot() {
    simulate(async {
        let world = Scene { slots: vec![('a', vec![]), ('b', vec![0])], ..Scene::default() }.open();
        let me = world.launch('a');
        world.until(60_000, |s| s.host(&me).up.then_some(())).await.expect("it boots");
        let who = Who { other: me.clone(), me };
        judged(&world, &who, First::Ended(78), "has the tag berth:cluster=orders", &[]).await;
    });
}

#[test]
fn a_claim_of_mine_without_resources_in_my_zone_ends_the_boot() {
    comes_to(ALONE, First::Ended(78), "slot 7 is this instance's by its claim", |s, who| held(s, 7, &who.me));
}

#[test]
fn a_consent_that_cannot_be_read_ends_the_boot_that_takes_its_slot() {
    let scene = Scene { format: Some("btrfs"), ..Scene::default() };
    in_scene(scene, First::Intended(0), "berth:format=btrfs is none of", |_, _| ());
}

#[test]
fn an_instance_that_must_not_claim_is_told_so_and_sees_the_slots() {
    for (state, first) in [("Warmed:Running", First::Waited), ("Terminating:Wait", First::Ended(0))] {
        comes_to(ALONE, first, "do nothing now", |s, who| s.region.set_lifecycle(&who.me, state));
    }
    let xen = Scene { instance_type: "m4.large", ..Scene::default() };
    in_scene(xen, First::Ended(78), "use a Nitro type", |_, _| ());
}

#[test]
fn a_slot_would_be_taken_if_its_holder_were_terminated() {
    for ids in [ALONE, WITH_A_VACANT_ONE] {
        simulate(async {
            let (world, who) = begun(Scene { slots: vec![('a', ids.to_vec())], ..Scene::default() }).await;
            world.with(|s| {
                started(s, 0, &who.other);
                attach_volume(s, 0, &who.other);
            });
            world.pass(30_000).await;
            judged(&world, &who, First::Intended(0), "take slot 0", &[&who.other]).await;
        });
    }
}

#[test]
fn the_end_of_an_instance_without_a_slot_changes_nothing_and_is_told_so() {
    simulate(async {
        let (world, who) = begun(Scene::default()).await;
        let preview = plan(&world, &who.me, &[&who.other]).await;
        let expected =
            format!("{} holds no slot of this cluster: its end would change nothing here", who.other);
        assert_eq!(preview.notes, [expected]);
    });
}

#[test]
fn the_end_of_an_instance_of_another_zone_is_told_to_be_no_matter_of_this_plan() {
    simulate(async {
        let scene = Scene { slots: vec![('a', vec![0]), ('b', vec![5])], ..Scene::default() };
        let (world, who) = begun(scene).await;
        let zone = world.with(|s| s.region.instance(&who.me).unwrap().zone.clone());
        let (id, other) = if zone.ends_with('a') { (5, "eu-central-1b") } else { (0, "eu-central-1a") };
        world.with(|s| {
            let mut claim = claim(s, id, &who.other);
            claim.holder.as_mut().unwrap().zone = other.parse().unwrap();
            put(s, "slots", id, claim.bytes(), None);
        });
        let preview = plan(&world, &who.me, &[&who.other]).await;
        let said =
            format!("{} holds slot {id} in {other} by its claim: this plan is of {zone} alone", who.other);
        assert!(preview.notes[0].starts_with(&said), "{:?}", preview.notes);
    });
}

#[test]
fn every_slot_of_the_zone_is_shown_with_its_holders_and_its_volumes_prospect() {
    simulate(async {
        let scene = Scene {
            slots: vec![('a', vec![0, 1, 2]), ('b', vec![5])],
            format: Some("xfs"),
            ..Scene::default()
        };
        let (world, who) = begun(scene).await;
        let (me, other) = (who.me.clone(), who.other.clone());
        let zone = world.with(|s| s.region.instance(&me).unwrap().zone.clone());
        world.with(|s| {
            for id in [0, 2, 5] {
                started(s, id, &other);
            }
        });
        let preview = plan(&world, &me, &[]).await;
        let ids: Vec<u32> = preview.slots.iter().map(|slot| slot.slot.id.number()).collect();
        assert_eq!(ids, if zone.ends_with('a') { vec![0, 1, 2] } else { vec![5] });
        for slot in &preview.slots {
            let vacant = slot.slot.id.number() == 1;
            assert_eq!(slot.vacancy.is_ok(), vacant);
            let shown: Vec<&str> = slot.holders.values().map(String::as_str).collect();
            assert_eq!(shown, if vacant { vec![] } else { vec!["running, InService"] });
            let disk = slot.disk.as_ref().expect("it has a volume").to_string();
            assert!(disk.contains("berth:format=xfs lets it be formatted once"), "{disk}");
        }
    });
}
