//! What the demo judges by: the region's journal, Kafka's own registrations in ZooKeeper, and what is mounted and written
//! inside an instance. Nothing here takes a value from the plan and calls it seen: a slot is what it is compared with.

use std::collections::BTreeMap;
use std::time::Duration;

use region::model::{Entry, Event};
use serde::Serialize;
use serde_json::Value;

use crate::error::{Context, Error, Result};
use crate::instance::ran;
use crate::lab_run::{InstanceInfo, LabRun, SlotMade};
use crate::znodes::Nodes;

const IDS: &str = "/kafka/brokers/ids";

/// One thing that must hold.
#[derive(Debug, Clone, Serialize)]
pub struct Judged {
    /// What.
    pub what: String,
    /// Whether it does.
    pub holds: bool,
    /// What was seen.
    pub seen: String,
}

/// A broker as the outside sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broker {
    /// The instance.
    pub instance: String,
    /// The broker id: of the registration with the slot's address, and the same in the instance's two files.
    pub id: u32,
    /// The address by its registration.
    pub address: String,
    /// The volume that the journal attached to the instance last.
    pub volume: String,
    /// The UUID of the file system that is mounted in the instance.
    pub filesystem: String,
    /// The inode of each log directory.
    pub inodes: BTreeMap<String, u64>,
}

/// All that was judged so far.
#[derive(Debug, Default)]
pub(super) struct Checks(Vec<Judged>);

impl Checks {
    pub(super) fn judge(&mut self, what: &str, holds: bool, seen: String) {
        self.0.push(Judged { what: what.to_owned(), holds, seen });
    }

    pub(super) fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, before: &T, after: &T) {
        self.judge(what, before == after, format!("{before:?} before, {after:?} after"));
    }

    pub(super) fn into_inner(self) -> Vec<Judged> {
        self.0
    }
}

/// A broker's own registration.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Registered {
    id: u32,
    host: String,
    rack: String,
}

fn registrations(nodes: &Nodes) -> Vec<Registered> {
    let read = |(path, node): (&String, &crate::znodes::Node)| {
        let value: Value = serde_json::from_str(&node.data).ok()?;
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let id = path.strip_prefix(IDS)?.strip_prefix('/')?.parse().ok()?;
        Some(Registered { id, host: text("host"), rack: text("rack") })
    };
    nodes.iter().filter_map(read).collect()
}

/// What is wrong with the registrations: every slot's address has one, by the slot's id and in its zone, and no other.
pub(super) fn slots_in_place(slots: &[SlotMade], nodes: &Nodes) -> Vec<String> {
    let mut wrong = Vec::new();
    let registered = registrations(nodes);
    for slot in slots {
        let expected = Registered { id: slot.id, host: slot.address.to_string(), rack: slot.zone.clone() };
        let here: Vec<&Registered> = registered.iter().filter(|r| r.host == expected.host).collect();
        if here != [&expected] {
            wrong.push(format!("slot {} at {} is registered as {here:?}", slot.id, slot.address));
        }
    }
    if registered.len() != slots.len() {
        wrong.push(format!("{} brokers are registered for {} slots", registered.len(), slots.len()));
    }
    wrong
}

/// What is wrong with how often a slot was taken: the region has accepted one AttachVolume for each.
pub(super) fn taken_once(slots: &[SlotMade], journal: &[Entry]) -> Vec<String> {
    let of = |volume: &str| {
        let is = |e: &&Entry| matches!(&e.event, Event::VolumeAttaching { volume: of, .. } if of == volume);
        journal.iter().filter(is).count()
    };
    let counted = slots.iter().map(|slot| (slot.id, of(&slot.volume)));
    counted.filter(|(_, n)| *n != 1).map(|(id, n)| format!("{n} were accepted for slot {id}")).collect()
}

/// The slot's volume that the journal attached last to this instance.
fn last_attached(slots: &[SlotMade], journal: &[Entry], to: &str) -> Option<String> {
    journal.iter().rev().find_map(|entry| match &entry.event {
        Event::VolumeAttached { volume, instance, .. }
            if instance == to && slots.iter().any(|slot| slot.volume == *volume) =>
        {
            Some(volume.clone())
        }
        _ => None,
    })
}

/// The broker of a slot's address, seen from ZooKeeper, the journal, its files and its mount. What cannot be seen, or is
/// said differently by two of them, is an error.
pub(super) async fn broker(lab: &LabRun, slot: u32) -> Result<Broker> {
    let made =
        lab.slots.iter().find(|s| s.id == slot).ok_or_else(|| Error::new(format!("no slot {slot}")))?;
    let holder = lab.find(&format!("slot {slot}"))?;
    let address = made.address.to_string();
    let nodes = lab.znodes(&[IDS]).await?;
    let registered = registrations(&nodes).into_iter().find(|r| r.host == address);
    let registered = registered.ok_or_else(|| Error::new(format!("no broker is registered at {address}")))?;
    let inside = |line: &'static str| {
        let holder = holder.clone();
        async move {
            let mut command = lab.command(&holder, "sh")?;
            command.args(["-c", line]);
            let done = ran(command, Duration::from_secs(10)).await?;
            match (done.code, done.out.trim()) {
                (0, said) if !said.is_empty() => Ok(said.to_owned()),
                _ => Err(Error::new(format!("`{line}` in {}: {:?} {}", holder.label, done.out, done.err))),
            }
        }
    };
    let files = "sed -n 's/^broker.id=//p' /etc/kafka/server.properties /kafkalogs/data/meta.properties";
    let said = inside(files).await?;
    let ids: Vec<&str> = said.lines().collect();
    let id = registered.id.to_string();
    if ids != [id.as_str(); 2] {
        return Err(Error::new(format!(
            "the broker at {address} is registered as {id}, its files say {ids:?}"
        )));
    }
    let listed = inside("cd /kafkalogs/data && stat -c '%i %n' *-[0-9]*").await?;
    let inodes = listed.lines().filter_map(|line| line.split_once(' '));
    let inodes = inodes.filter_map(|(inode, dir)| Some((dir.to_owned(), inode.parse().ok()?))).collect();
    let volume = last_attached(&lab.slots, &lab.journal(0), &holder.id);
    Ok(Broker {
        volume: volume
            .ok_or_else(|| Error::new(format!("no slot's volume was attached to {}", holder.id)))?,
        instance: holder.id.clone(),
        id: registered.id,
        address: registered.host,
        filesystem: inside("findmnt -no UUID /kafkalogs").await?,
        inodes,
    })
}

/// The calls by which an instance told its outcome.
pub(super) fn signals_of(journal: &[Entry], instance: &str) -> Vec<(Entry, String)> {
    let told = |entry: &Entry| match &entry.event {
        Event::Call { action, caller: Some(caller), params, .. }
            if action == "SignalResource" && caller == instance =>
        {
            Some((entry.clone(), params.get("Status").cloned().unwrap_or_default()))
        }
        _ => None,
    };
    journal.iter().filter_map(told).collect()
}

/// The replicas of a broker at one moment.
#[derive(Debug, Default, PartialEq, Eq)]
struct Replicas {
    judged: usize,
    late: Vec<String>,
}

/// Which partitions that the broker has a replica of existed at `told`, and which of them did not have it in sync then.
fn replicas(nodes: &Nodes, broker: u32, told: i64) -> Result<Replicas> {
    let mut seen = Replicas::default();
    let names = |ids: &Value| {
        ids.as_array().is_some_and(|ids| ids.iter().any(|id| id.as_u64() == Some(broker.into())))
    };
    for (path, node) in nodes.iter().filter(|(path, _)| path.ends_with("/state")) {
        let topic: Vec<&str> = path.split('/').collect();
        let (Some(name), Some(partition)) = (topic.get(4), topic.get(6)) else { continue };
        let assigned =
            nodes.get(&format!("/kafka/brokers/topics/{name}")).map(|n| n.data.as_str()).unwrap_or("{}");
        let assigned: Value =
            serde_json::from_str(assigned).context(|| format!("understand the replicas of {name}"))?;
        // A topic made after the signal is no matter of it; a state that changed after it says nothing of that moment.
        if !names(&assigned["partitions"][*partition]) || node.ctime > told {
            continue;
        }
        let state: Value = serde_json::from_str(&node.data).context(|| format!("understand {path}"))?;
        seen.judged += 1;
        if !names(&state["isr"]) || node.mtime > told {
            let after = node.mtime - told;
            seen.late.push(format!("{name}-{partition}: isr {}, changed {after} ms after", state["isr"]));
        }
    }
    Ok(seen)
}

/// The broker was registered before the signal, and at the signal all its replicas were in sync: at least so many.
pub(super) fn in_sync_when_signalled(
    lab: &LabRun,
    checks: &mut Checks,
    holder: &InstanceInfo,
    slot: u32,
    nodes: &Nodes,
    at_least: usize,
) -> Result<()> {
    let journal = lab.journal(0);
    let Some((entry, _)) = signals_of(&journal, &holder.id).pop() else {
        checks.judge(&format!("{} told an outcome", holder.label), false, "no SignalResource call".into());
        return Ok(());
    };
    let told = lab.unix_ms(&entry) as i64;
    let registered = nodes.get(&format!("{IDS}/{slot}")).map(|node| told - node.ctime);
    let Replicas { judged, late } = replicas(nodes, slot, told)?;
    let what = format!("{} told success as broker {slot} when registered", holder.label);
    let what = match judged {
        0 => format!("{what} (there was no partition yet)"),
        n => format!("{what} and in sync in {n} partitions"),
    };
    let before = registered.map_or("not registered".into(), |ms| format!("registered {ms} ms before"));
    let seen = format!("{before}; judged on {judged} partitions; {}", late.join("; "));
    let holds = registered.is_some_and(|ms| ms >= 0) && late.is_empty() && judged >= at_least;
    checks.judge(&what, holds, seen);
    Ok(())
}

#[cfg(test)]
mod tests;
