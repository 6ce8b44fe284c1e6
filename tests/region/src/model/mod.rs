//! The region as a pure state machine: no clock, no files, no tasks. Time moves only by [`Region::advance`], chance comes
//! only from the seed in [`Settings`], and everything that happens is written to the journal.

pub mod authorization;
pub mod call;
mod client_tokens;
mod console;
pub mod delay;
mod describe;
mod describe_kinds;
pub mod fault;
pub mod filter;
mod group_calls;
pub mod groups;
mod hook_calls;
pub mod hooks;
pub mod imds;
mod imds_tree;
mod injected;
pub mod instance_types;
pub mod instances;
mod interface_states;
pub mod interfaces;
pub mod journal;
pub mod lookup;
mod names;
pub mod notices;
pub mod refresh;
mod refresh_calls;
pub mod refusal;
pub mod request;
mod schedule;
pub mod settings;
mod show;
pub mod sources;
pub mod spec;
pub mod stacks;
pub mod state;
pub mod status_checks;
pub mod subnets;
mod tags;
mod templates;
pub mod throttle;
mod versioned;
pub mod view;
mod volume_states;
pub mod volumes;
mod warm_pools;

use std::collections::BTreeMap;

pub use call::Caller;
pub use delay::{Delay, Delays};
pub use fault::{Fault, FaultKind};
pub use hooks::{HookResult, HookSpec, LifecycleAction, Transition};
pub use imds::{ImdsAnswer, ImdsRequest};
pub use journal::{Entry, Event};
pub use notices::{EventCode, EventSpec, EventState, Notices, ScheduledEvent, SpotAction};
pub use refresh::{Maintenance, Refresh, RefreshState};
pub use refusal::{CallError, Refusal};
pub use request::*;
pub use settings::{AccessKey, Settings};
pub use spec::*;
pub use state::*;
pub use status_checks::{Check, Checks, ChecksChange};
pub use view::*;

use authorization::Credentials;
use names::Names;
use schedule::{Due, Schedule};
use throttle::Buckets;
use versioned::Versioned;

/// Milliseconds since the region's start.
pub type Millis = u64;
/// `i-…`
pub type InstanceId = String;
/// `vol-…`
pub type VolumeId = String;
/// `eni-…`
pub type EniId = String;
/// `subnet-…`
pub type SubnetId = String;

/// One region of one account, with all that exists in it.
#[derive(Debug)]
pub struct Region {
    pub(crate) settings: Settings,
    now: Millis,
    names: Names,
    schedule: Schedule,
    journal: Vec<Entry>,
    buckets: Buckets,
    faults: Vec<fault::Armed>,
    slow: Option<Millis>,
    vpc: String,
    subnets: BTreeMap<SubnetId, Subnet>,
    instances: BTreeMap<InstanceId, Versioned<Instance>>,
    volumes: BTreeMap<VolumeId, Versioned<Volume>>,
    enis: BTreeMap<EniId, Versioned<Eni>>,
    templates: BTreeMap<String, Template>,
    configurations: BTreeMap<String, LaunchData>,
    groups: BTreeMap<String, Group>,
    stacks: BTreeMap<String, Stack>,
    deleted_stacks: BTreeMap<String, Stack>,
    credentials: BTreeMap<String, Credentials>,
    imds_tokens: BTreeMap<String, (InstanceId, Millis)>,
    consoles: BTreeMap<InstanceId, console::Console>,
    client_tokens: BTreeMap<String, (String, String)>,
}

impl Region {
    /// An empty region with one VPC.
    pub fn new(settings: Settings) -> Region {
        let mut names = Names::new(settings.seed);
        let vpc = names.id("vpc");
        Region {
            now: 0,
            schedule: Schedule::default(),
            journal: Vec::new(),
            buckets: Buckets::default(),
            faults: Vec::new(),
            slow: None,
            vpc,
            subnets: BTreeMap::new(),
            instances: BTreeMap::new(),
            volumes: BTreeMap::new(),
            enis: BTreeMap::new(),
            templates: BTreeMap::new(),
            configurations: BTreeMap::new(),
            groups: BTreeMap::new(),
            stacks: BTreeMap::new(),
            deleted_stacks: BTreeMap::new(),
            credentials: BTreeMap::new(),
            imds_tokens: BTreeMap::new(),
            consoles: BTreeMap::new(),
            client_tokens: BTreeMap::new(),
            names,
            settings,
        }
    }

    /// The time of the last event carried out, or the last `advance`.
    pub fn now(&self) -> Millis {
        self.now
    }

    /// When the next thing happens by itself.
    pub fn next_event(&self) -> Option<Millis> {
        self.schedule.next().map(|at| at.max(self.now))
    }

    /// Carries out everything that is due until `to`, in order of time; time never goes back.
    pub fn advance(&mut self, to: Millis) {
        while let Some((at, due)) = self.schedule.take_until(to.max(self.now)) {
            self.now = self.now.max(at);
            self.carry_out(due);
        }
        self.now = self.now.max(to);
    }

    /// Everything that happened, oldest first.
    pub fn journal(&self) -> &[Entry] {
        &self.journal
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes settings (delays, throttling) while the region runs.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Wall time now, in unix milliseconds.
    pub fn wall(&self) -> u64 {
        self.settings.epoch + self.now
    }

    /// The one VPC.
    pub fn vpc(&self) -> &str {
        &self.vpc
    }

    fn record(&mut self, event: Event) {
        let seq = self.journal.len();
        self.journal.push(Entry { seq, at: self.now, event });
    }

    fn later(&mut self, delay: Millis, due: Due) {
        self.schedule.put(self.now + delay, due);
    }

    fn draw(&mut self, delay: impl Fn(&Delays) -> &Delay) -> Millis {
        delay(&self.settings.delays).draw(self.names.rng())
    }

    fn carry_out(&mut self, due: Due) {
        match due {
            Due::InstanceRunning { instance, turn } => self.instance_running(&instance, turn),
            Due::InstanceTerminated { instance } => self.instance_terminated(&instance),
            Due::InstanceReleased { instance } => self.release_attachments(&instance),
            Due::InstanceStopped { instance, turn } => self.instance_stopped(&instance, turn),
            Due::VolumeAvailable { volume } => self.volume_available(&volume),
            Due::VolumeAttached { volume, instance, turn } => self.volume_attached(&volume, &instance, turn),
            Due::VolumeDetached { volume, instance, turn } => self.volume_detached(&volume, &instance, turn),
            Due::VolumeUndone { volume, instance, turn } => self.volume_undone(&volume, &instance, turn),
            Due::VolumeDeleted { volume } => self.volume_deleted(&volume),
            Due::EniAvailable { eni } => self.eni_available(&eni),
            Due::EniAttached { eni, attachment } => self.eni_attached(&eni, &attachment),
            Due::EniDetached { eni, attachment } => self.eni_detached(&eni, &attachment),
            Due::GroupLaunch { group } => self.group_launch(&group),
            Due::GroupNotices { instance, cause } => self.group_notices(&instance, &cause),
            Due::HookDeadline { instance, token } => self.hook_timed_out(&instance, &token),
            Due::HookProceeds { instance } => self.hook_proceeds(&instance),
            Due::StackDeadline { stack, turn } => self.stack_deadline(&stack, turn),
            Due::RefreshStep { group } => self.refresh_step(&group),
            Due::SpotInterruption { instance } => self.spot_interrupts(&instance),
            Due::ScheduledEvent { instance, event } => self.scheduled_event(&instance, &event),
            Due::LateCommit { request } => {
                // What the caller was never told: its refusal, if any, is nobody's either.
                let _ = self.execute(&request, &fault::Effect::default());
            }
        }
    }
}
