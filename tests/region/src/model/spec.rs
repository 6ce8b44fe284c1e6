//! What an operator asks for when building the world: the same shapes serve code, the world file and the API.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::hooks::HookSpec;
use super::refresh::Maintenance;
use super::{Millis, SubnetId};

/// Tags of a resource.
pub type Tags = BTreeMap<String, String>;

/// A subnet to make.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SubnetSpec {
    /// `eu-central-1a`
    pub zone: String,
    /// `10.0.1.0/24`
    pub cidr: String,
    /// Tags.
    pub tags: Tags,
}

/// What is with the KMS key of a volume. AttachVolume has EC2 ask for a grant and decrypt the volume's data key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Key {
    /// It can be used, or the volume is not encrypted.
    #[default]
    Usable,
    /// It is disabled: AttachVolume is refused.
    Disabled,
    /// Who attaches may not make a grant on it: AttachVolume is refused.
    NoGrant,
    /// It waits for its deletion: EBS finds this out after it has accepted the attachment, and undoes it.
    PendingDeletion,
}

impl Key {
    /// Whether the volume can be attached with it.
    pub fn is_usable(&self) -> bool {
        *self == Key::Usable
    }
}

/// A state that a volume can be put into. `in-use` is none of them: attachments alone bring it about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettableVolumeState {
    /// As if it had just been asked for, until it is put into another state.
    Creating,
    /// As its attachments have it: `available` without, `in-use` with them.
    Available,
    /// A DeleteVolume that takes long.
    Deleting,
    /// Its hardware has failed.
    Error,
}

/// A volume to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VolumeSpec {
    /// Its zone.
    pub zone: String,
    /// Its size.
    pub size_gib: u64,
    /// `gp3`, `io2`, …
    pub volume_type: String,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// What is with its KMS key; any but a usable one makes it an encrypted volume.
    #[serde(skip_serializing_if = "Key::is_usable")]
    pub key: Key,
    /// The state it begins in; none = `available`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<SettableVolumeState>,
    /// Whether several instances may attach it (io1 and io2 only).
    pub multi_attach: bool,
    /// The snapshot it was made from.
    pub snapshot: Option<String>,
    /// Tags.
    pub tags: Tags,
}

impl Default for VolumeSpec {
    fn default() -> VolumeSpec {
        VolumeSpec {
            zone: String::new(),
            size_gib: 1,
            volume_type: "gp3".into(),
            encrypted: false,
            key: Key::Usable,
            state: None,
            multi_attach: false,
            snapshot: None,
            tags: Tags::new(),
        }
    }
}

/// What an operator, a key's owner or the hardware does to a volume. What is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VolumeChange {
    /// Its state.
    pub state: Option<SettableVolumeState>,
    /// What is with its KMS key; it only matters to attachments that come later.
    pub key: Option<Key>,
    /// ModifyInstanceAttribute of `BlockDeviceMappings`: whether it goes with the instances that it is attached to.
    pub delete_on_termination: Option<bool>,
}

/// A status of an interface that no attachment brings about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettableEniStatus {
    /// As its attachment has it: `available` without, `in-use` or `detaching` with one.
    Available,
    /// It is still being made.
    Pending,
}

/// A network interface to make.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EniSpec {
    /// Its subnet.
    pub subnet: SubnetId,
    /// Its addresses, the primary first; none = the region gives one.
    pub private_ips: Vec<Ipv4Addr>,
    /// Security groups.
    pub groups: Vec<String>,
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: Tags,
    /// Whether a service of AWS made it and manages it.
    pub requester_managed: bool,
    /// `lambda`, `trunk`, …; none = `interface`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface_type: Option<String>,
    /// The status it begins in; none = `available`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<SettableEniStatus>,
}

/// What an operator or a service of AWS does to an interface. What is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EniChange {
    /// Whether a service of AWS manages it.
    pub requester_managed: Option<bool>,
    /// Its type.
    pub interface_type: Option<String>,
    /// Its status.
    pub status: Option<SettableEniStatus>,
    /// ModifyNetworkInterfaceAttribute of the attachment: whether the interface goes with its instance. Nothing where it
    /// is not attached.
    pub delete_on_termination: Option<bool>,
}

/// What an instance is launched with, wherever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LaunchData {
    /// The name of the launch template or configuration.
    pub name: String,
    /// Its type.
    pub instance_type: String,
    /// User data, as the instance reads it (not base64).
    pub user_data: String,
    /// The role whose credentials its metadata serves.
    pub profile: Option<String>,
    /// Tags for instances (a launch configuration has none).
    pub tags: Tags,
    /// Whether its metadata serves its tags.
    pub metadata_tags: bool,
    /// Whether its primary interface has an IPv6 address and no IPv4 address, as in an IPv6-only subnet.
    pub ipv6_only: bool,
    /// Security groups.
    pub groups: Vec<String>,
    /// Image.
    pub image: String,
}

impl Default for LaunchData {
    fn default() -> LaunchData {
        LaunchData {
            name: "launch".into(),
            instance_type: "m5.large".into(),
            user_data: String::new(),
            profile: None,
            tags: Tags::new(),
            metadata_tags: false,
            ipv6_only: false,
            groups: Vec::new(),
            image: "ami-0123456789abcdef0".into(),
        }
    }
}

/// How a group launches its instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaunchSource {
    /// By launch template.
    Template(LaunchData),
    /// By launch configuration.
    Configuration(LaunchData),
}

impl LaunchSource {
    /// What it launches.
    pub fn data(&self) -> &LaunchData {
        match self {
            LaunchSource::Template(data) | LaunchSource::Configuration(data) => data,
        }
    }
}

impl Default for LaunchSource {
    fn default() -> LaunchSource {
        LaunchSource::Template(LaunchData::default())
    }
}

/// An instance to launch outside a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LaunchSpec {
    /// Its subnet.
    pub subnet: SubnetId,
    /// Its type.
    pub instance_type: String,
    /// User data, as the instance reads it (not base64).
    pub user_data: String,
    /// The role whose credentials its metadata serves.
    pub profile: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// Whether its metadata serves its tags.
    pub metadata_tags: bool,
    /// Whether its primary interface has an IPv6 address and no IPv4 address.
    pub ipv6_only: bool,
}

impl Default for LaunchSpec {
    fn default() -> LaunchSpec {
        LaunchSpec::of(String::new(), LaunchData::default())
    }
}

impl LaunchSpec {
    /// A launch in a subnet.
    pub fn of(subnet: SubnetId, data: LaunchData) -> LaunchSpec {
        let LaunchData { instance_type, user_data, profile, tags, metadata_tags, ipv6_only, .. } = data;
        LaunchSpec { subnet, instance_type, user_data, profile, tags, metadata_tags, ipv6_only }
    }

    pub(crate) fn data(&self) -> LaunchData {
        LaunchData {
            instance_type: self.instance_type.clone(),
            user_data: self.user_data.clone(),
            profile: self.profile.clone(),
            tags: self.tags.clone(),
            metadata_tags: self.metadata_tags,
            ipv6_only: self.ipv6_only,
            ..LaunchData::default()
        }
    }
}

/// What the instances of a warm pool wait as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PoolState {
    /// Stopped; the default of PutWarmPool.
    #[default]
    Stopped,
    /// Running.
    Running,
    /// Hibernated: to EC2 an instance that is `stopped`.
    Hibernated,
}

/// A group's warm pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WarmPool {
    /// What its instances wait as.
    pub state: PoolState,
    /// How many it has.
    pub size: u32,
}

/// An Auto Scaling group to make.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupSpec {
    /// Its name.
    pub name: String,
    /// Least size.
    pub min: u32,
    /// Greatest size.
    pub max: u32,
    /// Wanted size.
    pub desired: u32,
    /// Where it launches; balanced over their zones.
    pub subnets: Vec<SubnetId>,
    /// What it launches.
    pub launch: LaunchSource,
    /// Tags that its instances get.
    pub tags: Tags,
    /// So long after InService impaired status checks and SetInstanceHealth are without effect, unless the latter is told
    /// not to respect it.
    pub health_check_grace: Millis,
    /// What its health checks look at: `EC2` where nothing is said, `EC2,EBS`.
    pub health_check_type: String,
    /// Processes that are suspended: `Launch`, `Terminate`, `HealthCheck`, `ReplaceUnhealthy`, `AZRebalance`.
    pub suspended: Vec<String>,
    /// Its warm pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_pool: Option<WarmPool>,
    /// Its instance maintenance policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Maintenance>,
    /// Its lifecycle hooks.
    pub hooks: Vec<HookSpec>,
}

/// A CloudFormation stack whose only moving part is one group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StackSpec {
    /// Its name.
    pub name: String,
    /// The group's logical id.
    pub group_logical_id: String,
    /// The group.
    pub group_name: String,
    /// How many SUCCESS signals complete its creation.
    pub signals: u32,
    /// The creation policy's time-out.
    pub timeout_ms: Millis,
}

/// A rolling update of a stack's group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpdateSpec {
    /// How many instances are replaced and must signal; 0 = all that the group has.
    pub signals: u32,
    /// How long each batch may take to signal.
    pub pause_time: Millis,
    /// How many are replaced at a time.
    pub max_batch_size: u32,
    /// What the new instances are launched with; none = as before.
    pub launch: Option<LaunchSource>,
}

impl Default for UpdateSpec {
    fn default() -> UpdateSpec {
        UpdateSpec { signals: 0, pause_time: 3_600_000, max_batch_size: 1, launch: None }
    }
}
