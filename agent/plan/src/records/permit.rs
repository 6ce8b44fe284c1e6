//! The replacement permit, as it is recorded: the one right of a cluster to have one of its instances replaced.
//!
//! The record outlives the instance that it is about, and is never deleted: one that is over is written as over, so that
//! no revision comes twice and a write that lands late finds another one.

use super::codec::{Unreadable, VERSION, checked, written};
use super::{HISTORY, Versioned};
use crate::outcome::Kind;
use crate::{BrokerId, InstanceId, StoreTime, Token};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PermitState {
    /// Somebody has it; nobody has asked yet.
    Taken,
    /// Auto Scaling is being asked, or was.
    Asking,
    /// It is over: free for the next.
    Ended,
}

/// Why an instance should be replaced. A word that this berth does not know is kept as it is: two versions meet in a roll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Its unit failed for good.
    UnitFailed,
    /// Its host cannot do what a broker needs.
    Host,
    /// The disk or EC2 shows a fault of its slot.
    SlotFault,
    /// Writes to the slot's volume do not come back.
    VolumeStalled,
    /// Its peers cannot reach it.
    LostPeer,
    /// Of another version of berth.
    #[serde(untagged)]
    Other(String),
}

impl Reason {
    /// The reason that a kind of trouble is; none where another instance would meet the same, or it is a control plane's: a
    /// bad hour of ZooKeeper, EC2 or IAM must not terminate a healthy fleet.
    pub fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::UnitFailed => Some(Self::UnitFailed),
            Kind::Host => Some(Self::Host),
            Kind::SlotFault => Some(Self::SlotFault),
            Kind::ControlPlane | Kind::Permission | Kind::Configuration | Kind::NoSlot | Kind::Elsewhere => {
                None
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One replacement that was asked for: what the permit remembers of those that are over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    /// The slot.
    pub slot: BrokerId,
    /// The instance that was to be replaced.
    pub subject: InstanceId,
    /// Why.
    pub reason: Reason,
    /// When its permit was taken, by the store's clock.
    pub since: StoreTime,
    /// How it ended, one sentence.
    pub ended: String,
}

/// The record at `permit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Permit {
    /// Format of the record.
    pub v: u32,
    /// How far it has come.
    pub state: PermitState,
    /// The slot whose holder is to be replaced.
    pub slot: BrokerId,
    /// That holder: whose permit it is.
    pub subject: InstanceId,
    /// The instance that wrote the record last.
    pub owner: InstanceId,
    /// The run of berth that wrote it last.
    pub token: Token,
    /// Why.
    pub reason: Reason,
    /// When the subject's permit was taken, by the store's clock. None in the record that takes it: who writes does not
    /// know the store's time, and the record's own change is that moment.
    #[serde(default)]
    pub since: Option<StoreTime>,
    /// How often `asking` was written for this subject.
    #[serde(default)]
    pub asks: u32,
    /// The last replacements that were asked for and are over, newest last.
    #[serde(default)]
    pub history: Vec<Replacement>,
    /// What another version of berth wrote.
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// Whose permit it is, why, and who takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taking {
    /// The slot.
    pub slot: BrokerId,
    /// Its holder, which is to be replaced.
    pub subject: InstanceId,
    /// Why.
    pub reason: Reason,
    /// The instance that takes it.
    pub owner: InstanceId,
    /// Its run.
    pub token: Token,
}

impl Permit {
    /// The permit taken, after `before`: what another version wrote there, and the history, stay.
    pub fn taken(before: Option<&Self>, taking: Taking) -> Self {
        let Taking { slot, subject, reason, owner, token } = taking;
        let history = before.map(|permit| permit.history.clone()).unwrap_or_default();
        let other = before.map(|permit| permit.other.clone()).unwrap_or_default();
        let (v, state) = (VERSION, PermitState::Taken);
        Self { v, state, slot, subject, owner, token, reason, since: None, asks: 0, history, other }
    }

    /// Reads a record.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        checked(bytes)
    }

    /// The record's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        written(self)
    }

    /// Whether it is somebody's.
    pub fn is_held(&self) -> bool {
        self.state != PermitState::Ended
    }
}

impl Versioned<Permit> {
    /// When the subject's permit was taken, by the store's clock.
    pub fn since(&self) -> StoreTime {
        self.value.since.unwrap_or(self.changed)
    }

    /// The record that goes before each single ask.
    pub fn asking(&self, owner: InstanceId, token: Token) -> Permit {
        let (since, asks) = (Some(self.since()), self.value.asks.saturating_add(1));
        Permit { state: PermitState::Asking, owner, token, since, asks, ..self.value.clone() }
    }

    /// The record of a permit that is over, for the reason `why`. One under which nobody asked is not remembered.
    pub fn ended(&self, why: &str) -> Permit {
        let mut permit =
            Permit { state: PermitState::Ended, since: Some(self.since()), ..self.value.clone() };
        if permit.asks > 0 {
            let (slot, subject, reason) = (permit.slot, permit.subject.clone(), permit.reason.clone());
            let (since, ended) = (self.since(), why.to_owned());
            permit.history.push(Replacement { slot, subject, reason, since, ended });
            let over = permit.history.len().saturating_sub(HISTORY);
            permit.history.drain(..over);
        }
        permit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Revision;

    fn instance(n: u8) -> InstanceId {
        format!("i-0000000000000000{n}").parse().unwrap()
    }

    fn taken(before: Option<&Permit>) -> Permit {
        let (slot, token) = (BrokerId::new(2).unwrap(), "run-1".parse().unwrap());
        let (subject, owner) = (instance(1), instance(2));
        Permit::taken(before, Taking { slot, subject, reason: Reason::LostPeer, owner, token })
    }

    fn stored(value: Permit, changed: u64) -> Versioned<Permit> {
        let (revision, changed) = (Revision::of_store(0), StoreTime::from_millis(changed));
        Versioned { value, revision, changed }
    }

    #[test]
    fn what_another_version_wrote_survives_every_change() {
        let text = br#"{"v":1,"state":"ended","slot":0,"subject":"i-00000000000000009","owner":"i-00000000000000009",
            "token":"t","reason":"melted","colour":[1,2],"history":[]}"#;
        let read = Permit::read(text).unwrap();
        assert_eq!(read.reason, Reason::Other("melted".to_owned()));
        let asking = stored(taken(Some(&read)), 5).asking(instance(1), "run-2".parse().unwrap());
        let over = stored(asking, 6).ended("replaced");
        let again = Permit::read(&over.bytes()).unwrap();
        assert_eq!((&again, &again.other["colour"]), (&over, &serde_json::json!([1, 2])));
    }

    #[test]
    fn an_unknown_format_and_an_unknown_state_are_refused() {
        let text = String::from_utf8(taken(None).bytes()).unwrap();
        assert!(text.contains(r#""v":1"#) && text.contains(r#""state":"taken""#), "{text}");
        let newer = text.replace(r#""v":1"#, r#""v":2"#);
        assert!(Permit::read(newer.as_bytes()).unwrap_err().to_string().contains("v=2"));
        let strange = text.replace(r#""taken""#, r#""lent""#);
        assert!(matches!(Permit::read(strange.as_bytes()), Err(Unreadable::Json(_))));
    }

    #[test]
    fn each_ask_is_counted_and_the_subjects_time_runs_from_the_taking() {
        let first = stored(taken(None), 100).asking(instance(1), "run-2".parse().unwrap());
        assert_eq!((first.since, first.asks), (Some(StoreTime::from_millis(100)), 1));
        let second = stored(first, 500).asking(instance(3), "run-3".parse().unwrap());
        assert_eq!((second.since, second.asks), (Some(StoreTime::from_millis(100)), 2));
        assert_eq!((second.owner, second.subject), (instance(3), instance(1)));
    }

    #[test]
    fn the_history_has_the_last_twenty_that_were_asked_for() {
        let mut before = stored(taken(None), 0).ended("nobody asked");
        assert!(before.history.is_empty() && !before.is_held());
        for n in 0..30 {
            let asking = stored(taken(Some(&before)), n).asking(instance(1), "run-1".parse().unwrap());
            before = stored(asking, n + 1).ended("replaced");
        }
        let first = &before.history[0];
        assert_eq!((before.history.len(), first.since), (HISTORY, StoreTime::from_millis(10)));
    }

    #[test]
    fn no_control_plane_is_ever_a_reason() {
        for kind in [Kind::ControlPlane, Kind::Permission, Kind::Configuration, Kind::NoSlot, Kind::Elsewhere]
        {
            assert_eq!(Reason::of(kind), None, "{kind:?}");
        }
        for (kind, word) in
            [(Kind::UnitFailed, "unit-failed"), (Kind::Host, "host"), (Kind::SlotFault, "slot-fault")]
        {
            assert_eq!(Reason::of(kind).unwrap().to_string(), word);
        }
    }
}
