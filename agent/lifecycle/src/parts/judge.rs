//! What the choice looks at, and how the holders of a slot stand.

use super::absences::Absences;
use super::slots_seen::SlotsSeen;
use crate::{Agent, Step, Trouble};
use berth_plan::ec2::Picture;
use berth_plan::outcome::Kind;
use berth_plan::records::{Claim, SlotRecords, Versioned};
use berth_plan::slot::Slot;
use berth_plan::slot::choose::{Choice, Decision, Observed, choose};
use berth_plan::slot::holder::{Standing, standing};
use berth_plan::{BrokerId, InstanceId};
use std::collections::{BTreeMap, BTreeSet};

/// The holders that the claims of my zone's slots name. Those of other zones are not this instance's to judge.
pub(crate) fn holders_in_zone(
    agent: &Agent,
    records: &BTreeMap<BrokerId, SlotRecords>,
) -> BTreeSet<InstanceId> {
    let holders = records.values().filter_map(|r| r.claim.as_ref()?.value.holder.as_ref());
    holders.filter(|holder| holder.zone == agent.me.zone).map(|holder| holder.instance.clone()).collect()
}

/// What the choice looks at.
pub(crate) fn observed<'a>(
    agent: &'a Agent,
    seen: &'a SlotsSeen,
    records: &'a BTreeMap<BrokerId, SlotRecords>,
    registrations: &'a BTreeMap<BrokerId, berth_plan::service::Registration>,
    standing: &'a dyn Fn(BrokerId, &InstanceId) -> Standing,
) -> Observed<'a> {
    Observed { me: &agent.me.instance, slots: &seen.slots, records, registrations, standing }
}

/// How the holders of a slot stand, by the picture and, for one that EC2 does not know, by ZooKeeper's clock.
pub(crate) fn judge<'a>(
    agent: &'a Agent,
    picture: &'a Picture,
    records: &'a BTreeMap<BrokerId, SlotRecords>,
    absences: &'a Absences,
) -> impl Fn(BrokerId, &InstanceId) -> Standing + 'a {
    move |id, holder| {
        let claim =
            records.get(&id).and_then(|r| r.claim.as_ref()).filter(|c| c.value.names() == Some(holder));
        let absence = absences.of(
            holder,
            claim.map(|c| c.value.holder_known_since(c.changed)),
            agent.ports.host.since_boot(),
        );
        standing(&agent.me.instance, holder, picture, absence)
    }
}

pub(crate) fn reasons(decision: &Decision) -> String {
    let shown: Vec<String> =
        decision.passed.iter().take(5).map(|(id, why)| format!("slot {id}: {why}")).collect();
    match decision.passed.len().checked_sub(5) {
        None | Some(0) => shown.join("; "),
        Some(more) => format!("{}; and {more} more", shown.join("; ")),
    }
}

/// A record that this berth cannot read is a reason to pass its slot over, but not where the slot may be mine.
pub(crate) fn refuse_unreadable(
    agent: &Agent,
    seen: &SlotsSeen,
    records: &BTreeMap<BrokerId, SlotRecords>,
) -> Result<(), Trouble> {
    let mine = seen.slots.iter().filter(|slot| slot.exclusively_on(&agent.me.instance));
    let unreadable = mine.filter_map(|slot| records.get(&slot.id)?.unreadable.clone()).next();
    unreadable.map_or(Ok(()), |sentence| Err(Trouble::new(Step::Intend, Kind::Configuration, sentence)))
}

/// Whether a claim names me.
pub(crate) enum MySlot {
    Held(Box<(Slot, Versioned<Claim>)>),
    /// It does, but nothing of its slot has its tags.
    Missing(BrokerId, Box<Versioned<Claim>>),
    None,
}

/// My own slot needs no lock: nobody else may change a claim that names a living instance.
pub(crate) fn find_mine(
    agent: &Agent,
    seen: &SlotsSeen,
    records: &BTreeMap<BrokerId, SlotRecords>,
) -> MySlot {
    let nobody = BTreeMap::new();
    let decision = choose(&observed(agent, seen, records, &nobody, &|_, _| Standing::NotLookedUp));
    let Choice::Resume(id) = decision.choice else { return MySlot::None };
    let claim = records.get(&id).and_then(|r| r.claim.clone()).expect("only a slot with a claim is resumed");
    let Some(slot) = seen.slots.iter().find(|slot| slot.id == id) else {
        return MySlot::Missing(id, Box::new(claim));
    };
    agent.ports.timeline.fact(Step::Intend, &format!("slot {id} is this instance's already"));
    MySlot::Held(Box::new((slot.clone(), claim)))
}

/// What is said of a slot of mine whose parts lost their tags, and the line that gives them back.
pub(crate) fn untagged(agent: &Agent, id: BrokerId) -> String {
    let (cluster, name) = (&agent.config.cluster, agent.name(id));
    format!(
        "slot {id} is this instance's by its claim, but nothing in {} has the tags berth:cluster={cluster} and Name={name}; give its volume and interface their tags back: aws ec2 create-tags --resources <ids> --tags Key=berth:cluster,Value={cluster} Key=Name,Value={name}",
        agent.me.zone
    )
}
