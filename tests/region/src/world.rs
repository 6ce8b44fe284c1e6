//! A world from a file: what `region serve` begins with. Subnets are named in the file; volumes, interfaces, instances
//! and groups refer to them by that name. Unknown keys are errors.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::{
    EniSpec, GroupSpec, InstanceId, LaunchData, LaunchSpec, Region, Settings, StackSpec, SubnetId,
    SubnetSpec, Tags, VolumeSpec,
};

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// Seed, names, delays, the operator's keys.
    pub settings: Settings,
    /// Subnets.
    #[serde(rename = "subnet")]
    pub subnets: Vec<NamedSubnet>,
    /// Volumes.
    #[serde(rename = "volume")]
    pub volumes: Vec<VolumeSpec>,
    /// Network interfaces; `subnet` is a subnet's name.
    #[serde(rename = "eni")]
    pub enis: Vec<EniSpec>,
    /// Instances outside groups.
    #[serde(rename = "instance")]
    pub instances: Vec<NamedInstance>,
    /// Groups; `subnets` are subnets' names.
    #[serde(rename = "group")]
    pub groups: Vec<GroupSpec>,
    /// Stacks.
    #[serde(rename = "stack")]
    pub stacks: Vec<StackSpec>,
}

/// A subnet with its name in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedSubnet {
    /// Its name in the file.
    pub name: String,
    /// Its zone.
    pub zone: String,
    /// Its addresses.
    pub cidr: String,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
}

/// An instance with its name in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedInstance {
    /// Its name in the file.
    pub name: String,
    /// The name of its subnet.
    pub subnet: String,
    /// What it is launched with.
    #[serde(default)]
    pub launch: LaunchData,
}

/// What the file's names became.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Built {
    /// Subnets by name.
    pub subnets: BTreeMap<String, SubnetId>,
    /// Instances by name.
    pub instances: BTreeMap<String, InstanceId>,
}

/// Why a file makes no world.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// It does not parse; the text has the place.
    #[error("{0}")]
    Parse(#[from] toml::de::Error),
    /// It names a subnet that it does not have.
    #[error("{what}: there is no [[subnet]] with name = {name:?}")]
    NoSubnet {
        /// Where.
        what: String,
        /// Which.
        name: String,
    },
}

impl World {
    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<World, WorldError> {
        Ok(toml::from_str(text)?)
    }

    /// Makes the region.
    pub fn build(self) -> Result<(Region, Built), WorldError> {
        let mut region = Region::new(self.settings);
        let mut built = Built::default();
        for NamedSubnet { name, zone, cidr, tags } in self.subnets {
            built.subnets.insert(name, region.add_subnet(SubnetSpec { zone, cidr, tags }));
        }
        let subnet = |built: &Built, what: &str, name: &str| {
            let missing = || WorldError::NoSubnet { what: what.to_owned(), name: name.to_owned() };
            built.subnets.get(name).cloned().ok_or_else(missing)
        };
        for volume in self.volumes {
            region.add_volume(volume);
        }
        for mut eni in self.enis {
            eni.subnet = subnet(&built, "[[eni]] subnet", &eni.subnet)?;
            region.add_eni(eni);
        }
        for mut group in self.groups {
            for name in &mut group.subnets {
                *name = subnet(&built, &format!("[[group]] {} subnets", group.name), name)?;
            }
            region.add_group(group);
        }
        for stack in self.stacks {
            region.add_stack(stack);
        }
        for NamedInstance { name, subnet: place, launch } in self.instances {
            let place = subnet(&built, &format!("[[instance]] {name} subnet"), &place)?;
            let id = region.run_instance(LaunchSpec::of(place, launch));
            built.instances.insert(name, id);
        }
        Ok((region, built))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Eni, HookResult, Maintenance, Volume, VolumeState};

    #[test]
    fn the_example_makes_a_region_with_one_slot() {
        let (region, built) =
            World::parse(include_str!("../examples/one-slot.toml")).unwrap().build().unwrap();
        assert_eq!(built.instances.len(), 1);
        let slot = region.volumes().find(|volume| volume.tags.contains_key("berth:cluster")).unwrap();
        assert_eq!(slot.tags["Name"], "KAFKA-0");
    }

    #[test]
    fn the_example_of_unfit_slots_makes_one_that_is_whole() {
        let (region, _) =
            World::parse(include_str!("../examples/unfit-slots.toml")).unwrap().build().unwrap();
        let volumes = region.volumes().filter(|volume| volume.tags.contains_key("berth:cluster"));
        let whole_volume =
            |volume: &&Volume| volume.state == VolumeState::Available && volume.key.is_usable();
        let volumes: Vec<&str> = volumes.filter(whole_volume).map(|volume| &*volume.tags["Name"]).collect();
        let enis = region.enis().filter(|eni| eni.tags.contains_key("berth:cluster"));
        let whole_eni = |eni: &&Eni| !eni.pending && !eni.requester_managed;
        let enis: Vec<&str> = enis.filter(whole_eni).map(|eni| &*eni.tags["Name"]).collect();
        let both: Vec<&&str> = volumes.iter().filter(|name| enis.contains(name)).collect();
        assert_eq!(both, [&"KAFKA-5"]);
    }

    #[test]
    fn a_group_of_the_file_has_hooks_and_a_maintenance_policy() {
        let text = r#"
            [[group]]
            name = "g"
            health_check_type = "EC2,EBS"
            hooks = [{ name = "down", transition = "autoscaling:EC2_INSTANCE_TERMINATING", heartbeat = 90000 }]
            maintenance = { min_healthy = 50, max_healthy = 100 }
        "#;
        let (region, _) = World::parse(text).unwrap().build().unwrap();
        let group = region.group("g").unwrap();
        let hook = &group.hooks["down"];
        assert_eq!((hook.heartbeat, hook.default_result), (90_000, HookResult::Abandon));
        assert_eq!(group.maintenance, Some(Maintenance { min_healthy: 50, max_healthy: 100 }));
        assert_eq!(group.health_check_type, "EC2,EBS");
    }

    #[test]
    fn an_unknown_key_or_subnet_is_told_with_its_name() {
        let unknown = World::parse("[settings]\nsede = 1\n").unwrap_err().to_string();
        assert!(unknown.contains("sede"), "{unknown}");
        let missing = World::parse("[[eni]]\nsubnet = \"b\"\n").unwrap().build().unwrap_err().to_string();
        assert_eq!(missing, "[[eni]] subnet: there is no [[subnet]] with name = \"b\"");
    }
}
