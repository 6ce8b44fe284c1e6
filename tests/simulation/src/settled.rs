//! The state that a boot leaves behind, as one value: two boots that ended the same have equal values.

use crate::broker::{registrant, registration};
use crate::claims;
use crate::world::State;
use berth_lifecycle::ports::UnitState;
use berth_plan::BrokerId;
use berth_plan::service::properties;

/// What a boot left behind on one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The slot whose claim is held by this instance.
    pub slot: Option<u32>,
    /// Whether its claim is marked started, remembers the file system on the volume, and knows of a registration.
    pub claim: (bool, bool, bool),
    /// Whether the slot's volume is attached, and nothing else.
    pub volume: bool,
    /// Whether the slot's interface is attached, and nothing else.
    pub eni: bool,
    /// Whether the slot's volume is mounted.
    pub mounted: bool,
    /// The first word of the consent tag.
    pub consent: Option<String>,
    /// Whether the link leads packets from the slot's address out.
    pub rules: usize,
    /// The unit.
    pub unit: UnitState,
    /// Whether the broker of the slot is registered by this instance.
    pub registered: bool,
    /// `broker.id` of server.properties.
    pub properties: Option<String>,
    /// Intents and lock nodes that are left.
    pub left_in_zookeeper: usize,
    /// What the last kernel boot told, once for every call that got an answer.
    pub told: Vec<String>,
}

impl Settled {
    /// Of one instance, now.
    pub fn of(s: &mut State, instance: &str) -> Self {
        let slot = crate::laws::claims_of(s, instance).first().map(|(id, _)| *id);
        let resources = slot.and_then(|id| s.rules.slots.get(&id).cloned()).unwrap_or_default();
        let (volumes, enis) = s.region.brought_to(instance);
        let record = slot.and_then(BrokerId::new).and_then(|id| claims::one(&s.zk, id).ok()?.claim);
        let claim = record.map(|claim| claim.value);
        let uuid = s.disks.get(&resources.0).and_then(|disk| disk.uuid().map(str::to_owned));
        let on_disk = claim.as_ref().and_then(|c| c.disk.as_ref()).map(|disk| disk.uuid.to_string());
        let tag = s.region.volume(&resources.0).and_then(|v| v.tags.get("berth:format").cloned());
        let boots = s.host(instance).boots;
        let this_boot = s.told.iter().filter(|(i, boot, _)| (i.as_str(), *boot) == (instance, boots));
        let told = this_boot.map(|(.., word)| word.clone()).collect();
        let transient = ["intents", "lock", "leaving"].map(|kind| claims::node(kind, ""));
        let left = s.zk.nodes.keys().filter(|path| transient.iter().any(|t| path.starts_with(t))).count();
        let path = s.rules.config.properties.clone();
        let holder = slot.and_then(|id| s.zk.nodes.get(&registration(id))).map(|node| node.data.clone());
        let host = s.host(instance);
        Self {
            slot,
            claim: (
                claim.as_ref().is_some_and(|c| c.started.is_some()),
                uuid.is_some() && on_disk == uuid,
                claim.as_ref().is_some_and(|c| c.registered.is_some()),
            ),
            volume: volumes == [resources.0.clone()],
            eni: enis == [resources.1],
            mounted: host.mount.as_ref().is_some_and(|mount| mount.volume == resources.0),
            consent: tag.map(|tag| tag.split(':').next().unwrap_or_default().to_owned()),
            rules: host.ip_rules.len(),
            unit: host.broker.state,
            registered: holder.is_some_and(|data| registrant(&data) == instance),
            properties: host.file(&path).and_then(|f| properties::read(&f).ok()?.get("broker.id").cloned()),
            left_in_zookeeper: left,
            told,
        }
    }
}
