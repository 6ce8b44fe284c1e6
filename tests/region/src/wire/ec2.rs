//! EC2 on the wire: from the Query form to a request, from an answer to the shape of its XML.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::model::sources::PARAMETER_VALUE;
use crate::model::*;

use super::Params;

pub(super) fn request(params: &Params) -> Result<Option<Request>, Refusal> {
    let dry_run = params.flag("DryRun")?;
    let describe = |ids: &str| -> Result<DescribeRequest, Refusal> {
        Ok(DescribeRequest {
            ids: params.list(ids),
            filters: params
                .structs("Filter")
                .iter()
                .map(|filter| Ok((filter.required("Name")?, filter.list("Value"))))
                .collect::<Result<_, Refusal>>()?,
            max_results: params.number("MaxResults")?,
            next_token: params.text("NextToken"),
            dry_run,
        })
    };
    let instances = || -> Result<InstancesRequest, Refusal> {
        Ok(InstancesRequest { ids: all_of(params, "InstanceId")?, dry_run })
    };
    let tags = || -> Result<TagsRequest, Refusal> {
        Ok(TagsRequest {
            resources: all_of(params, "ResourceId")?,
            tags: params
                .structs("Tag")
                .iter()
                .map(|tag| Ok((tag.required("Key")?, tag.get("Value").map(str::to_owned))))
                .collect::<Result<_, Refusal>>()?,
            dry_run,
        })
    };
    let delete = |id: &str| -> Result<DeleteRequest, Refusal> {
        Ok(DeleteRequest { id: params.required(id)?, dry_run })
    };
    Ok(Some(match params.action() {
        "DescribeInstances" => Request::DescribeInstances(describe("InstanceId")?),
        "DescribeInstanceStatus" => Request::DescribeInstanceStatus(DescribeStatusRequest {
            describe: describe("InstanceId")?,
            all: params.flag("IncludeAllInstances")?,
        }),
        "DescribeVolumes" => Request::DescribeVolumes(describe("VolumeId")?),
        "DescribeNetworkInterfaces" => Request::DescribeNetworkInterfaces(describe("NetworkInterfaceId")?),
        "DescribeSubnets" => Request::DescribeSubnets(describe("SubnetId")?),
        "DescribeVpcs" => Request::DescribeVpcs(describe("VpcId")?),
        "DescribeTags" => Request::DescribeTags(describe("")?),
        "DescribeInstanceTypes" => Request::DescribeInstanceTypes(describe("InstanceType")?),
        "DescribeAvailabilityZones" => Request::DescribeAvailabilityZones(describe("ZoneName")?),
        "AttachVolume" => Request::AttachVolume(AttachVolumeRequest {
            volume: params.required("VolumeId")?,
            instance: params.required("InstanceId")?,
            device: params.required("Device")?,
            dry_run,
        }),
        "DetachVolume" => Request::DetachVolume(DetachVolumeRequest {
            volume: params.required("VolumeId")?,
            instance: params.text("InstanceId"),
            device: params.text("Device"),
            force: params.flag("Force")?,
            dry_run,
        }),
        "AttachNetworkInterface" => Request::AttachNetworkInterface(AttachEniRequest {
            eni: params.required("NetworkInterfaceId")?,
            instance: params.required("InstanceId")?,
            device_index: params
                .required("DeviceIndex")
                .and_then(|_| params.number("DeviceIndex"))?
                .unwrap_or(0),
            network_card_index: params.number("NetworkCardIndex")?,
            dry_run,
        }),
        "DetachNetworkInterface" => Request::DetachNetworkInterface(DetachEniRequest {
            attachment: params.required("AttachmentId")?,
            force: params.flag("Force")?,
            dry_run,
        }),
        "ModifyNetworkInterfaceAttribute" => {
            Request::ModifyNetworkInterfaceAttribute(modify_eni(params, dry_run)?)
        }
        "CreateTags" => Request::CreateTags(tags()?),
        "DeleteTags" => Request::DeleteTags(tags()?),
        "CreateVolume" => Request::CreateVolume(create_volume(params, dry_run)?),
        "DeleteVolume" => Request::DeleteVolume(delete("VolumeId")?),
        "CreateNetworkInterface" => Request::CreateNetworkInterface(create_eni(params, dry_run)?),
        "DeleteNetworkInterface" => Request::DeleteNetworkInterface(delete("NetworkInterfaceId")?),
        "CreateSubnet" => Request::CreateSubnet(CreateSubnetRequest {
            spec: SubnetSpec {
                zone: params.required("AvailabilityZone")?,
                cidr: params.required("CidrBlock")?,
                tags: specified_tags(params, "subnet"),
            },
            vpc: params.required("VpcId")?,
            dry_run,
        }),
        "CreateLaunchTemplate" => {
            let data = params.inner("LaunchTemplateData");
            let data = LaunchData { name: params.required("LaunchTemplateName")?, ..launch_data(&data)? };
            Request::CreateLaunchTemplate(CreateLaunchRequest { data, dry_run })
        }
        "RunInstances" => Request::RunInstances(run_instances(params, dry_run)?),
        "TerminateInstances" => Request::TerminateInstances(instances()?),
        "RebootInstances" => Request::RebootInstances(instances()?),
        "StopInstances" => Request::StopInstances(instances()?),
        "StartInstances" => Request::StartInstances(instances()?),
        "GetConsoleOutput" => Request::GetConsoleOutput(ConsoleRequest {
            instance: params.required("InstanceId")?,
            latest: params.flag("Latest")?,
            dry_run,
        }),
        _ => return Ok(None),
    }))
}

fn all_of(params: &Params, name: &str) -> Result<Vec<String>, Refusal> {
    let found = params.list(name);
    if found.is_empty() { params.required(name).map(|one| vec![one]) } else { Ok(found) }
}

fn specified_tags(params: &Params, resource: &str) -> BTreeMap<String, String> {
    params
        .structs("TagSpecification")
        .iter()
        .filter(|spec| spec.get("ResourceType") == Some(resource))
        .flat_map(|spec| spec.structs("Tag"))
        .filter_map(|tag| Some((tag.text("Key")?, tag.text("Value").unwrap_or_default())))
        .collect()
}

fn bad(message: String) -> Refusal {
    Refusal::of(&PARAMETER_VALUE, message)
}

fn address(text: &str) -> Result<Ipv4Addr, Refusal> {
    text.parse().map_err(|_| bad(format!("Invalid IPv4 address: {text}")))
}

/// User data as the instance reads it.
pub(super) fn user_data(params: &Params) -> Result<String, Refusal> {
    let Some(encoded) = params.text("UserData") else { return Ok(String::new()) };
    let bytes = STANDARD.decode(encoded).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| bad("Invalid BASE64 encoding of user data.".into()))
}

/// The role's name of an instance profile given by name or ARN.
pub(super) fn profile(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

fn launch_data(params: &Params) -> Result<LaunchData, Refusal> {
    let plain = LaunchData::default();
    let role = params.inner("IamInstanceProfile");
    Ok(LaunchData {
        name: plain.name,
        instance_type: params.text("InstanceType").unwrap_or(plain.instance_type),
        user_data: user_data(params)?,
        profile: role.text("Name").or(role.text("Arn")).map(|name| profile(&name)),
        tags: specified_tags(params, "instance"),
        metadata_tags: params.get("MetadataOptions.InstanceMetadataTags") == Some("enabled"),
        ipv6_only: false,
        groups: params.list("SecurityGroupId"),
        image: params.text("ImageId").unwrap_or(plain.image),
    })
}

fn run_instances(params: &Params, dry_run: bool) -> Result<RunInstancesRequest, Refusal> {
    let template = params.inner("LaunchTemplate");
    let first_eni = params.structs("NetworkInterface").into_iter().next().unwrap_or_default();
    let subnet = params.text("SubnetId").or(first_eni.text("SubnetId"));
    Ok(RunInstancesRequest {
        data: launch_data(params)?,
        template: template.text("LaunchTemplateName").or(template.text("LaunchTemplateId")),
        subnet: subnet.map_or_else(|| params.required("SubnetId"), Ok)?,
        count: params.number("MaxCount")?.unwrap_or(1),
        client_token: params.text("ClientToken"),
        dry_run,
    })
}

fn modify_eni(params: &Params, dry_run: bool) -> Result<ModifyEniRequest, Refusal> {
    let attachment = params.inner("Attachment");
    let groups = params.list("SecurityGroupId");
    let delete = attachment.boolean("DeleteOnTermination")?;
    Ok(ModifyEniRequest {
        eni: params.required("NetworkInterfaceId")?,
        source_dest_check: params.boolean("SourceDestCheck.Value")?,
        delete_on_termination: match delete {
            Some(delete) => Some((attachment.required("AttachmentId")?, delete)),
            None => None,
        },
        description: params.get("Description.Value").map(str::to_owned),
        groups: (!groups.is_empty()).then_some(groups),
        dry_run,
    })
}

fn create_volume(params: &Params, dry_run: bool) -> Result<CreateVolumeRequest, Refusal> {
    let snapshot = params.text("SnapshotId");
    let from_snapshot = if snapshot.is_some() { 1 } else { 0 };
    Ok(CreateVolumeRequest {
        spec: VolumeSpec {
            zone: params.required("AvailabilityZone")?,
            size_gib: params.number("Size")?.unwrap_or(from_snapshot),
            // API reference, CreateVolume: the default is gp2.
            volume_type: params.text("VolumeType").unwrap_or_else(|| "gp2".into()),
            encrypted: params.flag("Encrypted")?,
            multi_attach: params.flag("MultiAttachEnabled")?,
            snapshot,
            tags: specified_tags(params, "volume"),
            ..VolumeSpec::default()
        },
        client_token: params.text("ClientToken"),
        dry_run,
    })
}

fn create_eni(params: &Params, dry_run: bool) -> Result<CreateEniRequest, Refusal> {
    let mut private_ips = Vec::new();
    if let Some(primary) = params.text("PrivateIpAddress") {
        private_ips.push(address(&primary)?);
    }
    for one in params.structs("PrivateIpAddresses") {
        let found = address(&one.required("PrivateIpAddress")?)?;
        if one.flag("Primary")? { private_ips.insert(0, found) } else { private_ips.push(found) }
    }
    Ok(CreateEniRequest {
        spec: EniSpec {
            subnet: params.required("SubnetId")?,
            private_ips,
            groups: params.list("SecurityGroupId"),
            description: params.text("Description").unwrap_or_default(),
            tags: specified_tags(params, "network-interface"),
            interface_type: params.text("InterfaceType"),
            ..EniSpec::default()
        },
        client_token: params.text("ClientToken"),
        dry_run,
    })
}

fn set<T: serde::Serialize>(name: &str, page: Page<T>) -> Value {
    json!({ name: page.items, "nextToken": page.next_token })
}

fn reservation(account: &str, id: &str, instances: &[&InstanceView]) -> Value {
    let none: [Value; 0] = [];
    json!({ "reservationId": id, "ownerId": account, "groupSet": none, "instancesSet": instances })
}

/// The inside of an answer's XML.
pub(super) fn body(answer: Answer, account: &str) -> Value {
    match answer {
        Answer::Instances(page) => {
            let mut reservations: BTreeMap<&str, Vec<&InstanceView>> = BTreeMap::new();
            for instance in &page.items {
                reservations.entry(&instance.reservation).or_default().push(instance);
            }
            let reservations: Vec<Value> =
                reservations.iter().map(|(id, instances)| reservation(account, id, instances)).collect();
            json!({ "reservationSet": reservations, "nextToken": page.next_token })
        }
        Answer::Reservation(instances) => {
            let id = instances.first().map(|first| first.reservation.clone()).unwrap_or_default();
            reservation(account, &id, &instances.iter().collect::<Vec<_>>())
        }
        Answer::Statuses(page) => set("instanceStatusSet", page),
        Answer::Volumes(page) => set("volumeSet", page),
        Answer::Enis(page) => set("networkInterfaceSet", page),
        Answer::Subnets(page) => set("subnetSet", page),
        Answer::Vpcs(page) => set("vpcSet", page),
        Answer::Tags(page) => set("tagSet", page),
        Answer::Types(page) => set("instanceTypeSet", page),
        Answer::Zones(page) => set("availabilityZoneInfo", page),
        Answer::VolumeAttachment(view) => json!(view),
        Answer::Attachment(view) => json!(view),
        Answer::Volume(view) => json!(view),
        Answer::Eni(view) => json!({ "networkInterface": view }),
        Answer::Subnet(view) => json!({ "subnet": view }),
        Answer::Template(view) => json!({ "launchTemplate": view }),
        Answer::Console(view) => json!(view),
        Answer::StateChanges(changes) => json!({ "instancesSet": changes }),
        _ => json!({ "return": true }),
    }
}
