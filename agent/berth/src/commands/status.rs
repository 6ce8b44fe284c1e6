//! `berth status`: what this instance has and what it waits for.
//!
//! The sources are asked side by side, each within its own time limit; one that is away is named as such, and what
//! hangs on it is never guessed.

mod sources;

use crate::aws::imds;
use crate::host::ThisHost;
use crate::host::timeline::{FILE, Story};
use berth_lifecycle::ports::{Host, UnitState};
use berth_plan::config::Config;
use berth_plan::conflicts::{Here, conflicts};
use berth_plan::ec2::{EniSeen, VolumeSeen};
use berth_plan::records::{SlotRecords, State};
use berth_plan::{BrokerId, InstanceId};
use serde_json::{Map, Value, json};
use sources::{Answers, Away, Records, ask};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The exit code is 0 where the question could be answered, also with sources away.
pub(super) async fn status(config: Config, as_json: bool) -> u8 {
    let answers = ask(&config).await;
    let report = report(&config, story(), answers);
    if as_json {
        println!("{:#}", Value::Object(report));
    } else {
        for (name, value) in &report {
            println!("{name:<16}{}", text(value));
        }
    }
    0
}

fn report(config: &Config, story: Result<Option<Story>, Away>, answers: Answers) -> Map<String, Value> {
    let of_this_boot = story.as_ref().ok().and_then(Option::as_ref).filter(|story| is_of_this_boot(story));
    // The metadata service first; with it away, the run of this boot that it answered knows.
    let me: Option<InstanceId> = match &answers.metadata {
        Ok(metadata) => Some(metadata.me.instance.clone()),
        Err(_) => of_this_boot.and_then(|story| story.instance.parse().ok()),
    };
    let slot = match (&me, &answers.zookeeper) {
        (_, Err(away)) => Err(away.clone()),
        (None, Ok(_)) => Err(Away("which instance this is, nobody says".to_owned())),
        (Some(me), Ok(records)) => Ok(slot_of(me, &records.slots, answers.cloud.as_ref().ok(), config)),
    };
    let mut report = Map::new();
    let mut show = |name: &str, value: Value| drop(report.insert(name.to_owned(), value));
    show("cluster", json!(config.cluster));
    show(
        "instance",
        match (&answers.metadata, &me) {
            (Ok(metadata), _) => {
                json!({"id": me, "zone": metadata.me.zone, "target_state": metadata.me.target_state})
            }
            (Err(away), Some(me)) => json!({"id": me, "by": "the run of this boot", "unreachable": away.0}),
            (Err(away), None) => away.shown(),
        },
    );
    show("boot", boot(&story));
    show("slot", slot.as_ref().map_or_else(Away::shown, |slot| json!(slot)));
    show("claim", claim(&slot, &answers.zookeeper));
    show("holders", holders(&slot, &answers, config));
    show("attached", attached(me.as_ref(), &answers));
    show(
        "mount",
        answers.mount.as_ref().map_or_else(Away::shown, |mounted| match mounted {
            Some(of) => json!({"at": config.mount, "device": of.device, "fs": of.fs, "serial": of.serial}),
            None => json!({"at": config.mount, "state": "nothing is mounted"}),
        }),
    );
    show("routes", answers.kernel.as_ref().map_or_else(Away::shown, routes));
    show(
        "service",
        answers.unit.as_ref().map_or_else(Away::shown, |unit| {
            let state = format!("{:?}", unit.state).to_lowercase();
            json!({"unit": config.unit, "state": state, "invocation": unit.invocation})
        }),
    );
    show(
        "gate",
        match &answers.gate {
            Ok(slot) => json!({"state": format!("open for slot {slot}")}),
            Err(why) => json!({"state": format!("closed: {why}")}),
        },
    );
    show("registration", registration(&slot, &answers.zookeeper));
    if let (Some(me), Ok(records)) = (&me, &answers.zookeeper) {
        show("contradictions", json!(contradicted(me, config, &answers, records)));
    }
    report
}

fn contradicted(me: &InstanceId, config: &Config, answers: &Answers, records: &Records) -> Vec<String> {
    let attached: Option<Vec<_>> = answers.cloud.as_ref().ok().map(|(volumes, _)| {
        volumes
            .iter()
            .filter(|v| v.attachments.iter().any(|a| a.instance == *me))
            .map(|v| v.id.clone())
            .collect()
    });
    let mounted = answers.mount.as_ref().ok().and_then(Option::as_ref).and_then(|of| of.serial.as_deref());
    let is_up = answers.unit.as_ref().ok().map(|unit| unit.state == UnitState::Active);
    let here = Here { me, mount: &config.mount, mounted, attached: attached.as_deref(), is_up };
    conflicts(&here, &records.slots)
}

fn is_of_this_boot(story: &Story) -> bool {
    imds::boot_id().is_ok_and(|boot| boot.as_str() == story.boot)
}

fn story() -> Result<Option<Story>, Away> {
    let text = ThisHost.recall(FILE).map_err(|error| Away(format!("the timeline: {error}")))?;
    let read = |text: String| {
        serde_json::from_str(&text)
            .map_err(|error| Away(format!("the timeline: {FILE} is not what berth writes: {error}")))
    };
    text.map(read).transpose()
}

/// The timeline of the last run, and whether that run still goes on.
fn boot(story: &Result<Option<Story>, Away>) -> Value {
    let story = match story {
        Ok(Some(story)) => story,
        Ok(None) => return json!({"state": "no boot has run since the kernel started"}),
        Err(away) => return away.shown(),
    };
    if !is_of_this_boot(story) {
        let state = "no boot has run since the kernel started; the timeline is of an earlier kernel boot";
        return json!({"state": state});
    }
    let now = ThisHost.since_boot();
    let goes_on = story.goes_on();
    let steps: Vec<Value> = story
        .steps
        .iter()
        .map(|step| match step.ended {
            Some(ended) => {
                let took = ended.saturating_sub(step.began);
                json!({"step": step.step, "took_ms": took, "outcome": step.outcome})
            }
            None if goes_on => json!({"step": step.step, "since_ms": now.saturating_sub(step.began)}),
            None => json!({"step": step.step, "outcome": "cut off"}),
        })
        .collect();
    if let Some(ended) = &story.ended {
        return json!({"state": ended, "steps": steps});
    }
    // A run that a signal ended between two lines left no last word.
    if !goes_on {
        return json!({"state": "the last run ended without a word; the next one goes on", "steps": steps});
    }
    let waits: Vec<Value> = story
        .steps
        .iter()
        .filter(|step| step.ended.is_none())
        .filter_map(|step| {
            let since = now.saturating_sub(step.waits_since?) / 1000;
            Some(json!({"step": step.step, "waits_for": step.waits_for, "for_s": since}))
        })
        .collect();
    json!({"state": "running", "awaited": waits, "steps": steps})
}

type Parts = (Vec<VolumeSeen>, Vec<EniSeen>);

/// The slot whose claim names me, or that I am about to take.
fn slot_of(
    me: &InstanceId,
    records: &BTreeMap<BrokerId, SlotRecords>,
    parts: Option<&Parts>,
    config: &Config,
) -> Option<BrokerId> {
    let is_attached = |id: BrokerId| {
        let volumes = parts.iter().flat_map(|(volumes, _)| volumes);
        let of_slot = |v: &&VolumeSeen| v.name.as_deref().and_then(|name| config.name.id(name)) == Some(id);
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

type SlotSeen = Result<Option<BrokerId>, Away>;

fn claim(slot: &SlotSeen, zookeeper: &Result<Records, Away>) -> Value {
    match (slot, zookeeper) {
        (Err(away), _) | (_, Err(away)) => away.shown(),
        (Ok(None), Ok(_)) => json!({"state": "no claim names this instance"}),
        (Ok(Some(id)), Ok(records)) => match records.slots.get(id).and_then(|r| r.claim.as_ref()) {
            Some(claim) => json!(claim.value),
            None => json!({"state": format!("slot {id} was never claimed")}),
        },
    }
}

/// The three witnesses of who holds the slot, side by side: the claim, the volume's attachment and the interface's.
fn holders(slot: &SlotSeen, answers: &Answers, config: &Config) -> Value {
    let (id, records) = match (slot, &answers.zookeeper) {
        (Err(away), _) | (_, Err(away)) => return away.shown(),
        (Ok(None), Ok(_)) => return json!({"state": "no slot"}),
        (Ok(Some(id)), Ok(records)) => (*id, records.slots.get(id)),
    };
    let claim = records.and_then(|r| r.claim.as_ref()?.value.names());
    let intent = records.and_then(|r| Some(&r.intent.as_ref()?.instance));
    let named = |name: &Option<String>| name.as_deref().and_then(|name| config.name.id(name)) == Some(id);
    let (volume, eni) = match &answers.cloud {
        Err(away) => (away.shown(), away.shown()),
        Ok((volumes, enis)) => {
            let volumes = volumes.iter().filter(|v| named(&v.name)).flat_map(|v| &v.attachments);
            let volumes: Vec<_> = volumes.map(|a| format!("{} {}", a.instance, a.state)).collect();
            let enis = enis.iter().filter(|e| named(&e.name)).filter_map(|e| e.attachment.as_ref());
            let who = |id: &Option<InstanceId>| {
                id.as_ref().map_or("a service of AWS", InstanceId::as_str).to_owned()
            };
            let enis: Vec<_> = enis.map(|a| format!("{} {}", who(&a.instance), a.state)).collect();
            (json!(volumes), json!(enis))
        }
    };
    json!({"claim": claim, "intent": intent, "volume": volume, "eni": eni})
}

fn attached(me: Option<&InstanceId>, answers: &Answers) -> Value {
    let (volumes, enis) = match &answers.cloud {
        Ok(parts) => parts,
        Err(away) => return away.shown(),
    };
    let volumes: Vec<Value> = volumes
        .iter()
        .filter_map(|v| Some((v, v.attachments.iter().find(|a| Some(&a.instance) == me)?)))
        .map(|(v, a)| json!({"volume": v.id, "name": v.name, "state": a.state}))
        .collect();
    let enis: Vec<Value> = enis
        .iter()
        .filter_map(|e| Some((e, e.attachment.as_ref().filter(|a| a.instance.as_ref() == me)?)))
        .map(|(e, a)| json!({"eni": e.id, "name": e.name, "addresses": e.addresses, "state": a.state}))
        .collect();
    json!({"volumes": volumes, "enis": enis})
}

fn routes(ours: &crate::host::netlink::Ours) -> Value {
    let links: Vec<String> = ours
        .links
        .iter()
        .map(|(name, up, addresses)| {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            format!("{name} {} {}", if *up { "up" } else { "down" }, addresses.join(" "))
        })
        .collect();
    let rules: Vec<String> =
        ours.rules.iter().map(|rule| format!("from {} lookup {}", rule.from, rule.table)).collect();
    json!({"links": links, "routes": ours.routes.len(), "rules": rules})
}

fn registration(slot: &SlotSeen, zookeeper: &Result<Records, Away>) -> Value {
    let (id, records) = match (slot, zookeeper) {
        (Err(away), _) | (_, Err(away)) => return away.shown(),
        (Ok(None), Ok(_)) => return json!({"state": "no slot"}),
        (Ok(Some(id)), Ok(records)) => (id, records),
    };
    let Some(found) = records.registrations.get(id) else {
        return json!({"broker": id, "state": "not registered"});
    };
    let endpoints: Vec<String> =
        found.endpoints.iter().map(|(host, port)| format!("{host}:{port}")).collect();
    json!({"broker": id, "endpoints": endpoints, "czxid": found.incarnation})
}

/// A value on one line, for people.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => {
            let shown = fields.iter().filter(|(_, value)| !value.is_null());
            shown.map(|(name, value)| format!("{name} {}", text(value))).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
