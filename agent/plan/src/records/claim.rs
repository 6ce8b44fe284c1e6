//! The durable record of who holds a slot, and its changes.
//!
//! A claim is a persistent node that is never deleted and is changed only by version-checked writes.

use super::codec::{Unreadable, VERSION, checked, written};
use crate::fs::{FsName, FsUuid};
use crate::service::Incarnation;
use crate::service::identity::Reset;
use crate::{BootId, EniId, InstanceId, StoreTime, UnixTime, VolumeId, Zone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many past owners a claim keeps.
pub const HISTORY: usize = 20;

/// Whether the slot has a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The holder has it.
    Held,
    /// Nobody has it.
    Free,
    /// The holder gave up and could not undo all it did; what is left is in `left`.
    Unfinished,
}

/// The instance that a claim names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The instance. It alone decides whether a claim is mine.
    pub instance: InstanceId,
    /// The kernel boot in which it wrote.
    pub boot: BootId,
    /// Where it runs.
    pub zone: Zone,
    /// The slot's volume.
    pub volume: Option<VolumeId>,
    /// The slot's interface.
    pub eni: Option<EniId>,
}

/// The file system on the slot's volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskRecord {
    /// The volume.
    pub volume: VolumeId,
    /// Its kind.
    pub fs: FsName,
    /// Its UUID.
    pub uuid: FsUuid,
}

/// "The service is about to be started on this slot": written before the unit is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The kernel boot.
    pub boot: BootId,
    /// Unix time, milliseconds.
    pub at: UnixTime,
}

/// The last registration of the service that berth saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Which one it was. The field has the name that Kafka's register in ZooKeeper gave it first.
    #[serde(rename = "czxid")]
    pub incarnation: Incarnation,
    /// The host that it advertises.
    pub host: Option<String>,
}

/// One line of a claim's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The instance.
    pub instance: InstanceId,
    /// Unix time, milliseconds, of what `why` says.
    pub at: UnixTime,
    /// What happened then.
    pub why: String,
}

/// Since when a holder is known by a claim that an operator wrote meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSince {
    /// The holder of then. Of another one this says nothing.
    pub instance: InstanceId,
    /// The claim's last change before the operator's first, by the store's clock.
    pub at: StoreTime,
}

/// The record at `slots/<id>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// Format of the record.
    pub v: u32,
    /// Whether the slot has a holder.
    pub state: State,
    /// The holder; none where free.
    pub holder: Option<Holder>,
    /// The file system on the volume; none before the first.
    #[serde(default)]
    pub disk: Option<DiskRecord>,
    /// Set before the service is started.
    #[serde(default)]
    pub started: Option<Started>,
    /// The last registration seen: this slot's log dir has been a broker's.
    #[serde(default)]
    pub registered: Option<Registered>,
    /// The operator's word that the slot's data is lost; gone once the broker has registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<Reset>,
    /// Since when the holder is known, where an operator's write made the record younger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_since: Option<KnownSince>,
    /// What a holder that gave up could not undo.
    #[serde(default)]
    pub left: Vec<String>,
    /// The last owners, newest last.
    #[serde(default)]
    pub history: Vec<Owner>,
    /// What another version of berth wrote.
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

impl Claim {
    /// The record of a slot that nobody ever held.
    pub fn vacant() -> Self {
        Self {
            v: VERSION,
            state: State::Free,
            holder: None,
            disk: None,
            started: None,
            registered: None,
            reset: None,
            known_since: None,
            left: Vec::new(),
            history: Vec::new(),
            other: BTreeMap::new(),
        }
    }

    /// Reads a record.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        checked(bytes)
    }

    /// The record's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        written(self)
    }

    /// The instance that the claim names.
    pub fn names(&self) -> Option<&InstanceId> {
        self.holder.as_ref().map(|holder| &holder.instance)
    }

    /// Whether the claim is this instance's, the service started on it or about to be.
    pub fn started_by(&self, instance: &InstanceId) -> bool {
        self.names() == Some(instance) && self.started.is_some()
    }

    /// Whether the record could go without a loss: free, no broker ever registered on its slot, no operator's word, and nobody
    /// in its history but `instance`.
    pub fn remembers_nothing_but(&self, instance: &InstanceId) -> bool {
        let is_known = self.registered.is_some() || self.reset.is_some() || !self.other.is_empty();
        self.state == State::Free && !is_known && self.history.iter().all(|owner| owner.instance == *instance)
    }

    /// The claim as `holder` takes it. An instance that held it before keeps its `started` mark across a new boot.
    pub fn taken(&self, holder: Holder, at: UnixTime) -> Self {
        let same = self.names() == Some(&holder.instance);
        let why = if same { format!("resumed in boot {}", holder.boot) } else { "took the slot".to_owned() };
        let owner = Owner { instance: holder.instance.clone(), at, why };
        Self {
            v: VERSION,
            state: State::Held,
            started: if same { self.started.clone() } else { None },
            known_since: None,
            left: Vec::new(),
            holder: Some(holder),
            ..self.with(owner)
        }
    }

    /// The claim with the mark that goes before the start of the unit.
    pub fn started(&self, boot: &BootId, at: UnixTime) -> Self {
        Self { started: Some(Started { boot: boot.clone(), at }), known_since: None, ..self.clone() }
    }

    /// The claim with the registration that was seen. The operator's word on an empty log dir is spent.
    pub fn registered(&self, incarnation: Incarnation, host: Option<String>) -> Self {
        let registered = Some(Registered { incarnation, host });
        Self { registered, reset: None, known_since: None, ..self.clone() }
    }

    /// The claim with the operator's word that its data is lost.
    pub fn reset(&self, reset: Reset) -> Self {
        Self { reset: Some(reset), ..self.clone() }
    }

    /// The claim as an operator writes it, last changed at `changed` by the store's clock: it makes the holder no younger.
    pub fn by_operator(&self, changed: StoreTime) -> Self {
        let at = self.holder_known_since(changed);
        let known_since = self.names().map(|holder| KnownSince { instance: holder.clone(), at });
        Self { known_since, ..self.clone() }
    }

    /// Since when its holder is known, by the store's clock: when the record was `changed` last, or when it was before an
    /// operator wrote.
    pub fn holder_known_since(&self, changed: StoreTime) -> StoreTime {
        let noted = self.known_since.as_ref().filter(|known| self.names() == Some(&known.instance));
        noted.map_or(changed, |known| known.at.min(changed))
    }

    /// The claim with the file system on its volume.
    pub fn on_disk(&self, disk: DiskRecord) -> Self {
        Self { disk: Some(disk), known_since: None, ..self.clone() }
    }

    /// The claim given back, for the reason `why`.
    pub fn given_back(&self, at: UnixTime, why: &str) -> Self {
        let last = self.names().cloned();
        let noted = match last {
            Some(instance) => self.with(Owner { instance, at, why: why.to_owned() }),
            None => self.clone(),
        };
        let (started, known_since) = (None, None);
        Self { state: State::Free, holder: None, started, known_since, left: Vec::new(), ..noted }
    }

    /// The claim of a holder that gave up with `left` still to undo.
    pub fn unfinished(&self, left: Vec<String>) -> Self {
        Self { state: State::Unfinished, left, known_since: None, ..self.clone() }
    }

    /// The claim of a holder that leaves, its service stopped and down, with `left` to undo.
    pub fn leaving(&self, left: Vec<String>) -> Self {
        Self { started: None, ..self.unfinished(left) }
    }

    fn with(&self, owner: Owner) -> Self {
        let mut claim = self.clone();
        claim.history.push(owner);
        let over = claim.history.len().saturating_sub(HISTORY);
        claim.history.drain(..over);
        claim
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn at(millis: u64) -> UnixTime {
        UnixTime::from_millis(millis)
    }

    fn holder(n: u8, boot: u8) -> Holder {
        Holder {
            instance: format!("i-0000000000000000{n}").parse().unwrap(),
            boot: format!("00000000-0000-0000-0000-00000000000{boot}").parse().unwrap(),
            zone: "eu-central-1a".parse().unwrap(),
            volume: None,
            eni: None,
        }
    }

    #[test]
    fn unknown_fields_survive_a_rewrite() {
        let text = br#"{"v":1,"state":"free","holder":null,"colour":{"a":[1,2]}}"#;
        let claim = Claim::read(text).unwrap().taken(holder(1, 1), at(5));
        let again = Claim::read(&claim.bytes()).unwrap();
        assert_eq!(again.other["colour"], serde_json::json!({"a":[1,2]}));
    }

    #[test]
    fn a_registration_keeps_the_field_that_older_versions_read() {
        let claim = Claim::vacant().registered(Incarnation::of_register(77), Some("10.0.1.10".into()));
        let text = String::from_utf8(claim.bytes()).unwrap();
        assert!(text.contains(r#""registered":{"czxid":77,"host":"10.0.1.10"}"#), "{text}");
        assert_eq!(Claim::read(text.as_bytes()).unwrap(), claim);
    }

    #[test]
    fn a_reset_outlives_holders_and_is_spent_by_a_registration() {
        let reset = Reset { at: at(5), by: "root@ops".into(), accept: ["orders-0".to_owned()].into() };
        let said = Claim::vacant().reset(reset.clone());
        let kept =
            Claim::read(&said.taken(holder(1, 1), at(6)).started(&holder(1, 1).boot, at(7)).bytes()).unwrap();
        assert_eq!(kept.reset, Some(reset.clone()));
        assert_eq!(kept.given_back(at(8), "gave up").reset, Some(reset));
        assert_eq!(kept.registered(Incarnation::of_register(9), None).reset, None);
    }

    #[test]
    fn an_operators_write_makes_no_holder_younger() {
        let store = StoreTime::from_millis;
        let said = |claim: &Claim, changed| {
            let reset = Reset { at: at(1), by: "root@ops".into(), accept: BTreeSet::new() };
            Claim::read(&claim.by_operator(store(changed)).reset(reset).bytes()).unwrap()
        };
        let held = Claim::vacant().taken(holder(1, 1), at(5));
        assert_eq!(held.holder_known_since(store(100)), store(100));
        let twice = said(&said(&held, 100), 200);
        assert_eq!(twice.holder_known_since(store(300)), store(100));
        assert_eq!(
            twice.started(&holder(1, 1).boot, at(6)).holder_known_since(store(300)),
            store(300),
            "it wrote itself"
        );
        assert_eq!(
            twice.taken(holder(2, 1), at(6)).holder_known_since(store(300)),
            store(300),
            "another one"
        );
        // A berth that does not know the field keeps it when another instance takes the slot.
        let kept = Claim { holder: Some(holder(2, 1)), ..twice.clone() };
        assert_eq!(kept.holder_known_since(store(300)), store(300));
        assert_eq!(said(&Claim::vacant(), 100).known_since, None, "nobody holds it");
        assert_eq!(twice.holder_known_since(store(50)), store(50), "the older of the two");
    }

    #[test]
    fn an_unknown_format_is_refused() {
        let refused = Claim::read(br#"{"v":2,"state":"free","holder":null}"#).unwrap_err();
        assert!(refused.to_string().contains("v=2"), "{refused}");
    }

    #[test]
    fn a_new_boot_of_the_same_instance_keeps_the_started_mark() {
        let claim = Claim::vacant().taken(holder(1, 1), at(5)).started(&holder(1, 1).boot, at(6));
        assert!(claim.taken(holder(1, 2), at(7)).started_by(&holder(1, 2).instance));
    }

    #[test]
    fn another_instance_does_not_inherit_the_started_mark() {
        let claim = Claim::vacant().taken(holder(1, 1), at(5)).started(&holder(1, 1).boot, at(6));
        let taken = claim.taken(holder(2, 1), at(7));
        assert_eq!(taken.started, None);
        assert_eq!(taken.history.len(), 2);
    }

    #[test]
    fn a_claim_that_one_instance_alone_took_and_gave_back_remembers_nothing() {
        let (one, other) = (holder(1, 1), holder(2, 1));
        let given_back = Claim::vacant().taken(one.clone(), at(5)).given_back(at(6), "gave up");
        assert!(given_back.remembers_nothing_but(&one.instance));
        assert!(!given_back.remembers_nothing_but(&other.instance), "another's history");
        let registered = given_back.registered(Incarnation::of_register(7), None);
        assert!(!registered.remembers_nothing_but(&one.instance), "a broker's data");
        let said = given_back.reset(Reset { at: at(7), by: "root@ops".into(), accept: BTreeSet::new() });
        assert!(!said.remembers_nothing_but(&one.instance), "an operator's word");
        let held = Claim::vacant().taken(one.clone(), at(5));
        assert!(!held.remembers_nothing_but(&one.instance), "it is held");
        assert!(!held.unfinished(vec!["a detach".into()]).remembers_nothing_but(&one.instance));
    }

    #[test]
    fn the_history_keeps_the_last_twenty() {
        let mut claim = Claim::vacant();
        for n in 0..30 {
            claim = claim.taken(holder(1, 1), at(n));
        }
        assert_eq!((claim.history.len(), claim.history[0].at), (HISTORY, at(10)));
    }
}
