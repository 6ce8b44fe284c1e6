//! What can be asked about each kind of resource: its filters, as the API reference lists them (those that make sense in
//! this region), and its refusals.

use super::filter::Kind;
use super::sources::*;
use super::view::*;

fn no_tags<T>(_: &T) -> &[TagView] {
    &[]
}

pub(super) const INSTANCES: Kind<InstanceView> = Kind {
    set: "instancesSet",
    id: |view| &view.instance,
    filters: &[
        "instance-id",
        "instance-state-name",
        "availability-zone",
        "subnet-id",
        "vpc-id",
        "instance-type",
        "private-ip-address",
        "image-id",
        "network-interface.network-interface-id",
        "block-device-mapping.volume-id",
    ],
    values: |view, name| match name {
        "instance-id" => vec![view.instance.clone()],
        "instance-state-name" => vec![view.state.name.clone()],
        "availability-zone" => vec![view.placement.zone.clone()],
        "subnet-id" => view.subnet.iter().cloned().collect(),
        "vpc-id" => view.vpc.iter().cloned().collect(),
        "instance-type" => vec![view.instance_type.clone()],
        "private-ip-address" => view.address.iter().cloned().collect(),
        "image-id" => vec![view.image.clone()],
        "network-interface.network-interface-id" => view.interfaces.iter().map(|i| i.eni.clone()).collect(),
        _ => view.volumes.iter().map(|v| v.ebs.volume.clone()).collect(),
    },
    tags: |view| &view.tags,
    not_found: (&INSTANCE_NOT_FOUND, "instance ID"),
    malformed: ("i", &INSTANCE_MALFORMED),
    exclusive: true,
};

pub(super) const STATUSES: Kind<InstanceStatusView> = Kind {
    set: "InstanceId",
    id: |view| &view.instance,
    filters: &[
        "availability-zone",
        "instance-state-name",
        "system-status.status",
        "instance-status.status",
        "attached-ebs-status.status",
        "event.code",
    ],
    values: |view, name| match name {
        "availability-zone" => vec![view.zone.clone()],
        "instance-state-name" => vec![view.state.name.clone()],
        "system-status.status" => vec![view.system.status.clone()],
        "attached-ebs-status.status" => vec![view.ebs.status.clone()],
        "event.code" => view.events.iter().map(|event| event.code.clone()).collect(),
        _ => vec![view.checks.status.clone()],
    },
    tags: no_tags,
    not_found: (&INSTANCE_NOT_FOUND, "instance ID"),
    malformed: ("i", &INSTANCE_MALFORMED),
    exclusive: true,
};

pub(super) const VOLUMES: Kind<VolumeView> = Kind {
    set: "volumesSet",
    id: |view| &view.volume,
    filters: &[
        "volume-id",
        "availability-zone",
        "status",
        "size",
        "volume-type",
        "encrypted",
        "multi-attach-enabled",
        "snapshot-id",
        "attachment.instance-id",
        "attachment.status",
        "attachment.device",
        "attachment.delete-on-termination",
    ],
    values: |view, name| {
        let each = |field: fn(&VolumeAttachmentView) -> String| view.attachments.iter().map(field).collect();
        match name {
            "volume-id" => vec![view.volume.clone()],
            "availability-zone" => vec![view.zone.clone()],
            "status" => vec![view.state.clone()],
            "size" => vec![view.size_gib.to_string()],
            "volume-type" => vec![view.volume_type.clone()],
            "encrypted" => vec![view.encrypted.to_string()],
            "multi-attach-enabled" => vec![view.multi_attach.to_string()],
            "snapshot-id" => vec![view.snapshot.clone()],
            "attachment.instance-id" => each(|a| a.instance.clone()),
            // API reference, DescribeVolumes: this filter knows attaching, attached and detaching only.
            "attachment.status" => {
                each(|a| a.state.clone()).into_iter().filter(|state: &String| state != "busy").collect()
            }
            "attachment.device" => each(|a| a.device.clone()),
            _ => each(|a| a.delete_on_termination.to_string()),
        }
    },
    tags: |view| &view.tags,
    not_found: (&VOLUME_NOT_FOUND, "volume"),
    malformed: ("vol", &PARAMETER_VALUE),
    exclusive: true,
};

pub(super) const NARROW_ENI_FILTERS: &[&str] =
    &["group-id", "mac-address", "private-dns-name", "private-ip-address", "subnet-id", "vpc-id"];

pub(super) const ENIS: Kind<EniView> = Kind {
    set: "networkInterfaceIdsSet",
    id: |view| &view.eni,
    filters: &[
        "network-interface-id",
        "availability-zone",
        "subnet-id",
        "vpc-id",
        "status",
        "group-id",
        "mac-address",
        "private-ip-address",
        "addresses.private-ip-address",
        "description",
        "interface-type",
        "requester-managed",
        "attachment.attachment-id",
        "attachment.instance-id",
        "attachment.device-index",
        "attachment.status",
        "attachment.delete-on-termination",
        "private-dns-name",
    ],
    values: |view, name| {
        let of = |field: fn(&EniAttachmentView) -> String| view.attachment.iter().map(field).collect();
        match name {
            "network-interface-id" => vec![view.eni.clone()],
            "availability-zone" => vec![view.zone.clone()],
            "subnet-id" => vec![view.subnet.clone()],
            "vpc-id" => vec![view.vpc.clone()],
            "status" => vec![view.status.clone()],
            "group-id" => view.groups.iter().map(|g| g.id.clone()).collect(),
            "mac-address" => vec![view.mac.clone()],
            "private-ip-address" => vec![view.address.clone()],
            "addresses.private-ip-address" => view.addresses.iter().map(|a| a.address.clone()).collect(),
            "description" => vec![view.description.clone()],
            "interface-type" => vec![view.interface_type.clone()],
            "requester-managed" => vec![view.requester_managed.to_string()],
            "attachment.attachment-id" => of(|a| a.attachment.clone()),
            "attachment.instance-id" => of(|a| a.instance.clone().unwrap_or_default()),
            "attachment.device-index" => of(|a| a.device_index.to_string()),
            "attachment.status" => of(|a| a.status.clone()),
            "attachment.delete-on-termination" => of(|a| a.delete_on_termination.to_string()),
            _ => vec![format!("ip-{}.internal", view.address.replace('.', "-"))],
        }
    },
    tags: |view| &view.tags,
    not_found: (&ENI_NOT_FOUND, "networkInterface ID"),
    malformed: ("eni", &ENI_MALFORMED),
    exclusive: true,
};

pub(super) const SUBNETS: Kind<SubnetView> = Kind {
    set: "subnetSet",
    id: |view| &view.subnet,
    filters: &["subnet-id", "availability-zone", "vpc-id", "cidr-block", "state"],
    values: |view, name| match name {
        "subnet-id" => vec![view.subnet.clone()],
        "availability-zone" => vec![view.zone.clone()],
        "vpc-id" => vec![view.vpc.clone()],
        "cidr-block" => vec![view.cidr.clone()],
        _ => vec![view.state.clone()],
    },
    tags: |view| &view.tags,
    not_found: (&SUBNET_NOT_FOUND, "subnet ID"),
    malformed: ("subnet", &SUBNET_NOT_FOUND),
    exclusive: false,
};

pub(super) const VPCS: Kind<VpcView> = Kind {
    set: "vpcSet",
    id: |view| &view.vpc,
    filters: &["vpc-id", "cidr", "state"],
    values: |view, name| match name {
        "vpc-id" => vec![view.vpc.clone()],
        "cidr" => vec![view.cidr.clone()],
        _ => vec![view.state.clone()],
    },
    tags: no_tags,
    not_found: (&VPC_NOT_FOUND, "vpc ID"),
    malformed: ("vpc", &VPC_NOT_FOUND),
    exclusive: false,
};

pub(super) const TAGS: Kind<(String, TagDescriptionView)> = Kind {
    set: "tagSet",
    id: |row| &row.0,
    filters: &["key", "value", "resource-id", "resource-type"],
    values: |row, name| match name {
        "key" => vec![row.1.key.clone()],
        "value" => vec![row.1.value.clone()],
        "resource-id" => vec![row.1.resource.clone()],
        _ => vec![row.1.resource_type.clone()],
    },
    tags: no_tags,
    not_found: (&PARAMETER_VALUE, "tag"),
    malformed: ("", &PARAMETER_VALUE),
    exclusive: false,
};

pub(super) const TYPES: Kind<InstanceTypeView> = Kind {
    set: "instanceTypeSet",
    id: |view| &view.name,
    filters: &["instance-type", "hypervisor"],
    values: |view, name| vec![if name == "hypervisor" { &view.hypervisor } else { &view.name }.clone()],
    tags: no_tags,
    not_found: (&UNKNOWN_INSTANCE_TYPE, "instance type"),
    malformed: ("", &UNKNOWN_INSTANCE_TYPE),
    exclusive: false,
};

pub(super) const ZONES: Kind<ZoneView> = Kind {
    set: "zoneSet",
    id: |view| &view.zone,
    filters: &["zone-name", "zone-id", "region-name", "state"],
    values: |view, name| match name {
        "zone-name" => vec![view.zone.clone()],
        "zone-id" => vec![view.zone_id.clone()],
        "region-name" => vec![view.region.clone()],
        _ => vec![view.state.clone()],
    },
    tags: no_tags,
    not_found: (&PARAMETER_VALUE, "zone"),
    malformed: ("", &PARAMETER_VALUE),
    exclusive: false,
};
