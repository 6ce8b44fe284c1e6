//! Where the witnesses of one instance contradict each other: what a person should know before anything else.
//!
//! For `berth status`. Only what was seen is judged: a source that is away contradicts nothing.

use crate::records::{Claim, SlotRecords, State};
use crate::{BrokerId, InstanceId, VolumeId};
use std::collections::BTreeMap;

/// What one instance shows of itself.
#[derive(Debug, Clone, Copy)]
pub struct Here<'a> {
    /// The instance.
    pub me: &'a InstanceId,
    /// Where slots' volumes are mounted.
    pub mount: &'a str,
    /// The serial of what is mounted there.
    pub mounted: Option<&'a str>,
    /// The volumes that EC2 shows on it; none where EC2 is away.
    pub attached: Option<&'a [VolumeId]>,
    /// Whether the service is up; none where nobody knows.
    pub is_up: Option<bool>,
}

/// A contradiction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// For a person.
    pub sentence: String,
    /// Whether it shows a service that runs on an instance which no longer has the slot.
    pub is_zombie: bool,
}

/// Every contradiction.
pub fn conflicts(here: &Here<'_>, records: &BTreeMap<BrokerId, SlotRecords>) -> Vec<Conflict> {
    let Here { me, mount, .. } = here;
    let is_up = here.is_up == Some(true);
    let mut found: Vec<Conflict> = records
        .iter()
        .filter_map(|(id, records)| Some(format!("slot {id}: {}", records.unreadable.as_ref()?)))
        .map(|sentence| Conflict { sentence, is_zombie: false })
        .collect();
    let mut found_zombie = |is_zombie: bool, sentence: String| found.push(Conflict { sentence, is_zombie });
    let claims = || records.iter().filter_map(|(id, r)| Some((*id, &r.claim.as_ref()?.value)));
    for (id, claim) in claims() {
        let mounted = volume(claim).filter(|volume| Some(volume.serial().as_str()) == here.mounted);
        if let Some(volume) = mounted.filter(|_| claim.names() != Some(*me)) {
            let whom = claim.names().map_or("nobody", InstanceId::as_str);
            found_zombie(
                is_up,
                format!("{mount} has {volume}, the volume of slot {id}, whose claim names {whom}"),
            );
        }
    }
    let mine: Vec<(BrokerId, &Claim)> =
        claims().filter(|(_, c)| c.state == State::Held && c.names() == Some(*me)).collect();
    if mine.len() > 1 {
        let ids: Vec<String> = mine.iter().map(|(id, _)| id.to_string()).collect();
        found_zombie(false, format!("the claims of slots {} name this instance", ids.join(" and ")));
    }
    for (id, claim) in mine.iter().filter(|(_, claim)| claim.started.is_some()) {
        let Some(volume) = volume(claim) else { continue };
        if here.attached.is_some_and(|attached| !attached.contains(volume)) {
            found_zombie(
                is_up,
                format!("slot {id} is started on this instance, but EC2 shows {volume} not attached to it"),
            );
        }
        if is_up && here.mounted != Some(volume.serial().as_str()) {
            found_zombie(
                false,
                format!("the service is up, but {mount} does not have {volume}, the volume of slot {id}"),
            );
        }
    }
    let is_claimed = claims().any(|(_, claim)| claim.names() == Some(*me));
    if is_up && !is_claimed {
        found_zombie(true, "the service is up, but no claim names this instance".to_owned());
    }
    found
}

/// The slot's volume, by its claim; who gave a slot back is not named in it, but what was on the disk is.
fn volume(claim: &Claim) -> Option<&VolumeId> {
    let held = claim.holder.as_ref().and_then(|holder| holder.volume.as_ref());
    held.or(claim.disk.as_ref().map(|disk| &disk.volume))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{DiskRecord, Holder, Revision, Versioned};
    use crate::{StoreTime, UnixTime};

    const SERIAL: &str = "vol00000000000000001";

    fn instance(n: u32) -> InstanceId {
        format!("i-0000000000000000{n}").parse().unwrap()
    }

    fn started(n: u32) -> Claim {
        let holder = Holder {
            instance: instance(n),
            boot: "00000000-0000-4000-8000-000000000001".parse().unwrap(),
            zone: "z".parse().unwrap(),
            volume: Some("vol-00000000000000001".parse().unwrap()),
            eni: None,
        };
        let boot = holder.boot.clone();
        Claim::vacant().taken(holder, UnixTime::from_millis(0)).started(&boot, UnixTime::from_millis(0))
    }

    fn records(claims: Vec<Claim>) -> BTreeMap<BrokerId, SlotRecords> {
        let record = |value| SlotRecords {
            claim: Some(Versioned {
                value,
                revision: Revision::of_store(0),
                changed: StoreTime::from_millis(0),
            }),
            ..Default::default()
        };
        (0..).map(|id| BrokerId::new(id).unwrap()).zip(claims.into_iter().map(record)).collect()
    }

    fn of(claims: Vec<Claim>, mounted: Option<&str>, attached: Option<&[VolumeId]>, up: bool) -> Vec<String> {
        let me = instance(1);
        let here = Here { me: &me, mount: "/kafkalogs", mounted, attached, is_up: Some(up) };
        conflicts(&here, &records(claims)).into_iter().map(|conflict| conflict.sentence).collect()
    }

    fn zombies(claims: Vec<Claim>, mounted: Option<&str>, attached: Option<&[VolumeId]>, up: bool) -> usize {
        let me = instance(1);
        let here = Here { me: &me, mount: "/kafkalogs", mounted, attached, is_up: Some(up) };
        conflicts(&here, &records(claims)).iter().filter(|conflict| conflict.is_zombie).count()
    }

    #[test]
    fn only_a_service_that_runs_without_its_slot_is_a_zombie() {
        let volume = ["vol-00000000000000001".parse().unwrap()];
        assert_eq!(zombies(vec![started(1)], Some(SERIAL), Some(&volume), true), 0);
        assert_eq!(zombies(vec![started(2)], Some(SERIAL), None, false), 0, "it does not run");
        assert_eq!(zombies(vec![started(1), started(1)], Some(SERIAL), None, true), 0);
        assert_eq!(zombies(vec![started(2)], Some(SERIAL), None, true), 2);
        assert_eq!(zombies(vec![started(1)], Some(SERIAL), Some(&[]), true), 1, "its volume is detached");
        assert_eq!(zombies(vec![], None, None, true), 1);
    }

    #[test]
    fn an_instance_in_order_and_one_without_a_slot_contradict_nothing() {
        let volume = ["vol-00000000000000001".parse().unwrap()];
        assert_eq!(of(vec![started(1)], Some(SERIAL), Some(&volume), true), [""; 0]);
        assert_eq!(of(vec![started(2)], None, Some(&[]), false), [""; 0]);
    }

    #[test]
    fn a_zombie_is_told_by_its_mount_and_by_its_service() {
        let told = of(vec![started(2)], Some(SERIAL), None, true);
        assert!(
            told[0].contains("/kafkalogs has vol-00000000000000001") && told[0].contains("0002"),
            "{told:?}"
        );
        assert_eq!(told[1], "the service is up, but no claim names this instance");
        let disk = DiskRecord {
            volume: "vol-00000000000000001".parse().unwrap(),
            fs: crate::disk::Fs::Xfs.into(),
            uuid: crate::disk::FsUuid::from_bytes([7; 16]),
        };
        let free = started(2).on_disk(disk).given_back(UnixTime::from_millis(0), "let go");
        assert!(of(vec![free], Some(SERIAL), None, false)[0].ends_with("whose claim names nobody"));
    }

    #[test]
    fn a_started_slot_without_its_volume_and_two_claims_are_told() {
        let told = of(vec![started(1)], None, Some(&[]), true);
        assert!(told[0].contains("not attached") && told[1].contains("does not have"), "{told:?}");
        let told = of(vec![started(1), started(1)], Some(SERIAL), None, true);
        assert_eq!(told, ["the claims of slots 0 and 1 name this instance"]);
    }

    #[test]
    fn what_nobody_could_see_contradicts_nothing() {
        let me = instance(1);
        let here = Here { me: &me, mount: "/m", mounted: Some(SERIAL), attached: None, is_up: None };
        assert_eq!(conflicts(&here, &records(vec![started(1)])), []);
    }
}
