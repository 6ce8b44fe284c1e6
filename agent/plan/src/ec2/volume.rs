//! Volumes, as EC2 shows them.

use super::{AttachmentState, VolumeState};
use crate::{InstanceId, VolumeId, Zone};

/// A volume as DescribeVolumes shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSeen {
    /// Its id.
    pub id: VolumeId,
    /// Its `Name` tag.
    pub name: Option<String>,
    /// Its `berth:cluster` tag.
    pub cluster: Option<String>,
    /// Where it is.
    pub zone: Zone,
    /// Its state.
    pub state: VolumeState,
    /// GiB.
    pub size: u32,
    /// Multi-Attach takes away the exclusion on which berth rests.
    pub multi_attach: bool,
    /// Made from a snapshot: it holds somebody's data, whatever a probe says.
    pub from_snapshot: bool,
    /// Its `berth:format` tag.
    pub format: Option<String>,
    /// To what it is attached; more than one only with Multi-Attach.
    pub attachments: Vec<VolumeAttachment>,
}

/// The attachment of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeAttachment {
    /// The instance.
    pub instance: InstanceId,
    /// The device name that was asked for.
    pub device: String,
    /// Its state.
    pub state: AttachmentState,
    /// Whether the instance's end deletes the data.
    pub delete_on_termination: bool,
}
