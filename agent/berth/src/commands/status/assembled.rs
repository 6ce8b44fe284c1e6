//! The answers of the sources put together to facts. Pure: it asks nobody.

mod kernel;
mod last_run;

use super::facts::{
    Asked, AttachedEni, AttachedFacts, AttachedVolume, ClaimFacts, EniFacts, Facts, GateFacts, HolderFacts,
    InstanceFacts, MountFacts, RegistrationFacts, ResourceFacts, ServiceFacts, VolumeFacts,
};
use super::sources::{Answers, Away, Parts, Records};
use berth_lifecycle::ports::UnitState;
use berth_plan::config::Config;
use berth_plan::conflicts::{Conflict, Here, conflicts};
use berth_plan::ec2::VolumeSeen;
use berth_plan::records::{SlotRecords, State};
use berth_plan::{BrokerId, InstanceId};
use std::cmp::Reverse;
use std::collections::BTreeMap;

impl Away {
    fn asked<T>(&self) -> Asked<T> {
        Asked::Away { unreachable: self.0.clone() }
    }
}

fn asked<A, T>(answer: &Result<A, Away>, facts: impl FnOnce(&A) -> T) -> Asked<T> {
    answer.as_ref().map_or_else(Away::asked, |answer| Asked::Known(facts(answer)))
}

type SlotSeen = Result<Option<BrokerId>, Away>;

pub(super) fn facts(config: &Config, answers: &Answers) -> Facts {
    let this_boot = answers.last_run.as_ref().ok().and_then(|run| run.story_of_this_boot());
    // The metadata service first; with it away, the run of this boot that it answered knows.
    let me: Option<InstanceId> = match &answers.metadata {
        Ok(metadata) => Some(metadata.me.instance.clone()),
        Err(_) => this_boot.and_then(|story| story.instance.parse().ok()),
    };
    let slot = match (&me, &answers.zookeeper) {
        (_, Err(away)) => Err(away.clone()),
        (None, Ok(_)) => Err(Away("instance id unknown: the metadata service did not answer".to_owned())),
        (Some(me), Ok(records)) => Ok(slot_of(me, &records.slots, answers.cloud.as_ref().ok(), config)),
    };
    let conflicts = match (&me, &answers.zookeeper) {
        (Some(me), Ok(records)) => Some(contradicted(me, config, answers, records)),
        _ => None,
    };
    Facts {
        cluster: config.cluster.clone(),
        instance: instance(answers, me.as_ref()),
        boot: asked(&answers.last_run, last_run::boot),
        released: answers.released.as_ref().map(last_run::released),
        claim: claim(&slot, &answers.zookeeper),
        holders: holders(&slot, answers, config),
        resources: resources(&slot, answers, config),
        slot: asked(&slot, |slot| *slot),
        attached: asked(&answers.cloud, |parts| attached(me.as_ref(), parts)),
        mount: asked(&answers.mount, |mounted| {
            let at = config.mount.clone();
            match mounted.clone() {
                Some(of) => MountFacts::Mounted { at, device: of.device, fs: of.fs, serial: of.serial },
                None => MountFacts::Nothing { at, state: "nothing is mounted".to_owned() },
            }
        }),
        routes: asked(&answers.kernel, kernel::routes),
        service: asked(&answers.unit, |(unit, since)| ServiceFacts {
            unit: config.unit.clone(),
            state: format!("{:?}", unit.state).to_lowercase(),
            invocation: unit.invocation.clone(),
            since: *since,
            result: if unit.result == "success" { String::new() } else { unit.result.clone() },
        }),
        gate: match &answers.gate {
            Ok(slot) => GateFacts { state: format!("open for slot {slot}"), slot: Some(*slot) },
            Err(why) => GateFacts { state: format!("closed: {why}"), slot: None },
        },
        registration: registration(&slot, &answers.zookeeper),
        zombie: conflicts.as_ref().map(|all| all.iter().any(|conflict| conflict.is_zombie)),
        contradictions: conflicts.map(|all| all.into_iter().map(|conflict| conflict.sentence).collect()),
    }
}

fn instance(answers: &Answers, me: Option<&InstanceId>) -> InstanceFacts {
    match (&answers.metadata, me) {
        (Ok(metadata), _) => InstanceFacts::Known {
            id: metadata.me.instance.clone(),
            zone: metadata.me.zone.clone(),
            target_state: metadata.me.target_state.as_ref().map(ToString::to_string),
        },
        (Err(away), Some(me)) => InstanceFacts::ByRun {
            id: me.clone(),
            by: "the run of this boot".to_owned(),
            unreachable: away.0.clone(),
        },
        (Err(away), None) => InstanceFacts::Away { unreachable: away.0.clone() },
    }
}

fn contradicted(me: &InstanceId, config: &Config, answers: &Answers, records: &Records) -> Vec<Conflict> {
    let attached: Option<Vec<_>> = answers.cloud.as_ref().ok().map(|(volumes, _)| {
        volumes
            .iter()
            .filter(|v| v.attachments.iter().any(|a| a.instance == *me))
            .map(|v| v.id.clone())
            .collect()
    });
    let mounted = answers.mount.as_ref().ok().and_then(Option::as_ref).and_then(|of| of.serial.as_deref());
    let is_up = answers.unit.as_ref().ok().map(|(unit, _)| unit.state == UnitState::Active);
    let here = Here { me, mount: &config.mount, mounted, attached: attached.as_deref(), is_up };
    conflicts(&here, &records.slots)
}

/// The slot whose claim names me, or that I am about to take.
fn slot_of(
    me: &InstanceId,
    records: &BTreeMap<BrokerId, SlotRecords>,
    parts: Option<&Parts>,
    config: &Config,
) -> Option<BrokerId> {
    let is_attached = |id: BrokerId| {
        let volumes = parts.iter().flat_map(|(volumes, _)| volumes);
        let of_slot = |v: &&VolumeSeen| is_of(&v.name, id, config);
        volumes.filter(of_slot).any(|v| v.attachments.iter().any(|a| a.instance == *me))
    };
    let named = records.iter().filter_map(|(id, r)| {
        let claim = &r.claim.as_ref()?.value;
        let rank = (claim.state == State::Held, is_attached(*id), claim.started.is_some(), Reverse(*id));
        (claim.names() == Some(me)).then_some((rank, *id))
    });
    // A boot that waits for a holder has an intent and no claim yet.
    let intended = || records.iter().find(|(_, r)| r.intent.as_ref().is_some_and(|i| i.instance == *me));
    named.max().map(|(_, id)| id).or_else(|| intended().map(|(id, _)| *id))
}

fn is_of(name: &Option<String>, id: BrokerId, config: &Config) -> bool {
    name.as_deref().and_then(|name| config.name.id(name)) == Some(id)
}

/// The slot and its records; what else there is to say of them where there is none.
fn of_slot<'a, T>(
    slot: &SlotSeen,
    zookeeper: &'a Result<Records, Away>,
    none: impl FnOnce() -> T,
    some: impl FnOnce(BrokerId, &'a Records) -> T,
) -> Asked<T> {
    match (slot, zookeeper) {
        (Err(away), _) | (_, Err(away)) => away.asked(),
        (Ok(None), Ok(_)) => Asked::Known(none()),
        (Ok(Some(id)), Ok(records)) => Asked::Known(some(*id, records)),
    }
}

fn claim(slot: &SlotSeen, zookeeper: &Result<Records, Away>) -> Asked<ClaimFacts> {
    let none = |state: String| ClaimFacts::None { state };
    of_slot(
        slot,
        zookeeper,
        || none("no claim names this instance".to_owned()),
        |id, records| match records.slots.get(&id).and_then(|r| r.claim.as_ref()) {
            Some(claim) => ClaimFacts::Record(Box::new(claim.value.clone())),
            None => none(format!("slot {id} was never claimed")),
        },
    )
}

fn no_slot() -> String {
    "no slot".to_owned()
}

/// The three witnesses of who holds the slot, side by side: the claim, the volume's attachment and the interface's.
fn holders(slot: &SlotSeen, answers: &Answers, config: &Config) -> Asked<HolderFacts> {
    of_slot(
        slot,
        &answers.zookeeper,
        || HolderFacts::NoSlot { state: no_slot() },
        |id, records| {
            let records = records.slots.get(&id);
            let volume = asked(&answers.cloud, |(volumes, _)| {
                let of_slot = volumes.iter().filter(|v| is_of(&v.name, id, config));
                of_slot.flat_map(|v| &v.attachments).map(|a| format!("{} {}", a.instance, a.state)).collect()
            });
            let eni = asked(&answers.cloud, |(_, enis)| {
                let who = |id: &Option<InstanceId>| {
                    id.as_ref().map_or("a service of AWS", InstanceId::as_str).to_owned()
                };
                let of_slot = enis.iter().filter(|e| is_of(&e.name, id, config));
                let attachments = of_slot.filter_map(|e| e.attachment.as_ref());
                attachments.map(|a| format!("{} {}", who(&a.instance), a.state)).collect()
            });
            HolderFacts::Of {
                claim: records.and_then(|r| r.claim.as_ref()?.value.names()).cloned(),
                intent: records.and_then(|r| Some(r.intent.as_ref()?.instance.clone())),
                volume,
                eni,
            }
        },
    )
}

fn resources(slot: &SlotSeen, answers: &Answers, config: &Config) -> Asked<ResourceFacts> {
    let (id, (volumes, enis)) = match (slot, &answers.cloud) {
        (Err(away), _) | (_, Err(away)) => return away.asked(),
        (Ok(None), Ok(_)) => return Asked::Known(ResourceFacts::default()),
        (Ok(Some(id)), Ok(parts)) => (*id, parts),
    };
    // As a boot sees it: of several with the one Name, the first by its id.
    let volume = volumes.iter().filter(|v| is_of(&v.name, id, config)).min_by(|a, b| a.id.cmp(&b.id));
    let eni = enis.iter().filter(|e| is_of(&e.name, id, config)).min_by(|a, b| a.id.cmp(&b.id));
    Asked::Known(ResourceFacts {
        volume: volume.map(|v| VolumeFacts {
            id: v.id.clone(),
            size_gib: v.size,
            state: v.state.to_string(),
        }),
        eni: eni.map(|e| EniFacts { id: e.id.clone(), addresses: e.addresses.clone() }),
    })
}

fn attached(me: Option<&InstanceId>, (volumes, enis): &Parts) -> AttachedFacts {
    let volumes = volumes
        .iter()
        .filter_map(|v| Some((v, v.attachments.iter().find(|a| Some(&a.instance) == me)?)))
        .map(|(v, a)| AttachedVolume {
            volume: v.id.clone(),
            name: v.name.clone(),
            state: a.state.to_string(),
        })
        .collect();
    let enis = enis
        .iter()
        .filter_map(|e| Some((e, e.attachment.as_ref().filter(|a| a.instance.as_ref() == me)?)))
        .map(|(e, a)| AttachedEni {
            eni: e.id.clone(),
            name: e.name.clone(),
            addresses: e.addresses.clone(),
            state: a.state.to_string(),
        })
        .collect();
    AttachedFacts { volumes, enis }
}

fn registration(slot: &SlotSeen, zookeeper: &Result<Records, Away>) -> Asked<RegistrationFacts> {
    of_slot(
        slot,
        zookeeper,
        || RegistrationFacts::Missing { broker: None, state: no_slot() },
        |id, records| match records.registrations.get(&id) {
            None => RegistrationFacts::Missing { broker: Some(id), state: "not registered".to_owned() },
            Some(found) => RegistrationFacts::Found {
                broker: id,
                endpoints: found.endpoints.iter().map(|(host, port)| format!("{host}:{port}")).collect(),
                czxid: found.incarnation.in_register(),
            },
        },
    )
}
