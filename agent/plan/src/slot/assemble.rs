//! The slots that EC2's picture adds up to.

use super::{Defect, NamePattern, Parts, Slot};
use crate::ec2::{EniSeen, Picture, VolumeSeen, VolumeState};
use crate::remote_text::quoted;
use crate::{BrokerId, Zone};
use std::collections::{BTreeMap, BTreeSet};

/// The slots that the picture adds up to, lowest first.
///
/// Only resources that have the cluster's tag count: two clusters of one account may use the same Names. Where several have
/// one Name, the first by its id stands in the slot, whatever the order of EC2's answer.
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
    enis.values_mut().for_each(|of| of.sort_by(|a, b| a.id.cmp(&b.id)));
    volumes.values_mut().for_each(|of| of.sort_by(|a, b| a.id.cmp(&b.id)));
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

/// Resources of the cluster in this zone whose Name is of no slot, as `vol-… named "KAFKA-012"`: `{id}` is a number as it is
/// counted, without zeros before it.
pub fn misnamed(
    picture: &Picture,
    cluster: &str,
    zone: &Zone,
    pattern: &NamePattern,
    parts: Parts,
) -> Vec<String> {
    let is_ours = |of: &Option<String>, at: &Zone| of.as_deref() == Some(cluster) && at == zone;
    let odd = |name: &Option<String>| name.as_deref().is_none_or(|name| pattern.id(name).is_none());
    let shown = |id: &str, name: &Option<String>| match name {
        Some(name) => format!("{id} named {}", quoted(name)),
        None => format!("{id} without a Name"),
    };
    let volumes =
        picture.volumes.iter().filter(|v| parts.volume && is_ours(&v.cluster, &v.zone) && odd(&v.name));
    let enis = picture.enis.iter().filter(|e| parts.eni && is_ours(&e.cluster, &e.zone) && odd(&e.name));
    volumes
        .map(|v| shown(v.id.as_str(), &v.name))
        .chain(enis.map(|e| shown(e.id.as_str(), &e.name)))
        .collect()
}

fn defect(parts: Parts, volume: Option<&VolumeSeen>, eni: Option<&EniSeen>, name: &str) -> Option<Defect> {
    if parts.volume && volume.is_none() {
        return Some(Defect::Missing("volume", name.to_owned()));
    }
    if parts.eni && eni.is_none() {
        return Some(Defect::Missing("network interface", name.to_owned()));
    }
    volume.and_then(defect_of_volume).or_else(|| eni.and_then(defect_of_eni))
}

fn defect_of_volume(volume: &VolumeSeen) -> Option<Defect> {
    if volume.multi_attach {
        return Some(Defect::MultiAttach(volume.id.clone()));
    }
    // `creating` passes by itself, and is waited for.
    if matches!(volume.state, VolumeState::Error | VolumeState::Deleting | VolumeState::Deleted) {
        return Some(Defect::Lost(volume.id.clone(), volume.state.clone()));
    }
    let deleted = volume.attachments.iter().any(|a| a.delete_on_termination);
    deleted.then(|| Defect::DeletedOnTermination(volume.id.clone()))
}

/// The types of interface that an instance takes (EC2 API reference, CreateNetworkInterface: `InterfaceType`).
const ATTACHABLE: [&str; 2] = ["interface", "efa"];

/// `pending` passes by itself, and is waited for.
fn defect_of_eni(eni: &EniSeen) -> Option<Defect> {
    if eni.requester_managed {
        return Some(Defect::Managed(eni.id.clone()));
    }
    if !ATTACHABLE.contains(&eni.kind.as_str()) {
        return Some(Defect::Unattachable(eni.id.clone(), eni.kind.clone()));
    }
    let deleted = eni.attachment.as_ref().is_some_and(|a| a.delete_on_termination);
    deleted.then(|| Defect::EniDeletedOnTermination(eni.id.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(n: u32, name: Option<&str>, cluster: &str, zone: &str) -> VolumeSeen {
        VolumeSeen {
            id: format!("vol-{n:017x}").parse().unwrap(),
            name: name.map(str::to_owned),
            cluster: Some(cluster.to_owned()),
            zone: zone.parse().unwrap(),
            state: "available".into(),
            size: 1,
            multi_attach: false,
            from_snapshot: false,
            format: None,
            attachments: vec![],
        }
    }

    #[test]
    fn a_name_that_is_of_no_slot_is_said() {
        let picture = Picture {
            volumes: vec![
                volume(1, Some("KAFKA-012"), "orders", "z-1a"),
                volume(2, Some("KAFKA-2"), "orders", "z-1a"),
                volume(3, None, "orders", "z-1a"),
                volume(4, Some("KAFKA-04"), "others", "z-1a"),
                volume(5, Some("KAFKA-05"), "orders", "z-1b"),
            ],
            ..Picture::default()
        };
        let (zone, pattern) = ("z-1a".parse().unwrap(), NamePattern::new("KAFKA-{id}").unwrap());
        let found = misnamed(&picture, "orders", &zone, &pattern, Parts { eni: true, volume: true });
        assert_eq!(
            found,
            ["vol-00000000000000001 named \"KAFKA-012\"", "vol-00000000000000003 without a Name"]
        );
        assert_eq!(slots(&picture, "orders", &zone, &pattern, Parts { eni: false, volume: true }).len(), 1);
    }

    #[test]
    fn two_of_one_name_are_told_in_the_same_order_whatever_ec2s() {
        let (zone, pattern) = ("z-1a".parse().unwrap(), NamePattern::new("KAFKA-{id}").unwrap());
        let twin = |n| volume(n, Some("KAFKA-4"), "orders", "z-1a");
        for volumes in [vec![twin(1), twin(2)], vec![twin(2), twin(1)]] {
            let picture = Picture { volumes, ..Picture::default() };
            let found = slots(&picture, "orders", &zone, &pattern, Parts { eni: false, volume: true });
            let ids = ["vol-00000000000000001", "vol-00000000000000002"].map(str::to_owned).to_vec();
            assert_eq!(found[0].volume.as_ref().unwrap().id.as_str(), ids[0]);
            assert_eq!(found[0].defect, Some(Defect::Twice("KAFKA-4".to_owned(), ids)));
        }
    }

    fn eni(change: impl FnOnce(&mut EniSeen)) -> EniSeen {
        let mut eni = EniSeen {
            id: "eni-00000000000000001".parse().unwrap(),
            name: Some("KAFKA-1".to_owned()),
            cluster: Some("orders".to_owned()),
            zone: "z-1a".parse().unwrap(),
            subnet: "subnet-00000000000000001".parse().unwrap(),
            mac: "06:00:00:00:00:01".parse().unwrap(),
            addresses: vec![[10, 0, 1, 50].into()],
            status: "available".into(),
            requester_managed: false,
            kind: "interface".to_owned(),
            attachment: None,
        };
        change(&mut eni);
        eni
    }

    #[test]
    fn what_ec2_would_never_attach_is_a_defect_and_what_passes_is_none() {
        let of_volume = |state: &str| {
            let volume = VolumeSeen { state: state.into(), ..volume(1, None, "orders", "z-1a") };
            defect_of_volume(&volume).map(|defect| defect.to_string())
        };
        for state in ["error", "deleting", "deleted"] {
            assert!(of_volume(state).unwrap().contains(&format!("is in the state {state}")));
        }
        for state in ["creating", "available", "in-use", "something-new"] {
            assert_eq!(of_volume(state), None, "{state}");
        }
        let attached = |eni: &mut EniSeen| {
            let id = "eni-attach-00000000000000001".parse().unwrap();
            let (instance, state) = (Some("i-00000000000000001".parse().unwrap()), "attached".into());
            eni.attachment = Some(crate::ec2::EniAttachment {
                id,
                instance,
                state,
                index: 1,
                delete_on_termination: true,
            });
        };
        for (eni, says) in [
            (eni(|e| e.requester_managed = true), "requester-managed"),
            (eni(|e| e.kind = "lambda".to_owned()), "is of type lambda"),
            (eni(attached), "DeleteOnTermination=true"),
        ] {
            assert!(defect_of_eni(&eni).unwrap().to_string().contains(says), "{says}");
        }
        for passing in [eni(|e| e.status = "pending".into()), eni(|e| e.kind = "efa".to_owned()), eni(|_| ())]
        {
            assert_eq!(defect_of_eni(&passing), None);
        }
    }
}
