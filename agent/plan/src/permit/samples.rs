//! A small cluster for the tests of this room: three slots in three zones, instance n on slot n.

use super::look::{Fleet, Group, Health, Life, Look, SlotNow, Stands, Subject};
use super::{Asker, Case, Evidence, PermitSeen};
use crate::records::{Permit, Reason, Revision, Taking, Versioned};
use crate::{BrokerId, InstanceId, SinceBoot, StoreTime, Zone};
use std::time::Duration;

pub(super) fn slot(n: u8) -> BrokerId {
    BrokerId::new(n.into()).unwrap()
}

pub(super) fn instance(n: u8) -> InstanceId {
    format!("i-0000000000000000{n}").parse().unwrap()
}

pub(super) fn zone(n: u8) -> Zone {
    format!("eu-central-1{}", char::from(b'a' + n)).parse().unwrap()
}

fn stands(n: u8, stands: Stands) -> SlotNow {
    SlotNow { id: slot(n), zone: zone(n), stands }
}

pub(super) fn held(n: u8, registered: bool) -> SlotNow {
    held_by(n, n, registered)
}

pub(super) fn held_by(n: u8, by: u8, registered: bool) -> SlotNow {
    stands(n, Stands::Held { by: instance(by), registered })
}

pub(super) fn vacant(n: u8) -> SlotNow {
    stands(n, Stands::Vacant { faulty: false })
}

pub(super) fn faulty(n: u8) -> SlotNow {
    stands(n, Stands::Vacant { faulty: true })
}

/// As many members as slots have holders.
pub(super) fn fleet(slots: Vec<SlotNow>, desired: u32) -> Fleet {
    let members = slots.iter().filter(|slot| matches!(slot.stands, Stands::Held { .. })).count();
    let group = Group { desired, members: members as u32, waiting: vec![], holds_back: None };
    Fleet { slots, group }
}

/// Slot 0 has failed, the others serve.
pub(super) fn one_down() -> Fleet {
    fleet(vec![held(0, false), held(1, true), held(2, true)], 3)
}

pub(super) fn subject(n: u8) -> Subject {
    let (life, health) = (Life::Living, Health::Healthy);
    Subject { instance: instance(n), life, health, explained: None, is_well: false }
}

pub(super) fn at(millis: u64) -> SinceBoot {
    SinceBoot::from_millis(millis)
}

/// A look that began at 1 s.
pub(super) fn look(under: Option<i64>, fleet: Fleet) -> Look {
    let under = under.map(Revision::of_store);
    Look { under, began: at(1_000), subject: Ok(subject(0)), fleet: Ok(fleet) }
}

pub(super) fn asker(n: u8) -> Asker {
    Asker { instance: instance(n), token: format!("run-{n}").parse().unwrap() }
}

pub(super) fn case(reason: Reason) -> Case {
    Case { slot: slot(0), subject: instance(0), reason, evidence: Evidence::default() }
}

/// The permit of `subject` and slot of the same number, taken by that instance's own run.
pub(super) fn taken(subject: u8, reason: Reason) -> Permit {
    let Asker { instance: owner, token } = asker(subject);
    Permit::taken(None, Taking { slot: slot(subject), subject: instance(subject), reason, owner, token })
}

pub(super) fn stored(value: Permit, revision: i64) -> Versioned<Permit> {
    Versioned { value, revision: Revision::of_store(revision), changed: StoreTime::from_millis(5_000) }
}

pub(super) fn seen(record: Option<Versioned<Permit>>, unchanged: u64) -> PermitSeen {
    PermitSeen { record, unchanged: Duration::from_secs(unchanged) }
}
