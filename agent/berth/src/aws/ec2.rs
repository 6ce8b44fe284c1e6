//! EC2, and the life-cycle states that Auto Scaling gives to instances.

use super::translate::{CLUSTER_TAG, eni, filter, instance, volume};
use super::{imds, refused};
use crate::aws::tags::MyTags;
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ec2::types::{Filter, Tag};
use berth_lifecycle::ports::{Cloud, CloudError, Refusal};
use berth_plan::ec2::{EniSeen, InstanceSeen, LifecycleState, VolumeSeen};
use berth_plan::{AttachmentId, EniId, InstanceId, Subnet, SubnetId, VolumeId, Zone};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Results a page. Without paging, a describe of an account with many interfaces fails (EC2 API reference,
/// DescribeNetworkInterfaces).
const PAGE: i32 = 1000;

/// Values of one filter (EC2 API reference, "Filter": up to 200).
const FILTER_VALUES: usize = 200;

/// Ids of one DescribeAutoScalingInstances (Auto Scaling API reference: up to 50).
const GROUP_IDS: usize = 50;

/// The clients.
pub(crate) struct Ec2 {
    ec2: aws_sdk_ec2::Client,
    autoscaling: aws_sdk_autoscaling::Client,
    me: InstanceId,
    tags: Arc<MyTags>,
}

impl Ec2 {
    pub(crate) fn new(config: &SdkConfig, me: InstanceId, tags: Arc<MyTags>) -> Self {
        Self {
            ec2: aws_sdk_ec2::Client::new(config),
            autoscaling: aws_sdk_autoscaling::Client::new(config),
            me,
            tags,
        }
    }

    async fn describe_enis(&self, filters: Vec<Filter>, what: String) -> Result<Vec<EniSeen>, CloudError> {
        let request = self.ec2.describe_network_interfaces().set_filters(Some(filters)).max_results(PAGE);
        let mut pages = request.into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| refused(format!("DescribeNetworkInterfaces {what}"), error))?;
            found.extend(eni(&item));
        }
        Ok(found)
    }

    async fn describe_volumes(
        &self,
        filters: Vec<Filter>,
        what: String,
    ) -> Result<Vec<VolumeSeen>, CloudError> {
        let request = self.ec2.describe_volumes().set_filters(Some(filters)).max_results(PAGE);
        let mut pages = request.into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| refused(format!("DescribeVolumes {what}"), error))?;
            found.extend(volume(&item));
        }
        Ok(found)
    }
}

fn of_cluster(cluster: &str, zone: &Zone) -> Vec<Filter> {
    vec![filter(&format!("tag:{CLUSTER_TAG}"), cluster), filter("availability-zone", zone.as_str())]
}

fn on_instance(instance: &InstanceId) -> Vec<Filter> {
    vec![filter("attachment.instance-id", instance.as_str())]
}

#[async_trait]
impl Cloud for Ec2 {
    async fn enis(&self, cluster: &str, zone: &Zone) -> Result<Vec<EniSeen>, CloudError> {
        self.describe_enis(of_cluster(cluster, zone), format!("of cluster {cluster} in {zone}")).await
    }

    async fn volumes(&self, cluster: &str, zone: &Zone) -> Result<Vec<VolumeSeen>, CloudError> {
        self.describe_volumes(of_cluster(cluster, zone), format!("of cluster {cluster} in {zone}")).await
    }

    async fn untagged(&self, name: &str, zone: &Zone) -> Result<Vec<String>, CloudError> {
        let filters = || vec![filter("tag:Name", name), filter("availability-zone", zone.as_str())];
        let what = || format!("named {name} in {zone}");
        let volumes = self.describe_volumes(filters(), what()).await?;
        let enis = self.describe_enis(filters(), what()).await?;
        let volumes = volumes.into_iter().filter(|v| v.cluster.is_none()).map(|v| v.id.to_string());
        Ok(volumes
            .chain(enis.into_iter().filter(|e| e.cluster.is_none()).map(|e| e.id.to_string()))
            .collect())
    }

    async fn volumes_of(&self, instance: &InstanceId) -> Result<Vec<VolumeSeen>, CloudError> {
        self.describe_volumes(on_instance(instance), format!("of {instance}")).await
    }

    async fn enis_of(&self, instance: &InstanceId) -> Result<Vec<EniSeen>, CloudError> {
        self.describe_enis(on_instance(instance), format!("of {instance}")).await
    }

    async fn instances(
        &self,
        ids: &BTreeSet<InstanceId>,
    ) -> Result<BTreeMap<InstanceId, InstanceSeen>, CloudError> {
        let ids: Vec<&InstanceId> = ids.iter().collect();
        let mut found = BTreeMap::new();
        for some in ids.chunks(FILTER_VALUES) {
            let values = some.iter().map(ToString::to_string).collect();
            let wanted = Filter::builder().name("instance-id").set_values(Some(values)).build();
            let mut pages = self
                .ec2
                .describe_instances()
                .filters(wanted)
                .max_results(PAGE)
                .into_paginator()
                .items()
                .send();
            while let Some(item) = pages.next().await {
                let reservation =
                    item.map_err(|error| refused(format!("DescribeInstances of {} ids", some.len()), error))?;
                for one in reservation.instances() {
                    if let Some(id) = one.instance_id().and_then(|id| id.parse().ok()) {
                        found.insert(id, instance(one));
                    }
                }
            }
        }
        if let Some(me) = found.get(&self.me) {
            self.tags.seen(&me.tags);
        }
        Ok(found)
    }

    async fn group_states(
        &self,
        ids: &BTreeSet<InstanceId>,
    ) -> Result<BTreeMap<InstanceId, LifecycleState>, CloudError> {
        let ids: Vec<&InstanceId> = ids.iter().collect();
        let mut found = BTreeMap::new();
        for some in ids.chunks(GROUP_IDS) {
            let names = some.iter().map(ToString::to_string).collect();
            let answer =
                self.autoscaling.describe_auto_scaling_instances().set_instance_ids(Some(names)).send().await;
            let answer = answer.map_err(|error| {
                refused(format!("DescribeAutoScalingInstances of {} ids", some.len()), error)
            })?;
            for one in answer.auto_scaling_instances() {
                if let (Some(Ok(id)), Some(state)) =
                    (one.instance_id().map(str::parse), one.lifecycle_state())
                {
                    found.insert(id, state.into());
                }
            }
        }
        Ok(found)
    }

    async fn target_state(&self) -> Result<Option<LifecycleState>, CloudError> {
        imds::target_state().await.map_err(|message| CloudError {
            call: "read the target state in the instance metadata".to_owned(),
            refusal: Refusal::Unknown,
            code: "no answer".to_owned(),
            message,
            request: None,
        })
    }

    async fn subnet(&self, id: &SubnetId) -> Result<Subnet, CloudError> {
        let call = format!("DescribeSubnets {id}");
        let answer = self.ec2.describe_subnets().filters(filter("subnet-id", id.as_str())).send().await;
        let answer = answer.map_err(|error| refused(call.clone(), error))?;
        let cidr = answer
            .subnets()
            .first()
            .and_then(|subnet| subnet.cidr_block())
            .and_then(|cidr| cidr.parse().ok());
        cidr.ok_or_else(|| CloudError {
            call,
            refusal: Refusal::NotFound,
            code: "no such subnet".to_owned(),
            message: String::new(),
            request: None,
        })
    }

    async fn attach_volume(
        &self,
        volume: &VolumeId,
        to: &InstanceId,
        device: &str,
    ) -> Result<(), CloudError> {
        let request =
            self.ec2.attach_volume().volume_id(volume.as_str()).instance_id(to.as_str()).device(device);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(refused(format!("AttachVolume {volume} to {to} as {device}"), error)),
        }
    }

    async fn attach_eni(&self, eni: &EniId, to: &InstanceId, index: u32) -> Result<AttachmentId, CloudError> {
        let call = format!("AttachNetworkInterface {eni} to {to} at index {index}");
        let request =
            self.ec2.attach_network_interface().network_interface_id(eni.as_str()).instance_id(to.as_str());
        // Without a card, multi-card types refuse with "already has an interface attached" (cilium issue 42512).
        let request = request.network_card_index(0).device_index(i32::try_from(index).unwrap_or(i32::MAX));
        let answer = request.send().await.map_err(|error| refused(call.clone(), error))?;
        answer.attachment_id().and_then(|id| id.parse().ok()).ok_or_else(|| CloudError {
            call,
            refusal: Refusal::Unknown,
            code: "an answer without an attachment id".to_owned(),
            message: String::new(),
            request: None,
        })
    }

    async fn detach_volume(&self, volume: &VolumeId, from: &InstanceId) -> Result<(), CloudError> {
        match self.ec2.detach_volume().volume_id(volume.as_str()).instance_id(from.as_str()).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(refused(format!("DetachVolume {volume} from {from}"), error)),
        }
    }

    async fn detach_eni(&self, attachment: &AttachmentId) -> Result<(), CloudError> {
        match self.ec2.detach_network_interface().attachment_id(attachment.as_str()).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(refused(format!("DetachNetworkInterface {attachment}"), error)),
        }
    }

    async fn tag_volume(&self, volume: &VolumeId, key: &str, value: &str) -> Result<(), CloudError> {
        let tag = Tag::builder().key(key).value(value).build();
        match self.ec2.create_tags().resources(volume.as_str()).tags(tag).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(refused(format!("CreateTags {key}={value} on {volume}"), error)),
        }
    }
}
