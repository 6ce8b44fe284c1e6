//! EC2's shapes turned into ours. What lacks an id that we need is left out.

use aws_sdk_ec2::types::{Filter, Instance, NetworkInterface, Tag, Volume};
use berth_plan::ec2::{AttachmentState, EniAttachment, EniSeen, InstanceSeen, VolumeAttachment, VolumeSeen};
use std::net::Ipv4Addr;

pub(super) const CLUSTER_TAG: &str = "berth:cluster";

/// A filter of one value.
pub(super) fn filter(name: &str, value: impl Into<String>) -> Filter {
    Filter::builder().name(name).values(value).build()
}

fn tag<'a>(tags: &'a [Tag], key: &str) -> Option<&'a str> {
    tags.iter().find(|tag| tag.key() == Some(key))?.value()
}

pub(super) fn eni(eni: &NetworkInterface) -> Option<EniSeen> {
    let primary = |ip: &&aws_sdk_ec2::types::NetworkInterfacePrivateIpAddress| ip.primary() == Some(true);
    let addresses = eni.private_ip_addresses();
    let ordered = addresses.iter().filter(primary).chain(addresses.iter().filter(|ip| !primary(ip)));
    let mut addresses: Vec<Ipv4Addr> =
        ordered.filter_map(|ip| ip.private_ip_address()?.parse().ok()).collect();
    if addresses.is_empty() {
        addresses.extend(eni.private_ip_address().and_then(|ip| ip.parse::<Ipv4Addr>().ok()));
    }
    let attachment = eni.attachment().and_then(|attachment| {
        Some(EniAttachment {
            id: attachment.attachment_id()?.parse().ok()?,
            instance: attachment.instance_id().and_then(|id| id.parse().ok()),
            state: attachment.status()?.as_str().into(),
            index: u32::try_from(attachment.device_index().unwrap_or(0)).ok()?,
            delete_on_termination: attachment.delete_on_termination().unwrap_or(false),
        })
    });
    Some(EniSeen {
        id: eni.network_interface_id()?.parse().ok()?,
        name: tag(eni.tag_set(), "Name").map(str::to_owned),
        cluster: tag(eni.tag_set(), CLUSTER_TAG).map(str::to_owned),
        zone: eni.availability_zone()?.parse().ok()?,
        subnet: eni.subnet_id()?.parse().ok()?,
        mac: eni.mac_address()?.parse().ok()?,
        addresses,
        status: eni.status().map_or("unknown", |status| status.as_str()).into(),
        requester_managed: eni.requester_managed().unwrap_or(false),
        kind: eni.interface_type().map_or("interface", |kind| kind.as_str()).to_owned(),
        attachment,
    })
}

pub(super) fn volume(volume: &Volume) -> Option<VolumeSeen> {
    let attachments = volume.attachments().iter().filter_map(|attachment| {
        Some(VolumeAttachment {
            instance: attachment.instance_id()?.parse().ok()?,
            device: attachment.device().unwrap_or_default().to_owned(),
            state: attachment.state()?.as_str().into(),
            delete_on_termination: attachment.delete_on_termination().unwrap_or(false),
        })
    });
    Some(VolumeSeen {
        id: volume.volume_id()?.parse().ok()?,
        name: tag(volume.tags(), "Name").map(str::to_owned),
        cluster: tag(volume.tags(), CLUSTER_TAG).map(str::to_owned),
        zone: volume.availability_zone()?.parse().ok()?,
        state: volume.state()?.as_str().into(),
        size: u32::try_from(volume.size().unwrap_or(0)).unwrap_or(0),
        multi_attach: volume.multi_attach_enabled().unwrap_or(false),
        from_snapshot: volume.snapshot_id().is_some_and(|id| !id.is_empty()),
        format: tag(volume.tags(), berth_plan::disk::consent::TAG).map(str::to_owned),
        attachments: attachments.filter(|attachment| attachment.state != AttachmentState::Detached).collect(),
    })
}

pub(super) fn instance(instance: &Instance) -> InstanceSeen {
    let devices = instance.block_device_mappings().iter().filter_map(|mapping| mapping.device_name());
    let indexes = instance
        .network_interfaces()
        .iter()
        .filter_map(|eni| eni.attachment())
        .filter(|attachment| attachment.network_card_index().unwrap_or(0) == 0)
        .filter_map(|attachment| u32::try_from(attachment.device_index()?).ok());
    InstanceSeen {
        state: instance.state().and_then(|s| s.name()).map(|n| n.as_str().into()).unwrap_or_default(),
        devices: devices.map(str::to_owned).collect(),
        indexes: indexes.collect(),
        tags: instance
            .tags()
            .iter()
            .filter_map(|t| Some((t.key()?.to_owned(), t.value()?.to_owned())))
            .collect(),
    }
}
