//! Network interfaces, as EC2 shows them.

use super::{AttachmentState, EniStatus};
use crate::{AttachmentId, EniId, InstanceId, MacAddress, SubnetId, Zone};
use std::net::Ipv4Addr;

/// A network interface as DescribeNetworkInterfaces shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EniSeen {
    /// Its id.
    pub id: EniId,
    /// Its `Name` tag.
    pub name: Option<String>,
    /// Its `berth:cluster` tag.
    pub cluster: Option<String>,
    /// Where it is.
    pub zone: Zone,
    /// Where it is.
    pub subnet: SubnetId,
    /// Its Ethernet address, by which the kernel knows it.
    pub mac: MacAddress,
    /// Private IPv4 addresses, the primary one first.
    pub addresses: Vec<Ipv4Addr>,
    /// Its status.
    pub status: EniStatus,
    /// A service of AWS made it and manages it: nobody else may attach it.
    pub requester_managed: bool,
    /// `interface`, or the kind of service that it is for (`lambda`, `nat_gateway`, …).
    pub kind: String,
    /// What it is attached to.
    pub attachment: Option<EniAttachment>,
}

/// The attachment of a network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EniAttachment {
    /// Names this attachment; a detach names it.
    pub id: AttachmentId,
    /// The instance; none where a service of AWS holds it.
    pub instance: Option<InstanceId>,
    /// Its state.
    pub state: AttachmentState,
    /// The device index on the instance.
    pub index: u32,
    /// Whether the instance's end deletes the interface.
    pub delete_on_termination: bool,
}
