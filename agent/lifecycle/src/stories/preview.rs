//! What a boot would do now, and why: it changes nothing.
//!
//! It asks what a boot asks and decides by the same functions, without lock and intent. What a boot would only find out
//! later (the device, the registration of others meanwhile) is not foretold.

mod text;

use crate::parts::absences::Absences;
use crate::parts::judge::{self, MySlot, find_mine, observed};
use crate::parts::slots_seen::{SlotsSeen, observe};
use crate::parts::stray_attachments::{Strays, strays};
use crate::steps::{refuse_unfit, unfit_now};
use crate::{Agent, Step, Trouble, boot_state};
use berth_plan::disk::preview::{self as disk_preview, DiskPreview};
use berth_plan::ec2::{InstanceState, Picture};
use berth_plan::outcome::{EXIT_CONFIGURATION, Kind};
use berth_plan::records::{Claim, SlotRecords};
use berth_plan::service::Registration;
use berth_plan::slot::Slot;
use berth_plan::slot::choose::{Choice, Decision, Reason, choose, vacancy};
use berth_plan::slot::holder::AGREEING_READS;
use berth_plan::{BrokerId, InstanceId, StoreTime};
use std::collections::{BTreeMap, BTreeSet};

/// One slot of my zone, and all that is known of it.
pub struct SlotPreview {
    /// Its parts.
    pub slot: Slot,
    /// Its records.
    pub records: SlotRecords,
    /// The service's own entry under its id.
    pub registration: Option<Registration>,
    /// The instances that claim and attachments name, and how EC2 and Auto Scaling show them.
    pub holders: BTreeMap<InstanceId, String>,
    /// Whether a boot could go for it now.
    pub vacancy: Result<Choice, Reason>,
    /// What would become of its volume.
    pub disk: Option<DiskPreview>,
}

/// What a boot would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Would {
    /// End at once, without trouble.
    NotNow(String),
    /// Go for a slot.
    Go(Choice),
    /// Wait, and then go for this slot, which is now passed over for this reason.
    Later(Choice, String),
    /// Wait: nothing that it could do itself makes a slot vacant.
    Wait,
    /// Give up: the sentence, and the exit code.
    GiveUp(String, u8),
}

/// One look at everything.
pub struct Preview {
    /// The slots of my zone, lowest first.
    pub slots: Vec<SlotPreview>,
    /// What a boot would do now.
    pub would: Would,
    /// At what it would end after that, by what EC2 and the claim tell already.
    pub refusal: Option<String>,
    /// What it would undo or wait for besides.
    pub notes: Vec<String>,
}

struct Look {
    seen: SlotsSeen,
    records: BTreeMap<BrokerId, SlotRecords>,
    registrations: BTreeMap<BrokerId, Registration>,
    absences: Absences,
}

/// Looks, and decides as a boot would, were the instances of `gone` terminated. Trouble: it could not look.
pub async fn preview(agent: &Agent, gone: &BTreeSet<InstanceId>) -> Result<Preview, Trouble> {
    let unfit = refuse_unfit(agent).map(|()| unfit_now(&agent.me));
    let looked = match (look(agent, gone).await, &unfit) {
        (Ok(looked), _) => Ok(looked),
        (Err(trouble), Ok(None)) if !ends_as_configuration(trouble.kind) => return Err(trouble),
        (Err(trouble), _) => Err(trouble),
    };
    let slots = looked.as_ref().map(|look| slots(agent, look)).unwrap_or_default();
    let ended = match (unfit, &looked) {
        (Ok(Some(why)), _) => Some(Would::NotNow(why)),
        (Err(trouble), _) => Some(gives_up(&trouble)),
        (Ok(None), Err(trouble)) => Some(gives_up(trouble)),
        (Ok(None), Ok(_)) => None,
    };
    let would = match (ended, &looked) {
        (Some(would), _) => would,
        (None, Ok(look)) => decided(agent, look),
        (None, Err(trouble)) => gives_up(trouble),
    };
    let mut preview = Preview { slots, would, refusal: None, notes: Vec::new() };
    if let Ok(look) = &looked {
        preview.refusal = preview.refused(agent);
        preview.notes = preview.noted(agent, look, gone);
    }
    Ok(preview)
}

/// A boot waits some time for what IAM refuses; what it ends with is known.
fn ends_as_configuration(kind: Kind) -> bool {
    matches!(kind, Kind::Configuration | Kind::Permission)
}

fn gives_up(trouble: &Trouble) -> Would {
    Would::GiveUp(trouble.to_string(), EXIT_CONFIGURATION)
}

async fn look(agent: &Agent, gone: &BTreeSet<InstanceId>) -> Result<Look, Trouble> {
    let trouble = |error| Trouble::claims(Step::Intend, &error);
    let mut records = agent.ports.claims.records().await.map_err(trouble)?;
    let of_register = |error| Trouble::register(Step::Intend, &error);
    let mut registrations = agent.ports.registrations.all().await.map_err(of_register)?;
    // An intent goes with its owner's session.
    for records in records.values_mut() {
        records.intent.take_if(|intent| gone.contains(&intent.instance));
    }
    let mut named = judge::holders_in_zone(agent, &records);
    loop {
        let mut seen = observe(agent, &named).await?;
        for instance in gone {
            seen.picture.instances.entry(instance.clone()).or_default().state = InstanceState::Terminated;
            seen.picture.asked.insert(instance.clone());
        }
        let mut absences = Absences::default();
        absences.count(&seen.picture);
        let look = Look { seen, records, registrations, absences };
        match decision(agent, &look).choice {
            // A claim of another zone on a slot of mine: a boot looks its holder up as well.
            Choice::LookAgain(who) if !who.is_subset(&named) => named.extend(who),
            _ => return Ok(look),
        }
        Look { records, registrations, .. } = look;
    }
}

fn decision(agent: &Agent, look: &Look) -> Decision {
    let judge = judge::judge(agent, &look.seen.picture, &look.records, &look.absences);
    choose(&observed(agent, &look.seen, &look.records, &look.registrations, &judge))
}

fn decided(agent: &Agent, look: &Look) -> Would {
    if let Err(trouble) = judge::refuse_unreadable(agent, &look.seen, &look.records) {
        return gives_up(&trouble);
    }
    if let MySlot::Missing(id, _) = find_mine(agent, &look.seen, &look.records) {
        return gives_up(&Trouble::new(Step::Intend, Kind::Configuration, judge::untagged(agent, id)));
    }
    let now = decision(agent, look);
    if !matches!(now.choice, Choice::Nothing | Choice::LookAgain(_)) {
        return Would::Go(now.choice);
    }
    if is_past_deadline(agent) {
        let reasons = judge::reasons(&now);
        return Would::GiveUp(format!("no slot is vacant and the deadline has passed: {reasons}"), 1);
    }
    let then = decision(agent, &later(agent, look)).choice;
    match chosen(&then) {
        None => Would::Wait,
        Some(id) => {
            let reason = now.passed.iter().find(|(passed, _)| *passed == id);
            Would::Later(then, reason.map_or_else(String::new, |(_, reason)| reason.to_string()))
        }
    }
}

/// By the clock alone: who has a started slot has no deadline, whatever the clock says.
fn is_past_deadline(agent: &Agent) -> bool {
    agent.ports.host.since_boot() >= boot_state::deadline(agent.ports.host.as_ref(), &agent.config)
}

/// What a boot that waits would see after a few looks: its own strays are undone, and three reads agree that EC2 does
/// not know who it does not know now. The age of claims is by this host's clock here: ZooKeeper tells its own only to
/// who writes.
fn later(agent: &Agent, look: &Look) -> Look {
    let me = &agent.me.instance;
    let (mut slots, mut records) = (look.seen.slots.clone(), look.records.clone());
    let Strays { attached, claims } = strays(me, &look.seen.slots, &look.records, None);
    let cleared: BTreeSet<BrokerId> = attached.iter().map(|slot| slot.id).collect();
    for slot in slots.iter_mut().filter(|slot| cleared.contains(&slot.id)) {
        if let Some(volume) = &mut slot.volume {
            volume.attachments.retain(|a| a.instance != *me);
        }
        if let Some(eni) = &mut slot.eni {
            eni.attachment.take_if(|a| a.instance.as_ref() == Some(me));
        }
    }
    for id in claims {
        if let Some(claim) = records.get_mut(&id).and_then(|r| r.claim.as_mut()) {
            claim.value = claim.value.given_back(agent.ports.host.unix_time(), "");
        }
    }
    let mut absences = look.absences.clone();
    (1..AGREEING_READS).for_each(|_| absences.count(&look.seen.picture));
    // To plan with, this host's clock is good enough.
    let store_time = StoreTime::from_millis(agent.ports.host.unix_time().as_millis());
    absences.clock(store_time, agent.ports.host.since_boot());
    let seen = SlotsSeen { picture: look.seen.picture.clone(), slots };
    Look { seen, records, registrations: look.registrations.clone(), absences }
}

fn slots(agent: &Agent, look: &Look) -> Vec<SlotPreview> {
    let judge = judge::judge(agent, &look.seen.picture, &look.records, &look.absences);
    let seen = observed(agent, &look.seen, &look.records, &look.registrations, &judge);
    let of = |slot: &Slot| {
        let records = look.records.get(&slot.id).cloned().unwrap_or_default();
        let claim = records.claim.as_ref().map(|claim| &claim.value);
        let named = slot.attached_to().into_iter().chain(claim.and_then(Claim::names));
        let holders = named.map(|id| (id.clone(), shown(agent, &look.seen.picture, id))).collect();
        let known = claim.and_then(|claim| claim.disk.as_ref());
        let disk = slot.volume.as_ref().map(|volume| disk_preview::preview(volume, known));
        let registration = look.registrations.get(&slot.id).cloned();
        let vacancy = vacancy(&seen, slot);
        SlotPreview { slot: slot.clone(), records, registration, holders, vacancy, disk }
    };
    look.seen.slots.iter().map(of).collect()
}

/// How EC2 and Auto Scaling show an instance.
fn shown(agent: &Agent, picture: &Picture, id: &InstanceId) -> String {
    if *id == agent.me.instance {
        return "this instance".to_owned();
    }
    match (picture.instances.get(id), picture.group_states.get(id)) {
        (None, _) if !picture.asked.contains(id) => "not looked up".to_owned(),
        (None, _) => "unknown to EC2".to_owned(),
        (Some(seen), None) => seen.state.to_string(),
        (Some(seen), Some(group)) => format!("{}, {group}", seen.state),
    }
}

fn chosen(choice: &Choice) -> Option<BrokerId> {
    match choice {
        Choice::Resume(id) | Choice::Adopt(id) | Choice::Take(id) | Choice::Succeed(id, _) => Some(*id),
        Choice::LookAgain(_) | Choice::Nothing => None,
    }
}
