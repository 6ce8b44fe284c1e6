//! `lab demo`: three instances boot at the same moment and become brokers 0, 1 and 2; one of them dies without warning, and
//! its replacement comes back as the same broker with all its messages. Judged by the region's journal, by ZooKeeper and by
//! real clients; what berth says of itself proves nothing here.

use std::collections::BTreeMap;
use std::time::Duration;

use region::model::{Entry, Event};
use serde::Serialize;

use crate::error::{Context, Error, Result};
use crate::image::repository;
use crate::kafka::Content;
use crate::lab_run::{InstanceInfo, LabRun};
use crate::play::slots_taken;
use crate::scenario::Scenario;
use crate::story::Line;
pub use judge::{Broker, Judged};
use judge::{Checks, broker, in_sync_when_signalled, signals_of, slots_in_place, taken_once};

mod judge;

/// What exists for it.
pub const SCENARIO: &str = include_str!("demo/scenario.toml");
/// Whose holder dies.
const SLOT: u32 = 1;
const MESSAGES: usize = 10_000;
const BOOT: Duration = Duration::from_secs(180);
/// How long all of it may take.
const WHOLE: Duration = Duration::from_secs(180);
/// Where Kafka tells of its brokers and partitions.
const KAFKA: &[&str] = &["/kafka/brokers/ids", "/kafka/brokers/topics"];

/// What is left in `target/lab/demo.json`.
#[derive(Debug, Serialize)]
pub struct Facts {
    /// Everything that must hold.
    pub checks: Vec<Judged>,
    /// The slots, their zones, addresses and volumes.
    pub slots: serde_json::Value,
    /// All instances, in order of their launch.
    pub instances: Vec<InstanceInfo>,
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

/// The demo's scenario.
pub fn scenario() -> Result<Scenario> {
    Scenario::parse(SCENARIO, "tests/lab/src/demo/scenario.toml")
}

/// Plays it and leaves the facts.
pub async fn play(lab: &LabRun) -> Result<()> {
    crate::commands::require(&["kcat", "java"])?;
    let mut checks = Checks::default();
    lab.story.part("three instances of one Auto Scaling group boot at the same moment");
    let from = lab.journal_length();
    lab.launch()?;
    let complete = |e: &Entry| {
        matches!(&e.event, Event::StackStatus { status, .. } if status.starts_with("CREATE_") && status != "CREATE_IN_PROGRESS").then(|| e.clone())
    };
    let status = lab.wait("three signals of success", BOOT, from, complete).await?;
    let completed = matches!(&status.event, Event::StackStatus { status, .. } if status == "CREATE_COMPLETE");
    checks.judge("the stack is complete after three signals", completed, format!("{:?}", status.event));
    let nodes = lab.znodes(KAFKA).await?;
    let mut wrong = slots_taken(lab);
    wrong.extend(slots_in_place(&lab.slots, &nodes));
    checks.judge("slots 0, 1 and 2 are taken once each, in their zones", wrong.is_empty(), wrong.join("; "));
    for slot in &lab.slots {
        let holder = lab.find(&format!("slot {}", slot.id))?;
        in_sync_when_signalled(lab, &mut checks, &holder, slot.id, &nodes, 0)?;
    }

    lab.story.part("10,000 messages, acks=all, through the fixed addresses");
    let topics = &lab.clients;
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
        lab.clients.produce(topic, &messages).await?;
        let content = Content::of(messages.iter().map(String::as_str));
        let read = lab.clients.read(topic).await?;
        lab.story
            .tell("clients", format!("wrote {MESSAGES} messages to {topic} and read {} back", read.messages));
        checks.judge(
            &format!("{topic} reads back whole before the loss"),
            read == content,
            format!("{read:?}"),
        );
        written.insert(topic.to_owned(), content);
    }
    let before = broker(lab, SLOT).await?;
    let wrong = taken_once(&lab.slots, &lab.journal(0));
    checks.judge("one AttachVolume was accepted for each slot", wrong.is_empty(), wrong.join("; "));

    lab.story.part(&format!("the instance that is broker {SLOT} dies without warning"));
    let old = lab.find(&format!("slot {SLOT}"))?;
    let from = lab.journal_length();
    let died = lab.served.with(|region| {
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
    let (signal, new, status) = lab.wait("the replacement to tell its success", BOOT, from, caller).await?;
    let nodes = lab.znodes(KAFKA).await?;
    let new = lab.find(&new)?;
    lab.story.tell(
        &new.label,
        format!(
            "tells {status}: {:.1} s after the loss of {}",
            (signal.at - died) as f64 / 1000.0,
            old.label
        ),
    );
    checks.judge("the replacement tells success", status == "SUCCESS", status);
    let mut wrong = slots_taken(lab);
    wrong.extend(slots_in_place(&lab.slots, &nodes));
    checks.judge("every slot is taken once again, in its zone", wrong.is_empty(), wrong.join("; "));
    // A replacement that was judged on no partition would have been judged on nothing.
    in_sync_when_signalled(lab, &mut checks, &new, SLOT, &nodes, 1)?;

    lab.story.part("the same broker?");
    let after = broker(lab, SLOT).await?;
    checks.judge(
        "another instance",
        after.instance != before.instance,
        format!("{} was {}", after.instance, before.instance),
    );
    checks.same("the same broker id", &before.id, &after.id);
    checks.same("the same address", &before.address, &after.address);
    checks.same("the same volume", &before.volume, &after.volume);
    checks.same("the same file system", &before.filesystem, &after.filesystem);
    let slot = lab.slots.iter().find(|slot| slot.id == SLOT);
    let of_the_slot = slot.is_some_and(|slot| {
        [&before, &after].iter().all(|b| b.volume == slot.volume && b.address == slot.address.to_string())
    });
    checks.judge(
        "and those are the slot's",
        of_the_slot && [before.id, after.id] == [SLOT; 2],
        format!("{slot:?}"),
    );
    let kept = before.inodes.iter().all(|(dir, inode)| after.inodes.get(dir) == Some(inode))
        && before.inodes.len() >= 5;
    checks.judge(
        "the same log directories, by their inodes",
        kept,
        format!("{:?} were {:?}", after.inodes, before.inodes),
    );
    let mut topics = BTreeMap::new();
    for (topic, content) in written {
        let read = lab.clients.read(&topic).await?;
        lab.story.tell(
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
    let journal = lab.journal(0);
    for known in lab.instances() {
        let told = signals_of(&journal, &known.id);
        let statuses: Vec<&str> = told.iter().map(|(_, status)| status.as_str()).collect();
        checks.judge(
            &format!("{} told its outcome once", known.label),
            statuses == ["SUCCESS"],
            format!("{statuses:?}"),
        );
    }
    let took = lab.story.elapsed();
    checks.judge("all within three minutes", took <= WHOLE, format!("{:.0} s", took.as_secs_f64()));
    let facts = Facts {
        slots: serde_json::to_value(&lab.slots).context(|| "write the facts".into())?,
        instances: lab.instances(),
        before,
        after,
        topics,
        ec2_calls: ec2_calls(&journal, &lab.instances()),
        replaced_in_ms: signal.at - died,
        seconds: took.as_secs_f64(),
        story: lab.story.lines(),
        checks: checks.into_inner(),
    };
    leave(lab, &facts)
}

/// Writes the facts, prints what holds, and fails when something does not.
fn leave(lab: &LabRun, facts: &Facts) -> Result<()> {
    let path = repository().join("target/lab/demo.json");
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).context(|| format!("make {}", directory.display()))?;
    }
    let text = serde_json::to_string_pretty(facts).context(|| "write the facts".into())?;
    std::fs::write(&path, text).context(|| format!("write {}", path.display()))?;
    lab.story.part("what must hold");
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

/// The EC2 calls of each instance, by its label.
fn ec2_calls(journal: &[Entry], instances: &[InstanceInfo]) -> BTreeMap<String, Vec<String>> {
    let mut calls: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in journal {
        let Event::Call { api, action, caller: Some(caller), outcome, .. } = &entry.event else { continue };
        if let Some(known) = instances.iter().find(|known| known.id == *caller && api == "ec2") {
            calls.entry(known.label.clone()).or_default().push(format!("{action}: {outcome}"));
        }
    }
    calls
}
