//! What a scenario says exists, told to the region: subnets, slots, the group with its stack, single instances.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use region::model::{
    EniSpec, GroupSpec, LaunchData, LaunchSource, LaunchSpec, Region, StackSpec, SubnetSpec, VolumeSpec,
};

use super::{GROUP, LabRun, STACK, SlotMade};
use crate::commands::run;
use crate::error::{Error, Result};
use crate::fabric::{ZONES, subnet_cidr, zone, zookeeper};
use crate::image::Service;
use crate::ledger::Ledger;
use crate::scenario::{Disk, Launch, Loose, Scenario};
use crate::user_data;
use crate::volume::{Volume, sparse};
use crate::zookeeper::PORT;

/// The last part of the first slot's address.
const FIRST_HOST: usize = 50;

impl LabRun {
    /// Launches the group and the other instances, all at this moment.
    pub fn launch(&self) -> Result<()> {
        if let Some(group) = &self.scenario.group {
            let user_data = match &group.user_data {
                Some(name) => user_data::file(&self.scenario.directory, name)?,
                None => self.shipped(&group.config)?,
            };
            let data = LaunchData {
                name: format!("{GROUP}-launch"),
                instance_type: group.instance_type.clone(),
                user_data,
                profile: Some("kafka-broker".into()),
                ..LaunchData::default()
            };
            let launch = match group.launch {
                Launch::Template => LaunchSource::Template(data),
                Launch::Configuration => LaunchSource::Configuration(data),
            };
            self.served.with(|region| -> Result<()> {
                if group.stack {
                    region.add_stack(StackSpec {
                        name: STACK.into(),
                        group_logical_id: "Brokers".into(),
                        group_name: GROUP.into(),
                        signals: group.size,
                        timeout_ms: 1_800_000,
                    });
                }
                let subnets =
                    group.zones.iter().map(|zone| subnet(region, zone)).collect::<Result<Vec<_>>>()?;
                region.add_group(GroupSpec {
                    name: GROUP.into(),
                    min: 0,
                    max: group.size * 2,
                    desired: group.size,
                    subnets,
                    launch,
                    health_check_grace: group.grace.as_millis() as u64,
                    ..GroupSpec::default()
                });
                Ok(())
            })?;
        }
        self.scenario.instance.iter().try_for_each(|loose| self.launch_loose(loose))
    }

    fn launch_loose(&self, loose: &Loose) -> Result<()> {
        let user_data = match (&loose.script, &loose.user_data) {
            (Some(script), _) => script.clone(),
            (None, Some(name)) => user_data::file(&self.scenario.directory, name)?,
            (None, None) if self.scenario.service == Service::None => String::new(),
            (None, None) => self.shipped(&loose.config)?,
        };
        self.served.with(|region| {
            let subnet = subnet(region, &loose.zone)?;
            region.run_instance(LaunchSpec {
                subnet,
                user_data,
                profile: Some("kafka-broker".into()),
                ..LaunchSpec::default()
            });
            Ok(())
        })
    }

    fn shipped(&self, config: &str) -> Result<String> {
        let hosts: Vec<String> =
            (0..self.scenario.cluster.zookeeper).map(|n| format!("{}:{PORT}", zookeeper(n))).collect();
        let connect = format!("{}{}", hosts.join(","), self.scenario.cluster.chroot);
        user_data::shipped(&self.scenario.cluster.name, &connect, config)
    }
}

/// Looks a zone's subnet up.
fn subnet(region: &Region, letter: &str) -> Result<String> {
    let zone = zone(letter);
    let found = region.subnets().find(|subnet| subnet.zone == zone).map(|subnet| subnet.id.clone());
    found.ok_or_else(|| Error::new(format!("no subnet in {zone}")))
}

/// The image of the n-th slot that runs on one base copy: each with a UUID of its own, for the kernel mounts no second
/// xfs of the same one.
fn formatted(disks: &Path, nth: usize, size_gib: u64) -> Result<PathBuf> {
    let image = disks.join(format!("{nth}-{size_gib}.img"));
    if !image.exists() {
        sparse(&image, size_gib)?;
        run(Command::new("mkfs.xfs").arg("-q").arg(&image))?;
    }
    Ok(image)
}

/// Subnets, and each slot's volume and network interface.
pub(super) fn create_resources(
    region: &mut Region,
    scenario: &Scenario,
    ledger: &Ledger,
    disks: Option<&Path>,
) -> Result<(Vec<SlotMade>, HashMap<String, Volume>)> {
    let mut subnets = Vec::new();
    for (n, letter) in ZONES.iter().enumerate() {
        subnets.push(region.add_subnet(SubnetSpec {
            zone: zone(letter),
            cidr: subnet_cidr(n),
            ..SubnetSpec::default()
        }));
    }
    let (mut slots, mut volumes) = (Vec::new(), HashMap::new());
    for (nth, slot) in scenario.slot.iter().enumerate() {
        let place = ZONES
            .iter()
            .position(|z| *z == slot.zone)
            .ok_or_else(|| Error::new(format!("no zone {:?}", slot.zone)))?;
        let mut tags = BTreeMap::from([
            ("Name".to_owned(), format!("KAFKA-{}", slot.id)),
            ("berth:cluster".to_owned(), scenario.cluster.name.clone()),
        ]);
        let host = u8::try_from(FIRST_HOST + nth).ok().filter(|host| *host < zookeeper(0).octets()[3]);
        let host = host.ok_or_else(|| Error::new(format!("slot {}: no address is left", slot.id)))?;
        let address = Ipv4Addr::new(10, 0, place as u8 + 1, host);
        let eni = region.add_eni(EniSpec {
            subnet: subnets[place].clone(),
            private_ips: vec![address],
            tags: tags.clone(),
            ..EniSpec::default()
        });
        if slot.disk == Disk::Consent {
            tags.insert("berth:format".to_owned(), "xfs".to_owned());
        }
        let id = region.add_volume(VolumeSpec {
            zone: zone(&slot.zone),
            size_gib: slot.size_gib,
            tags,
            ..VolumeSpec::default()
        });
        let volume = match (slot.disk, disks) {
            (Disk::Xfs, Some(disks)) => Volume::copy(ledger, &id, &formatted(disks, nth, slot.size_gib)?)?,
            _ => Volume::make(ledger, &id, slot.size_gib)?,
        };
        match (slot.disk, disks) {
            (Disk::Xfs, None) => volume.format("xfs")?,
            (Disk::Ext4, _) => volume.format("ext4")?,
            _ => {}
        }
        volumes.insert(id.clone(), volume);
        slots.push(SlotMade { id: slot.id, zone: zone(&slot.zone), volume: id, eni, address });
    }
    Ok((slots, volumes))
}
