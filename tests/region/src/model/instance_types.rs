//! The instance types the region has, with their limits of interfaces and attachments.
//! EC2 user guide, "IP addresses per network interface" and "Instance volume limits".

/// An instance type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InstanceType {
    /// `m5.large`
    pub name: &'static str,
    /// `nitro` or `xen`
    pub hypervisor: &'static str,
    /// Network cards.
    pub cards: u32,
    /// Most interfaces, shared evenly by the cards.
    pub interfaces: u32,
    /// Most IPv4 addresses of each.
    pub addresses: u32,
    /// vCPUs.
    pub vcpus: u32,
    /// Memory.
    pub memory_mib: u64,
}

impl InstanceType {
    /// Attachments in all: on Nitro 28 shared by interfaces and volumes, on Xen volumes only (40, recommended).
    pub fn attachments(&self) -> usize {
        if self.hypervisor == "nitro" { 28 } else { 40 }
    }
}

const fn of(
    name: &'static str,
    hypervisor: &'static str,
    interfaces: u32,
    addresses: u32,
    vcpus: u32,
    memory_mib: u64,
) -> InstanceType {
    InstanceType { name, hypervisor, cards: 1, interfaces, addresses, vcpus, memory_mib }
}

/// All of them.
pub const INSTANCE_TYPES: &[InstanceType] = &[
    // EC2 instance types guide, "Hypervisor type": G2 and G3 are Xen. Their limits: aws/amazon-vpc-cni-k8s and
    // cilium/cilium, tables of instance limits.
    of("g2.2xlarge", "xen", 4, 15, 8, 15_360),
    of("g3s.xlarge", "xen", 4, 15, 4, 31_232),
    of("m4.large", "xen", 2, 10, 2, 8_192),
    of("m5.large", "nitro", 3, 10, 2, 8_192),
    of("m5.xlarge", "nitro", 4, 15, 4, 16_384),
    // API reference, DescribeInstanceTypes: cards; EC2 user guide, "Network cards": the same.
    InstanceType { cards: 4, ..of("p4d.24xlarge", "nitro", 60, 50, 96, 1_179_648) },
    of("r5.large", "nitro", 3, 10, 2, 16_384),
    of("t3.medium", "nitro", 3, 6, 2, 4_096),
    of("t3.small", "nitro", 3, 4, 2, 2_048),
];

/// The type of a name.
pub fn instance_type(name: &str) -> Option<&'static InstanceType> {
    INSTANCE_TYPES.iter().find(|known| known.name == name)
}
