//! EC2's status checks: of the system, of the instance, of the attached volumes. EC2 user guide, "Status checks for your
//! instances". Tests say what each finds.

use serde::{Deserialize, Serialize};

use super::schedule::Due;
use super::*;

/// What a check finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // The variants are AWS's words.
pub enum Check {
    #[default]
    Ok,
    Impaired,
    InsufficientData,
    Initializing,
    NotApplicable,
}

impl Check {
    /// As AWS spells it.
    pub fn word(self) -> &'static str {
        match self {
            Check::Ok => "ok",
            Check::Impaired => "impaired",
            Check::InsufficientData => "insufficient-data",
            Check::Initializing => "initializing",
            Check::NotApplicable => "not-applicable",
        }
    }

    /// The same of its one detail, `reachability`.
    fn detail(self) -> Option<&'static str> {
        match self {
            Check::Ok => Some("passed"),
            Check::Impaired => Some("failed"),
            Check::InsufficientData => Some("insufficient-data"),
            Check::Initializing => Some("initializing"),
            Check::NotApplicable => None,
        }
    }
}

/// What the checks of a running instance find, and since when they are impaired.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Checks {
    /// Of the host.
    pub system: Check,
    /// Of the operating system.
    pub instance: Check,
    /// Of the attached volumes.
    pub ebs: Check,
    /// The last change.
    pub since: Millis,
}

/// What the checks shall find. What is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChecksChange {
    /// Of the host.
    pub system: Option<Check>,
    /// Of the operating system.
    pub instance: Option<Check>,
    /// Of the attached volumes.
    pub ebs: Option<Check>,
}

impl Region {
    /// Says what EC2's status checks of an instance find; its group looks after `Delays::health_check`. The instance
    /// itself goes on. False where there is no such instance.
    pub fn set_checks(&mut self, id: &str, change: &ChecksChange) -> bool {
        let now = self.now;
        let changed = self.change_instance(id, |instance| {
            let checks = &mut instance.checks;
            let before = *checks;
            checks.system = change.system.unwrap_or(checks.system);
            checks.instance = change.instance.unwrap_or(checks.instance);
            checks.ebs = change.ebs.unwrap_or(checks.ebs);
            if *checks != before {
                checks.since = now;
            }
            *checks
        });
        let Some(checks) = changed else { return false };
        self.record(Event::ChecksSet {
            instance: id.to_owned(),
            system: checks.system.word().to_owned(),
            checks: checks.instance.word().to_owned(),
            ebs: checks.ebs.word().to_owned(),
        });
        self.checked_later(id);
        true
    }

    /// Its group looks at what the checks find by then.
    pub(super) fn checked_later(&mut self, id: &str) {
        let delay = self.draw(|d| &d.health_check);
        let cause = "EC2 instance status checks failure".to_owned();
        self.later(delay, Due::GroupNotices { instance: id.to_owned(), cause });
    }

    /// Whether the checks, or what is scheduled for it, make a running instance unhealthy to its group.
    pub(super) fn ill_by_checks(&self, instance: &Instance, group: &Group) -> bool {
        let checks = &instance.checks;
        let impaired = [checks.system, checks.instance].contains(&Check::Impaired);
        let by_volumes = group.health_check_type.split(',').any(|word| word.trim() == "EBS");
        let scheduled = instance.notices.events.iter().any(|event| event.state == EventState::Active);
        instance.impaired || impaired || (by_volumes && checks.ebs == Check::Impaired) || scheduled
    }

    pub(super) fn status_view(&self, instance: &Instance) -> InstanceStatusView {
        let view = |check: Check| {
            let found = match instance.state {
                InstanceState::Running if instance.impaired => Check::Impaired,
                InstanceState::Running => check,
                InstanceState::Pending => Check::Initializing,
                _ => Check::NotApplicable,
            };
            let failed = found == Check::Impaired && check == Check::Impaired;
            let details = found.detail().map(|status| CheckDetailView {
                name: "reachability".into(),
                status: status.into(),
                since: failed.then(|| self.stamp(instance.checks.since)),
            });
            CheckView { status: found.word().to_owned(), details: details.into_iter().collect() }
        };
        let events = instance.notices.events.iter().map(|event| StatusEventView {
            id: event.id.clone(),
            code: event.code.word().to_owned(),
            description: event.told(),
            not_before: self.stamp(event.not_before),
            not_after: self.stamp(event.not_after),
        });
        InstanceStatusView {
            instance: instance.id.clone(),
            zone: instance.zone.clone(),
            events: events.collect(),
            state: super::show::state_view(instance.state),
            system: view(instance.checks.system),
            checks: view(instance.checks.instance),
            ebs: view(instance.checks.ebs),
        }
    }
}
