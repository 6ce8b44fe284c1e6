//! `lab demo`: three instances boot at the same moment and become brokers 0, 1 and 2; one of them dies without warning, and
//! its replacement comes back as the same broker with all its messages. Judged by the region's journal, by ZooKeeper and by
//! real clients; what berth says of itself proves nothing here.

use std::collections::BTreeMap;
use std::time::Duration;

use region::model::{Entry, Event};
use serde::Serialize;

use crate::error::{Doing, Error, Result};
use crate::image::repository;
use crate::instance::ran;
use crate::kafka::Content;
use crate::netns;
use crate::play::slots_taken;
use crate::scenario::Scenario;
use crate::story::Line;
use crate::world::{Known, World};
use crate::znodes::Nodes;

/// The world in which it plays.
pub const WORLD: &str = include_str!("demo/world.toml");
/// Whose holder dies.
const SLOT: u32 = 1;
const MESSAGES: usize = 10_000;
const BOOT: Duration = Duration::from_secs(180);

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

/// What is left in `target/lab/demo.json`.
#[derive(Debug, Serialize)]
pub struct Facts {
    /// Everything that must hold.
    pub checks: Vec<Judged>,
    /// The slots, their zones, addresses and volumes.
    pub slots: serde_json::Value,
    /// All instances, in order of their launch.
    pub instances: Vec<Known>,
    /// The broker before and after.
    pub before: Broker,
    /// The same slot after the replacement.
    pub after: Broker,
    /// What each topic held before and after.
    pub topics: BTreeMap<String, [Content; 2]>,
    /// EC2 calls of each instance.
    pub ec2_calls: BTreeMap<String, Vec<String>>,
    /// Milliseconds from the death of the hardware to the success of its replacement.
    pub replaced_in_ms: u64,
    /// Seconds of the whole demo.
    pub seconds: f64,
    /// What was told.
    pub story: Vec<Line>,
}

/// A broker as the outside sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broker {
    /// The instance.
    pub instance: String,
    /// The broker id by its registration.
    pub id: u32,
    /// The address by its registration.
    pub address: String,
    /// The volume by the journal.
    pub volume: String,
    /// The file system's UUID, read from the volume.
    pub filesystem: String,
    /// The inode of each log directory.
    pub inodes: BTreeMap<String, u64>,
}

/// The demo's scenario.
pub fn scenario() -> Result<Scenario> {
    Scenario::parse(WORLD, "tests/lab/src/demo/world.toml")
}

/// Plays it and leaves the facts.
pub async fn play(world: &World) -> Result<()> {
    crate::commands::require(&["kcat", "java"])?;
    let mut checks = Checks::default();
    world.story.part("three instances of one Auto Scaling group boot at the same moment");
    let from = world.journal_length();
    world.launch()?;
    let complete = |e: &Entry| {
        matches!(&e.event, Event::StackStatus { status, .. } if status.starts_with("CREATE_") && status != "CREATE_IN_PROGRESS").then(|| e.clone())
    };
    let status = world.wait("three signals of success", BOOT, from, complete).await?;
    let completed = matches!(&status.event, Event::StackStatus { status, .. } if status == "CREATE_COMPLETE");
    checks.judge("the stack is complete after three signals", completed, format!("{:?}", status.event));
    let wrong = slots_taken(world);
    checks.judge("slots 0, 1 and 2 are taken once each, in their zones", wrong.is_empty(), wrong.join("; "));
    let nodes = znodes(world, &["/kafka/brokers/ids", "/kafka/brokers/topics"]).await?;
    for slot in &world.slots {
        let holder = world.find(&format!("slot {}", slot.id))?;
        in_sync_when_signalled(world, &mut checks, &holder, slot.id, &nodes)?;
    }

    world.story.part("10,000 messages, acks=all, through the fixed addresses");
    let topics = &world.clients;
    topics
        .topics(&["--create", "--topic", "replicated", "--partitions", "3", "--replication-factor", "3"])
        .await?;
    // One replica: acknowledged must mean on disk, or a power cut loses what only the page cache had.
    let lonely = [
        "--create",
        "--topic",
        "lonely",
        "--replica-assignment",
        "1,1",
        "--config",
        "min.insync.replicas=1",
        "--config",
        "flush.messages=1",
    ];
    topics.topics(&lonely).await?;
    let mut written = BTreeMap::new();
    for topic in ["replicated", "lonely"] {
        let messages: Vec<String> =
            (0..MESSAGES).map(|n| format!("{topic}-{n:05}-{:08x}", fastrand::u32(..))).collect();
        world.clients.produce(topic, &messages).await?;
        let content = Content::of(messages.iter().map(String::as_str));
        let read = world.clients.read(topic).await?;
        world
            .story
            .tell("clients", format!("wrote {MESSAGES} messages to {topic} and read {} back", read.messages));
        checks.judge(
            &format!("{topic} reads back whole before the loss"),
            read == content,
            format!("{read:?}"),
        );
        written.insert(topic.to_owned(), content);
    }
    let before = broker(world, SLOT).await?;

    world.story.part(&format!("the instance that is broker {SLOT} dies without warning"));
    let old = world.find(&format!("slot {SLOT}"))?;
    let from = world.journal_length();
    let died = world.served.with(|region| {
        region.fail_instance(&old.id);
        region.now()
    });
    let caller = |e: &Entry| match &e.event {
        Event::Call { action, caller: Some(caller), params, .. }
            if action == "SignalResource" && *caller != old.id =>
        {
            Some((e.clone(), caller.clone(), params.get("Status").cloned().unwrap_or_default()))
        }
        _ => None,
    };
    let (signal, new, status) = world.wait("the replacement to tell its success", BOOT, from, caller).await?;
    let nodes = znodes(world, &["/kafka/brokers/ids", "/kafka/brokers/topics"]).await?;
    let new = world.find(&new)?;
    world.story.tell(
        &new.label,
        format!(
            "tells {status}: {:.1} s after the loss of {}",
            (signal.at - died) as f64 / 1000.0,
            old.label
        ),
    );
    checks.judge("the replacement tells success", status == "SUCCESS", status);
    let wrong = slots_taken(world);
    checks.judge("every slot is taken once again, in its zone", wrong.is_empty(), wrong.join("; "));
    in_sync_when_signalled(world, &mut checks, &new, SLOT, &nodes)?;

    world.story.part("the same broker?");
    let after = broker(world, SLOT).await?;
    checks.judge(
        "another instance",
        after.instance != before.instance,
        format!("{} was {}", after.instance, before.instance),
    );
    checks.same("the same broker id", &before.id, &after.id);
    checks.same("the same address", &before.address, &after.address);
    checks.same("the same volume", &before.volume, &after.volume);
    checks.same("the same file system", &before.filesystem, &after.filesystem);
    let kept = before.inodes.iter().all(|(dir, inode)| after.inodes.get(dir) == Some(inode))
        && before.inodes.len() >= 5;
    checks.judge(
        "the same log directories, by their inodes",
        kept,
        format!("{:?} were {:?}", after.inodes, before.inodes),
    );
    let mut topics = BTreeMap::new();
    for (topic, content) in written {
        let read = world.clients.read(&topic).await?;
        world.story.tell(
            "clients",
            format!("read {} messages of {topic} by the address list of before", read.messages),
        );
        checks.judge(
            &format!("{topic} reads back whole after the loss"),
            read == content,
            format!("{read:?}"),
        );
        topics.insert(topic, [content, read]);
    }
    let journal = world.journal(0);
    for known in world.instances() {
        let told = signals_of(&journal, &known.id);
        let statuses: Vec<&str> = told.iter().map(|(_, status)| status.as_str()).collect();
        checks.judge(
            &format!("{} told its outcome once", known.label),
            statuses == ["SUCCESS"],
            format!("{statuses:?}"),
        );
    }
    let facts = Facts {
        slots: serde_json::to_value(&world.slots).doing(|| "write the facts".into())?,
        instances: world.instances(),
        before,
        after,
        topics,
        ec2_calls: ec2_calls(&journal, &world.instances()),
        replaced_in_ms: signal.at - died,
        seconds: world.story.elapsed().as_secs_f64(),
        story: world.story.lines(),
        checks: checks.0,
    };
    leave(world, &facts)
}

#[derive(Debug, Default)]
struct Checks(Vec<Judged>);

impl Checks {
    fn judge(&mut self, what: &str, holds: bool, seen: String) {
        self.0.push(Judged { what: what.to_owned(), holds, seen });
    }

    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, before: &T, after: &T) {
        self.judge(what, before == after, format!("{before:?} before, {after:?} after"));
    }
}

/// Writes the facts, prints what holds, and fails when something does not.
fn leave(world: &World, facts: &Facts) -> Result<()> {
    let path = repository().join("target/lab/demo.json");
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).doing(|| format!("make {}", directory.display()))?;
    }
    let text = serde_json::to_string_pretty(facts).doing(|| "write the facts".into())?;
    std::fs::write(&path, text).doing(|| format!("write {}", path.display()))?;
    world.story.part("what must hold");
    for check in &facts.checks {
        println!("  {} {}", if check.holds { "yes" } else { "NO " }, check.what);
        if !check.holds {
            println!("      seen: {}", check.seen);
        }
    }
    println!(
        "\n  broker {SLOT} was away for {:.1} s; facts in {}",
        facts.replaced_in_ms as f64 / 1000.0,
        path.display()
    );
    match facts.checks.iter().filter(|check| !check.holds).count() {
        0 => Ok(()),
        wrong => Err(Error::new(format!("{wrong} of {} checks do not hold", facts.checks.len()))),
    }
}

/// Nodes of the cluster's ZooKeeper, read from the clients' place.
async fn znodes(world: &World, paths: &[&str]) -> Result<Nodes> {
    let hosts = world.ensemble.lock().await.as_ref().map(|e| e.hosts()).unwrap_or_default();
    let program = crate::image::lab_binary()?;
    let mut command = tokio::process::Command::from(netns::command(world.srv(), &program.to_string_lossy()));
    command.arg("znodes").arg(hosts).args(paths);
    let done = ran(command, Duration::from_secs(30)).await?;
    if done.code != 0 {
        return Err(Error::new(format!("read ZooKeeper: {}", done.err.trim())));
    }
    serde_json::from_str(&done.out).doing(|| "understand what ZooKeeper holds".into())
}

/// The broker on a slot, seen from ZooKeeper, the journal, the volume and the mount.
async fn broker(world: &World, slot: u32) -> Result<Broker> {
    let made =
        world.slots.iter().find(|s| s.id == slot).ok_or_else(|| Error::new(format!("no slot {slot}")))?;
    let holder = world.find(&format!("slot {slot}"))?;
    let path = format!("/kafka/brokers/ids/{slot}");
    let nodes = znodes(world, &[&path]).await?;
    let node = nodes.get(&path).ok_or_else(|| Error::new(format!("broker {slot} is not registered")))?;
    let registration: serde_json::Value =
        serde_json::from_str(&node.data).doing(|| format!("understand {path}"))?;
    let volume =
        world.volume(&made.volume).ok_or_else(|| Error::new(format!("no volume {}", made.volume)))?;
    let mut stat = world.command(&holder, "sh")?;
    stat.args(["-c", "cd /kafkalogs/data && stat -c '%i %n' *-[0-9]*"]);
    let listed = ran(stat, Duration::from_secs(10)).await?;
    let inodes = listed.out.lines().filter_map(|line| line.split_once(' '));
    let inodes = inodes.filter_map(|(inode, dir)| Some((dir.to_owned(), inode.parse().ok()?))).collect();
    Ok(Broker {
        instance: holder.id,
        id: slot,
        address: registration["host"].as_str().unwrap_or_default().to_owned(),
        volume: made.volume.clone(),
        filesystem: volume.filesystem_uuid()?,
        inodes,
    })
}

/// The calls by which an instance told its outcome.
fn signals_of(journal: &[Entry], instance: &str) -> Vec<(Entry, String)> {
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

/// The broker was registered before the signal, and at the signal every partition that it has a replica of had it in sync.
fn in_sync_when_signalled(
    world: &World,
    checks: &mut Checks,
    holder: &Known,
    slot: u32,
    nodes: &Nodes,
) -> Result<()> {
    let journal = world.journal(0);
    let Some((entry, _)) = signals_of(&journal, &holder.id).pop() else {
        checks.judge(&format!("{} told an outcome", holder.label), false, "no SignalResource call".into());
        return Ok(());
    };
    let told = world.unix_ms(&entry) as i64;
    let registered = nodes.get(&format!("/kafka/brokers/ids/{slot}"));
    let before = registered.is_some_and(|node| node.ctime <= told);
    let mut late = Vec::new();
    for (path, node) in nodes.iter().filter(|(path, _)| path.ends_with("/state")) {
        let topic: Vec<&str> = path.split('/').collect();
        let (Some(name), Some(partition)) = (topic.get(4), topic.get(6)) else { continue };
        let assigned =
            nodes.get(&format!("/kafka/brokers/topics/{name}")).map(|n| n.data.as_str()).unwrap_or("{}");
        let assigned: serde_json::Value =
            serde_json::from_str(assigned).doing(|| format!("understand the replicas of {name}"))?;
        let ours = assigned["partitions"][*partition]
            .as_array()
            .is_some_and(|r| r.iter().any(|id| id.as_u64() == Some(slot.into())));
        let state: serde_json::Value =
            serde_json::from_str(&node.data).doing(|| format!("understand {path}"))?;
        let in_sync =
            state["isr"].as_array().is_some_and(|isr| isr.iter().any(|id| id.as_u64() == Some(slot.into())));
        // A topic made after the signal is no matter of it; a state that changed after it says nothing of that moment.
        if ours && node.ctime <= told && (!in_sync || node.mtime > told) {
            late.push(format!(
                "{name}-{partition}: isr {}, changed {} ms after the signal",
                state["isr"],
                node.mtime - told
            ));
        }
    }
    let holds = before && late.is_empty();
    let seen =
        format!("registered {} ms before; {}", registered.map_or(0, |n| told - n.ctime), late.join("; "));
    checks.judge(
        &format!("{} told success as broker {slot} only when registered and in sync", holder.label),
        holds,
        seen,
    );
    Ok(())
}

/// The EC2 calls of each instance, by its label.
fn ec2_calls(journal: &[Entry], instances: &[Known]) -> BTreeMap<String, Vec<String>> {
    let mut calls: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in journal {
        let Event::Call { api, action, caller: Some(caller), outcome, .. } = &entry.event else { continue };
        if let Some(known) = instances.iter().find(|known| known.id == *caller && api == "ec2") {
            calls.entry(known.label.clone()).or_default().push(format!("{action}: {outcome}"));
        }
    }
    calls
}
