//! What must hold after every event, whatever goes wrong.

use crate::claims;
use crate::content::Content;
use crate::world::State;
use crate::zookeeper::Op;
use berth_plan::records::{Claim, State as ClaimState};
use region::model::Event;
use std::collections::BTreeMap;

/// What holds at every moment.
pub(crate) fn check(s: &mut State) {
    let mut serving: BTreeMap<u32, Vec<&String>> = BTreeMap::new();
    for (instance, host) in s.hosts.iter().filter(|(_, host)| host.up) {
        if let Some((id, _)) = &host.broker.serves {
            serving.entry(*id).or_default().push(instance);
        }
    }
    let twice: Vec<String> = (serving.iter())
        .filter(|(_, on)| on.len() > 1)
        .map(|(id, on)| format!("slot {id} has two live services: {on:?}"))
        .collect();
    for law in twice {
        s.violated(law);
    }
    if std::mem::replace(&mut s.judged, s.zk.zxid) != s.zk.zxid {
        one_claim_each(s);
    }
}

/// No claim but one names a live instance as holder.
fn one_claim_each(s: &mut State) {
    let up: Vec<String> = s.hosts.iter().filter(|(_, host)| host.up).map(|(id, _)| id.clone()).collect();
    for instance in up {
        let claims = claims_of(s, &instance);
        if claims.len() > 1 {
            s.violated(format!("{instance} is the holder of two slots: {claims:?}"));
        }
    }
}

/// A claim comes to name an instance only in one transaction with the check and the end of that instance's intent. A write on
/// its version alone could be a dead run's that lands late, and give one instance two claims.
pub(crate) fn claim_written(s: &mut State, path: &str, before: Option<&Claim>, ops: &[Op]) {
    let Some(after) = s.zk.nodes.get(path).and_then(|node| Claim::read(&node.data).ok()) else { return };
    let Some(now) = after.names() else { return };
    let with_intent = ops.iter().any(|op| matches!(op, Op::CheckOwn(_)));
    if before.and_then(Claim::names) != Some(now) && !with_intent {
        s.violated(format!("{path} came to name {now} by a write on its version alone"));
    }
}

/// A slot is detached by its holder only after its claim was marked as being left: a `started` that is still on its way
/// would otherwise mark a slot of which nothing is attached.
fn detach_sent(s: &mut State, instance: &str, volume: &str) {
    let of_slot = s.rules.slots.iter().find(|(_, (of, _))| of == volume).map(|(id, _)| *id);
    let held = claims_of(s, instance);
    if let Some(slot) = of_slot
        && held.len() == 1
        && held[0].0 == slot
    {
        s.violated(format!(
            "{instance} detached {volume} while the claim of slot {slot} said that it is held"
        ));
    }
}

/// What an event of the region may not be.
pub(crate) fn heard(s: &mut State, event: &Event) {
    match event {
        Event::VolumeDetaching { volume, instance, .. } | Event::VolumeDetached { volume, instance } => {
            let under = s.hosts.get(instance).and_then(|host| host.broker.serves.clone());
            if under.is_some_and(|(_, serves)| serves == *volume) {
                s.violated(format!("{volume} was detached from {instance} under its live service"));
            }
        }
        Event::Call { action, caller: Some(instance), params, outcome, .. } if action == "SignalResource" => {
            let word = params.get("Status").cloned().unwrap_or_default();
            s.tell(format!("{instance} tells {word}: {outcome}"));
            if answered(outcome) {
                outcome_of_boot(s, instance, &word);
                let boots = s.hosts.get(instance).map_or(0, |host| host.boots);
                s.told.push((instance.clone(), boots, word));
            }
        }
        Event::Call { action, caller: Some(instance), params, .. } if action == "DetachVolume" => {
            let (instance, volume) = (instance.clone(), params.get("VolumeId").cloned().unwrap_or_default());
            detach_sent(s, &instance, &volume);
        }
        // Also what was carried out though its reply was lost.
        Event::Signal { instance, status, .. } => outcome_of_boot(s, instance, status),
        Event::HealthSet { instance, health } => {
            s.tell(format!("{instance} is called {health}"));
            let started = started_slots(s, instance);
            if health == "Unhealthy" && !started.is_empty() {
                s.violated(format!(
                    "{instance} asked to be replaced, though slot {started:?} is started on it"
                ));
            }
        }
        _ => {}
    }
}

/// Whether a caller got a word on the matter: a reply that was lost, a throttle or a server's error is asked for again.
fn answered(outcome: &str) -> bool {
    let again = ["lost", "reset", "Throttling", "InternalFailure", "ServiceUnavailable"];
    !again.contains(&outcome)
}

/// A boot has one outcome, whether or not anybody still wants to hear it.
fn outcome_of_boot(s: &mut State, instance: &str, word: &str) {
    let boots = s.hosts.get(instance).map_or(0, |host| host.boots);
    let words = s.outcomes.entry((instance.to_owned(), boots)).or_default();
    words.insert(word.to_owned());
    if words.len() > 1 {
        s.violated(format!("boot {boots} of {instance} told two outcomes"));
    }
}

fn started_slots(s: &State, instance: &str) -> Vec<u32> {
    claims_of(s, instance).into_iter().filter(|(_, started)| *started).map(|(id, _)| id).collect()
}

/// The slots whose claim names an instance as holder, and whether they are marked started.
pub fn claims_of(s: &State, instance: &str) -> Vec<(u32, bool)> {
    let mut found = Vec::new();
    for id in &s.rules.ids {
        let id = berth_plan::BrokerId::new(*id).expect("the scene's ids are broker ids");
        if let Ok(records) = claims::one(&s.zk, id)
            && let Some(claim) = records.claim.map(|claim| claim.value)
            && claim.state == ClaimState::Held
            && claim.names().is_some_and(|holder| holder.as_str() == instance)
        {
            found.push((id.number(), claim.started.is_some()));
        }
    }
    found
}

/// What a service's process finds when it begins.
pub(crate) fn service_began(s: &mut State, instance: &str, id: u32, volume: &str, meta: &str) {
    let attached = s.region.volume(volume).is_some_and(|v| {
        v.attachments.iter().any(|a| a.instance == instance && a.state.word() == "attached")
    });
    if !attached {
        s.violated(format!("broker {id} began on {instance}, and its volume {volume} is not attached there"));
    }
    if s.rules.slots.get(&id).is_none_or(|(of_slot, _)| of_slot != volume) {
        s.violated(format!("broker {id} began on {volume}, which is another slot's"));
    }
    if !claims_of(s, instance).contains(&(id, true)) {
        s.violated(format!("broker {id} began on {instance} without a claim that is marked started"));
    }
    let empty = s.disks.get(volume).is_none_or(|disk| disk.file(meta).is_none());
    if empty && s.rules.known.contains(&id) {
        began_empty(s, id);
    }
}

/// A broker that the cluster knows begins on an empty log dir: by the operator's word alone, and it can lead nothing that
/// it does not have.
fn began_empty(s: &mut State, id: u32) {
    let slot = berth_plan::BrokerId::new(id).expect("slot ids are broker ids");
    let claim = claims::one(&s.zk, slot).ok().and_then(|records| records.claim);
    let Some(reset) = claim.and_then(|claim| claim.value.reset) else {
        return s.violated(format!("broker {id} began on an empty log dir, though the cluster knows it"));
    };
    let me = i32::try_from(id).unwrap_or(-1);
    for number in 0..s.rules.partitions {
        let node = s.zk.nodes.get(&crate::registrations::state(number));
        let isr: Vec<i32> = node.and_then(|node| serde_json::from_slice(&node.data).ok()).unwrap_or_default();
        let leader = crate::registrations::leader(s, &isr);
        let is_led = leader >= 0 && leader != me && !isr.contains(&me);
        if !is_led && !reset.accept.contains(&format!("payments-{number}")) {
            s.violated(format!(
                "broker {id} began empty, and payments-{number} has in sync {isr:?}, leader {leader}"
            ));
        }
    }
}

/// An interface is about to be asked for.
pub(crate) fn attaching(s: &mut State, instance: &str, eni: &str) {
    let mac = s.region.eni(eni).map(|eni| eni.mac.clone()).unwrap_or_default();
    if !s.host(instance).unmanaged.contains(&mac) {
        s.violated(format!("{instance} attaches {eni}, and its network managers were not told of {mac}"));
    }
}

/// A file system is about to be made.
pub(crate) fn formatting(s: &mut State, instance: &str, volume: &str, uuid: &str) {
    s.tell(format!("{instance} formats {volume} as {uuid}"));
    let tag = s.region.volume(volume).and_then(|v| v.tags.get("berth:format").cloned()).unwrap_or_default();
    if tag != format!("started:xfs:{uuid}") {
        s.violated(format!("{volume} is formatted as {uuid} while its tag says \"{tag}\""));
    }
    match s.disks.get(volume) {
        Some(Content::Blank) => {}
        Some(Content::InProgress(begun)) if begun == uuid => {}
        other => {
            let held = format!("{other:?}");
            s.violated(format!("{volume} is formatted, and it held {held}"));
        }
    }
    s.formats += 1;
}

/// What must hold once faults have ceased and time has passed.
pub fn check_rest(s: &mut State) {
    let mut broken = Vec::new();
    let mut free: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (id, (volume, _)) in &s.rules.slots {
        let Some(volume) = s.region.volume(volume) else { continue };
        let marked = s.zk.nodes.contains_key(&claims::node("faults", id));
        if volume.attachments.is_empty() && !marked {
            free.entry(volume.zone.clone()).or_default().push(*id);
        }
    }
    for (instance, host) in s.hosts.iter().filter(|(_, host)| host.up) {
        let claims = claims_of(s, instance);
        if claims.len() > 1 {
            broken.push(format!("{instance} has two slots at rest: {claims:?}"));
        }
        let (volumes, enis) = s.region.brought_to(instance);
        let serving = host.broker.session.is_some();
        let zone = s.region.instance(instance).map(|i| i.zone.clone()).unwrap_or_default();
        match claims.first().and_then(|(id, _)| Some((id, s.rules.slots.get(id)?))) {
            Some((id, (volume, eni))) => {
                if volumes != [volume.clone()] || enis != [eni.clone()] || !serving {
                    let state = format!("{volumes:?} {enis:?}, serving: {serving}");
                    broken.push(format!("{instance} holds slot {id} ({volume} {eni}) and has {state}"));
                }
            }
            None => {
                if !volumes.is_empty() || !enis.is_empty() {
                    broken.push(format!("{instance} has no slot, and {volumes:?} {enis:?} are left on it"));
                }
                if !host.unmanaged.is_empty() {
                    broken.push(format!("{instance} has no slot, and {:?} stay unmanaged", host.unmanaged));
                }
                if !host.ip_rules.is_empty() {
                    broken.push(format!("{instance} has no slot, and {:?} are left on it", host.ip_rules));
                }
                if let Some(free) = free.get(&zone) {
                    broken.push(format!("{instance} has no slot, though {free:?} of {zone} are free"));
                }
            }
        }
    }
    for law in broken {
        s.violated(law);
    }
}
