//! The choice, case by case and as properties.

use super::*;
use crate::ec2::{VolumeAttachment, VolumeSeen};
use crate::records::{FaultCode, FaultRecord, Holder, Intent, Revision, VERSION, Versioned};
use crate::service::Incarnation;
use crate::{StoreTime, UnixTime};
use proptest::prelude::*;

fn instance(n: u32) -> InstanceId {
    format!("i-{n:017x}").parse().unwrap()
}

fn slot(n: u32, attached: Option<u32>) -> Slot {
    let attachments = attached.map(|i| VolumeAttachment {
        instance: instance(i),
        device: "/dev/sdf".into(),
        state: "attached".into(),
        delete_on_termination: false,
    });
    Slot {
        id: BrokerId::new(n).unwrap(),
        eni: None,
        volume: Some(VolumeSeen {
            id: format!("vol-{n:017x}").parse().unwrap(),
            name: None,
            cluster: None,
            zone: "z-1a".parse().unwrap(),
            state: "available".into(),
            size: 1,
            multi_attach: false,
            from_snapshot: false,
            format: None,
            attachments: attachments.into_iter().collect(),
        }),
        defect: None,
    }
}

fn claim(holder: Option<u32>, started: bool) -> Claim {
    let boot: crate::BootId = "00000000-0000-0000-0000-000000000001".parse().unwrap();
    let Some(n) = holder else { return Claim::vacant() };
    let claim = Claim::vacant().taken(
        Holder {
            instance: instance(n),
            boot: boot.clone(),
            zone: "z-1a".parse().unwrap(),
            volume: None,
            eni: None,
        },
        UnixTime::from_millis(1),
    );
    if started { claim.started(&boot, UnixTime::from_millis(2)) } else { claim }
}

#[derive(Default)]
struct World {
    slots: Vec<Slot>,
    records: BTreeMap<BrokerId, SlotRecords>,
    registrations: BTreeMap<BrokerId, Registration>,
    gone: BTreeSet<u32>,
    going: BTreeSet<u32>,
    unseen: BTreeSet<u32>,
}

const ME: u32 = 1;

impl World {
    fn with(mut self, n: u32, attached: Option<u32>, records: SlotRecords) -> Self {
        self.slots.push(slot(n, attached));
        self.records.insert(BrokerId::new(n).unwrap(), records);
        self
    }

    fn claimed(self, n: u32, holder: Option<u32>, started: bool) -> Self {
        let claim = Some(Versioned {
            value: claim(holder, started),
            revision: Revision::of_store(0),
            changed: StoreTime::from_millis(0),
        });
        self.with(n, None, SlotRecords { claim, ..Default::default() })
    }

    fn choose(&self) -> Decision {
        self.observed(choose)
    }

    fn observed<T>(&self, look: impl FnOnce(&Observed<'_>) -> T) -> T {
        let standing = |_: BrokerId, who: &InstanceId| {
            let among = |set: &BTreeSet<u32>| set.iter().any(|n| instance(*n) == *who);
            if *who == instance(ME) {
                Standing::Me
            } else if among(&self.gone) {
                Standing::Gone
            } else if among(&self.going) {
                Standing::Going(format!("{who} is shutting down"))
            } else if among(&self.unseen) {
                Standing::NotLookedUp
            } else {
                Standing::Taken(format!("{who} is running"))
            }
        };
        look(&Observed {
            me: &instance(ME),
            slots: &self.slots,
            records: &self.records,
            registrations: &self.registrations,
            standing: &standing,
        })
    }
}

fn id(n: u32) -> BrokerId {
    BrokerId::new(n).unwrap()
}

fn empty() -> SlotRecords {
    SlotRecords::default()
}

#[test]
fn takes_the_lowest_vacant_slot_and_says_why_not_a_lower_one() {
    let world = World::default().claimed(3, Some(9), true).with(7, None, empty()).with(8, None, empty());
    let decision = world.choose();
    assert_eq!(decision.choice, Choice::Take(id(7)));
    assert_eq!(decision.passed, [(id(3), Reason::Held(format!("{} is running", instance(9))))]);
}

#[test]
fn my_own_slot_comes_before_a_lower_vacant_one() {
    let world = World::default().with(0, None, empty()).claimed(5, Some(ME), true);
    assert_eq!(world.choose().choice, Choice::Resume(id(5)));
}

#[test]
fn of_two_claims_that_name_me_the_one_with_my_volume_counts() {
    let mut world = World::default().claimed(1, Some(ME), true).claimed(2, Some(ME), false);
    world.slots[1] = slot(2, Some(ME));
    assert_eq!(world.choose().choice, Choice::Resume(id(2)));
    assert_eq!(superfluous(&instance(ME), id(2), &world.records), [id(1)]);
}

#[test]
fn a_volume_on_me_that_no_claim_names_is_resumed() {
    let world = World::default().with(0, None, empty()).with(4, Some(ME), empty());
    assert_eq!(world.choose().choice, Choice::Adopt(id(4)));
}

#[test]
fn a_volume_on_me_under_anothers_intent_is_not_adopted() {
    let intent = Intent { v: VERSION, instance: instance(2), boot: boot(), token: "other".parse().unwrap() };
    let world = World::default().with(4, Some(ME), SlotRecords { intent: Some(intent), ..empty() });
    let decision = world.choose();
    assert_eq!(decision.choice, Choice::Nothing);
    assert_eq!(decision.passed, [(id(4), Reason::Intended(instance(2)))]);
}

fn boot() -> crate::BootId {
    "00000000-0000-0000-0000-000000000001".parse().unwrap()
}

#[test]
fn waits_for_a_holder_on_its_way_out_rather_than_take_a_higher_slot() {
    let mut world = World::default().claimed(0, Some(9), true).with(1, None, empty());
    world.going.insert(9);
    assert_eq!(world.choose().choice, Choice::Succeed(id(0), vec![instance(9)]));
}

#[test]
fn one_dead_witness_is_not_enough() {
    let mut world = World::default().claimed(0, Some(9), true);
    world.slots[0] = slot(0, Some(8));
    world.gone.insert(9);
    assert!(matches!(world.choose().passed[..], [(_, Reason::Held(_))]));
    world.gone.insert(8);
    assert_eq!(world.choose().choice, Choice::Take(id(0)));
}

#[test]
fn a_holder_first_met_under_the_lock_is_looked_up_before_any_higher_slot_is_taken() {
    let mut world = World::default().claimed(0, Some(9), true).with(1, None, empty());
    world.unseen.insert(9);
    assert_eq!(world.choose().choice, Choice::LookAgain([instance(9)].into()));
}

#[test]
fn a_registration_without_a_known_holder_is_a_strangers() {
    let mut world = World::default().with(0, None, empty());
    let stranger = Registration {
        id: id(0),
        incarnation: Incarnation::of_register(4),
        endpoints: vec![("10.0.1.9".into(), 9092)],
    };
    world.registrations.insert(id(0), stranger.clone());
    assert_eq!(world.choose().passed, [(id(0), Reason::Stranger("10.0.1.9".into()))]);
    let mut world = World::default().claimed(0, Some(9), true);
    world.gone.insert(9);
    world.registrations.insert(id(0), stranger);
    assert_eq!(world.choose().choice, Choice::Take(id(0)));
}

#[test]
fn a_fault_lapses_when_what_it_was_seen_on_changes() {
    let fault = |seen_on: String| FaultRecord {
        v: VERSION,
        code: FaultCode::Unreadable,
        reason: "read error".into(),
        seen_by: instance(3),
        count: 1,
        seen_on,
    };
    let same = fault(slot(0, None).fingerprint());
    let world = World::default().with(0, None, SlotRecords { fault: Some(same), ..empty() });
    assert_eq!(world.choose().passed, [(id(0), Reason::Faulty("read error".into()))]);
    let older = fault("another volume".into());
    let world = World::default().with(0, None, SlotRecords { fault: Some(older), ..empty() });
    assert_eq!(world.choose().choice, Choice::Take(id(0)));
}

proptest! {
    #[test]
    fn never_takes_what_a_living_holder_has(
        spec in proptest::collection::vec((0u32..6, 0u32..6, any::<bool>()), 1..12),
        gone in proptest::collection::btree_set(2u32..6, 0..4),
        going in proptest::collection::btree_set(2u32..6, 0..3),
    ) {
        let mut world = World { gone: gone.clone(), going: going.difference(&gone).copied().collect(), ..Default::default() };
        for (n, (holder, attached, started)) in spec.iter().enumerate() {
            let n = n as u32;
            world = world.claimed(n, (*holder > 1).then_some(*holder), *started);
            world.slots[n as usize] = slot(n, (*attached > 1).then_some(*attached));
        }
        let alive = |who: u32| who > 1 && !gone.contains(&who);
        match world.choose().choice {
            Choice::Take(id) => {
                let (holder, attached, _) = spec[id.number() as usize];
                prop_assert!(!alive(holder) && !alive(attached));
            }
            Choice::Succeed(id, _) => {
                let (holder, attached, _) = spec[id.number() as usize];
                for who in [holder, attached] {
                    prop_assert!(!alive(who) || world.going.contains(&who));
                }
            }
            Choice::Nothing => {
                for (holder, attached, _) in &spec {
                    let stays = |who: u32| alive(who) && !world.going.contains(&who);
                    prop_assert!(stays(*holder) || stays(*attached));
                }
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

#[test]
fn a_slot_whose_attachment_was_undone_is_taken_only_where_there_is_no_other() {
    let world = World::default().with(1, None, empty()).with(2, None, empty());
    let choice = |world: &World, avoided: &[u32]| {
        world.observed(|observed| choose_avoiding(observed, &avoided.iter().map(|n| id(*n)).collect()).choice)
    };
    assert_eq!(choice(&world, &[]), Choice::Take(id(1)));
    assert_eq!(choice(&world, &[1]), Choice::Take(id(2)));
    assert_eq!(choice(&world, &[1, 2]), Choice::Take(id(1)));
    let mine = World::default().claimed(1, Some(ME), true).with(2, None, empty());
    assert_eq!(choice(&mine, &[1]), Choice::Resume(id(1)), "what is mine stays mine");
}
