//! EC2 and Auto Scaling, through the region's model.

use crate::code::refused;
use crate::laws;
use crate::runs::Caller;
use async_trait::async_trait;
use berth_lifecycle::ports::{Cloud, CloudError};
use berth_plan::ec2::{EniAttachment, EniSeen, InstanceSeen, LifecycleState, VolumeAttachment, VolumeSeen};
use berth_plan::{AttachmentId, EniId, InstanceId, Subnet, SubnetId, VolumeId, Zone};
use region::model::{
    Answer, AttachEniRequest, AttachVolumeRequest, DescribeGroupsRequest, DescribeRequest, DetachEniRequest,
    DetachVolumeRequest, EniView, InstanceView, Request, TagView, TagsRequest, VolumeView,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) struct Ec2(pub(crate) Arc<Caller>);

const WRONG: &str = "the region writes identifiers as AWS does";

fn filtered<const N: usize>(filters: [(&str, Vec<String>); N]) -> DescribeRequest {
    let filters = filters.into_iter().map(|(name, values)| (name.to_owned(), values)).collect();
    DescribeRequest { filters, ..Default::default() }
}

fn tag(tags: &[TagView], key: &str) -> Option<String> {
    tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.clone())
}

impl Ec2 {
    async fn call(&self, request: Request, ids: &str) -> Result<Answer, CloudError> {
        let call = format!("{} {ids}", request.action());
        let answer = self.0.aws(request).await;
        answer.map_err(|error| refused(call, self.0.world.with(|s| s.now), &error))
    }

    async fn eni_views(&self, describe: DescribeRequest) -> Result<Vec<EniSeen>, CloudError> {
        match self.call(Request::DescribeNetworkInterfaces(describe), "").await? {
            Answer::Enis(page) => Ok(page.items.into_iter().map(eni).collect()),
            other => unreachable!("{other:?}"),
        }
    }

    async fn volume_views(&self, describe: DescribeRequest) -> Result<Vec<VolumeView>, CloudError> {
        match self.call(Request::DescribeVolumes(describe), "").await? {
            Answer::Volumes(page) => Ok(page.items),
            other => unreachable!("{other:?}"),
        }
    }
}

fn eni(view: EniView) -> EniSeen {
    EniSeen {
        id: view.eni.parse().expect(WRONG),
        name: tag(&view.tags, "Name"),
        cluster: tag(&view.tags, "berth:cluster"),
        zone: view.zone.parse().expect(WRONG),
        subnet: view.subnet.parse().expect(WRONG),
        mac: view.mac.parse().expect(WRONG),
        addresses: view.addresses.iter().map(|a| a.address.parse().expect(WRONG)).collect(),
        status: view.status.as_str().into(),
        requester_managed: view.requester_managed,
        kind: view.interface_type,
        attachment: view.attachment.map(|a| EniAttachment {
            id: a.attachment.parse().expect(WRONG),
            instance: a.instance.map(|id| id.parse().expect(WRONG)),
            state: a.status.as_str().into(),
            index: a.device_index,
            delete_on_termination: a.delete_on_termination,
        }),
    }
}

fn volume(view: VolumeView) -> VolumeSeen {
    VolumeSeen {
        id: view.volume.parse().expect(WRONG),
        name: tag(&view.tags, "Name"),
        cluster: tag(&view.tags, "berth:cluster"),
        format: tag(&view.tags, "berth:format"),
        zone: view.zone.parse().expect(WRONG),
        state: view.state.as_str().into(),
        size: u32::try_from(view.size_gib).expect("volumes are small here"),
        multi_attach: view.multi_attach,
        from_snapshot: !view.snapshot.is_empty(),
        attachments: view
            .attachments
            .into_iter()
            .map(|a| VolumeAttachment {
                instance: a.instance.parse().expect(WRONG),
                device: a.device,
                state: a.state.as_str().into(),
                delete_on_termination: a.delete_on_termination,
            })
            .collect(),
    }
}

fn instance(view: InstanceView) -> (InstanceId, InstanceSeen) {
    let seen = InstanceSeen {
        state: view.state.name.as_str().into(),
        devices: view.volumes.into_iter().map(|v| v.device).collect(),
        indexes: view.interfaces.iter().map(|i| i.attachment.device_index).collect(),
        tags: view.tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
    };
    (view.instance.parse().expect(WRONG), seen)
}

#[async_trait]
impl Cloud for Ec2 {
    async fn enis(&self, cluster: &str, zone: &Zone) -> Result<Vec<EniSeen>, CloudError> {
        let zone = vec![zone.to_string()];
        self.eni_views(filtered([
            ("tag:berth:cluster", vec![cluster.to_owned()]),
            ("availability-zone", zone),
        ]))
        .await
    }

    async fn volumes(&self, cluster: &str, zone: &Zone) -> Result<Vec<VolumeSeen>, CloudError> {
        let zone = vec![zone.to_string()];
        let describe =
            filtered([("tag:berth:cluster", vec![cluster.to_owned()]), ("availability-zone", zone)]);
        Ok(self.volume_views(describe).await?.into_iter().map(volume).collect())
    }

    async fn untagged(&self, name: &str, zone: &Zone) -> Result<Vec<String>, CloudError> {
        let describe =
            filtered([("tag:Name", vec![name.to_owned()]), ("availability-zone", vec![zone.to_string()])]);
        Ok(self.volume_views(describe).await?.into_iter().map(|v| v.volume).collect())
    }

    async fn volumes_of(&self, instance: &InstanceId) -> Result<Vec<VolumeSeen>, CloudError> {
        let describe = filtered([("attachment.instance-id", vec![instance.to_string()])]);
        Ok(self.volume_views(describe).await?.into_iter().map(volume).collect())
    }

    async fn enis_of(&self, instance: &InstanceId) -> Result<Vec<EniSeen>, CloudError> {
        self.eni_views(filtered([("attachment.instance-id", vec![instance.to_string()])])).await
    }

    async fn instances(
        &self,
        ids: &BTreeSet<InstanceId>,
    ) -> Result<BTreeMap<InstanceId, InstanceSeen>, CloudError> {
        let describe = filtered([("instance-id", ids.iter().map(ToString::to_string).collect())]);
        match self.call(Request::DescribeInstances(describe), "").await? {
            Answer::Instances(page) => Ok(page.items.into_iter().map(instance).collect()),
            other => unreachable!("{other:?}"),
        }
    }

    async fn group_states(
        &self,
        ids: &BTreeSet<InstanceId>,
    ) -> Result<BTreeMap<InstanceId, LifecycleState>, CloudError> {
        let names = ids.iter().map(ToString::to_string).collect();
        let describe = DescribeGroupsRequest { names, ..Default::default() };
        match self.call(Request::DescribeAutoScalingInstances(describe), "").await? {
            Answer::GroupInstances(page) => {
                let items = page.items.into_iter();
                Ok(items.map(|i| (i.instance.parse().expect(WRONG), i.lifecycle.as_str().into())).collect())
            }
            other => unreachable!("{other:?}"),
        }
    }

    async fn target_state(&self) -> Result<Option<LifecycleState>, CloudError> {
        Ok(self.0.local("target state", 1, |s, me| crate::runs::me(s, me).target_state).await)
    }

    async fn subnet(&self, id: &SubnetId) -> Result<Subnet, CloudError> {
        let describe = DescribeRequest { ids: vec![id.to_string()], ..Default::default() };
        match self.call(Request::DescribeSubnets(describe), id.as_str()).await? {
            Answer::Subnets(page) => Ok(page.items[0].cidr.parse().expect(WRONG)),
            other => unreachable!("{other:?}"),
        }
    }

    async fn attach_volume(
        &self,
        volume: &VolumeId,
        to: &InstanceId,
        device: &str,
    ) -> Result<(), CloudError> {
        let request = AttachVolumeRequest {
            volume: volume.to_string(),
            instance: to.to_string(),
            device: device.to_owned(),
            dry_run: false,
        };
        self.call(Request::AttachVolume(request), &format!("{volume} to {to}")).await.map(drop)
    }

    async fn attach_eni(&self, eni: &EniId, to: &InstanceId, index: u32) -> Result<AttachmentId, CloudError> {
        let request = AttachEniRequest {
            eni: eni.to_string(),
            instance: to.to_string(),
            device_index: index,
            network_card_index: Some(0),
            dry_run: false,
        };
        self.0.world.with(|s| laws::attaching(s, to.as_str(), eni.as_str()));
        match self.call(Request::AttachNetworkInterface(request), &format!("{eni} to {to}")).await? {
            Answer::Attachment(view) => Ok(view.attachment.parse().expect(WRONG)),
            other => unreachable!("{other:?}"),
        }
    }

    async fn detach_volume(&self, volume: &VolumeId, from: &InstanceId) -> Result<(), CloudError> {
        let request = DetachVolumeRequest {
            volume: volume.to_string(),
            instance: Some(from.to_string()),
            ..Default::default()
        };
        self.call(Request::DetachVolume(request), &format!("{volume} from {from}")).await.map(drop)
    }

    async fn detach_eni(&self, attachment: &AttachmentId) -> Result<(), CloudError> {
        let request = DetachEniRequest { attachment: attachment.to_string(), ..Default::default() };
        self.call(Request::DetachNetworkInterface(request), attachment.as_str()).await.map(drop)
    }

    async fn tag_volume(&self, volume: &VolumeId, key: &str, value: &str) -> Result<(), CloudError> {
        let tags = vec![(key.to_owned(), Some(value.to_owned()))];
        let request = TagsRequest { resources: vec![volume.to_string()], tags, dry_run: false };
        self.call(Request::CreateTags(request), volume.as_str()).await.map(drop)
    }
}
