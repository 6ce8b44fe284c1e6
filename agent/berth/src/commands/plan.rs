//! `berth plan`: what a boot would do now, and why.

use super::failed;
use crate::imds;
use crate::timeline::Quiet;
use crate::world::world;
use berth_lifecycle::outlook::{Outlook, outlook};
use berth_plan::choose::Choice;
use berth_plan::claim::State;
use berth_plan::config::Config;
use berth_plan::picture::Slot;
use berth_plan::{BrokerId, InstanceId};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long the metadata service is waited for: a person looks on.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long all of it may take.
const WITHIN: Duration = Duration::from_secs(60);

pub(super) async fn plan(config: Config, gone: BTreeSet<InstanceId>, json: bool) -> u8 {
    let metadata = match imds::read(PATIENCE, &|_| {}).await {
        Ok(metadata) => metadata,
        Err(sentence) => return failed(&sentence, 1),
    };
    let zone = metadata.me.zone.clone();
    let world = match world(config, metadata, Arc::new(Quiet)).await {
        Ok(world) => world,
        Err(sentence) => return failed(&sentence, 1),
    };
    let looked = tokio::time::timeout(WITHIN, outlook(&world.run, &gone)).await;
    world.zookeeper.close().await;
    let outlook = match looked {
        Ok(Ok(outlook)) => outlook,
        Ok(Err(trouble)) => return failed(&trouble.to_string(), 1),
        Err(_) => {
            return failed(&format!("EC2 and ZooKeeper did not answer within {} s", WITHIN.as_secs()), 1);
        }
    };
    if json {
        println!("{:#}", as_json(&outlook));
        return 0;
    }
    println!("{} would {}", world.run.me.instance, outlook.sentence());
    println!("\nslots of cluster {} in {zone}:", world.run.config.cluster);
    for slot in &outlook.slots {
        println!("  {:>6}  {}", slot.id, line(&outlook, slot));
    }
    println!("\nnothing was changed");
    0
}

fn line(outlook: &Outlook, slot: &Slot) -> String {
    let mut parts = Vec::new();
    parts.extend(slot.volume.as_ref().map(|v| format!("{} {}", v.id, v.state)));
    parts.extend(
        slot.eni.as_ref().map(|e| {
            format!("{} {}", e.id, e.addresses.first().map_or_else(String::new, ToString::to_string))
        }),
    );
    parts.push(claim(outlook, slot.id));
    if outlook.registrations.contains_key(&slot.id) {
        parts.push("registered".to_owned());
    }
    if let Some((_, reason)) = outlook.decision.passed.iter().find(|(id, _)| *id == slot.id) {
        parts.push(format!("passed over: {reason}"));
    }
    if chosen(&outlook.decision.choice) == Some(slot.id) {
        parts.push("<- this one".to_owned());
    }
    parts.join(", ")
}

fn chosen(choice: &Choice) -> Option<BrokerId> {
    match choice {
        Choice::Resume(id) | Choice::Adopt(id) | Choice::Take(id) | Choice::Succeed(id, _) => Some(*id),
        Choice::LookAgain(_) | Choice::Nothing => None,
    }
}

fn claim(outlook: &Outlook, id: BrokerId) -> String {
    let Some(claim) = outlook.records.get(&id).and_then(|r| r.claim.as_ref()).map(|c| &c.value) else {
        return "never claimed".to_owned();
    };
    match (claim.state, claim.names()) {
        (State::Held, Some(holder)) if claim.started.is_some() => format!("held and started by {holder}"),
        (State::Held, Some(holder)) => format!("held by {holder}"),
        (State::Unfinished, Some(holder)) => format!("unfinished by {holder}"),
        _ => "free".to_owned(),
    }
}

fn as_json(outlook: &Outlook) -> Value {
    let slots: Vec<Value> = outlook
        .slots
        .iter()
        .map(|slot| {
            let reason =
                outlook.decision.passed.iter().find(|(id, _)| *id == slot.id).map(|(_, why)| why.to_string());
            json!({
                "id": slot.id,
                "volume": slot.volume.as_ref().map(|v| &v.id),
                "eni": slot.eni.as_ref().map(|e| &e.id),
                "claim": outlook.records.get(&slot.id).and_then(|r| r.claim.as_ref()).map(|c| &c.value),
                "registered": outlook.registrations.contains_key(&slot.id),
                "passed_over": reason,
            })
        })
        .collect();
    json!({"would": outlook.sentence(), "slot": chosen(&outlook.decision.choice), "slots": slots})
}
