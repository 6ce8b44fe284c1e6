//! What EC2 says ahead to an instance by its metadata: that a Spot Instance is interrupted, that it had better be
//! replaced, that maintenance is scheduled. EC2 user guide, "Spot Instance interruption notices", "EC2 instance
//! rebalance recommendations", "Scheduled events".

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::schedule::Due;
use super::*;

/// EC2 user guide: the notice comes two minutes before the interruption.
const NOTICE: Millis = 120_000;

/// What an interruption does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // The variants are AWS's words.
pub enum SpotAction {
    #[default]
    Terminate,
    Stop,
    Hibernate,
}

impl SpotAction {
    /// As AWS spells it.
    pub fn word(self) -> &'static str {
        match self {
            SpotAction::Terminate => "terminate",
            SpotAction::Stop => "stop",
            SpotAction::Hibernate => "hibernate",
        }
    }
}

/// What kind of event is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // The variants are AWS's words.
pub enum EventCode {
    InstanceReboot,
    SystemReboot,
    SystemMaintenance,
    InstanceRetirement,
    InstanceStop,
}

impl EventCode {
    /// As AWS spells it.
    pub fn word(self) -> &'static str {
        match self {
            EventCode::InstanceReboot => "instance-reboot",
            EventCode::SystemReboot => "system-reboot",
            EventCode::SystemMaintenance => "system-maintenance",
            EventCode::InstanceRetirement => "instance-retirement",
            EventCode::InstanceStop => "instance-stop",
        }
    }
}

/// How far a scheduled event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // The variants are AWS's words.
pub enum EventState {
    Active,
    Completed,
    Canceled,
}

/// An event to schedule.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSpec {
    /// Its kind.
    pub code: EventCode,
    /// What is said of it.
    #[serde(default)]
    pub description: String,
    /// In how long it begins.
    pub in_ms: Millis,
    /// How long it takes.
    #[serde(default)]
    pub for_ms: Millis,
}

/// A scheduled event of an instance.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduledEvent {
    /// `instance-event-…`
    pub id: String,
    /// Its kind.
    pub code: EventCode,
    /// What is said of it.
    pub description: String,
    /// When it begins.
    pub not_before: Millis,
    /// When it has ended.
    pub not_after: Millis,
    /// How far it is.
    pub state: EventState,
}

impl ScheduledEvent {
    /// What is said of it, with how it ended before.
    pub fn told(&self) -> String {
        match self.state {
            EventState::Active => self.description.clone(),
            EventState::Completed => format!("[Completed] {}", self.description),
            EventState::Canceled => format!("[Canceled] {}", self.description),
        }
    }
}

/// The notices of an instance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notices {
    /// It is interrupted: how, and when.
    pub spot: Option<(SpotAction, Millis)>,
    /// When it was recommended to replace it.
    pub rebalance: Option<Millis>,
    /// Its scheduled events, past ones too.
    pub events: Vec<ScheduledEvent>,
}

impl Region {
    /// Spot capacity is taken back: the notice now, the interruption in two minutes; a hibernation begins at once. No
    /// hook delays it. False where there is no such instance, or it does not run.
    pub fn interrupt_spot(&mut self, id: &str, action: SpotAction) -> bool {
        let wait = if action == SpotAction::Hibernate { 0 } else { NOTICE };
        let at = self.now + wait;
        let noted = self.change_instance(id, |instance| {
            let runs = instance.state == InstanceState::Running && instance.notices.spot.is_none();
            if runs {
                instance.notices.spot = Some((action, at));
            }
            runs
        });
        if noted != Some(true) {
            return false;
        }
        let word = action.word().to_owned();
        self.record(Event::SpotNotice { instance: id.to_owned(), action: word, time: at });
        self.later(wait, Due::SpotInterruption { instance: id.to_owned() });
        true
    }

    pub(super) fn spot_interrupts(&mut self, id: &str) {
        match self.instance(id).and_then(|instance| instance.notices.spot) {
            Some((SpotAction::Terminate, at)) if at <= self.now => self.begin_termination(id, "spot"),
            Some((_, at)) if at <= self.now => self.stop_instance(id),
            _ => {}
        }
    }

    /// EC2 recommends to replace an instance: its interruption is likelier than that of others. Nothing follows by
    /// itself. False where there is no such instance.
    pub fn recommend_rebalance(&mut self, id: &str) -> bool {
        let now = self.now;
        let noted = self.change_instance(id, |instance| instance.notices.rebalance = Some(now));
        if noted.is_some() {
            self.record(Event::RebalanceNotice { instance: id.to_owned() });
        }
        noted.is_some()
    }

    /// Schedules an event for an instance; its id, or none where there is no such instance. When its time comes a reboot
    /// or stop is done.
    pub fn schedule_event(&mut self, id: &str, spec: EventSpec) -> Option<String> {
        self.instance(id)?;
        let event = ScheduledEvent {
            id: self.names.id("instance-event"),
            code: spec.code,
            not_before: self.now + spec.in_ms,
            not_after: self.now + spec.in_ms + spec.for_ms,
            description: spec.description,
            state: EventState::Active,
        };
        let (name, code) = (event.id.clone(), event.code.word().to_owned());
        self.record(Event::EventScheduled {
            instance: id.to_owned(),
            id: name.clone(),
            code,
            not_before: event.not_before,
        });
        self.change_instance(id, |instance| instance.notices.events.push(event));
        self.checked_later(id);
        self.later(spec.in_ms, Due::ScheduledEvent { instance: id.to_owned(), event: name.clone() });
        Some(name)
    }

    /// Cancels an event that has not begun. False where there is none.
    pub fn cancel_event(&mut self, id: &str, event: &str) -> bool {
        self.end_event(id, event, EventState::Canceled).is_some()
    }

    fn end_event(&mut self, id: &str, event: &str, state: EventState) -> Option<EventCode> {
        let code = self.change_instance(id, |instance| {
            let active = |one: &&mut ScheduledEvent| one.id == event && one.state == EventState::Active;
            let found = instance.notices.events.iter_mut().find(active)?;
            found.state = state;
            Some(found.code)
        })??;
        self.record(Event::EventEnded {
            instance: id.to_owned(),
            id: event.to_owned(),
            canceled: state == EventState::Canceled,
        });
        Some(code)
    }

    /// The time of a scheduled event has come.
    pub(super) fn scheduled_event(&mut self, id: &str, event: &str) {
        match self.end_event(id, event, EventState::Completed) {
            Some(EventCode::InstanceReboot | EventCode::SystemReboot) => self.reboot_instance(id),
            Some(EventCode::InstanceRetirement | EventCode::InstanceStop) => self.stop_instance(id),
            Some(EventCode::SystemMaintenance) | None => {}
        }
    }

    /// What the metadata says of them, by its path below `meta-data/`.
    pub(super) fn notices_served(&self, instance: &Instance) -> Vec<(&'static str, String)> {
        let mut served = Vec::new();
        let stamp = |at: Millis| {
            let stamp = self.stamp(at);
            format!("{}Z", stamp.split('.').next().unwrap_or_default())
        };
        if let Some((action, at)) = instance.notices.spot {
            let said = json!({ "action": action.word(), "time": stamp(at) });
            served.push(("spot/instance-action", said.to_string()));
            if action == SpotAction::Terminate {
                served.push(("spot/termination-time", stamp(at)));
            }
        }
        if let Some(at) = instance.notices.rebalance {
            let said = json!({ "noticeTime": stamp(at) });
            served.push(("events/recommendations/rebalance", said.to_string()));
        }
        for (path, active) in [("events/maintenance/scheduled", true), ("events/maintenance/history", false)]
        {
            let events = instance.notices.events.iter();
            let events: Vec<serde_json::Value> = events
                .filter(|event| (event.state == EventState::Active) == active)
                .map(|event| {
                    json!({
                        "NotBefore": self.http_date(event.not_before),
                        "Code": event.code.word(),
                        "Description": event.told(),
                        "EventId": event.id,
                        "NotAfter": self.http_date(event.not_after),
                        "State": event.state,
                    })
                })
                .collect();
            served.push((path, format!("{:#}", json!(events))));
        }
        served
    }

    /// `21 Jan 2019 09:00:43 GMT`, as the metadata writes the times of events.
    fn http_date(&self, at: Millis) -> String {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let stamp = self.stamp(at);
        let (day, time) = stamp.split_once('T').unwrap_or_default();
        let mut parts = day.split('-');
        let year = parts.next().unwrap_or_default();
        let month = parts.next().and_then(|month| MONTHS.get(month.parse::<usize>().ok()?.checked_sub(1)?));
        let (date, time) = (parts.next().unwrap_or_default(), time.split('.').next().unwrap_or_default());
        format!("{date} {} {year} {time} GMT", month.unwrap_or(&"Jan"))
    }
}
