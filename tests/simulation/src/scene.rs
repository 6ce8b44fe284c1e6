//! How a world begins: zones, slots, a group and its stack, the configuration.

use crate::broker::{CHROOT, ELDER, registration};
use crate::content::Content;
use crate::registrations;
use crate::world::Millis;
use crate::world::World;
use crate::zookeeper::Op;
use berth_plan::config::{Config, Layers};
use region::model::{
    EniSpec, GroupSpec, HookSpec, LaunchData, LaunchSource, LaunchSpec, Region, Settings, StackSpec,
    SubnetSpec, Tags, VolumeSpec,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How a world behaves.
#[derive(Debug, Clone)]
pub struct Rules {
    /// berth's configuration, the same on every host.
    pub config: Config,
    /// Stack and logical id.
    pub stack: Option<(String, String)>,
    /// berth starts by itself when a host boots.
    pub starts_itself: bool,
    /// systemd starts a killed berth again.
    pub restarts: bool,
    /// How long a call of AWS takes, least and most.
    pub aws_takes: (Millis, Millis),
    /// How long a call of ZooKeeper takes, least and most.
    pub zookeeper_takes: (Millis, Millis),
    /// How long the broker takes to register.
    pub broker_starts: Millis,
    /// How long it takes from then to be in sync.
    pub broker_syncs: Millis,
    /// systemd starts a failed unit again, ten times.
    pub unit_restarts: bool,
    /// How long systemd takes from the request of a start to the start.
    pub unit_lags: Millis,
    /// How many partitions there are; every id that ever registered has a replica of each.
    pub partitions: u32,
    /// The cluster's dynamic default of min.insync.replicas.
    pub min_in_sync: Option<usize>,
    /// The ids of all slots.
    pub ids: BTreeSet<u32>,
    /// The ids that ever registered: partitions name them.
    pub known: BTreeSet<u32>,
    /// Topics that cannot be read, as sentences.
    pub odd_topics: Vec<String>,
    /// The resources of each slot: volume and interface.
    pub slots: BTreeMap<u32, (String, String)>,
    /// Subnets by zone letter.
    pub subnets: BTreeMap<char, String>,
}

/// Slots of one zone.
pub type Slots = (char, Vec<u32>);

/// What a world begins with.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Same seed, same world.
    pub seed: u64,
    /// Slots by zone.
    pub slots: Vec<Slots>,
    /// How many instances the group has; 0 = no group.
    pub desired: u32,
    /// What is on each volume.
    pub content: Content,
    /// The value of `berth:format` on each volume.
    pub format: Option<&'static str>,
    /// Lines of configuration.
    pub config: &'static str,
    /// The group's instance type.
    pub instance_type: &'static str,
    /// Whether the primary interfaces of the group's instances have IPv6 alone.
    pub ipv6_only: bool,
    /// Processes of the group that are suspended.
    pub suspended: Vec<String>,
    /// Life-cycle hooks of the group.
    pub hooks: Vec<HookSpec>,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            seed: 1,
            slots: vec![('a', vec![0])],
            desired: 0,
            content: Content::xfs("0e0e0e0e-0000-4000-8000-000000000001"),
            format: None,
            config: "",
            instance_type: "m5.large",
            ipv6_only: false,
            suspended: Vec::new(),
            hooks: Vec::new(),
        }
    }
}

const BASE: &str = "cluster = \"orders\"\nzookeeper = \"10.0.250.10:2181/kafka\"\n";

fn tags<const N: usize>(pairs: [(&str, String); N]) -> Tags {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

impl Scene {
    /// A world of this scene.
    pub fn open(&self) -> Arc<World> {
        let mut region = Region::new(Settings { seed: self.seed, ..Settings::default() });
        let (mut subnets, mut slots, mut disks) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (zone, ids) in &self.slots {
            let number = u32::from(*zone) - u32::from('a') + 1;
            let name = format!("eu-central-1{zone}");
            let spec =
                SubnetSpec { zone: name.clone(), cidr: format!("10.0.{number}.0/24"), ..Default::default() };
            let subnet = region.add_subnet(spec);
            for id in ids {
                let mut of_slot = tags([("berth:cluster", "orders".into()), ("Name", format!("KAFKA-{id}"))]);
                let eni = region.add_eni(EniSpec {
                    subnet: subnet.clone(),
                    tags: of_slot.clone(),
                    ..Default::default()
                });
                of_slot.extend(self.format.map(|value| ("berth:format".to_owned(), value.to_owned())));
                let volume =
                    region.add_volume(VolumeSpec { zone: name.clone(), tags: of_slot, ..Default::default() });
                disks.insert(volume.clone(), self.content_of(*id));
                slots.insert(*id, (volume, eni));
            }
            subnets.insert(*zone, subnet);
        }
        let ids: BTreeSet<u32> = slots.keys().copied().collect();
        let rules = Rules {
            config: self.read_config(),
            stack: (self.desired > 0).then(|| ("kafka".to_owned(), "Brokers".to_owned())),
            starts_itself: false,
            restarts: false,
            aws_takes: (40, 40),
            zookeeper_takes: (2, 2),
            broker_starts: 5_000,
            broker_syncs: 7_000,
            unit_restarts: false,
            unit_lags: 0,
            partitions: 3,
            min_in_sync: None,
            ids,
            known: BTreeSet::new(),
            odd_topics: Vec::new(),
            slots,
            subnets: subnets.clone(),
        };
        self.add_group(&mut region, subnets.into_values().collect());
        let world = World::open(region, self.seed, rules);
        world.with(|s| {
            s.disks = disks;
            let session = s.zk.connect("elder", 1);
            for number in 0..s.rules.partitions {
                let data = serde_json::to_vec(&[ELDER]).unwrap_or_default();
                let op = Op::Create { path: registrations::state(number), data, ephemeral: false };
                s.zk.multi(session, &[op], 0).expect("the tree is empty");
            }
            let path = registration(ELDER);
            let op = Op::Create { path, data: b"elder".to_vec(), ephemeral: true };
            s.zk.multi(session, &[op], 0).expect("the tree is empty");
            let op = Op::Create {
                path: format!("{CHROOT}/cluster/id"),
                data: b"this-cluster".to_vec(),
                ephemeral: false,
            };
            s.zk.multi(session, &[op], 0).expect("the tree is empty");
        });
        world
    }

    /// Each slot's file system has a UUID of its own.
    fn content_of(&self, id: u32) -> Content {
        match &self.content {
            Content::Xfs { files, .. } => {
                Content::Xfs { uuid: format!("0e0e0e0e-0000-4000-8000-{id:012}"), files: files.clone() }
            }
            other => other.clone(),
        }
    }

    fn read_config(&self) -> Config {
        let mut layers = Layers::default();
        layers.over("berth.toml", BASE).expect("the scene's own lines are right");
        layers.over("berth.d/test.toml", self.config).expect("the test's lines are right");
        Config::of(&layers).expect("the test's lines are right")
    }

    fn add_group(&self, region: &mut Region, subnets: Vec<String>) {
        if self.desired == 0 {
            return;
        }
        region.add_stack(StackSpec {
            name: "kafka".into(),
            group_logical_id: "Brokers".into(),
            group_name: "brokers".into(),
            signals: self.desired,
            timeout_ms: 7_200_000,
        });
        let data = LaunchData {
            instance_type: self.instance_type.into(),
            ipv6_only: self.ipv6_only,
            ..Default::default()
        };
        region.add_group(GroupSpec {
            name: "brokers".into(),
            min: 0,
            max: self.desired,
            desired: self.desired,
            subnets,
            launch: LaunchSource::Template(data),
            health_check_grace: 300_000,
            suspended: self.suspended.clone(),
            hooks: self.hooks.clone(),
            ..Default::default()
        });
    }
}

impl World {
    /// Launches an instance outside any group.
    pub fn launch(&self, zone: char) -> String {
        self.with(|s| {
            let subnet = s.rules.subnets[&zone].clone();
            s.region.run_instance(LaunchSpec { subnet, ..Default::default() })
        })
    }

    /// Waits until so many hosts are up; their instances, by id.
    pub async fn hosts_up(&self, count: usize) -> Vec<String> {
        let up = self.until(600_000, |s| {
            let up: Vec<String> = s.hosts.iter().filter(|(_, h)| h.up).map(|(id, _)| id.clone()).collect();
            (up.len() >= count).then_some(up)
        });
        up.await.expect("instances are launched and boot within ten minutes")
    }
}
