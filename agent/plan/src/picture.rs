//! What EC2 showed, in our own types, and the slots that it adds up to.
//!
//! A picture is taken before the lock and may be old when it is used; it never proves a right, it only proposes.

use crate::{AttachmentId, BrokerId, EniId, InstanceId, MacAddress, SubnetId, VolumeId, Zone};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

/// A network interface as DescribeNetworkInterfaces shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EniSeen {
    /// Its id.
    pub id: EniId,
    /// Its `Name` tag.
    pub name: Option<String>,
    /// Its `berth:cluster` tag.
    pub cluster: Option<String>,
    /// Where it is.
    pub zone: Zone,
    /// Where it is.
    pub subnet: SubnetId,
    /// Its Ethernet address, by which the kernel knows it.
    pub mac: MacAddress,
    /// Private IPv4 addresses, the primary one first.
    pub addresses: Vec<Ipv4Addr>,
    /// What it is attached to.
    pub attachment: Option<EniAttachment>,
}

/// The attachment of a network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EniAttachment {
    /// Names this attachment; a detach names it.
    pub id: AttachmentId,
    /// The instance; none where a service of AWS holds it.
    pub instance: Option<InstanceId>,
    /// `attaching`, `attached`, `detaching`, `detached`.
    pub status: String,
    /// The device index on the instance.
    pub index: u32,
}

/// A volume as DescribeVolumes shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSeen {
    /// Its id.
    pub id: VolumeId,
    /// Its `Name` tag.
    pub name: Option<String>,
    /// Its `berth:cluster` tag.
    pub cluster: Option<String>,
    /// Where it is.
    pub zone: Zone,
    /// `available`, `in-use`, `creating`, `error`, …
    pub state: String,
    /// GiB.
    pub size: u32,
    /// Multi-Attach takes away the exclusion on which berth rests.
    pub multi_attach: bool,
    /// Made from a snapshot: it holds somebody's data, whatever a probe says.
    pub from_snapshot: bool,
    /// Its `berth:format` tag.
    pub format: Option<String>,
    /// To what it is attached; more than one only with Multi-Attach.
    pub attachments: Vec<VolumeAttachment>,
}

/// The attachment of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeAttachment {
    /// The instance.
    pub instance: InstanceId,
    /// The device name that was asked for.
    pub device: String,
    /// `attaching`, `attached`, `detaching`, `detached`, `busy`.
    pub state: String,
    /// Whether the instance's end deletes the data.
    pub delete_on_termination: bool,
}

/// An instance as DescribeInstances shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InstanceSeen {
    /// `pending`, `running`, `shutting-down`, `terminated`, `stopping`, `stopped`.
    pub state: String,
    /// Device names of its block device mapping.
    pub devices: BTreeSet<String>,
    /// Device indexes of its interfaces on network card 0.
    pub indexes: BTreeSet<u32>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// All that one look at EC2 brought.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// Interfaces of the cluster in my zone, and those attached to me.
    pub enis: Vec<EniSeen>,
    /// Volumes of the cluster in my zone, and those attached to me.
    pub volumes: Vec<VolumeSeen>,
    /// The instances that were asked for, as far as EC2 knows them.
    pub instances: BTreeMap<InstanceId, InstanceSeen>,
    /// The instances that were asked for at all.
    pub asked: BTreeSet<InstanceId>,
    /// Life-cycle states of Auto Scaling of those of them that are in a group.
    pub group_states: BTreeMap<InstanceId, String>,
}

/// What a slot consists of. Configuration, never observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// A network interface.
    pub eni: bool,
    /// A volume.
    pub volume: bool,
}

/// One numbered place of the cluster in my zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The broker id.
    pub id: BrokerId,
    /// Its interface, where slots have one.
    pub eni: Option<EniSeen>,
    /// Its volume, where slots have one.
    pub volume: Option<VolumeSeen>,
    /// Why EC2's picture of it cannot be used.
    pub defect: Option<Defect>,
}

/// What is wrong with a slot already in EC2's picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Defect {
    /// These resources of one kind bear the one Name.
    Twice(String, Vec<String>),
    /// No such part of this Name is in this zone.
    Missing(&'static str, String),
    /// The volume may be attached to several instances at once.
    MultiAttach(VolumeId),
    /// Terminating the holder would delete the data.
    DeletedOnTermination(VolumeId),
}

impl Slot {
    /// The instances that the two attachments name: two of the three witnesses (the claim is the third).
    pub fn attached_to(&self) -> BTreeSet<&InstanceId> {
        self.witnesses().collect()
    }

    /// The same as they are found: an instance may come twice.
    pub(crate) fn witnesses(&self) -> impl Iterator<Item = &InstanceId> {
        let volume = self.volume.iter().flat_map(|v| v.attachments.iter().map(|a| &a.instance));
        let eni = self.eni.iter().filter_map(|e| e.attachment.as_ref()?.instance.as_ref());
        volume.chain(eni)
    }

    /// Whether the volume (the ENI where slots have no volume) is attached to this instance in any state but `detached`.
    pub fn exclusively_on(&self, instance: &InstanceId) -> bool {
        match (&self.volume, &self.eni) {
            (Some(volume), _) => {
                volume.attachments.iter().any(|a| a.instance == *instance && a.state != "detached")
            }
            (None, Some(eni)) => {
                eni.attachment.as_ref().is_some_and(|a| a.instance.as_ref() == Some(instance))
            }
            (None, None) => false,
        }
    }

    /// What a fault of this slot was seen on. A fault lapses when this changes.
    pub fn fingerprint(&self) -> String {
        let mut text = String::with_capacity(96);
        self.print(&mut text).expect("a string takes all that is written to it");
        text
    }

    /// Whether this is the fingerprint now. Asked of thousands of slots under the lock, so nothing is allocated for it.
    pub(crate) fn is_printed(&self, fingerprint: &str) -> bool {
        let mut rest = Compared(fingerprint);
        self.print(&mut rest).is_ok() && rest.0.is_empty()
    }

    fn print(&self, to: &mut impl fmt::Write) -> fmt::Result {
        match &self.volume {
            // That there is a consent counts, not how far it is spent: berth itself writes that.
            Some(v) => write!(
                to,
                "{} {}GiB multi-attach={} consent={} ",
                v.id,
                v.size,
                v.multi_attach,
                v.format.is_some()
            )?,
            None => to.write_str("- ")?,
        }
        to.write_str(self.eni.as_ref().map_or("-", |e| e.id.as_str()))
    }
}

/// Takes what is written as long as it is what this text goes on with.
struct Compared<'a>(&'a str);

impl fmt::Write for Compared<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(text).ok_or(fmt::Error)?;
        Ok(())
    }
}

/// The `Name` pattern of a cluster's slots, as `KAFKA-{id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    before: String,
    after: String,
}

impl NamePattern {
    /// Reads a pattern, which has `{id}` exactly once.
    pub fn new(pattern: &str) -> Option<Self> {
        let (before, after) = pattern.split_once("{id}")?;
        (!after.contains("{id}")).then(|| Self { before: before.to_owned(), after: after.to_owned() })
    }

    /// The Name of a slot.
    pub fn name(&self, id: impl std::fmt::Display) -> String {
        format!("{}{id}{}", self.before, self.after)
    }

    /// The slot that bears this Name.
    pub fn id(&self, name: &str) -> Option<BrokerId> {
        name.strip_prefix(&self.before)?.strip_suffix(&self.after)?.parse().ok()
    }
}

/// The slots that the picture adds up to, lowest first.
///
/// Only resources that bear the cluster's tag count: two clusters of one account may use the same Names.
pub fn slots(
    picture: &Picture,
    cluster: &str,
    zone: &Zone,
    pattern: &NamePattern,
    parts: Parts,
) -> Vec<Slot> {
    let of_cluster = |tag: &Option<String>| tag.as_deref() == Some(cluster);
    let mut enis: BTreeMap<BrokerId, Vec<&EniSeen>> = BTreeMap::new();
    for eni in picture.enis.iter().filter(|e| parts.eni && of_cluster(&e.cluster) && e.zone == *zone) {
        if let Some(id) = eni.name.as_deref().and_then(|name| pattern.id(name)) {
            enis.entry(id).or_default().push(eni);
        }
    }
    let mut volumes: BTreeMap<BrokerId, Vec<&VolumeSeen>> = BTreeMap::new();
    for volume in picture.volumes.iter().filter(|v| parts.volume && of_cluster(&v.cluster) && v.zone == *zone)
    {
        if let Some(id) = volume.name.as_deref().and_then(|name| pattern.id(name)) {
            volumes.entry(id).or_default().push(volume);
        }
    }
    let ids: BTreeSet<BrokerId> = enis.keys().chain(volumes.keys()).copied().collect();
    ids.into_iter()
        .map(|id| {
            let of_slot = |v: Option<&Vec<&VolumeSeen>>| v.and_then(|v| v.first()).map(|v| (*v).clone());
            let volume = of_slot(volumes.get(&id));
            let eni = enis.get(&id).and_then(|e| e.first()).map(|e| (*e).clone());
            let volumes = volumes.get(&id).into_iter().flatten().map(|v| v.id.to_string()).collect();
            let enis = enis.get(&id).into_iter().flatten().map(|e| e.id.to_string()).collect();
            let name = pattern.name(id);
            let defect = [volumes, enis].into_iter().find(|ids: &Vec<String>| ids.len() > 1).map_or_else(
                || defect(parts, volume.as_ref(), eni.as_ref(), &name),
                |ids| Some(Defect::Twice(name.clone(), ids)),
            );
            Slot { id, eni, volume, defect }
        })
        .collect()
}

fn defect(parts: Parts, volume: Option<&VolumeSeen>, eni: Option<&EniSeen>, name: &str) -> Option<Defect> {
    if parts.volume && volume.is_none() {
        return Some(Defect::Missing("volume", name.to_owned()));
    }
    if parts.eni && eni.is_none() {
        return Some(Defect::Missing("network interface", name.to_owned()));
    }
    let volume = volume?;
    if volume.multi_attach {
        return Some(Defect::MultiAttach(volume.id.clone()));
    }
    let deleted = volume.attachments.iter().any(|a| a.delete_on_termination);
    deleted.then(|| Defect::DeletedOnTermination(volume.id.clone()))
}

/// The next free device name for AttachVolume: `/dev/sdf` to `/dev/sdp`, which AWS recommends for data volumes on
/// HVM instances, then the two-letter `/dev/xvd…` names (EC2 user guide, "Device names for volumes").
pub fn free_device_name(taken: &BTreeSet<String>) -> Option<String> {
    let short = ('f'..='p').map(|letter| format!("/dev/sd{letter}"));
    let long = ('b'..='c').flat_map(|a| ('a'..='z').map(move |b| format!("/dev/xvd{a}{b}")));
    short
        .chain(long)
        .find(|name| !taken.contains(name) && !taken.contains(&name.replacen("/dev/sd", "/dev/xvd", 1)))
}

/// The next free device index for AttachNetworkInterface; 0 is the primary interface.
pub fn free_device_index(taken: &BTreeSet<u32>) -> u32 {
    (1..).find(|index| !taken.contains(index)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_the_slot_and_back() {
        let pattern = NamePattern::new("KAFKA-{id}").unwrap();
        assert_eq!(pattern.id("KAFKA-12"), BrokerId::new(12));
        assert_eq!(pattern.id("KAFKA-012"), None);
        assert_eq!(pattern.id("kafka-1"), None);
        assert_eq!(pattern.name(3), "KAFKA-3");
        assert_eq!(NamePattern::new("KAFKA"), None);
        assert_eq!(NamePattern::new("{id}-{id}"), None);
    }

    #[test]
    fn device_names_and_indexes_in_use_are_left_out() {
        let taken = ["/dev/xvda", "/dev/sdf", "/dev/xvdg"].map(str::to_owned).into();
        assert_eq!(free_device_name(&taken).unwrap(), "/dev/sdh");
        assert_eq!(free_device_index(&[0, 1, 3].into()), 2);
    }

    #[test]
    fn a_fingerprint_is_known_again_and_any_other_is_not() {
        let slot = Slot { id: BrokerId::new(1).expect("an id"), eni: None, volume: None, defect: None };
        assert_eq!(slot.fingerprint(), "- -");
        assert!(slot.is_printed("- -"));
        for other in ["", "-", "- - ", "- -x", "vol-1 -"] {
            assert!(!slot.is_printed(other), "{other:?}");
        }
    }
}
