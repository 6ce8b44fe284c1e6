//! The resources as the region keeps them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::hooks::{HookSpec, LifecycleAction};
use super::notices::Notices;
use super::refresh::{Maintenance, Refresh};
use super::spec::{Key, LaunchData, LaunchSource, Tags, WarmPool};
use super::status_checks::Checks;
use super::subnets::Cidr;
use super::{EniId, InstanceId, Millis, SubnetId, VolumeId};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // The variants are AWS's words.
        pub enum $name { $($variant),* }
        impl $name {
            /// As AWS spells it.
            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $word),* }
            }
        }
    };
}

words! {
    /// An instance's state.
    InstanceState {
        Pending = "pending", Running = "running", ShuttingDown = "shutting-down",
        Terminated = "terminated", Stopping = "stopping", Stopped = "stopped",
    }
}

impl InstanceState {
    /// The low byte of its code.
    pub fn code(self) -> u32 {
        match self {
            InstanceState::Pending => 0,
            InstanceState::Running => 16,
            InstanceState::ShuttingDown => 32,
            InstanceState::Terminated => 48,
            InstanceState::Stopping => 64,
            InstanceState::Stopped => 80,
        }
    }
}

words! {
    /// A volume's state.
    VolumeState {
        Creating = "creating", Available = "available", InUse = "in-use", Deleting = "deleting", Error = "error",
    }
}

words! {
    /// The state of an attachment, of a volume or of an interface (which is never busy).
    AttachmentState {
        Attaching = "attaching", Attached = "attached", Detaching = "detaching", Busy = "busy",
    }
}

/// A subnet.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// Its id.
    pub id: SubnetId,
    /// Its zone.
    pub zone: String,
    /// Its addresses.
    pub cidr: Cidr,
    /// Tags.
    pub tags: Tags,
}

/// An instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// The reservation it was launched in.
    pub reservation: String,
    /// Its subnet.
    pub subnet: SubnetId,
    /// Its zone.
    pub zone: String,
    /// Its state.
    pub state: InstanceState,
    /// What it was launched with.
    pub launch: LaunchData,
    /// Its group, if any.
    pub group: Option<String>,
    /// Its primary interface.
    pub eni: EniId,
    /// Its root volume, where the settings give one.
    pub root_volume: Option<VolumeId>,
    /// Launch, or last start.
    pub launched_at: Millis,
    /// When it was terminated.
    pub terminated_at: Option<Millis>,
    /// Why it is going, as EC2's StateReason.
    pub reason: Option<(String, String)>,
    /// Its hardware died.
    pub impaired: bool,
    /// What EC2's status checks find while it runs.
    pub checks: Checks,
    /// What EC2 said ahead to it.
    pub notices: Notices,
    /// Tags.
    pub tags: Tags,
    /// Counts starts and stops, so that what an earlier one scheduled is void.
    pub turn: u64,
}

/// A volume.
#[derive(Clone, Debug)]
pub struct Volume {
    /// Its id.
    pub id: VolumeId,
    /// Its zone.
    pub zone: String,
    /// Its size.
    pub size_gib: u64,
    /// Its type.
    pub volume_type: String,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// What is with its KMS key.
    pub key: Key,
    /// Whether several instances may attach it.
    pub multi_attach: bool,
    /// The snapshot it was made from.
    pub snapshot: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// Its state.
    pub state: VolumeState,
    /// When it was made.
    pub created_at: Millis,
    /// Where it is attached.
    pub attachments: Vec<VolumeAttachment>,
}

/// A volume on an instance.
#[derive(Clone, Debug)]
pub struct VolumeAttachment {
    /// The instance.
    pub instance: InstanceId,
    /// The name asked for.
    pub device: String,
    /// Its state.
    pub state: AttachmentState,
    /// When it was accepted.
    pub at: Millis,
    /// Whether the volume is deleted with the instance.
    pub delete_on_termination: bool,
    /// Distinguishes it from an earlier one.
    pub turn: u64,
}

/// A network interface.
#[derive(Clone, Debug)]
pub struct Eni {
    /// Its id.
    pub id: EniId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// Its zone.
    pub zone: String,
    /// Its MAC.
    pub mac: String,
    /// Its addresses, the primary first.
    pub private_ips: Vec<Ipv4Addr>,
    /// Security groups.
    pub groups: Vec<String>,
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: Tags,
    /// EC2's source and destination check.
    pub source_dest_check: bool,
    /// Whether a service of AWS made it and manages it.
    pub requester_managed: bool,
    /// `interface`, `lambda`, `trunk`, …
    pub interface_type: String,
    /// It is still being made.
    pub pending: bool,
    /// Nothing shows its IPv4 addresses: it is known by an IPv6 address. They are kept as the way by which whoever
    /// serves this region reaches the instance.
    pub ipv6_only: bool,
    /// Where it is attached.
    pub attachment: Option<EniAttachment>,
}

impl Eni {
    /// The IPv4 addresses that EC2 and the metadata show, the primary first.
    pub fn shown_ips(&self) -> &[Ipv4Addr] {
        if self.ipv6_only { &[] } else { &self.private_ips }
    }

    /// Its IPv6 addresses: one of the block for documentation (RFC 3849), made from its first IPv4 address.
    pub fn ipv6s(&self) -> Vec<Ipv6Addr> {
        let first = self.private_ips.first().filter(|_| self.ipv6_only);
        let [a, b, c, d] = first.map(Ipv4Addr::octets).unwrap_or_default().map(u16::from);
        first.map(|_| Ipv6Addr::new(0x2001, 0xdb8, a, b, c, 0, 0, d)).into_iter().collect()
    }
}

/// An interface on an instance.
#[derive(Clone, Debug)]
pub struct EniAttachment {
    /// `eni-attach-…`
    pub id: String,
    /// The instance.
    pub instance: InstanceId,
    /// Its network card there.
    pub network_card_index: u32,
    /// Its index on that card.
    pub device_index: u32,
    /// Its state.
    pub state: AttachmentState,
    /// When it was accepted.
    pub at: Millis,
    /// Whether the interface is deleted with the instance.
    pub delete_on_termination: bool,
    /// From when on the instance's metadata lists it.
    pub metadata_from: Millis,
    /// From when on its device number is true there.
    pub number_from: Millis,
}

/// A launch template.
#[derive(Clone, Debug)]
pub struct Template {
    /// `lt-…`
    pub id: String,
    /// When it was made.
    pub created_at: Millis,
    /// What it launches.
    pub data: LaunchData,
}

/// An Auto Scaling group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Least size.
    pub min: u32,
    /// Greatest size.
    pub max: u32,
    /// Wanted size.
    pub desired: u32,
    /// Where it launches.
    pub subnets: Vec<SubnetId>,
    /// What it launches.
    pub launch: LaunchSource,
    /// Tags that its instances get.
    pub tags: Tags,
    /// The grace period of health checks.
    pub grace: Millis,
    /// `EC2`, `EC2,EBS`, …
    pub health_check_type: String,
    /// Suspended processes.
    pub suspended: BTreeSet<String>,
    /// Its warm pool.
    pub warm_pool: Option<WarmPool>,
    /// How it replaces instances.
    pub maintenance: Option<Maintenance>,
    /// Its instance refreshes, the newest last.
    pub refreshes: Vec<Refresh>,
    /// Its lifecycle hooks, by name.
    pub hooks: BTreeMap<String, HookSpec>,
    /// When it was made.
    pub created_at: Millis,
    /// Its instances.
    pub members: BTreeMap<InstanceId, Member>,
    /// It is deleted as soon as its last instance is gone.
    pub deleting: bool,
}

/// An instance as its group sees it.
#[derive(Clone, Debug)]
pub struct Member {
    /// `Pending`, `InService`, `Terminating`, …
    pub lifecycle: String,
    /// `Healthy` or `Unhealthy`.
    pub healthy: bool,
    /// Its zone.
    pub zone: String,
    /// When it became InService.
    pub in_service_at: Option<Millis>,
    /// When it was launched.
    pub launched_at: Millis,
    /// What the metadata says its target state is.
    pub target: String,
    /// From when on the metadata says so.
    pub target_from: Millis,
    /// The hooks that it waits for.
    pub actions: Vec<LifecycleAction>,
}

impl Member {
    /// Whether the group counts it towards its wanted size.
    pub fn counts(&self) -> bool {
        self.lifecycle == "InService" || self.lifecycle.starts_with("Pending")
    }

    /// Whether it is on its way out, from its group or from the pool.
    pub fn leaves(&self) -> bool {
        self.lifecycle.trim_start_matches("Warmed:").starts_with("Terminat")
    }

    /// Whether it is in the group's warm pool, or on its way there or out of the world from there.
    pub fn is_warmed(&self) -> bool {
        self.lifecycle.starts_with("Warmed:")
    }
}

/// A CloudFormation stack.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub id: String,
    /// The group's logical id.
    pub logical_id: String,
    /// The group.
    pub group: String,
    /// `CREATE_IN_PROGRESS`, …
    pub status: String,
    /// Why.
    pub reason: Option<String>,
    /// When it was made.
    pub created_at: Millis,
    /// Signals wanted by the creation.
    pub wanted: u32,
    /// Signals of this operation, by unique id.
    pub signals: BTreeMap<String, String>,
    /// Counts operations and batches, so that an earlier one's deadline is void.
    pub turn: u64,
    /// The rolling update in progress.
    pub rolling: Option<Rolling>,
}

/// A rolling update in progress.
#[derive(Clone, Debug)]
pub struct Rolling {
    /// Instances still to be replaced.
    pub queue: VecDeque<InstanceId>,
    /// How many are replaced at a time.
    pub batch: u32,
    /// How many signals this batch still wants.
    pub wanted: u32,
    /// How long a batch may take.
    pub pause_time: Millis,
}
