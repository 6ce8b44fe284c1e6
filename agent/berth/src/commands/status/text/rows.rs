//! A line for each thing: slot, address, volume, interface, claim, service, registration.

use super::super::facts::{
    Asked, ClaimFacts, Facts, HolderFacts, InstanceFacts, MountFacts, RegistrationFacts,
};
use super::mine::{me, resumed, slot};
use crate::units;
use berth_plan::records::{Claim, State};
use berth_plan::{InstanceId, UnixTime};
use std::time::Duration;

type Row = (&'static str, String);

pub(super) fn rows(facts: &Facts, now: UnixTime) -> Vec<Row> {
    let mut rows = vec![("instance", instance(facts))];
    rows.extend(slot_row(facts));
    rows.extend(address(facts));
    rows.extend(volume(facts));
    rows.extend(interface(facts));
    rows.extend(claim(facts, now));
    rows.extend(others(facts));
    rows.extend(service(facts, now));
    rows.extend(registration(facts));
    rows.extend(boot(facts, now));
    rows
}

fn instance(facts: &Facts) -> String {
    match &facts.instance {
        InstanceFacts::Known { id, zone, target_state: Some(state) } => {
            format!("{id} in {zone}, {state} in its group")
        }
        InstanceFacts::Known { id, zone, target_state: None } => format!("{id} in {zone}"),
        InstanceFacts::ByRun { id, .. } => format!("{id}, as an earlier run of this boot read it"),
        InstanceFacts::Away { .. } => "not known".to_owned(),
    }
}

fn slot_row(facts: &Facts) -> Option<Row> {
    let text = match (slot(facts), &facts.slot) {
        (Some(id), Asked::Known(_)) => format!("{id} of cluster {}", facts.cluster),
        (Some(id), Asked::Away { .. }) => {
            format!("{id} of cluster {}, by the note of this boot", facts.cluster)
        }
        (None, Asked::Known(_)) => format!("none of cluster {}", facts.cluster),
        (None, Asked::Away { .. }) => "not known".to_owned(),
    };
    Some(("slot", text))
}

fn joined<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// The slot's address by EC2, and what the kernel has of it.
fn address(facts: &Facts) -> Option<Row> {
    let eni = facts.resources.known().and_then(|of| of.eni.as_ref());
    let by_ec2 = eni.map(|eni| joined(&eni.addresses));
    let links: &[String] = facts.routes.known().map_or(&[], |routes| &routes.links);
    let mut here = links.iter().filter_map(|link| {
        let (name, rest) = link.split_once(' ')?;
        let (state, addresses) = rest.split_once(' ')?;
        Some((name, state, addresses))
    });
    let text = match (by_ec2, here.next()) {
        (Some(wanted), Some((name, state, has))) if wanted == has => format!("{has} on {name}, {state}"),
        (None, Some((name, state, has))) => format!("{has} on {name}, {state}"),
        (Some(wanted), Some((name, state, has))) => {
            format!("{wanted} by EC2, but {name} ({state}) has {has}")
        }
        (Some(wanted), None) if facts.routes.known().is_some() => {
            format!("{wanted}, not on this instance yet")
        }
        (Some(wanted), None) => wanted,
        (None, None) => return None,
    };
    Some(("address", text))
}

/// A serial is the volume's id without its dash.
fn volume_of(serial: &str) -> String {
    match serial.strip_prefix("vol") {
        Some(digits) => format!("vol-{digits}"),
        None => serial.to_owned(),
    }
}

/// The slot's volume by EC2, and what is mounted.
fn volume(facts: &Facts) -> Option<Row> {
    let mut parts = Vec::new();
    let of_slot = facts.resources.known().and_then(|of| of.volume.as_ref());
    if let Some(volume) = of_slot {
        let here = facts.attached.known().and_then(|of| of.volumes.iter().find(|v| v.volume == volume.id));
        parts.extend([volume.id.to_string(), units::size(volume.size_gib)]);
        parts.push(match here {
            Some(attached) => format!("{} here", attached.state),
            None => format!("not attached here ({})", volume.state),
        });
    }
    match facts.mount.known() {
        Some(MountFacts::Mounted { at, fs, serial, .. }) => {
            let found = serial.as_deref().map_or_else(|| "a device without serial".to_owned(), volume_of);
            match of_slot {
                Some(volume) if volume.id.as_str() == found => parts.push(format!("{fs} at {at}")),
                Some(_) => parts.push(format!("but {at} has the {fs} of {found}")),
                None => parts.push(format!("{found}, {fs} at {at}")),
            }
        }
        Some(MountFacts::Nothing { at, .. }) if of_slot.is_some() => {
            parts.push(format!("nothing mounted at {at}"));
        }
        _ => {}
    }
    (!parts.is_empty()).then(|| ("volume", parts.join(", ")))
}

fn interface(facts: &Facts) -> Option<Row> {
    let eni = facts.resources.known()?.eni.as_ref()?;
    let here = facts.attached.known().and_then(|of| of.enis.iter().find(|e| e.eni == eni.id));
    let text = match here {
        Some(attached) => format!("{}, {} here", eni.id, attached.state),
        None => format!("{}, not attached here", eni.id),
    };
    Some(("interface", text))
}

/// The holder has it since this moment: since the last time that it took the slot, not since it came back to it.
fn held_since(claim: &Claim) -> Option<UnixTime> {
    let holder = claim.names()?;
    let of_holder = claim.history.iter().rev().take_while(|owner| owner.instance == *holder);
    let mut of_holder: Vec<_> = of_holder.collect();
    if let Some(took) = of_holder.iter().position(|owner| owner.why == "took the slot") {
        of_holder.truncate(took + 1);
    }
    of_holder.last().map(|owner| owner.at)
}

fn claim(facts: &Facts, now: UnixTime) -> Option<Row> {
    let claim = match facts.claim.known()? {
        ClaimFacts::Record(claim) => claim,
        ClaimFacts::None { state } => return Some(("claim", state.clone())),
    };
    let who = match claim.names() {
        Some(id) if Some(id) == me(facts) => String::new(),
        Some(id) => format!(" by {id}"),
        None => String::new(),
    };
    let mut parts = vec![match (claim.state, held_since(claim)) {
        (State::Held, Some(at)) => format!("held{who} since {}", units::since(at, now)),
        (State::Held, None) => format!("held{who}"),
        (State::Unfinished, _) => format!("given up{who}, still to undo: {}", claim.left.join(", ")),
        (State::Free, _) => "free".to_owned(),
    }];
    if let Some(at) = resumed(claim) {
        parts.push(format!("again since its reboot {}", units::since(at, now)));
    }
    if claim.state == State::Held {
        parts.push(match &claim.started {
            Some(started) => format!("service started {}", units::since(started.at, now)),
            None => "service not started yet".to_owned(),
        });
    }
    Some(("claim", parts.join("; ")))
}

/// Who else is named as a holder, or is about to be one.
fn others(facts: &Facts) -> Option<Row> {
    let HolderFacts::Of { intent, volume, eni, .. } = facts.holders.known()? else { return None };
    let me = me(facts).map_or("", InstanceId::as_str);
    let mut found = Vec::new();
    if let Some(intent) = intent {
        found.push(if intent.as_str() == me {
            "this instance is the next holder".to_owned()
        } else {
            format!("{intent} is about to take the slot")
        });
    }
    for (what, attached) in [("volume", volume), ("interface", eni)] {
        let others = attached.known().into_iter().flatten().filter(|a| !a.starts_with(me) || me.is_empty());
        found.extend(others.map(|a| format!("{what}: {a}")));
    }
    (!found.is_empty()).then(|| ("holders", found.join("; ")))
}

fn service(facts: &Facts, now: UnixTime) -> Option<Row> {
    let service = facts.service.known()?;
    let mut text = format!("{} {}", service.unit, service.state);
    if let Some(since) = service.since {
        text.push_str(&format!(" since {}", units::since(since, now)));
    }
    if !service.result.is_empty() && service.state != "active" {
        text.push_str(&format!(", last result: {}", service.result));
    }
    Some(("service", text))
}

fn registration(facts: &Facts) -> Option<Row> {
    slot(facts)?;
    let text = match facts.registration.known()? {
        RegistrationFacts::Found { broker, endpoints, .. } => {
            format!("broker {broker} at {}", endpoints.join(" "))
        }
        RegistrationFacts::Missing { broker: Some(broker), state } => format!("broker {broker} is {state}"),
        RegistrationFacts::Missing { state, .. } => state.clone(),
    };
    Some(("registration", text))
}

/// The run that goes on: what else it waits for, and what it met again and again. One that ended: what it told.
fn boot(facts: &Facts, now: UnixTime) -> Vec<Row> {
    let Some(boot) = facts.boot.known() else { return Vec::new() };
    let mut rows = Vec::new();
    let mut waits: Vec<_> = boot.awaited.iter().flatten().collect();
    waits.sort_by_key(|wait| std::cmp::Reverse(wait.for_s));
    for wait in waits.iter().skip(1) {
        let since = units::since(now - Duration::from_secs(wait.for_s), now);
        let what = wait.waits_for.as_deref().unwrap_or("an answer");
        rows.push(("waits too", format!("{}: since {since} for {what}", wait.step)));
    }
    // "done" and "given up" are no trouble, and what came once is in the log.
    let mut trouble = boot.steps.iter().flatten().filter(|step| {
        step.times.is_some() && !matches!(step.outcome.as_deref(), None | Some("done" | "given up"))
    });
    if let Some(step) = trouble.next_back() {
        let times = step.times.unwrap_or(1);
        let outcome = step.outcome.as_deref().unwrap_or_default();
        rows.push(("met again", format!("{times} times at {}: {outcome}", step.step)));
    }
    if !boot.signalled.is_empty() {
        rows.push(("signalled", boot.signalled.join("; ")));
    }
    rows
}
