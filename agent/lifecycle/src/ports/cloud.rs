//! EC2 as the stories use it.

use async_trait::async_trait;
pub use berth_plan::ec2::Refusal;
use berth_plan::ec2::{EniSeen, InstanceSeen, LifecycleState, VolumeSeen};
use berth_plan::{AttachmentId, EniId, InstanceId, Subnet, SubnetId, VolumeId, Zone};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A call that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudError {
    /// The call and its ids, as `AttachVolume vol-… to i-…`.
    pub call: String,
    /// What it means.
    pub refusal: Refusal,
    /// AWS's code, or what kept the answer away.
    pub code: String,
    /// AWS's message.
    pub message: String,
    /// AWS's request id, for a support case.
    pub request: Option<String>,
}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.code)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        match &self.request {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for CloudError {}

/// Calls to EC2 and, for the life-cycle states of instances, to Auto Scaling.
///
/// No call waits for a state: what EC2 accepted may show later.
#[async_trait]
pub trait Cloud: Send + Sync {
    /// DescribeNetworkInterfaces by `tag:berth:cluster` and zone.
    async fn enis(&self, cluster: &str, zone: &Zone) -> Result<Vec<EniSeen>, CloudError>;

    /// DescribeVolumes by `tag:berth:cluster` and zone.
    async fn volumes(&self, cluster: &str, zone: &Zone) -> Result<Vec<VolumeSeen>, CloudError>;

    /// DescribeVolumes by Name patterns alone: resources that nobody tagged for a cluster yet.
    async fn untagged(&self, name: &str, zone: &Zone) -> Result<Vec<String>, CloudError>;

    /// DescribeVolumes by `attachment.instance-id`.
    async fn volumes_of(&self, instance: &InstanceId) -> Result<Vec<VolumeSeen>, CloudError>;

    /// DescribeNetworkInterfaces by `attachment.instance-id`.
    async fn enis_of(&self, instance: &InstanceId) -> Result<Vec<EniSeen>, CloudError>;

    /// DescribeInstances by the filter `instance-id`, 200 a call: an unknown id is left out and no error.
    async fn instances(
        &self,
        ids: &BTreeSet<InstanceId>,
    ) -> Result<BTreeMap<InstanceId, InstanceSeen>, CloudError>;

    /// DescribeAutoScalingInstances, 50 a call: instances of no group are left out.
    async fn group_states(
        &self,
        ids: &BTreeSet<InstanceId>,
    ) -> Result<BTreeMap<InstanceId, LifecycleState>, CloudError>;

    /// This instance's target life-cycle state, as its metadata says it now; none for a 404: in no group, or not yet.
    async fn target_state(&self) -> Result<Option<LifecycleState>, CloudError>;

    /// DescribeSubnets.
    async fn subnet(&self, id: &SubnetId) -> Result<Subnet, CloudError>;

    /// AttachVolume. `Ok`: accepted.
    async fn attach_volume(&self, volume: &VolumeId, to: &InstanceId, device: &str)
    -> Result<(), CloudError>;

    /// AttachNetworkInterface on network card 0. `Ok`: accepted.
    async fn attach_eni(&self, eni: &EniId, to: &InstanceId, index: u32) -> Result<AttachmentId, CloudError>;

    /// DetachVolume, naming the instance, never forced.
    async fn detach_volume(&self, volume: &VolumeId, from: &InstanceId) -> Result<(), CloudError>;

    /// DetachNetworkInterface of an attachment that was read as this instance's, never forced.
    async fn detach_eni(&self, attachment: &AttachmentId) -> Result<(), CloudError>;

    /// CreateTags of one tag on a volume.
    async fn tag_volume(&self, volume: &VolumeId, key: &str, value: &str) -> Result<(), CloudError>;
}
