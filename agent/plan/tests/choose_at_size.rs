//! The choice over 10,000 slots: how long it takes, and that there is a reason for every slot passed over. The lock is held
//! while it is made, so a slow choice would be paid by every instance in the queue behind it.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use berth_plan::ec2::{EniAttachment, EniSeen, InstanceSeen, Picture, VolumeAttachment, VolumeSeen};
use berth_plan::records::{
    Claim, FaultCode, FaultRecord, Holder, Intent, Revision, SlotRecords, VERSION, Versioned,
};
use berth_plan::service::{Incarnation, Registration};
use berth_plan::slot::Slot;
use berth_plan::slot::choose::{Choice, Decision, Observed, Reason, choose};
use berth_plan::slot::holder::{Absence, standing};
use berth_plan::{BrokerId, InstanceId, StoreTime, UnixTime, Zone};

const SLOTS: u32 = 10_000;

/// How often each case is decided at least, and at most until one decision kept the bound.
const TIMES: std::ops::Range<u32> = 20..200;

/// What is promised of an optimised build on a processor that has nothing else to do; a build with debug assertions gets
/// three times that. The best decision counts: other programs of this machine make a decision slower and none faster, and
/// what grows with the square of the slots is forty times too slow always.
const BOUND: Duration = Duration::from_millis(if cfg!(debug_assertions) { 30 } else { 10 });

/// One case at a time: they share the processor's caches.
static ALONE: Mutex<()> = Mutex::new(());

fn instance(n: u32) -> InstanceId {
    format!("i-{n:017x}").parse().unwrap()
}

fn id(n: u32) -> BrokerId {
    BrokerId::new(n).unwrap()
}

fn zone() -> Zone {
    "eu-central-1a".parse().unwrap()
}

/// A slot whose volume and interface are attached to this instance.
fn slot(n: u32, holder: Option<&InstanceId>) -> Slot {
    let volume = VolumeSeen {
        id: format!("vol-{n:017x}").parse().unwrap(),
        name: Some(format!("KAFKA-{n}")),
        cluster: Some("orders".into()),
        zone: zone(),
        state: "in-use".into(),
        size: 500,
        multi_attach: false,
        from_snapshot: false,
        format: Some("xfs".into()),
        attachments: holder
            .map(|instance| VolumeAttachment {
                instance: instance.clone(),
                device: "/dev/sdf".into(),
                state: "attached".into(),
                delete_on_termination: false,
            })
            .into_iter()
            .collect(),
    };
    let eni = EniSeen {
        id: format!("eni-{n:017x}").parse().unwrap(),
        name: Some(format!("KAFKA-{n}")),
        cluster: Some("orders".into()),
        zone: zone(),
        subnet: "subnet-00000000000000001".parse().unwrap(),
        mac: "06:00:00:00:00:01".parse().unwrap(),
        addresses: vec![[10, 0, 1, 50].into()],
        status: "in-use".into(),
        requester_managed: false,
        kind: "interface".into(),
        attachment: holder.map(|instance| EniAttachment {
            id: format!("eni-attach-{n:017x}").parse().unwrap(),
            instance: Some(instance.clone()),
            state: "attached".into(),
            index: 1,
            delete_on_termination: false,
        }),
    };
    Slot { id: id(n), eni: Some(eni), volume: Some(volume), defect: None }
}

/// A claim that has had twenty owners.
fn claim(holder: Option<&InstanceId>) -> Option<Versioned<Claim>> {
    let boot: berth_plan::BootId = "00000000-0000-0000-0000-000000000001".parse().unwrap();
    let mut claim = Claim::vacant();
    for n in 0..20 {
        let holder = holder.cloned().unwrap_or_else(|| instance(n));
        claim = claim.taken(
            Holder { instance: holder, boot: boot.clone(), zone: zone(), volume: None, eni: None },
            UnixTime::from_millis(1),
        );
    }
    let claim = if holder.is_some() {
        claim.started(&boot, UnixTime::from_millis(2))
    } else {
        claim.given_back(UnixTime::from_millis(2), "released")
    };
    Some(Versioned { value: claim, revision: Revision::of_store(20), changed: StoreTime::from_millis(1) })
}

#[derive(Default)]
struct Cluster {
    slots: Vec<Slot>,
    records: BTreeMap<BrokerId, SlotRecords>,
    registrations: BTreeMap<BrokerId, Registration>,
    picture: Picture,
}

impl Cluster {
    /// Slots 0 to 9,999; each like this.
    fn of(mut one: impl FnMut(&mut Picture, u32) -> (Slot, SlotRecords)) -> Cluster {
        let mut cluster = Cluster::default();
        for n in 0..SLOTS {
            let (slot, records) = one(&mut cluster.picture, n);
            cluster.slots.push(slot);
            cluster.records.insert(id(n), records);
        }
        cluster
    }

    fn choose(&self) -> Decision {
        let me = instance(SLOTS * 2);
        let standing = |_: BrokerId, who: &InstanceId| standing(&me, who, &self.picture, Absence::default());
        choose(&Observed {
            me: &me,
            slots: &self.slots,
            records: &self.records,
            registrations: &self.registrations,
            standing: &standing,
        })
    }

    /// The decision, and how long the best of several took.
    fn timed(&self, what: &str) -> Decision {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut best, mut times) = (Duration::MAX, 0);
        let decision = loop {
            let began = Instant::now();
            let decision = self.choose();
            best = best.min(began.elapsed());
            times += 1;
            if times >= TIMES.end || (times >= TIMES.start && best <= BOUND) {
                break decision;
            }
        };
        let reasons = decision.passed.len();
        println!("choose() over {SLOTS} slots, {what}: {best:?}, the best of {times}, {reasons} reasons");
        assert!(best <= BOUND, "{what}: {best:?} is more than {BOUND:?}");
        decision
    }
}

fn held(picture: &mut Picture, n: u32) -> (Slot, SlotRecords) {
    let holder = instance(n);
    picture.asked.insert(holder.clone());
    picture
        .instances
        .insert(holder.clone(), InstanceSeen { state: "running".into(), ..InstanceSeen::default() });
    (slot(n, Some(&holder)), SlotRecords { claim: claim(Some(&holder)), ..SlotRecords::default() })
}

fn every_slot_has_its_reason(decision: &Decision, is: impl Fn(u32, &Reason) -> bool) {
    let named: Vec<u32> = decision.passed.iter().map(|(id, _)| id.number()).collect();
    assert_eq!(named, (0..SLOTS).collect::<Vec<_>>(), "each slot once, lowest first");
    let wrong = decision.passed.iter().find(|(id, reason)| !is(id.number(), reason));
    assert_eq!(wrong, None);
}

#[test]
fn all_held() {
    let decision = Cluster::of(held).timed("all held");
    assert_eq!(decision.choice, Choice::Nothing);
    every_slot_has_its_reason(&decision, |n, reason| {
        *reason == Reason::Held(format!("{} is running", instance(n)))
    });
}

#[test]
fn all_faulty() {
    let decision = Cluster::of(|_, n| {
        let slot = slot(n, None);
        let fault = FaultRecord {
            v: VERSION,
            code: FaultCode::Unreadable,
            reason: format!("vol-{n} gives read errors"),
            seen_by: instance(3),
            count: 2,
            seen_on: slot.fingerprint(),
        };
        (slot, SlotRecords { claim: claim(None), fault: Some(fault), ..SlotRecords::default() })
    })
    .timed("all faulty");
    assert_eq!(decision.choice, Choice::Nothing);
    every_slot_has_its_reason(&decision, |n, reason| {
        *reason == Reason::Faulty(format!("vol-{n} gives read errors"))
    });
}

#[test]
fn all_intended() {
    let decision = Cluster::of(|_, n| {
        let intent = Intent {
            v: VERSION,
            instance: instance(n),
            boot: "00000000-0000-0000-0000-000000000001".parse().unwrap(),
            token: format!("run-{n}").parse().unwrap(),
        };
        (slot(n, None), SlotRecords { claim: claim(None), intent: Some(intent), ..SlotRecords::default() })
    })
    .timed("all intended");
    assert_eq!(decision.choice, Choice::Nothing);
    every_slot_has_its_reason(&decision, |n, reason| *reason == Reason::Intended(instance(n)));
}

#[test]
fn all_held_by_instances_that_nobody_looked_up() {
    let mut cluster = Cluster::of(held);
    cluster.picture = Picture::default();
    let decision = cluster.timed("all to be looked up");
    assert_eq!(decision.choice, Choice::LookAgain((0..SLOTS).map(instance).collect::<BTreeSet<_>>()));
    every_slot_has_its_reason(&decision, |n, reason| *reason == Reason::Unjudged(vec![instance(n)]));
}

#[test]
fn all_registered_by_strangers() {
    let mut cluster = Cluster::of(|_, n| (slot(n, None), SlotRecords::default()));
    for n in 0..SLOTS {
        let endpoints = vec![(format!("host-{n}"), 9092)];
        cluster
            .registrations
            .insert(id(n), Registration { id: id(n), incarnation: Incarnation::of_register(1), endpoints });
    }
    let decision = cluster.timed("all strangers'");
    assert_eq!(decision.choice, Choice::Nothing);
    every_slot_has_its_reason(&decision, |n, reason| *reason == Reason::Stranger(format!("host-{n}")));
}

#[test]
fn the_last_one_free() {
    let mut cluster = Cluster::of(held);
    let last = SLOTS - 1;
    cluster.slots[last as usize] = slot(last, None);
    cluster.records.insert(id(last), SlotRecords { claim: claim(None), ..SlotRecords::default() });
    let decision = cluster.timed("the last one free");
    assert_eq!(decision.choice, Choice::Take(id(last)));
    assert_eq!(decision.passed.len(), last as usize);
}
