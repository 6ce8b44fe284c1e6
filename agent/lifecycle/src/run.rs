//! One run of the program: who it is, what it may use, how long it has.

use crate::ports::Host;
use crate::{Ports, notes};
use berth_plan::claim::{Holder, Intent, SlotRecords, VERSION};
use berth_plan::config::Config;
use berth_plan::picture::Slot;
use berth_plan::{
    AttachmentId, BootId, BrokerId, InstanceId, MacAddress, Millis, Subnet, SubnetId, Token, Zone,
};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// This instance, as the metadata service described it at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// The instance.
    pub instance: InstanceId,
    /// The kernel boot.
    pub boot: BootId,
    /// Where it runs, by name.
    pub zone: Zone,
    /// Where it runs, by the id that is the same in every account.
    pub zone_id: String,
    /// The region.
    pub region: String,
    /// Its type.
    pub instance_type: String,
    /// The primary interface.
    pub mac: MacAddress,
    /// The primary interface's first address.
    pub address: Ipv4Addr,
    /// The primary interface's subnet; none where the metadata service did not say.
    pub subnet: Option<(SubnetId, Subnet)>,
    /// Auto Scaling's target state; none outside a group, and for a while on a brand-new instance.
    pub target_state: Option<String>,
}

/// How far this run has come: what giving up must look at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// The slot that is being taken or is held.
    pub slot: Option<Slot>,
    /// Whether an attach of it may have been accepted, or its claim names me.
    pub attached: bool,
    /// Whether its claim is marked `started` for me.
    pub started: bool,
    /// The attachment of its interface that was accepted: describe may not show it yet.
    pub attachment: Option<AttachmentId>,
    /// How often this run met trouble: the pauses grow with it.
    pub troubles: u32,
}

/// One run.
pub struct Run {
    /// This instance.
    pub me: Me,
    /// The configuration.
    pub config: Config,
    /// The world.
    pub ports: Ports,
    /// This run's token.
    pub token: Token,
    /// When this boot's deadline is, by `Host::since_boot`.
    pub deadline: Millis,
    progress: Mutex<Progress>,
    strays: AtomicBool,
}

/// State file: when the first run of this kernel boot began.
const FIRST_RUN: &str = "first-run";

/// When the first run of this kernel boot began, by `Host::since_boot`; none where this is it.
pub fn first_run(host: &dyn Host) -> Option<Millis> {
    host.recall(FIRST_RUN).ok().flatten()?.trim().parse().ok()
}

impl Run {
    /// A run. Nothing is written yet: `plan` and `status` look with one too.
    pub fn new(me: Me, config: Config, ports: Ports, token: Token) -> Self {
        let noted = first_run(ports.host.as_ref());
        let first: Millis = noted.unwrap_or_else(|| ports.host.since_boot());
        let deadline = first + config.deadline;
        let started = notes::started(ports.host.as_ref()).is_some_and(|instance| instance == me.instance);
        let progress = Mutex::new(Progress { started, ..Progress::default() });
        // An earlier run of this boot was ended amid something: what it asked for may land yet.
        let strays = AtomicBool::new(noted.is_some());
        Self { me, config, ports, token, deadline, progress, strays }
    }

    /// A boot begins: its deadline counts from the first run of this kernel boot that came here.
    pub(crate) fn begins(&self) {
        let first = self.deadline - self.config.deadline;
        if matches!(self.ports.host.recall(FIRST_RUN), Ok(None))
            && let Err(error) = self.ports.host.note(FIRST_RUN, &first.to_string())
        {
            tracing::warn!(%error, "the deadline of this boot could not be noted; a restarted run would count anew");
        }
    }

    /// Claims were read: they, and no longer the note of an earlier run, say whether a slot is started for me.
    pub(crate) fn started_by_claims(&self, records: &BTreeMap<BrokerId, SlotRecords>) {
        let mut claims = records.values().filter_map(|r| Some(&r.claim.as_ref()?.value));
        let started = claims.any(|claim| claim.started_by(&self.me.instance));
        if !started {
            notes::forget_started(self.ports.host.as_ref());
        }
        self.progressed(|p| p.started = started);
    }

    /// The boot has ended and said so: a run that a person starts later in this kernel boot has its own deadline.
    pub(crate) fn deadline_ends(&self) {
        if let Err(error) = self.ports.host.forget(FIRST_RUN) {
            tracing::warn!(%error, "the next run of this boot has no time left");
        }
    }

    /// How far this run has come.
    pub fn progress(&self) -> Progress {
        self.progress.lock().expect("no holder of this lock panics").clone()
    }

    pub(crate) fn progressed(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock().expect("no holder of this lock panics"));
    }

    /// An attach had no answer, or a slot was given up: something of another slot than mine may land here yet.
    /// Says whether that was expected before.
    pub(crate) fn expects_strays(&self) -> bool {
        self.strays.swap(true, Ordering::Relaxed)
    }

    /// The attach that was asked for was answered after all.
    pub(crate) fn answered(&self, expected_before: bool) {
        self.strays.store(expected_before, Ordering::Relaxed);
    }

    pub(crate) fn may_have_strays(&self) -> bool {
        self.strays.load(Ordering::Relaxed)
    }

    /// Whether the deadline has passed. A started slot has none: its holder goes on.
    pub fn is_overdue(&self) -> bool {
        !self.progress().started && self.ports.host.since_boot() >= self.deadline
    }

    /// Sleeps, but not past the deadline.
    pub(crate) async fn pause(&self, millis: Millis) {
        self.ports.host.sleep(self.within(millis)).await;
    }

    /// This long, but not past the deadline where there is one.
    pub(crate) fn within(&self, millis: Millis) -> Millis {
        if self.progress().started {
            return millis;
        }
        millis.min(self.deadline.saturating_sub(self.ports.host.since_boot())).max(1)
    }

    /// The name of a slot's resources.
    pub(crate) fn name(&self, id: BrokerId) -> String {
        self.config.name.name(id)
    }

    /// The Name of any slot, as an EC2 filter.
    pub(crate) fn name_wildcard(&self) -> String {
        self.config.name.name("*")
    }

    pub(crate) fn intent(&self) -> Intent {
        Intent {
            v: VERSION,
            instance: self.me.instance.clone(),
            boot: self.me.boot.clone(),
            token: self.token.clone(),
        }
    }

    pub(crate) fn holder(&self, slot: &Slot) -> Holder {
        Holder {
            instance: self.me.instance.clone(),
            boot: self.me.boot.clone(),
            zone: self.me.zone.clone(),
            volume: slot.volume.as_ref().map(|volume| volume.id.clone()),
            eni: slot.eni.as_ref().map(|eni| eni.id.clone()),
        }
    }
}
