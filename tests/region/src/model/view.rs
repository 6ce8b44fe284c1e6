//! What describe calls show. The names under which the fields are serialized are those of the API's XML (EC2 API
//! reference, data types), so that the wire only has to write them down.

use serde::Serialize;

use super::spec::Tags;

pub use groups::*;

/// One page of a describe call.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// What it shows.
    pub items: Vec<T>,
    /// What to ask for the rest.
    pub next_token: Option<String>,
}

macro_rules! view {
    ($(#[$meta:meta])* $name:ident { $($(#[$with:meta])* $field:ident: $type:ty = $xml:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[allow(missing_docs)] // The fields are the words of the API.
        pub struct $name {
            $(#[serde(rename = $xml)] $(#[$with])* pub $field: $type),*
        }
    };
}

mod groups;

view! {
    /// A tag.
    TagView { key: String = "key", value: String = "value" }
}

/// Tags as the API lists them.
pub fn tag_views(tags: &Tags) -> Vec<TagView> {
    tags.iter().map(|(key, value)| TagView { key: key.clone(), value: value.clone() }).collect()
}

view! {
    /// A state with its code.
    StateView { code: u32 = "code", name: String = "name" }
}

view! {
    /// A state reason.
    ReasonView { code: String = "code", message: String = "message" }
}

view! {
    /// Where an instance is.
    PlacementView {
        zone: String = "availabilityZone", zone_id: String = "availabilityZoneId", tenancy: String = "tenancy",
    }
}

view! {
    /// A volume on an instance, as DescribeInstances shows it.
    BlockDeviceView { device: String = "deviceName", ebs: EbsView = "ebs" }
}

view! {
    /// Its volume.
    EbsView {
        volume: String = "volumeId", status: String = "status", attach_time: String = "attachTime",
        delete_on_termination: bool = "deleteOnTermination",
    }
}

view! {
    /// A security group.
    GroupIdentifierView { id: String = "groupId", name: String = "groupName" }
}

view! {
    /// An address of an interface.
    AddressView { address: String = "privateIpAddress", primary: bool = "primary" }
}

view! {
    /// An IPv6 address of an interface.
    Ipv6View { address: String = "ipv6Address" }
}

view! {
    /// An interface's attachment. DescribeInstances shows the same without the instance.
    EniAttachmentView {
        attachment: String = "attachmentId",
        #[serde(skip_serializing_if = "Option::is_none")] instance: Option<String> = "instanceId",
        #[serde(skip_serializing_if = "Option::is_none")] owner: Option<String> = "instanceOwnerId",
        device_index: u32 = "deviceIndex",
        network_card_index: u32 = "networkCardIndex", status: String = "status", attach_time: String = "attachTime",
        delete_on_termination: bool = "deleteOnTermination",
    }
}

view! {
    /// What AttachNetworkInterface answers.
    AttachedEniView { attachment: String = "attachmentId", network_card_index: u32 = "networkCardIndex" }
}

view! {
    /// An interface of an instance, as DescribeInstances shows it.
    InstanceEniView {
        eni: String = "networkInterfaceId", subnet: String = "subnetId", vpc: String = "vpcId",
        owner: String = "ownerId", status: String = "status", mac: String = "macAddress",
        #[serde(skip_serializing_if = "String::is_empty")] address: String = "privateIpAddress",
        addresses: Vec<AddressView> = "privateIpAddressesSet", ipv6s: Vec<Ipv6View> = "ipv6AddressesSet",
        source_dest_check: bool = "sourceDestCheck", groups: Vec<GroupIdentifierView> = "groupSet",
        attachment: EniAttachmentView = "attachment", interface_type: String = "interfaceType",
    }
}

view! {
    /// Settings of the metadata service.
    MetadataOptionsView {
        state: String = "state", tokens: String = "httpTokens", hop_limit: u32 = "httpPutResponseHopLimit",
        endpoint: String = "httpEndpoint", tags: String = "instanceMetadataTags",
    }
}

view! {
    /// An instance profile.
    ProfileView { arn: String = "arn", id: String = "id" }
}

view! {
    /// An instance.
    InstanceView {
        #[serde(skip)] reservation: String = "reservationId",
        instance: String = "instanceId", image: String = "imageId", state: StateView = "instanceState",
        #[serde(skip_serializing_if = "Option::is_none")] reason: Option<ReasonView> = "stateReason",
        private_dns: String = "privateDnsName", instance_type: String = "instanceType",
        launch_time: String = "launchTime", placement: PlacementView = "placement",
        #[serde(skip_serializing_if = "Option::is_none")] subnet: Option<String> = "subnetId",
        #[serde(skip_serializing_if = "Option::is_none")] vpc: Option<String> = "vpcId",
        #[serde(skip_serializing_if = "Option::is_none")] address: Option<String> = "privateIpAddress",
        architecture: String = "architecture", root_device_type: String = "rootDeviceType",
        root_device: String = "rootDeviceName", volumes: Vec<BlockDeviceView> = "blockDeviceMapping",
        hypervisor: String = "hypervisor",
        #[serde(skip_serializing_if = "Option::is_none")] profile: Option<ProfileView> = "iamInstanceProfile",
        interfaces: Vec<InstanceEniView> = "networkInterfaceSet", groups: Vec<GroupIdentifierView> = "groupSet",
        tags: Vec<TagView> = "tagSet", ebs_optimized: bool = "ebsOptimized", ena_support: bool = "enaSupport",
        metadata: MetadataOptionsView = "metadataOptions",
    }
}

view! {
    /// A volume's attachment; what AttachVolume and DetachVolume answer too.
    VolumeAttachmentView {
        volume: String = "volumeId", instance: String = "instanceId", device: String = "device",
        state: String = "status", attach_time: String = "attachTime",
        delete_on_termination: bool = "deleteOnTermination",
    }
}

view! {
    /// A volume.
    VolumeView {
        volume: String = "volumeId", size_gib: u64 = "size", snapshot: String = "snapshotId",
        zone: String = "availabilityZone", zone_id: String = "availabilityZoneId", state: String = "status",
        create_time: String = "createTime", attachments: Vec<VolumeAttachmentView> = "attachmentSet",
        tags: Vec<TagView> = "tagSet", volume_type: String = "volumeType", encrypted: bool = "encrypted",
        multi_attach: bool = "multiAttachEnabled", iops: u32 = "iops",
    }
}

view! {
    /// A network interface.
    EniView {
        eni: String = "networkInterfaceId", subnet: String = "subnetId", vpc: String = "vpcId",
        zone: String = "availabilityZone", zone_id: String = "availabilityZoneId",
        description: String = "description", owner: String = "ownerId", requester_managed: bool = "requesterManaged",
        status: String = "status", mac: String = "macAddress",
        #[serde(skip_serializing_if = "String::is_empty")] address: String = "privateIpAddress",
        addresses: Vec<AddressView> = "privateIpAddressesSet", ipv6s: Vec<Ipv6View> = "ipv6AddressesSet",
        source_dest_check: bool = "sourceDestCheck",
        groups: Vec<GroupIdentifierView> = "groupSet",
        #[serde(skip_serializing_if = "Option::is_none")] attachment: Option<EniAttachmentView> = "attachment",
        tags: Vec<TagView> = "tagSet", interface_type: String = "interfaceType",
    }
}

view! {
    /// A subnet.
    SubnetView {
        subnet: String = "subnetId", subnet_arn: String = "subnetArn", state: String = "state", vpc: String = "vpcId",
        owner: String = "ownerId", cidr: String = "cidrBlock", free_addresses: u32 = "availableIpAddressCount",
        zone: String = "availabilityZone", zone_id: String = "availabilityZoneId", default_for_zone: bool = "defaultForAz",
        tags: Vec<TagView> = "tagSet",
    }
}

view! {
    /// A VPC.
    VpcView {
        vpc: String = "vpcId", state: String = "state", cidr: String = "cidrBlock", owner: String = "ownerId",
        default: bool = "isDefault",
    }
}

view! {
    /// An Availability Zone.
    ZoneView {
        zone: String = "zoneName", state: String = "zoneState", region: String = "regionName", zone_id: String = "zoneId",
        zone_type: String = "zoneType", opt_in: String = "optInStatus",
    }
}

view! {
    /// One tag of one resource.
    TagDescriptionView {
        resource: String = "resourceId", resource_type: String = "resourceType", key: String = "key",
        value: String = "value",
    }
}

view! {
    /// A status check.
    CheckView { status: String = "status", details: Vec<CheckDetailView> = "details" }
}

view! {
    /// What a status check looked at.
    CheckDetailView {
        name: String = "name", status: String = "status",
        #[serde(skip_serializing_if = "Option::is_none")] since: Option<String> = "impairedSince",
    }
}

view! {
    /// A scheduled event.
    StatusEventView {
        id: String = "instanceEventId", code: String = "code", description: String = "description",
        not_before: String = "notBefore", not_after: String = "notAfter",
    }
}

view! {
    /// An instance's status checks.
    InstanceStatusView {
        instance: String = "instanceId", zone: String = "availabilityZone",
        events: Vec<StatusEventView> = "eventsSet", state: StateView = "instanceState",
        system: CheckView = "systemStatus", checks: CheckView = "instanceStatus", ebs: CheckView = "attachedEbsStatus",
    }
}

view! {
    /// vCPUs.
    VcpuView { count: u32 = "defaultVCpus" }
}

view! {
    /// Memory.
    MemoryView { mib: u64 = "sizeInMiB" }
}

view! {
    /// What a type's network can do.
    NetworkInfoView {
        interfaces: u32 = "maximumNetworkInterfaces", cards: u32 = "maximumNetworkCards",
        default_card: u32 = "defaultNetworkCardIndex", addresses: u32 = "ipv4AddressesPerInterface",
        ena: String = "enaSupport",
    }
}

view! {
    /// What a type's volumes can do.
    EbsInfoView {
        nvme: String = "nvmeSupport", attachments: u32 = "maximumEbsAttachments", limit_type: String = "attachmentLimitType",
    }
}

view! {
    /// An instance type.
    InstanceTypeView {
        name: String = "instanceType", hypervisor: String = "hypervisor", bare_metal: bool = "bareMetal",
        vcpus: VcpuView = "vCpuInfo", memory: MemoryView = "memoryInfo", network: NetworkInfoView = "networkInfo",
        ebs: EbsInfoView = "ebsInfo", auto_recovery: bool = "autoRecoverySupported",
    }
}

view! {
    /// What an instance wrote to its serial console, in base64.
    ConsoleView {
        instance: String = "instanceId", timestamp: String = "timestamp",
        #[serde(skip_serializing_if = "Option::is_none")] output: Option<String> = "output",
    }
}

view! {
    /// A launch template.
    TemplateView {
        id: String = "launchTemplateId", name: String = "launchTemplateName", create_time: String = "createTime",
        default_version: u32 = "defaultVersionNumber", latest_version: u32 = "latestVersionNumber",
    }
}

view! {
    /// An instance's change of state.
    StateChangeView {
        instance: String = "instanceId", current: StateView = "currentState", previous: StateView = "previousState",
    }
}

view! {
    /// A stack.
    StackView {
        id: String = "StackId", name: String = "StackName", created: String = "CreationTime", status: String = "StackStatus",
        #[serde(skip_serializing_if = "Option::is_none")] reason: Option<String> = "StackStatusReason",
    }
}

view! {
    /// A resource of a stack.
    StackResourceView {
        stack: String = "StackName", stack_id: String = "StackId", logical: String = "LogicalResourceId",
        physical: String = "PhysicalResourceId", resource_type: String = "ResourceType",
        updated: String = "LastUpdatedTimestamp", status: String = "ResourceStatus",
    }
}
