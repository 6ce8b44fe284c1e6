//! Read access for tests and for the wire: what is true now, past all staleness.

use super::versioned::Versioned;
use super::*;

impl Region {
    /// An instance.
    pub fn instance(&self, id: &str) -> Option<&Instance> {
        self.instances.get(id).map(Versioned::get)
    }

    /// All instances, terminated ones too.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values().map(Versioned::get)
    }

    /// A volume.
    pub fn volume(&self, id: &str) -> Option<&Volume> {
        self.volumes.get(id).map(Versioned::get)
    }

    /// All volumes, root volumes too.
    pub fn volumes(&self) -> impl Iterator<Item = &Volume> {
        self.volumes.values().map(Versioned::get)
    }

    /// An interface.
    pub fn eni(&self, id: &str) -> Option<&Eni> {
        self.enis.get(id).map(Versioned::get)
    }

    /// All interfaces, primary ones too.
    pub fn enis(&self) -> impl Iterator<Item = &Eni> {
        self.enis.values().map(Versioned::get)
    }

    /// A subnet.
    pub fn subnet(&self, id: &str) -> Option<&Subnet> {
        self.subnets.get(id)
    }

    /// All subnets.
    pub fn subnets(&self) -> impl Iterator<Item = &Subnet> {
        self.subnets.values()
    }

    /// A group.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(name)
    }

    /// All groups.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    /// A stack.
    pub fn stack(&self, name: &str) -> Option<&Stack> {
        self.stacks.get(name)
    }

    /// The instance that an address belongs to, by any of its attached interfaces.
    pub fn instance_at(&self, address: std::net::IpAddr) -> Option<InstanceId> {
        let std::net::IpAddr::V4(address) = address else { return None };
        self.enis()
            .find(|eni| eni.private_ips.contains(&address))?
            .attachment
            .as_ref()
            .map(|at| at.instance.clone())
    }

    /// Everything that is attached to an instance and is not of its launch: the volumes and interfaces a program
    /// brought there.
    pub fn brought_to(&self, instance: &str) -> (Vec<VolumeId>, Vec<EniId>) {
        let root = |device: &str| device == super::instances::ROOT_DEVICE;
        let volumes = self.volumes().filter(|volume| {
            volume.attachments.iter().any(|at| at.instance == instance && !root(&at.device))
        });
        let enis = self
            .enis_of(instance)
            .filter(|eni| eni.attachment.as_ref().is_some_and(|at| at.device_index > 0));
        (volumes.map(|volume| volume.id.clone()).collect(), enis.map(|eni| eni.id.clone()).collect())
    }
}
