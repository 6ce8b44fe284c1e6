//! Instances, as EC2 shows them, and the places where something can be attached to one.

use super::InstanceState;
use std::collections::{BTreeMap, BTreeSet};

/// An instance as DescribeInstances shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InstanceSeen {
    /// Its state.
    pub state: InstanceState,
    /// Device names of its block device mapping.
    pub devices: BTreeSet<String>,
    /// Device indexes of its interfaces on network card 0.
    pub indexes: BTreeSet<u32>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// The next free device name for AttachVolume: `/dev/sdf` to `/dev/sdp`, which AWS recommends for data volumes on
/// HVM instances, then the two-letter `/dev/xvd…` names (EC2 user guide, "Device names for volumes").
pub fn free_device_name(taken: &BTreeSet<String>) -> Option<String> {
    let short = ('f'..='p').map(|letter| format!("/dev/sd{letter}"));
    let long = ('b'..='c').flat_map(|a| ('a'..='z').map(move |b| format!("/dev/xvd{a}{b}")));
    short
        .chain(long)
        .find(|name| !taken.contains(name) && !taken.contains(&name.replacen("/dev/sd", "/dev/xvd", 1)))
}

/// The next free device index for AttachNetworkInterface; 0 is the primary interface.
pub fn free_device_index(taken: &BTreeSet<u32>) -> u32 {
    (1..).find(|index| !taken.contains(index)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_names_and_indexes_in_use_are_left_out() {
        let taken = ["/dev/xvda", "/dev/sdf", "/dev/xvdg"].map(str::to_owned).into();
        assert_eq!(free_device_name(&taken).unwrap(), "/dev/sdh");
        assert_eq!(free_device_index(&[0, 1, 3].into()), 2);
    }
}
