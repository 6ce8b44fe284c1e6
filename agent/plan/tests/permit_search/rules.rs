//! The real rules of `berth_plan::permit`, asked with what the model's world shows; and what each clause is, taken out.

use crate::world::{INSTANCES, Life, NONE, Permit, SLOTS, World};
use berth_plan::permit::{
    Ask, Asker, Case, End, Evidence, Fleet, Group, Health, LEASE, Life as SubjectLife, Look,
    NOT_ENDED_WITHIN, PermitSeen, Progress, SENT_WITHIN, SlotNow, Stands, Subject, Witness, ask, end,
};
use berth_plan::records::{self, PermitState, Reason, Revision, Taking, Versioned};
use berth_plan::{BrokerId, InstanceId, SinceBoot, StoreTime, Zone};
use std::sync::LazyLock;
use std::time::Duration;

/// A clause taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Out {
    Nothing,
    /// The permit ends with a successor that has the slot, ready or not.
    P1,
    /// Whoever may ask for the subject goes on with its permit.
    P2,
    /// The permit is the subject's: it does not end with its owner while the subject is unhealthy.
    P3,
    /// Nobody ends it within a minute of `asking`.
    P4Minute,
    /// `asking` is written anew before each ask.
    P4Anew,
    /// Who was paused starts over.
    P4Paused,
    /// A vacant slot holds back only while somebody will come for it: here always.
    P5Always,
    /// The same: here never.
    P5Never,
    /// A holder is registered itself: here a dead process's entry counts.
    P5Dead,
    /// The storm rule is looked at under the permit: here only before.
    P5Before,
    /// An owner that is silent, or has not succeeded by the deadline, loses it.
    P6,
    /// The permit has a deadline.
    P7Deadline,
    /// Past the deadline the subject is called healthy first.
    P7HealthyFirst,
    /// The permit ends where its slot stays vacant for good.
    P8,
    /// Two failed slots hold each other back: here the lowest goes first.
    P9,
    /// Each change names its revision.
    Revision,
}

impl Out {
    /// Whether silence and deadline, which end any permit sooner or later, are out too: the clause alone is looked at.
    fn is_without_nets(self) -> bool {
        matches!(self, Self::P1 | Self::P2 | Self::P6 | Self::P8)
    }
}

const DEADLINE: Duration = Duration::from_secs(1_800);
const AT: Revision = Revision::of_store(7);
const BEGAN: SinceBoot = SinceBoot::from_millis(1_000_000);

static IDS: LazyLock<Vec<InstanceId>> =
    LazyLock::new(|| (0..INSTANCES).map(|n| format!("i-0000000000000000{n}").parse().unwrap()).collect());
static ZONES: LazyLock<Vec<Zone>> =
    LazyLock::new(|| ["a", "b", "c"].map(|z| format!("eu-central-1{z}").parse().unwrap()).into());
static ASKERS: LazyLock<Vec<Asker>> = LazyLock::new(|| {
    let token = |n: usize| format!("run-{n}").parse().unwrap();
    IDS.iter().enumerate().map(|(n, id)| Asker { instance: id.clone(), token: token(n) }).collect()
});

fn id(n: u8) -> InstanceId {
    IDS[usize::from(n)].clone()
}

fn slot(n: u8) -> BrokerId {
    BrokerId::new(n.into()).unwrap()
}

fn reason(owner: u8, subject: u8) -> Reason {
    if owner == subject { Reason::UnitFailed } else { Reason::LostPeer }
}

/// The permit as an agent of this world reads it.
fn seen(permit: Option<Permit>, out: Out) -> PermitSeen {
    let Some(permit) = permit else { return PermitSeen { record: None, unchanged: Duration::ZERO } };
    let Asker { instance: owner, token } = ASKERS[usize::from(permit.owner)].clone();
    let (subject, reason) = (id(permit.subject), reason(permit.owner, permit.subject));
    let taking = Taking { slot: slot(permit.slot), subject, reason, owner, token };
    let mut value = records::Permit::taken(None, taking);
    if permit.asking {
        (value.state, value.asks) = (PermitState::Asking, 1);
    }
    let unchanged = match permit.unchanged {
        0 if out == Out::P4Minute => NOT_ENDED_WITHIN,
        0 => Duration::ZERO,
        2 if !out.is_without_nets() => LEASE,
        _ => NOT_ENDED_WITHIN,
    };
    let late = permit.late && !out.is_without_nets() && out != Out::P7Deadline;
    let changed = StoreTime::from_millis(9_000_000);
    value.since = Some(if late { changed - DEADLINE } else { changed });
    PermitSeen { record: Some(Versioned { value, revision: AT, changed }), unchanged }
}

fn look(world: &World, subject: u8, under: Option<Revision>) -> Look {
    let stands = |n: usize| match world.holder[n] {
        NONE => Stands::Vacant { faulty: false },
        holder => Stands::Held { by: id(holder), registered: world.registered[n] == holder },
    };
    // One zone for the slots: whoever waits can take any.
    let slots = (0..SLOTS).map(|n| SlotNow { id: slot(n as u8), zone: ZONES[0].clone(), stands: stands(n) });
    let group = Group {
        desired: world.desired.into(),
        members: world.members().into(),
        waiting: vec![ZONES[0].clone(); world.waiting()],
        holds_back: world.suspended.then(|| "ReplaceUnhealthy is suspended".to_owned()),
    };
    let of = world.of(subject);
    let subject = Subject {
        instance: id(subject),
        life: if of.life == Life::Living { SubjectLife::Living } else { SubjectLife::Gone },
        health: if of.unhealthy { Health::Unhealthy } else { Health::Healthy },
        explained: None,
        is_well: false,
    };
    Look { under, began: BEGAN, subject: Ok(subject), fleet: Ok(Fleet { slots: slots.collect(), group }) }
}

fn case(world: &World, who: u8, subject: u8, at: usize) -> Case {
    let others = world.living().filter(|n| world.acts(*n) && *n != subject);
    let witness = |n: u8| Witness { instance: id(n), zone: ZONES[usize::from(n) % 3].clone() };
    let is_registered = world.registered[at] == subject;
    let evidence = Evidence {
        unregistered_for: (!is_registered).then_some(Duration::from_secs(60)),
        witnesses: others.map(witness).collect(),
        status_ok: Some(!world.of(subject).hung),
    };
    Case { slot: slot(at as u8), subject: id(subject), reason: reason(who, subject), evidence }
}

/// The look as it is with a clause of the storm rule out.
fn misread(look: &mut Look, world: &World, at: usize, out: Out) {
    let Ok(fleet) = &mut look.fleet else { return };
    match out {
        Out::P5Always => fleet.group.members = fleet.group.desired - 1,
        Out::P5Never => {
            fleet.group.members = fleet.group.desired;
            fleet.group.waiting.clear();
        }
        Out::P5Dead => {
            for (n, slot) in fleet.slots.iter_mut().enumerate() {
                if let Stands::Held { registered, .. } = &mut slot.stands {
                    *registered = world.registered[n] != NONE;
                }
            }
        }
        Out::P9 => {
            for slot in fleet.slots.iter_mut().skip(at + 1) {
                if let Stands::Held { registered, .. } = &mut slot.stands {
                    *registered = true;
                }
            }
        }
        _ => {}
    }
}

/// What a run decides that has read the permit and looked under it, just now.
pub(crate) fn next_ask(world: &World, who: u8, subject: u8, out: Out) -> Option<Ask> {
    let at = world.slot_of(subject)?;
    let seen = seen(world.permit, out);
    if out == Out::P2 && world.permit.is_some_and(|permit| permit.owner != who) {
        return None;
    }
    let mut look = look(world, subject, seen.record.as_ref().map(|record| record.revision));
    misread(&mut look, world, at, out);
    let case = case(world, who, subject, at);
    Some(ask(&ASKERS[usize::from(who)], &case, &seen, Progress::Looked(&look), BEGAN))
}

/// Whether a run that wrote `asking` still sends. It knows the record that it wrote, and no later one.
pub(crate) fn still_sends(world: &World, who: u8, subject: u8, paused: bool, out: Out) -> bool {
    let Some(at) = world.slot_of(subject) else { return false };
    let wrote = Permit { slot: at as u8, subject, owner: who, asking: true, unchanged: 0, late: false };
    let look = look(world, subject, Some(AT));
    let late = paused && out != Out::P4Paused;
    let now = if late { BEGAN + SENT_WITHIN } else { BEGAN + Duration::from_secs(2) };
    // Its case is the one it began with: the pause is what it can know of.
    let mut case = case(world, who, subject, at);
    case.evidence = Evidence {
        unregistered_for: Some(Duration::from_secs(60)),
        witnesses: [0, 1].map(|n| Witness { instance: id(who), zone: ZONES[n].clone() }).into(),
        status_ok: Some(false),
    };
    case.evidence.witnesses[1].instance =
        id((0..INSTANCES as u8).find(|n| *n != who && *n != subject).unwrap());
    let asker = &ASKERS[usize::from(who)];
    matches!(ask(asker, &case, &seen(Some(wrote), out), Progress::Asking(&look, AT), now), Ask::Send { .. })
}

/// What becomes of the permit, for whoever looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    GoesOn,
    SetHealthy,
    Over,
}

pub(crate) fn fate(world: &World, out: Out) -> Fate {
    let Some(permit) = world.permit else { return Fate::GoesOn };
    let look = look(world, permit.subject, Some(AT));
    let holder = world.holder[usize::from(permit.slot)];
    let gone = world.of(permit.subject).life == Life::Gone;
    if out == Out::P3 && permit.unchanged > 0 && !world.lives(permit.owner) {
        return Fate::Over;
    }
    match end(&seen(Some(permit), out), Some(&look), DEADLINE) {
        End::Write { .. } if out == Out::P1 && gone && holder != NONE => {
            let serves = world.registered[usize::from(permit.slot)] == holder;
            if serves { Fate::Over } else { Fate::GoesOn }
        }
        End::Write { .. } if out == Out::P8 && gone && holder == NONE => Fate::GoesOn,
        End::Write { .. } => Fate::Over,
        End::SetHealthy { .. } if out == Out::P7HealthyFirst && permit.late => Fate::Over,
        End::SetHealthy { .. } => Fate::SetHealthy,
        End::Free | End::Look { .. } | End::Keep(_) => Fate::GoesOn,
    }
}
