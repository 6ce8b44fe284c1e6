//! All that one look at EC2 brought.
//!
//! A picture is taken before the lock and may be old when it is used; it never proves a right, it only proposes.

use super::{EniSeen, InstanceSeen, LifecycleState, VolumeSeen};
use crate::InstanceId;
use std::collections::{BTreeMap, BTreeSet};

/// All that one look at EC2 brought.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// Interfaces of the cluster in my zone, and those attached to me.
    pub enis: Vec<EniSeen>,
    /// Volumes of the cluster in my zone, and those attached to me.
    pub volumes: Vec<VolumeSeen>,
    /// The instances that were asked for, as far as EC2 knows them.
    pub instances: BTreeMap<InstanceId, InstanceSeen>,
    /// The instances that were asked for at all.
    pub asked: BTreeSet<InstanceId>,
    /// Life-cycle states of Auto Scaling of those of them that are in a group.
    pub group_states: BTreeMap<InstanceId, LifecycleState>,
}
