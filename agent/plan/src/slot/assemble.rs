//! The slots that EC2's picture adds up to.

use super::{Defect, NamePattern, Parts, Slot};
use crate::ec2::{EniSeen, Picture, VolumeSeen};
use crate::{BrokerId, Zone};
use std::collections::{BTreeMap, BTreeSet};

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
