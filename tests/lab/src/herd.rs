//! `lab herd`: thirty instances boot at the same moment for thirty slots in three zones, run after run on one base; in every
//! second run the ZooKeeper server that leads is killed while slots are being claimed. Each run is judged by
//! `tests/lab/herd/judge.py` on the region's journal and ZooKeeper's transaction log. No run is ever repeated: one that does
//! not hold ends the command, and its record is kept.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use region::model::{Event, Millis};
use serde::Deserialize;

use crate::commands::{require, run};
use crate::error::{Context, Error, Result};
use crate::image::{Service, repository};
use crate::lab_run::LabRun;
use crate::scenario::Scenario;
use crate::shared_base::LastingBase;
use crate::story::Story;

/// Instances, and slots for them.
pub const HERD: usize = 30;

/// How long a run may take before it is given up.
const LIMIT: Duration = Duration::from_secs(180);

/// The servers of the ensemble.
const SERVERS: usize = 3;

/// What the judge printed of a run.
#[derive(Debug, Deserialize)]
pub struct Figures {
    first_running_to_last_success_s: f64,
    ec2_calls: usize,
    refused: std::collections::BTreeMap<String, usize>,
    intents: usize,
    in_the_lock_queue_after_the_new_election: Option<usize>,
}

/// Plays so many runs; the first that does not hold ends it.
pub async fn play(runs: usize, keep: bool) -> Result<()> {
    require(&["ip", "losetup", "nsenter", "mkfs.xfs", "xfs_io", "blkid", "java", "python3"])?;
    let began = Instant::now();
    let story = Story::begin(true);
    let lasting = LastingBase::make(Service::Stub, SERVERS, &story).await?;
    println!("herd: the base is made, {:.1} s", began.elapsed().as_secs_f64());
    let mut longest = Duration::ZERO;
    for number in 1..=runs {
        let began = Instant::now();
        let figures = one(&lasting, number, keep).await.context(|| format!("run {number} of {runs}"))?;
        let took = began.elapsed();
        longest = longest.max(took);
        println!("herd: run {number} of {runs} holds, {:.1} s; {}", took.as_secs_f64(), figures.shown());
    }
    lasting.end().await?;
    println!(
        "herd: {runs} runs of {HERD} instances hold, {:.0} s, the longest {:.1} s",
        began.elapsed().as_secs_f64(),
        longest.as_secs_f64()
    );
    Ok(())
}

/// One run, from nothing to nothing.
async fn one(lasting: &LastingBase, number: usize, keep: bool) -> Result<Figures> {
    let chroot = format!("/herd-{number}");
    let scenario = Scenario::parse(&scenario(number, &chroot), "the herd's scenario")?;
    let lab = LabRun::make_on(lasting.base(), scenario, Story::begin(true))?;
    let killed = if number.is_multiple_of(2) { Some(number) } else { None };
    let held = async {
        lab.launch()?;
        tokio::try_join!(all_told(&lab), killed_in_mid_claim(&lab, killed))?;
        leave_record(&lab).await?;
        judged(&lab.logs(), killed.is_some())
    };
    let held = held.await;
    if held.is_err() {
        println!("{}", lab.tails());
    }
    if let Some(kept) = lab.end(keep || held.is_err()).await? {
        println!("herd: the record of run {number} is kept in {}", kept.join("logs").display());
    }
    if let Some(ensemble) = lasting.ensemble().lock().await.as_mut() {
        ensemble.start_missing().await?;
    }
    held
}

/// Thirty slots, one zone after the other; instances that run at the same moment; everything else as slow as on AWS.
fn scenario(seed: usize, chroot: &str) -> String {
    let mut text = format!(
        "service = \"stub\"\n[cluster]\nzookeeper = {SERVERS}\nchroot = \"{chroot}\"\n[region]\nseed = {seed}\n\
         [region.delays]\ngroup-launch = \"100ms\"\ninstance-pending = \"1s\"\ndescribe-staleness = [\"0s\", \"2s\"]\n\
         [group]\nsize = {HERD}\n"
    );
    for (id, zone) in (0..HERD).zip(crate::fabric::ZONES.iter().cycle()) {
        // A string cannot be full: writing to it does not fail.
        let _ = write!(text, "[[slot]]\nid = {id}\nzone = \"{zone}\"\ndisk = \"xfs\"\nsize-gib = 1\n");
    }
    text
}

/// Waits until the stack has heard all instances, or has given up on one.
async fn all_told(lab: &LabRun) -> Result<()> {
    let end = |event: &Event| match event {
        Event::StackStatus { status, .. } if status != "CREATE_IN_PROGRESS" => Some(status.clone()),
        Event::Signal { instance, status, .. } if status != "SUCCESS" => {
            Some(format!("{instance} told {status}"))
        }
        _ => None,
    };
    let status = lab.wait("thirty signals", LIMIT, 0, |entry| end(&entry.event)).await?;
    if status == "CREATE_COMPLETE" { Ok(()) } else { Err(Error::new(status)) }
}

/// Kills the leading server when some volumes, another number in each run, have been attached: their claims are about to
/// be written and the other instances stand in the lock's queue.
async fn killed_in_mid_claim(lab: &LabRun, run: Option<usize>) -> Result<()> {
    let Some(run) = run else { return Ok(()) };
    let volumes: Vec<&String> = lab.slots.iter().map(|slot| &slot.volume).collect();
    let mut left = 1 + run * 7 % (HERD / 2);
    let attaching =
        |event: &Event| matches!(event, Event::VolumeAttaching { volume, .. } if volumes.contains(&volume));
    let enough = |entry: &region::model::Entry| {
        left -= usize::from(attaching(&entry.event));
        (left == 0).then_some(())
    };
    lab.wait("the first claims", LIMIT, 0, enough).await?;
    let mut ensemble = lab.ensemble.lock().await;
    let ensemble = ensemble.as_mut().ok_or_else(|| Error::new("the herd has no ZooKeeper"))?;
    let leader = ensemble.leader().await?;
    ensemble.kill_server(leader).await
}

/// Leaves beside the journal what else the judge reads: the slots as they were made, and a transaction log. The leader's: it
/// has led since before the run or was elected in it, so it has all of it. A single server has no other.
pub async fn leave_record(lab: &LabRun) -> Result<()> {
    let epoch: Millis = lab.served.with(|region| region.settings().epoch);
    let made = serde_json::json!({
        "slots": lab.slots,
        "chroot": lab.scenario.cluster.chroot,
        "cluster": lab.scenario.cluster.name,
        "epoch": epoch,
    });
    let path = lab.logs().join("made.json");
    std::fs::write(&path, made.to_string()).context(|| format!("write {}", path.display()))?;
    let ensemble = lab.ensemble.lock().await;
    let ensemble = ensemble.as_ref().ok_or_else(|| Error::new("the herd has no ZooKeeper"))?;
    let leader = if lab.scenario.cluster.zookeeper == 1 { 0 } else { ensemble.leader().await? };
    let from = ensemble.transactions(leader).ok_or_else(|| Error::new("the leader has no directory"))?;
    // Its files are filled up with zeros to 64 MiB.
    let mut copy = Command::new("cp");
    run(copy.args(["-r", "--sparse=always"]).arg(from).arg(lab.logs().join("zookeeper"))).map(drop)
}

/// Lets the judge judge the record in this directory.
pub fn judged(record: &Path, leader_killed: bool) -> Result<Figures> {
    let mut judge = Command::new("python3");
    judge.arg("-B").arg(repository().join("tests/lab/herd/judge.py")).arg(record);
    if leader_killed {
        judge.arg("--leader-killed");
    }
    let said = run(&mut judge).context(|| "the judge refuses the run".into())?;
    serde_json::from_str(&said).context(|| format!("understand the judge: {said}"))
}

impl Figures {
    fn shown(&self) -> String {
        let refused: Vec<String> =
            self.refused.iter().map(|(what, count)| format!("{count} x {what}")).collect();
        let killed = self.in_the_lock_queue_after_the_new_election;
        format!(
            "{:.1} s from the first instance running to the last success; {} intents, {} EC2 calls, refused: {}{}",
            self.first_running_to_last_success_s,
            self.intents,
            self.ec2_calls,
            if refused.is_empty() { "none".into() } else { refused.join(", ") },
            killed
                .map_or(String::new(), |queue| format!("; leader killed, {queue} in the lock's queue then")),
        )
    }
}
