//! `berth status`: what this instance has and what it waits for.
//!
//! Each source has its own time limit; one that is away is named as such and never guessed.

use crate::disks::HostDisks;
use crate::host::ThisHost;
use crate::imds::{self, Metadata};
use crate::timeline::{FILE, Quiet, Story};
use crate::world::{World, world};
use berth_lifecycle::outlook::outlook;
use berth_lifecycle::ports::{Disks, Host, Network, Service};
use berth_plan::config::Config;
use berth_plan::{BrokerId, InstanceId, MacAddress};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// For each source.
const WITHIN: Duration = Duration::from_secs(4);

/// The exit code is 0 where the question could be answered, also with sources away.
pub(super) async fn status(config: Config, as_json: bool) -> u8 {
    let report = report(config).await;
    if as_json {
        println!("{:#}", Value::Object(report));
    } else {
        for (name, value) in &report {
            println!("{name:<14}{}", text(value));
        }
    }
    0
}

async fn report(config: Config) -> Map<String, Value> {
    let mut report = Map::new();
    report.insert("cluster".into(), json!(config.cluster));
    report.insert("boot".into(), boot());
    report.insert("mount".into(), mount(&config).await);
    report.insert("service".into(), service(&config).await);
    match bounded("the metadata service", imds::read(Duration::from_secs(2), &|_| {})).await {
        Ok(metadata) => remote(&mut report, config, metadata).await,
        Err(away) => {
            report.insert("instance".into(), away);
        }
    }
    report
}

/// What needs the instance's identity first.
async fn remote(report: &mut Map<String, Value>, config: Config, metadata: Metadata) {
    let me = metadata.me.instance.clone();
    report.insert(
        "instance".into(),
        json!({"id": me, "zone": metadata.me.zone, "target_state": metadata.me.target_state}),
    );
    let world = match world(config, metadata, Arc::new(Quiet)).await {
        Ok(world) => world,
        Err(sentence) => {
            report.insert("sources".into(), unreachable_source("the adapters", &sentence));
            return;
        }
    };
    let (claims, attached) = tokio::join!(claims(&world, &me), attached(&world, &me));
    let slot = claims.0;
    report.insert("slot".into(), json!(slot));
    report.insert("claim".into(), claims.1);
    report.insert("holders".into(), holders(&world, slot).await);
    report.insert("attached".into(), attached.0);
    report.insert("routes".into(), routes(&world, attached.1).await);
    report.insert("registration".into(), registration(&world, slot).await);
    world.zookeeper.close().await;
}

fn unreachable_source(what: &str, why: &str) -> Value {
    json!({"unreachable": format!("{what}: {why}")})
}

async fn bounded<T>(what: &str, question: impl Future<Output = Result<T, String>>) -> Result<T, Value> {
    match timeout(WITHIN, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(why)) => Err(unreachable_source(what, &why)),
        Err(_) => Err(unreachable_source(what, &format!("no answer within {} s", WITHIN.as_secs()))),
    }
}

/// The timeline of the last run, and whether that run still goes on.
fn boot() -> Value {
    let text = match ThisHost.recall(FILE) {
        Ok(Some(text)) => text,
        Ok(None) => return json!({"state": "no boot has run since the kernel started"}),
        Err(error) => return unreachable_source("the timeline", &error.to_string()),
    };
    let story: Story = match serde_json::from_str(&text) {
        Ok(story) => story,
        Err(error) => return unreachable_source("the timeline", &error.to_string()),
    };
    let now = ThisHost.since_boot();
    let steps: Vec<Value> = story
        .steps
        .iter()
        .map(|step| {
            let took = step.ended.unwrap_or(now).saturating_sub(step.began);
            json!({"step": step.step, "took_ms": took, "outcome": step.outcome})
        })
        .collect();
    if let Some(ended) = story.ended {
        return json!({"state": ended, "steps": steps});
    }
    // A run that a signal ended between two lines left no last word.
    if !std::path::Path::new(&format!("/proc/{}", story.process)).exists() {
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

async fn mount(config: &Config) -> Value {
    match bounded("the mount table", async {
        HostDisks.mounted(&config.mount).await.map_err(|e| e.to_string())
    })
    .await
    {
        Ok(Some(mounted)) => {
            json!({"at": config.mount, "device": mounted.device, "fs": mounted.fs, "serial": mounted.serial})
        }
        Ok(None) => json!({"at": config.mount, "state": "nothing is mounted"}),
        Err(away) => away,
    }
}

async fn service(config: &Config) -> Value {
    let asked = async { crate::systemd::Systemd.unit(&config.unit).await.map_err(|e| e.to_string()) };
    match bounded("systemd", asked).await {
        Ok(unit) => {
            json!({"unit": config.unit, "state": format!("{:?}", unit.state).to_lowercase(), "invocation": unit.invocation})
        }
        Err(away) => away,
    }
}

/// The slot whose claim names me, or that I am about to take, and its claim.
async fn claims(world: &World, me: &InstanceId) -> (Option<BrokerId>, Value) {
    let asked = async { world.run.ports.claims.records().await.map_err(|e| e.to_string()) };
    let records = match bounded("ZooKeeper", asked).await {
        Ok(records) => records,
        Err(away) => return (None, away),
    };
    let mine = records.iter().find(|(_, r)| r.claim.as_ref().is_some_and(|c| c.value.names() == Some(me)));
    // A boot that waits for a holder has an intent and no claim yet.
    let intended = || records.iter().find(|(_, r)| r.intent.as_ref().is_some_and(|i| i.instance == *me));
    match mine.or_else(intended) {
        None => (None, json!({"state": "no claim names this instance"})),
        Some((id, records)) => (Some(*id), json!(records.claim.as_ref().map(|c| &c.value))),
    }
}

/// The three witnesses of who holds the slot, side by side: the claim, the volume's attachment and the interface's.
async fn holders(world: &World, slot: Option<BrokerId>) -> Value {
    let Some(slot) = slot else { return json!({"state": "no slot"}) };
    let run = &world.run;
    let asked = async {
        let looked = outlook(run, &BTreeSet::new()).await.map_err(|trouble| trouble.to_string())?;
        let seen = looked.slots.into_iter().find(|seen| seen.id == slot);
        let claim = looked.records.get(&slot).and_then(|r| r.claim.as_ref()?.value.names().cloned());
        let intent = looked.records.get(&slot).and_then(|r| Some(r.intent.as_ref()?.instance.clone()));
        Ok((seen, claim, intent))
    };
    match bounded("EC2 or ZooKeeper", asked).await {
        Ok((seen, claim, intent)) => {
            let (volume, eni) = seen.map_or((None, None), |slot| (slot.volume, slot.eni));
            let volume = volume.map(|v| {
                v.attachments.into_iter().map(|a| format!("{} {}", a.instance, a.state)).collect::<Vec<_>>()
            });
            let eni = eni.and_then(|e| e.attachment).map(|a| {
                json!(format!("{} {}", a.instance.map_or_else(String::new, |i| i.to_string()), a.status))
            });
            json!({"claim": claim, "intent": intent, "volume": volume, "eni": eni})
        }
        Err(away) => away,
    }
}

async fn attached(world: &World, me: &InstanceId) -> (Value, Option<MacAddress>) {
    let cloud = &world.run.ports.cloud;
    let cluster = Some(world.run.config.cluster.as_str());
    let asked = async {
        let volumes = cloud.volumes_of(me).await.map_err(|e| e.to_string())?;
        Ok((volumes, cloud.enis_of(me).await.map_err(|e| e.to_string())?))
    };
    let (volumes, enis) = match bounded("EC2", asked).await {
        Ok(found) => found,
        Err(away) => return (away, None),
    };
    let volumes: Vec<Value> = volumes
        .iter()
        .filter(|v| v.cluster.as_deref() == cluster)
        .map(|v| json!({"volume": v.id, "name": v.name, "state": v.attachments.first().map(|a| &a.state)}))
        .collect();
    let ours: Vec<_> = enis.iter().filter(|e| e.cluster.as_deref() == cluster).collect();
    let mac = ours.first().map(|e| e.mac);
    let enis: Vec<Value> = ours
        .iter()
        .map(|e| json!({"eni": e.id, "name": e.name, "addresses": e.addresses, "state": e.attachment.as_ref().map(|a| &a.status)}))
        .collect();
    (json!({"volumes": volumes, "enis": enis}), mac)
}

async fn routes(world: &World, mac: Option<MacAddress>) -> Value {
    let Some(mac) = mac else {
        return json!({"state": "no interface of the cluster is attached, or EC2 is away"});
    };
    let network: &Arc<dyn Network> = &world.run.ports.network;
    match bounded("the kernel", async { network.look(mac).await.map_err(|e| e.to_string()) }).await {
        Ok(Some(seen)) => json!({
            "link": seen.name, "up": seen.up,
            "addresses": seen.addresses.iter().map(|(a, p)| format!("{a}/{p}")).collect::<Vec<_>>(),
            "routes": seen.routes.len(), "rules": seen.rules.iter().map(|r| format!("from {} lookup {}", r.from, r.table)).collect::<Vec<_>>(),
        }),
        Ok(None) => json!({"state": format!("no link with the address {mac}")}),
        Err(away) => away,
    }
}

async fn registration(world: &World, slot: Option<BrokerId>) -> Value {
    let Some(slot) = slot else { return json!({"state": "no slot"}) };
    let asked = async { world.run.ports.registrations.of(slot).await.map_err(|e| e.to_string()) };
    match bounded("ZooKeeper", asked).await {
        Ok(Some(found)) => {
            let endpoints: Vec<String> =
                found.endpoints.iter().map(|(host, port)| format!("{host}:{port}")).collect();
            json!({"broker": slot, "endpoints": endpoints, "czxid": found.czxid})
        }
        Ok(None) => json!({"broker": slot, "state": "not registered"}),
        Err(away) => away,
    }
}

/// A value on one line, for people.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => {
            let shown = fields.iter().filter(|(_, value)| !value.is_null());
            shown.map(|(name, value)| format!("{name} {}", text(value))).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
