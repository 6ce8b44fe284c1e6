//! What is looked at before an ask and before an end, and the storm rule.
//!
//! All of it is read after the permit, under its revision: what was seen before somebody else had it proves nothing.

use crate::ec2::{InstanceState, LifecycleState};
use crate::records::{Claim, Reason, Revision};
use crate::service::Registration;
use crate::{BrokerId, InstanceId, SinceBoot, Zone};

/// How a slot stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stands {
    /// An instance that is not gone has it.
    Held {
        /// The instance.
        by: InstanceId,
        /// Whether it is registered itself: [`is_registered_itself`].
        registered: bool,
    },
    /// Nobody has it, or its holder is gone.
    Vacant {
        /// A fault marks it, so that whoever comes passes it over.
        faulty: bool,
    },
}

/// One slot of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotNow {
    /// The broker id.
    pub id: BrokerId,
    /// Its zone.
    pub zone: Zone,
    /// How it stands.
    pub stands: Stands,
}

/// The group that replaces instances of this cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// How many instances it should have.
    pub desired: u32,
    /// How many it has that are not on their way out.
    pub members: u32,
    /// The zones of those that have no slot and wait for one, spares too.
    pub waiting: Vec<Zone>,
    /// Why it would not replace an unhealthy instance now: [`holds_back`]. The mark would stay, and strike when that is over.
    pub holds_back: Option<String>,
}

/// All slots of the cluster, and who may still come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet {
    /// Every slot of every zone.
    pub slots: Vec<SlotNow>,
    /// The group.
    pub group: Group,
}

impl Fleet {
    /// The slot of this id.
    pub fn slot(&self, id: BrokerId) -> Option<&SlotNow> {
        self.slots.iter().find(|slot| slot.id == id)
    }

    /// Whether somebody will still come for this slot, were it vacant.
    pub fn will_be_filled(&self, slot: &SlotNow) -> bool {
        let faulty = matches!(slot.stands, Stands::Vacant { faulty: true });
        !faulty && (self.group.members < self.group.desired || self.group.waiting.contains(&slot.zone))
    }
}

/// How far an instance is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It lives.
    Living,
    /// It is on its way out: Auto Scaling refuses to hear of its health now.
    Going,
    /// It is terminated.
    Gone,
}

impl Life {
    /// By what EC2 and Auto Scaling show of it. What neither shows lives, until EC2 says that it is terminated.
    pub fn of(state: &InstanceState, in_group: Option<&LifecycleState>) -> Self {
        use LifecycleState::{Terminating, TerminatingProceed, TerminatingWait};
        match (state, in_group) {
            (InstanceState::Terminated, _) => Self::Gone,
            (InstanceState::ShuttingDown, _)
            | (_, Some(Terminating | TerminatingWait | TerminatingProceed)) => Self::Going,
            _ => Self::Living,
        }
    }
}

/// An instance's health as Auto Scaling has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// `Healthy`.
    Healthy,
    /// `Unhealthy`: it will be replaced.
    Unhealthy,
}

/// The instance that is to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The instance.
    pub instance: InstanceId,
    /// Whether it lives.
    pub life: Life,
    /// Its health.
    pub health: Health,
    /// What explains that it serves nothing, so that it is not called unhealthy: [`explained`].
    pub explained: Option<String>,
    /// Whether its trouble is over by what it sees of itself; nobody else can say so.
    pub is_well: bool,
}

impl Subject {
    /// Whether its trouble is over. A registration of its own proves that where the trouble was to have none; a volume that
    /// stalls leaves the broker registered, and there only the subject's own word counts.
    pub fn has_recovered(&self, reason: &Reason, stands: Option<&Stands>) -> bool {
        let registered =
            matches!(stands, Some(Stands::Held { by, registered: true }) if *by == self.instance);
        self.is_well || (registered && matches!(reason, Reason::UnitFailed | Reason::LostPeer))
    }
}

/// What was read under one revision of the permit. A part that could not be read says what is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The permit's revision before the first of these reads; none where there was no record.
    pub under: Option<Revision>,
    /// When the first of these reads began.
    pub began: SinceBoot,
    /// The subject.
    pub subject: Result<Subject, String>,
    /// The fleet.
    pub fleet: Result<Fleet, String>,
}

/// Whether the holder that `claim` names is registered itself, in the entry that stands under the slot's id. A claim is
/// marked started only after the entry of a former holder was waited out, so an entry beside an unmarked claim is a dead
/// process's; one of another host is a stranger's.
pub fn is_registered_itself(claim: &Claim, entry: Option<&Registration>) -> bool {
    let Some(entry) = entry.filter(|_| claim.holder.is_some() && claim.started.is_some()) else {
        return false;
    };
    let host = claim.registered.as_ref().and_then(|registered| registered.host.as_ref());
    host.is_none_or(|host| entry.endpoints.iter().any(|(at, _)| at.eq_ignore_ascii_case(host)))
}

/// What explains that an instance serves nothing: an operator or AWS has it in hand, or replaces it already.
/// `event` is a scheduled event of it, `newcomer` an instance that capacity rebalancing launched to take its place.
pub fn explained(
    state: &InstanceState,
    in_group: Option<&LifecycleState>,
    event: Option<&str>,
    newcomer: Option<&InstanceId>,
) -> Option<String> {
    use LifecycleState as Group;
    match (state, in_group) {
        (InstanceState::Stopping | InstanceState::Stopped | InstanceState::Pending, _) => {
            Some(format!("it is {state} in EC2"))
        }
        (
            _,
            Some(
                state @ (Group::Standby
                | Group::EnteringStandby
                | Group::Detached
                | Group::Detaching
                | Group::TerminatingRetained),
            ),
        ) => Some(format!("it is {state}: an operator or its group decides")),
        _ => match (event, newcomer) {
            (Some(event), _) => Some(format!("EC2 has the event {event} scheduled for it")),
            (None, Some(other)) => Some(format!("its group launched {other} to take its place")),
            (None, None) => None,
        },
    }
}

/// Why a group would not replace an unhealthy instance now, by its suspended processes, and by whether a zonal shift is
/// active while its `ImpairedZoneHealthCheckBehavior` is `IgnoreUnhealthy` (Auto Scaling user guide, "Suspend-resume
/// processes", "Auto Scaling group zonal shift").
pub fn holds_back(suspended: &[&str], shift_ignores_health: bool) -> Option<String> {
    let needed = ["ReplaceUnhealthy", "Terminate", "Launch"];
    match needed.into_iter().find(|process| suspended.contains(process)) {
        Some(process) => Some(format!("its group's process {process} is suspended")),
        None if shift_ignores_health => {
            Some("a zonal shift is active, and its group ignores health".to_owned())
        }
        None => None,
    }
}

/// Why nobody asks for a slot's holder now: another slot has no broker, and the cluster would lose two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storm {
    /// Others are down whose holders live. Two that fail hold each other back, by this rule: it is for an operator.
    Down(Vec<(BrokerId, InstanceId)>),
    /// Others are vacant, and somebody will still come for them.
    Filling(Vec<BrokerId>),
}

/// The storm rule: no other slot whose holder is not registered itself, and none vacant for which somebody will still come.
pub fn storm(slot: BrokerId, fleet: &Fleet) -> Option<Storm> {
    let others = || fleet.slots.iter().filter(|other| other.id != slot);
    let down: Vec<_> = others()
        .filter_map(|other| match &other.stands {
            Stands::Held { by, registered: false } => Some((other.id, by.clone())),
            _ => None,
        })
        .collect();
    if !down.is_empty() {
        return Some(Storm::Down(down));
    }
    let filling =
        |other: &&SlotNow| matches!(other.stands, Stands::Vacant { .. }) && fleet.will_be_filled(other);
    let vacant: Vec<_> = others().filter(filling).map(|other| other.id).collect();
    (!vacant.is_empty()).then_some(Storm::Filling(vacant))
}

#[cfg(test)]
mod tests {
    use super::super::samples::*;
    use super::*;
    use crate::records::{Holder, Registered};
    use crate::service::Incarnation;
    use crate::{BootId, UnixTime};

    #[test]
    fn another_slot_without_its_broker_holds_back_and_a_vacant_one_only_while_somebody_will_come() {
        let cases = [
            (vec![held(0, false), held(1, true), held(2, true)], 3, vec![], None),
            (
                vec![held(0, false), held(1, false), held(2, true)],
                3,
                vec![],
                Some(Storm::Down(vec![(slot(1), instance(1))])),
            ),
            (vec![held(0, false), vacant(1), held(2, true)], 3, vec![], Some(Storm::Filling(vec![slot(1)]))),
            (vec![held(0, false), vacant(1), held(2, true)], 2, vec![], None),
            (vec![held(0, false), faulty(1), held(2, true)], 3, vec![], None),
            (
                vec![held(0, false), vacant(1), held(2, true)],
                2,
                vec![zone(1)],
                Some(Storm::Filling(vec![slot(1)])),
            ),
            (vec![held(0, false), vacant(1), held(2, true)], 2, vec![zone(0)], None),
            (vec![vacant(0), held(1, true), held(2, true)], 3, vec![], None),
        ];
        for (slots, desired, waiting, expected) in cases {
            let mut fleet = fleet(slots, desired);
            fleet.group.waiting = waiting;
            assert_eq!(storm(slot(0), &fleet), expected, "{fleet:?}");
        }
    }

    #[test]
    fn a_registration_counts_only_where_its_holder_was_started_and_has_its_address() {
        let entry = |host: &str| Registration {
            id: slot(0),
            incarnation: Incarnation::of_register(7),
            endpoints: vec![(host.to_owned(), 9092)],
        };
        let boot: BootId = "00000000-0000-0000-0000-000000000001".parse().unwrap();
        let holder =
            Holder { instance: instance(0), boot: boot.clone(), zone: zone(0), volume: None, eni: None };
        let at = UnixTime::from_millis(1);
        let taken = Claim::vacant().taken(holder, at);
        let started = taken.started(&boot, at);
        let host = Some("10.0.1.10".to_owned());
        let registered = Registered { incarnation: Incarnation::of_register(3), host };
        let known = Claim { registered: Some(registered.clone()), ..started.clone() };
        let dead = Claim { registered: Some(registered), ..taken.clone() };
        for (claim, entry, expected) in [
            (&started, Some(entry("10.0.1.10")), true),
            (&known, Some(entry("10.0.1.10")), true),
            (&known, Some(entry("10.0.9.9")), false),
            (&known, None, false),
            (&taken, Some(entry("10.0.1.10")), false),
            (&dead, Some(entry("10.0.1.10")), false),
            (&started.given_back(at, "gave up"), Some(entry("10.0.1.10")), false),
        ] {
            assert_eq!(is_registered_itself(claim, entry.as_ref()), expected, "{claim:?} {entry:?}");
        }
    }

    #[test]
    fn what_an_operator_or_aws_has_in_hand_is_explained() {
        let other = instance(7);
        for (state, in_group, event, newcomer, expected) in [
            ("running", Some("InService"), None, None, None),
            ("running", None, None, None, None),
            ("stopping", Some("InService"), None, None, Some("it is stopping in EC2")),
            ("pending", Some("InService"), None, None, Some("it is pending in EC2")),
            ("running", Some("Standby"), None, None, Some("it is Standby: an operator or its group decides")),
            (
                "running",
                Some("Terminating:Retained"),
                None,
                None,
                Some("it is Terminating:Retained: an operator or its group decides"),
            ),
            (
                "running",
                Some("InService"),
                Some("system-reboot"),
                None,
                Some("EC2 has the event system-reboot scheduled for it"),
            ),
            (
                "running",
                Some("InService"),
                None,
                Some(&other),
                Some("its group launched i-00000000000000007 to take its place"),
            ),
        ] {
            let in_group = in_group.map(LifecycleState::from);
            let found = explained(&state.into(), in_group.as_ref(), event, newcomer);
            assert_eq!(found.as_deref(), expected, "{state} {in_group:?}");
        }
    }

    #[test]
    fn a_group_holds_back_while_a_process_that_replacing_needs_is_suspended() {
        for (suspended, shift, expected) in [
            (&[][..], false, None),
            (&["AZRebalance", "HealthCheck"], false, None),
            (&["AZRebalance", "ReplaceUnhealthy"], false, Some("ReplaceUnhealthy is suspended")),
            (&["Launch"], false, Some("Launch is suspended")),
            (&["Terminate"], true, Some("Terminate is suspended")),
            (&[], true, Some("a zonal shift")),
        ] {
            let found = holds_back(suspended, shift);
            let as_expected = match (&found, expected) {
                (Some(found), Some(word)) => found.contains(word),
                (found, expected) => found.is_none() && expected.is_none(),
            };
            assert!(as_expected, "{suspended:?} {shift}: {found:?}");
        }
    }

    #[test]
    fn an_instance_is_gone_when_ec2_says_terminated_and_going_when_its_group_ends_it() {
        for (state, in_group, expected) in [
            ("running", Some("InService"), Life::Living),
            ("running", Some("Terminating:Wait"), Life::Going),
            ("shutting-down", None, Life::Going),
            ("stopped", None, Life::Living),
            ("running", Some("Terminated"), Life::Living),
            ("terminated", Some("Terminating:Wait"), Life::Gone),
        ] {
            assert_eq!(Life::of(&state.into(), in_group.map(LifecycleState::from).as_ref()), expected);
        }
    }
}
