//! `berth plan`: what a boot would do now, and why.
//!
//! It ends with the code that the boot would end with, where that is known already, and with 1 where it could not look.

use super::failed;
use crate::aws::imds;
use crate::host::timeline::LastWait;
use crate::wiring::wire;
use berth_lifecycle::stories::preview::{Preview, SlotPreview, preview};
use berth_plan::InstanceId;
use berth_plan::config::Config;
use berth_plan::records::{Claim, State};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long the metadata service is waited for: a person looks on.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long all of it may take.
const WITHIN: Duration = Duration::from_secs(60);

pub(super) async fn plan(config: Config, gone: BTreeSet<InstanceId>, as_json: bool) -> u8 {
    let metadata = match imds::read(PATIENCE, &|_| {}).await {
        Ok(metadata) => metadata,
        Err(sentence) => return failed(&sentence, 1),
    };
    let (me, zone) = (metadata.me.instance.clone(), metadata.me.zone.clone());
    if gone.contains(&me) {
        return failed(&format!("--if-terminated {me} is this instance: it would plan nothing"), 1);
    }
    let waits = Arc::new(LastWait::default());
    let wiring = match wire(config, metadata, waits.clone()).await {
        Ok(wiring) => wiring,
        Err(sentence) => return failed(&sentence, 1),
    };
    let looked = tokio::time::timeout(WITHIN, preview(&wiring.agent, &gone)).await;
    wiring.zookeeper.close().await;
    let preview = match looked {
        Ok(Ok(preview)) => preview,
        Ok(Err(trouble)) => return failed(&trouble.to_string(), 1),
        Err(_) => {
            let last = waits.last().map_or_else(String::new, |last| format!("; last: {last}"));
            let sentence = format!("EC2 and ZooKeeper did not answer within {} s{last}", WITHIN.as_secs());
            return failed(&sentence, 1);
        }
    };
    if as_json {
        println!("{:#}", json_of(&preview));
        return preview.exit();
    }
    println!("{me} would {}", preview.sentence());
    for note in &preview.notes {
        println!("  {note}");
    }
    println!("\nslots of cluster {} in {zone}:", wiring.agent.config.cluster);
    for slot in &preview.slots {
        let mark = if preview.slot() == Some(slot.slot.id) { "  <- this one" } else { "" };
        println!("  {:>6}  {}{mark}", slot.slot.id, parts(slot));
        println!("          {}", stands(slot));
        if let Some(disk) = &slot.disk {
            println!("          volume: {disk}");
        }
    }
    println!("\nnothing was changed");
    preview.exit()
}

/// Its resources.
fn parts(of: &SlotPreview) -> String {
    let volume = of.slot.volume.as_ref().map(|v| format!("{} {}", v.id, v.state));
    let eni = of.slot.eni.as_ref().map(|eni| {
        let addresses: Vec<String> = eni.addresses.iter().map(ToString::to_string).collect();
        format!("{} {}", eni.id, addresses.join(" "))
    });
    volume.into_iter().chain(eni).collect::<Vec<_>>().join(", ")
}

/// Who has it, and whether it is vacant.
fn stands(of: &SlotPreview) -> String {
    let mut parts = vec![claim(of)];
    parts.extend(of.holders.iter().map(|(id, state)| format!("{id} {}: {state}", witnesses(of, id))));
    parts.extend(of.records.intent.iter().map(|intent| format!("intent of {}", intent.instance)));
    parts.extend(of.registration.iter().map(|registration| {
        let host = registration.endpoints.first().map_or("an unknown host", |(host, _)| host.as_str());
        format!("registered at {host}")
    }));
    parts.push(match &of.vacancy {
        Ok(_) => "vacant for this instance".to_owned(),
        Err(reason) => format!("not vacant: {reason}"),
    });
    parts.join("; ")
}

fn claim(of: &SlotPreview) -> String {
    let Some(claim) = of.records.claim.as_ref().map(|claim| &claim.value) else {
        let unreadable = of.records.unreadable.is_some();
        return if unreadable { "a record that cannot be read" } else { "never claimed" }.to_owned();
    };
    match (claim.state, claim.names()) {
        (State::Held, Some(holder)) if claim.started.is_some() => format!("held and started by {holder}"),
        (State::Held, Some(holder)) => format!("held by {holder}"),
        (State::Unfinished, Some(holder)) => {
            format!("left unfinished by {holder} ({})", claim.left.join(", "))
        }
        _ => "free".to_owned(),
    }
}

/// What names an instance as a holder.
fn witnesses(of: &SlotPreview, id: &InstanceId) -> String {
    let claim = of.records.claim.as_ref().and_then(|claim| claim.value.names()) == Some(id);
    let volume = of.slot.volume.iter().flat_map(|v| &v.attachments).any(|a| a.instance == *id);
    let eni = of.slot.eni.as_ref().and_then(|eni| eni.attachment.as_ref()?.instance.as_ref()) == Some(id);
    let by = [("claim", claim), ("volume", volume), ("interface", eni)];
    let by: Vec<&str> = by.iter().filter(|(_, names)| *names).map(|(by, _)| *by).collect();
    format!("(by {})", by.join(", "))
}

fn json_of(preview: &Preview) -> Value {
    let slots: Vec<Value> = preview
        .slots
        .iter()
        .map(|of| {
            let claim: Option<&Claim> = of.records.claim.as_ref().map(|claim| &claim.value);
            json!({
                "id": of.slot.id,
                "volume": of.slot.volume.as_ref().map(|v| &v.id),
                "eni": of.slot.eni.as_ref().map(|e| &e.id),
                "addresses": of.slot.eni.as_ref().map(|e| &e.addresses),
                "claim": claim,
                "intent": of.records.intent.as_ref().map(|intent| &intent.instance),
                "fault": of.records.fault,
                "holders": of.holders,
                "registered": of.registration.is_some(),
                "vacant": of.vacancy.is_ok(),
                "not_vacant": of.vacancy.as_ref().err().map(ToString::to_string),
                "disk": of.disk.as_ref().map(ToString::to_string),
            })
        })
        .collect();
    json!({
        "would": preview.sentence(),
        "slot": preview.slot(),
        "exit": preview.exit(),
        "notes": preview.notes,
        "slots": slots,
    })
}
