//! `berth plan`: what a boot would do now, and why.
//!
//! It ends with the code that the boot would end with, where that is known already, and with 1 where it could not look.

mod text;

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
        println!("{:#}", json_of(&preview, &me));
        return preview.exit();
    }
    print!("{}", text::text(&preview, &wiring.agent.config.cluster, &me, &zone));
    preview.exit()
}

/// Whether the claim says that this instance has the slot.
fn is_mine(of: &SlotPreview, me: &InstanceId) -> bool {
    let claim = of.records.claim.as_ref().map(|claim| &claim.value);
    claim.is_some_and(|claim| claim.state == State::Held && claim.names() == Some(me))
}

fn json_of(preview: &Preview, me: &InstanceId) -> Value {
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
                "mine": is_mine(of, me),
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
