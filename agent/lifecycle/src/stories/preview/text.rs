//! A preview in sentences.

use super::{Look, Preview, SlotPreview, Would, chosen, is_past_deadline};
use crate::Agent;
use crate::parts::attachments::outlives_the_instance;
use crate::parts::notes;
use crate::parts::stray_attachments::strays;
use berth_plan::outcome::EXIT_CONFIGURATION;
use berth_plan::records::{SlotRecords, State};
use berth_plan::slot::choose::Choice;
use berth_plan::{BrokerId, InstanceId, Zone};
use std::collections::{BTreeMap, BTreeSet};

fn sentence(choice: &Choice) -> String {
    match choice {
        Choice::Resume(id) => format!("go on with slot {id}, which is this instance's already"),
        Choice::Adopt(id) => format!("go on with slot {id}, whose volume is attached to this instance"),
        Choice::Take(id) => format!("take slot {id}, the lowest vacant one of this zone"),
        Choice::Succeed(id, going) => {
            let who: Vec<&str> = going.iter().map(InstanceId::as_str).collect();
            format!("take slot {id} as soon as {} has let go of it", who.join(", "))
        }
        Choice::LookAgain(_) | Choice::Nothing => "wait: no slot of this zone is vacant".to_owned(),
    }
}

/// What the claims say of an instance that holds nothing in this zone: they are of all zones.
fn elsewhere(instance: &InstanceId, records: &BTreeMap<BrokerId, SlotRecords>, zone: &Zone) -> String {
    let held = records.iter().filter_map(|(id, records)| {
        let holder = records.claim.as_ref()?.value.holder.as_ref()?;
        (holder.instance == *instance).then(|| format!("slot {id} in {}", holder.zone))
    });
    let held: Vec<String> = held.collect();
    if held.is_empty() {
        return format!("{instance} holds no slot of this cluster: its end would change nothing here");
    }
    let held = held.join(", ");
    format!(
        "{instance} holds {held} by its claim: this plan is of {zone} alone, where its end changes nothing; ask there"
    )
}

impl Preview {
    /// The slot that it would go for, now or after it waited.
    pub fn slot(&self) -> Option<BrokerId> {
        match &self.would {
            Would::Go(choice) | Would::Later(choice, _) => chosen(choice),
            Would::NotNow(_) | Would::Wait | Would::GiveUp(..) => None,
        }
    }

    /// All of it in one sentence.
    pub fn sentence(&self) -> String {
        let would = match &self.would {
            Would::NotNow(why) => format!("do nothing now: {why}"),
            Would::Go(choice) => sentence(choice),
            Would::Later(choice, now) => format!("wait, then {}; now: {now}", sentence(choice)),
            Would::Wait => sentence(&Choice::Nothing),
            Would::GiveUp(why, exit) => format!("give up with exit code {exit}: {why}"),
        };
        match &self.refusal {
            None => would,
            Some(why) => format!("{would}, and give up there with exit code {EXIT_CONFIGURATION}: {why}"),
        }
    }

    /// The exit code that the boot would end with, where that is known already.
    pub fn exit(&self) -> u8 {
        match (&self.would, &self.refusal) {
            (Would::GiveUp(_, exit), _) => *exit,
            (_, Some(_)) => EXIT_CONFIGURATION,
            _ => 0,
        }
    }

    fn of(&self, id: BrokerId) -> Option<&SlotPreview> {
        self.slots.iter().find(|slot| slot.slot.id == id)
    }

    pub(super) fn refused(&self, agent: &Agent) -> Option<String> {
        let slot = self.of(self.slot()?)?;
        let me = &agent.me.instance;
        let is_started = slot.records.claim.as_ref().is_some_and(|claim| claim.value.started_by(me));
        if let Err(trouble) = outlives_the_instance(me, is_started, &slot.slot) {
            return Some(trouble.sentence);
        }
        let volume = slot.slot.volume.as_ref()?;
        let disk = slot.disk.as_ref().filter(|disk| disk.ends_the_boot())?;
        Some(format!("{}: {disk}", volume.id))
    }

    pub(super) fn noted(&self, agent: &Agent, look: &Look, gone: &BTreeSet<InstanceId>) -> Vec<String> {
        let mut noted = Vec::new();
        for instance in gone {
            let holds = |slot: &SlotPreview| slot.holders.contains_key(instance);
            if !self.slots.iter().any(holds) {
                noted.push(elsewhere(instance, &look.records, &agent.me.zone));
            }
        }
        let kept = match &self.would {
            Would::NotNow(_) | Would::GiveUp(..) => return noted,
            Would::Go(choice) => chosen(choice),
            Would::Later(..) | Would::Wait => None,
        };
        let left = strays(&agent.me.instance, &look.seen.slots, &look.records, kept);
        for slot in left.attached {
            noted.push(format!("what is attached here of slot {} would be detached", slot.id));
        }
        for id in left.claims {
            noted.push(format!("the claim of slot {id}, which names this instance too, would be given back"));
        }
        let Some(slot) = self.slot().and_then(|id| self.of(id)) else { return noted };
        let is_started = slot.records.claim.as_ref().is_some_and(|c| c.value.started_by(&agent.me.instance));
        if is_past_deadline(agent) && !is_started {
            noted.push(
                "this boot's deadline has passed: it gives up at the first thing it must wait for".to_owned(),
            );
        }
        if notes::is_detaching(agent.ports.host.as_ref(), &slot.slot) {
            noted.push(format!("an earlier detach of slot {} would be waited out first", slot.slot.id));
        }
        let mine = slot.records.claim.as_ref().is_some_and(|claim| {
            claim.value.state == State::Held && claim.value.names() == Some(&agent.me.instance)
        });
        if let Some(registration) = slot.registration.as_ref().filter(|_| !mine) {
            let host = registration.endpoints.first().map_or("an unknown host", |(host, _)| host.as_str());
            noted.push(format!(
                "before the service starts, the registration of broker {} at {host} must have gone",
                slot.slot.id
            ));
        }
        noted
    }
}
