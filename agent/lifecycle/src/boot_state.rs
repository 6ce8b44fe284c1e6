//! One run of a boot: its token, its deadline, and how far it has come.

use crate::parts::agreement::Agreement;
use crate::parts::notes;
use crate::ports::Host;
use crate::retry::Patience;
use crate::{Agent, Step, Trouble};
use berth_plan::config::Config;
use berth_plan::outcome::{Kind, permission_patience};
use berth_plan::records::{FaultCode, Holder, Intent, SlotRecords, VERSION};
use berth_plan::slot::Slot;
use berth_plan::{AttachmentId, BrokerId, SinceBoot, Token};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How far this run has come: what giving up must look at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// The slot that is being taken or is held.
    pub slot: Option<Slot>,
    /// Whether an attach of it may have been accepted, or its claim names me.
    pub attached: bool,
    /// Whether its claim is marked `started` for me.
    pub started: bool,
    /// Whether that mark is of an earlier kernel boot: this one is no launch, and tells CloudFormation nothing.
    pub resumed: bool,
    /// Whether Auto Scaling wants this instance in service, as far as it has a say.
    pub in_service: bool,
    /// The attachment of its interface that was accepted: describe may not show it yet.
    pub attachment: Option<AttachmentId>,
    /// How often this run met trouble: the pauses grow with it.
    pub troubles: u32,
    /// The step in which IAM refuses a call, and since when, by `Host::since_boot`. The sentence would not do: each answer
    /// of EC2 names its own request.
    pub refused: Option<(Step, SinceBoot)>,
    /// Whether it lets go for good: a started slot has a deadline then.
    pub leaving: bool,
    /// What the last try ended with, where it is tried again; none where it was the slot's own trouble, or a slot is waited
    /// for. A deadline that passes between two tries is this trouble's.
    pub met: Option<Trouble>,
}

/// How many spaced reads must agree that nothing of a slot is attached here before its claim is given back.
const NOTHING_LEFT: Agreement = Agreement::new(2, Duration::from_secs(5));

/// One run of a boot.
pub struct Boot {
    agent: Agent,
    token: Token,
    deadline: Mutex<SinceBoot>,
    progress: Mutex<Progress>,
    strays: AtomicBool,
    unfinished: Mutex<BTreeMap<BrokerId, Agreement>>,
    undone: Mutex<BTreeSet<BrokerId>>,
}

/// State file: when the first run of this kernel boot began.
const FIRST_RUN: &str = "first-run";

/// When the first run of this kernel boot began, by `Host::since_boot`; none where this is it.
fn first_run(host: &dyn Host) -> Option<SinceBoot> {
    host.recall(FIRST_RUN).ok().flatten()?.trim().parse().ok()
}

/// When the deadline of this kernel boot is, by `Host::since_boot`: it counts from the boot's first run.
pub fn deadline(host: &dyn Host, config: &Config) -> SinceBoot {
    first_run(host).unwrap_or_else(|| host.since_boot()) + config.deadline
}

/// For how long the metadata service may be away before a run that knows nothing else ends; none: for ever. A slot was
/// started on this host, and only the metadata say for which instance: an image's note costs a longer wait, no more.
pub fn metadata_patience(host: &dyn Host, config: &Config) -> Option<Duration> {
    match notes::started(host) {
        Some(_) => None,
        None => Some(deadline(host, config).since(host.since_boot())),
    }
}

impl Deref for Boot {
    type Target = Agent;

    fn deref(&self) -> &Agent {
        &self.agent
    }
}

impl Boot {
    /// A run whose deadline is `deadline`, by [`deadline`] at its start. Nothing is written yet.
    pub fn new(agent: Agent, token: Token, deadline: SinceBoot) -> Self {
        let host = agent.ports.host.as_ref();
        let noted = first_run(host);
        let started = notes::started(host).is_some_and(|instance| instance == agent.me.instance);
        let progress = Mutex::new(Progress { started, ..Progress::default() });
        // An earlier run of this boot was ended amid something: what it asked for may land yet. A holder notes no run.
        let strays = AtomicBool::new(noted.is_some() || started);
        let deadline = Mutex::new(deadline);
        let (unfinished, undone) = Default::default();
        Self { agent, token, deadline, progress, strays, unfinished, undone }
    }

    /// When this boot's deadline is, by `Host::since_boot`.
    pub fn deadline(&self) -> SinceBoot {
        *self.deadline.lock().expect("no holder of this lock panics")
    }

    /// FAILURE was told and the run goes on: what it tries now has as much time as the first tries had.
    pub(crate) fn begin_another_deadline(&self) {
        self.set_deadline(self.ports.host.since_boot() + self.config.deadline);
    }

    /// Whether this trouble is late: the deadline has passed or, for a refusal by IAM, the time that a change of policy
    /// takes to be seen.
    pub(crate) fn is_late(&self, trouble: &Trouble) -> bool {
        if trouble.kind != Kind::Permission {
            self.progressed(|p| p.refused = None);
            return self.is_overdue();
        }
        let now = self.ports.host.since_boot();
        let mut since = now;
        self.progressed(|p| match &p.refused {
            Some((step, first)) if *step == trouble.step => since = *first,
            _ => p.refused = Some((trouble.step, now)),
        });
        self.is_overdue() || now.since(since) >= permission_patience(self.config.deadline)
    }

    /// One look found that nothing of an unfinished slot is attached here, or that something is; whether enough looks agree
    /// that nothing is.
    pub(crate) fn nothing_left_of(&self, id: BrokerId, is_attached: bool) -> bool {
        let mut unfinished = self.unfinished.lock().expect("no holder of this lock panics");
        let agreement = unfinished.entry(id).or_insert(NOTHING_LEFT);
        if is_attached {
            agreement.disagrees();
            return false;
        }
        agreement.agrees(self.ports.host.since_boot())
    }

    /// The claim of an unfinished slot was given back.
    pub(crate) fn finished(&self, id: BrokerId) {
        self.unfinished.lock().expect("no holder of this lock panics").remove(&id);
    }

    /// EC2 accepted an attach of this slot and undid it. Said once, another slot is chosen where there is one; said again, it is
    /// a fault of this slot. Somebody may have detached it by hand, once.
    pub(crate) fn attach_was_undone(&self, step: Step, sentence: String) -> Trouble {
        let Some(id) = self.progress().slot.map(|slot| slot.id) else {
            return Trouble::elsewhere(step, sentence);
        };
        let is_new = self.undone.lock().expect("no holder of this lock panics").insert(id);
        if is_new {
            Trouble::elsewhere(step, sentence)
        } else {
            Trouble::fault(step, FaultCode::Undone, sentence)
        }
    }

    /// The slots whose attachment EC2 undid in this run.
    pub(crate) fn undone(&self) -> BTreeSet<BrokerId> {
        self.undone.lock().expect("no holder of this lock panics").clone()
    }

    /// Whether slots that this run gave up still wait for the looks that finish them.
    pub(crate) fn has_unfinished(&self) -> bool {
        !self.unfinished.lock().expect("no holder of this lock panics").is_empty()
    }

    /// The wait for Auto Scaling is none of the boot's: its deadline counts from now, where no run came further before.
    pub(crate) fn deadline_begins(&self) {
        if first_run(self.ports.host.as_ref()).is_some() {
            return;
        }
        self.set_deadline(self.ports.host.since_boot() + self.config.deadline);
    }

    fn set_deadline(&self, deadline: SinceBoot) {
        *self.deadline.lock().expect("no holder of this lock panics") = deadline;
    }

    /// A boot begins: its deadline counts from the first run of this kernel boot that came here. Who holds a started slot
    /// has none.
    pub(crate) fn begins(&self) {
        if self.progress().started {
            return;
        }
        let first = self.deadline() - self.config.deadline;
        if matches!(self.ports.host.recall(FIRST_RUN), Ok(None))
            && let Err(error) = self.ports.host.note(FIRST_RUN, &first.to_string())
        {
            tracing::warn!(%error, "the deadline of this boot could not be noted; a restarted run would count anew");
        }
    }

    /// Claims were read: they, and no longer the note of an earlier run, say whether a slot is started for me.
    pub(crate) fn started_by_claims(&self, records: &BTreeMap<BrokerId, SlotRecords>) {
        let mut claims = records.values().filter_map(|r| Some(&r.claim.as_ref()?.value));
        let mine = claims.find(|claim| claim.started_by(&self.me.instance));
        if mine.is_none() {
            notes::forget_start(self.ports.host.as_ref());
        }
        let mark = mine.and_then(|claim| claim.started.as_ref());
        self.progressed(|p| {
            p.started = mark.is_some();
            p.resumed = mark.is_some_and(|mark| mark.boot != self.me.boot);
        });
    }

    /// The boot has ended and said so: a run that a person starts later in this kernel boot has its own deadline.
    pub(crate) fn deadline_ends(&self) {
        if let Err(error) = self.ports.host.forget(FIRST_RUN) {
            tracing::warn!(%error, "the next run of this boot has no time left");
        }
    }

    /// This run lets go of the slot for good.
    pub(crate) fn leaves(&self) {
        self.progressed(|p| p.leaving = true);
    }

    /// Whether the time of a release is up.
    pub(crate) fn is_late_to_leave(&self) -> bool {
        self.ports.host.since_boot() >= self.deadline()
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

impl Patience for Boot {
    fn agent(&self) -> &Agent {
        &self.agent
    }

    /// A started slot has no deadline: its holder goes on, unless it leaves.
    fn is_overdue(&self) -> bool {
        let progress = self.progress();
        (!progress.started || progress.leaving) && self.is_late_to_leave()
    }

    fn within(&self, length: Duration) -> Duration {
        let left = self.deadline().since(self.ports.host.since_boot());
        // A run that goes on past its deadline waits as it did before.
        if self.progress().started || left.is_zero() { length } else { length.min(left) }
    }
}
