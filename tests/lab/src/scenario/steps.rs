//! The steps of a scenario. A step is one deed; which one is said by the key that names it.

use std::collections::BTreeMap;
use std::time::Duration;

use region::model::Fault;
use serde::Deserialize;

/// `[[step]]` as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Step {
    /// A line for the story.
    pub say: Option<String>,
    /// How long it may take.
    pub timeout: Option<String>,
    /// Wait for this event of the region's journal.
    pub wait: Option<String>,
    /// Fields that the event must have.
    #[serde(rename = "where")]
    pub fields: BTreeMap<String, String>,
    /// So many of them.
    pub count: Option<usize>,
    /// Run a shell line.
    pub run: Option<String>,
    /// Where: `clients`, `slot N`, `instance N` or a label such as `b2`.
    pub on: Option<String>,
    /// The exit status that it must have (0 by default).
    pub exit: Option<i32>,
    /// Text that its output must contain.
    pub stdout_contains: Option<String>,
    /// A line that its output must have; `*` and `?` stand for anything.
    pub stdout_matches: Option<String>,
    /// Text that its output must not contain.
    pub stdout_lacks: Option<String>,
    /// Run it again until it holds, up to the time-out.
    pub until: bool,
    /// The hardware of this instance dies.
    pub fail: Option<String>,
    /// An operator terminates it.
    pub terminate: Option<String>,
    /// An operator reboots it.
    pub reboot: Option<String>,
    /// An operator stops it.
    pub stop: Option<String>,
    /// An operator starts it.
    pub start: Option<String>,
    /// An operator attaches this slot's volume and network interface to `on`.
    pub attach_slot: Option<u32>,
    /// An operator detaches them.
    pub detach_slot: Option<u32>,
    /// Kill the processes of this name on `on`.
    pub kill: Option<String>,
    /// The signal for `kill` (KILL by default).
    pub signal: Option<String>,
    /// Restart this unit on `on`.
    pub restart_unit: Option<String>,
    /// Something goes wrong from now on.
    pub fault: Option<Fault>,
    /// Nothing goes wrong any more.
    pub clear_faults: bool,
    /// Kill this ZooKeeper server (1, 2, 3).
    pub kill_zookeeper: Option<usize>,
    /// Start it again.
    pub start_zookeeper: Option<usize>,
    /// What must hold now.
    pub check: Option<Check>,
}

/// What a `check` step looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Check {
    /// Every slot is held by one running instance of its zone, and no instance holds two.
    pub slots_taken: bool,
    /// These slots answer on their address (port 9092) from the clients' place.
    pub answers: Vec<u32>,
    /// These slots' volumes are mounted there on their holder.
    pub mounted: Option<String>,
    /// So many instances told an outcome, each SUCCESS and once; a repeat that the stack refuses counts too.
    pub signals: Option<usize>,
    /// Every fault that was given a count has struck so often.
    pub faults_spent: bool,
}

/// A step understood.
#[derive(Debug, Clone)]
pub enum Deed {
    /// Wait for an event.
    Wait {
        /// Its name, `volume-attached`.
        event: String,
        /// What it must say.
        fields: BTreeMap<String, String>,
        /// How many.
        count: usize,
    },
    /// Run a command.
    Run {
        /// For `sh -c`.
        line: String,
        /// Where.
        on: String,
    },
    /// Something happens to an instance: `fail`, `terminate`, `reboot`, `stop`, `start`.
    Happens {
        /// What.
        what: &'static str,
        /// To whom.
        to: String,
    },
    /// Attach a slot by hand.
    AttachSlot {
        /// Its number.
        slot: u32,
        /// The instance.
        on: String,
    },
    /// Detach it.
    DetachSlot(u32),
    /// Kill processes by name.
    Kill {
        /// Their name.
        process: String,
        /// The instance.
        on: String,
        /// The signal.
        signal: String,
    },
    /// Restart a unit.
    RestartUnit {
        /// The unit.
        unit: String,
        /// The instance.
        on: String,
    },
    /// Arm a fault.
    Fault(Fault),
    /// Disarm all.
    ClearFaults,
    /// Kill a ZooKeeper server.
    KillZooKeeper(usize),
    /// Start it again.
    StartZooKeeper(usize),
    /// Look.
    Check(Check),
    /// Only say something.
    Say,
}

impl Step {
    /// How long it may take.
    pub fn limit(&self) -> Result<Duration, String> {
        match &self.timeout {
            None => Ok(Duration::from_secs(60)),
            Some(text) => {
                humantime::parse_duration(text).map_err(|e| format!("timeout = {text:?} is not a time: {e}"))
            }
        }
    }

    /// What it does; a step does one thing.
    pub fn deed(&self) -> Result<Deed, String> {
        self.limit()?;
        let mut deeds: Vec<(&str, Deed)> = Vec::new();
        if let Some(event) = &self.wait {
            let (fields, count) = (self.fields.clone(), self.count.unwrap_or(1));
            deeds.push(("wait", Deed::Wait { event: event.clone(), fields, count }));
        } else if !self.fields.is_empty() || self.count.is_some() {
            return Err("`where` and `count` belong to `wait`".into());
        }
        if let Some(line) = &self.run {
            deeds.push((
                "run",
                Deed::Run { line: line.clone(), on: self.on.clone().unwrap_or_else(|| "clients".into()) },
            ));
        }
        let happens = [
            ("fail", &self.fail),
            ("terminate", &self.terminate),
            ("reboot", &self.reboot),
            ("stop", &self.stop),
            ("start", &self.start),
        ];
        for (what, to) in happens {
            deeds.extend(to.iter().map(|to| (what, Deed::Happens { what, to: to.clone() })));
        }
        let on =
            |key: &str| self.on.clone().ok_or(format!("`{key}` needs `on = \"slot N\"` or another instance"));
        if let Some(slot) = self.attach_slot {
            deeds.push(("attach-slot", Deed::AttachSlot { slot, on: on("attach-slot")? }));
        }
        deeds.extend(self.detach_slot.map(|slot| ("detach-slot", Deed::DetachSlot(slot))));
        if let Some(process) = &self.kill {
            let signal = self.signal.clone().unwrap_or_else(|| "KILL".into());
            deeds.push(("kill", Deed::Kill { process: process.clone(), on: on("kill")?, signal }));
        }
        if let Some(unit) = &self.restart_unit {
            deeds.push(("restart-unit", Deed::RestartUnit { unit: unit.clone(), on: on("restart-unit")? }));
        }
        deeds.extend(self.fault.iter().map(|fault| ("fault", Deed::Fault(fault.clone()))));
        deeds.extend(self.clear_faults.then_some(("clear-faults", Deed::ClearFaults)));
        deeds.extend(self.kill_zookeeper.map(|n| ("kill-zookeeper", Deed::KillZooKeeper(n))));
        deeds.extend(self.start_zookeeper.map(|n| ("start-zookeeper", Deed::StartZooKeeper(n))));
        deeds.extend(self.check.iter().map(|check| ("check", Deed::Check(check.clone()))));
        match deeds.len() {
            0 if self.say.is_some() => Ok(Deed::Say),
            0 => Err("a step needs one of wait, run, fail, terminate, reboot, stop, start, attach-slot, detach-slot, kill, restart-unit, fault, \
                      clear-faults, kill-zookeeper, start-zookeeper, check"
                .into()),
            1 => Ok(deeds.swap_remove(0).1),
            _ => Err(format!("a step does one thing, and this one does {}", deeds.iter().map(|d| d.0).collect::<Vec<_>>().join(" and "))),
        }
    }
}
