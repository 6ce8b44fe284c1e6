//! A scenario: what exists, what happens when, and what must hold, as a TOML file that a person writes without code. A
//! mistake in it is answered with its place and the nearest right word. README.md documents every key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use region::model::{Delay, Delays, Fault};
use serde::{Deserialize, Deserializer};

use crate::error::{Context, Error, Result};
use crate::fabric::ZONES;
pub use crate::image::Service;
pub use steps::{Check, Deed, Step};

mod mistakes;
mod steps;

/// A whole scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// One line for people.
    #[serde(default)]
    pub about: String,
    /// What runs on the slots.
    #[serde(default = "stub")]
    pub service: Service,
    /// The cluster.
    #[serde(default)]
    pub cluster: Cluster,
    /// The region: its delays and faults.
    #[serde(default)]
    pub region: RegionPart,
    /// How many slots, one zone after the other; or see `slot`.
    #[serde(default)]
    pub slots: Option<u32>,
    /// The slots one by one.
    #[serde(default)]
    pub slot: Vec<Slot>,
    /// The Auto Scaling group.
    #[serde(default)]
    pub group: Option<Group>,
    /// Instances outside a group.
    #[serde(default)]
    pub instance: Vec<Loose>,
    /// What happens, in order.
    #[serde(default)]
    pub step: Vec<Step>,
    /// Where the file was.
    #[serde(skip)]
    pub directory: PathBuf,
}

fn stub() -> Service {
    Service::Stub
}

/// `[cluster]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Cluster {
    /// The value of the tag `berth:cluster`.
    pub name: String,
    /// How many ZooKeeper servers: 0, 1 or 3.
    pub zookeeper: usize,
    /// Where in ZooKeeper the cluster lives.
    pub chroot: String,
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster { name: "orders".into(), zookeeper: 1, chroot: "/kafka".into() }
    }
}

/// `[region]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RegionPart {
    /// The same seed draws the same ids and delays.
    pub seed: u64,
    /// Whether the token buckets of the EC2 API are in force (they are by default).
    pub throttle: Option<bool>,
    /// AWS at its fastest, for a test that is not about its slowness; `delays` count all the same.
    pub quick: bool,
    /// Delays by their name: `"1.5s"` or `["1s", "4s"]`.
    pub delays: BTreeMap<String, Span>,
    /// Faults from the start.
    pub fault: Vec<Fault>,
}

/// A fixed time or a range of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration, pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            One(String),
            Two(String, String),
        }
        let parse = |text: &str| {
            humantime::parse_duration(text).map_err(|e| {
                serde::de::Error::custom(format!(
                    "{text:?} is not a time ({e}): write \"1.5s\" as \"1500ms\" or \"2s\""
                ))
            })
        };
        match Written::deserialize(deserializer)? {
            Written::One(text) => parse(&text).map(|time| Span(time, time)),
            Written::Two(low, high) => Ok(Span(parse(&low)?, parse(&high)?)),
        }
    }
}

/// What is on a slot's volume at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disk {
    /// Nothing, and the tag `berth:format=xfs` allows to make a file system.
    Consent,
    /// An xfs, as on a volume that was used before.
    Xfs,
    /// An ext4.
    Ext4,
    /// Nothing, and no tag.
    Blank,
}

/// `[[slot]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Slot {
    /// Its number.
    pub id: u32,
    /// The letter of its zone.
    pub zone: String,
    /// What is on its volume.
    #[serde(default = "consent")]
    pub disk: Disk,
    /// The size of its volume.
    #[serde(default = "two")]
    pub size_gib: u64,
}

fn consent() -> Disk {
    Disk::Consent
}

fn two() -> u64 {
    2
}

/// How a group describes what it launches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Launch {
    /// By a launch template.
    Template,
    /// By a launch configuration.
    Configuration,
}

/// `[group]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Group {
    /// How many instances it keeps.
    pub size: u32,
    /// The letters of its zones.
    pub zones: Vec<String>,
    /// What it launches by.
    pub launch: Launch,
    /// The instance type.
    pub instance_type: String,
    /// A script beside the scenario instead of the shipped user-data.
    pub user_data: Option<PathBuf>,
    /// Lines for berth.toml below the two that the shipped user-data writes.
    pub config: String,
    /// Whether a CloudFormation stack waits for a signal of each instance.
    pub stack: bool,
    /// For so long the group does not heed SetInstanceHealth.
    #[serde(with = "humantime_text")]
    pub grace: Duration,
}

impl Default for Group {
    fn default() -> Self {
        Group {
            size: 3,
            zones: ZONES.iter().map(|z| (*z).to_owned()).collect(),
            launch: Launch::Template,
            instance_type: "m5.large".into(),
            user_data: None,
            config: String::new(),
            stack: true,
            grace: Duration::ZERO,
        }
    }
}

/// `[[instance]]`: launched outside a group.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Loose {
    /// The letter of its zone.
    pub zone: String,
    /// A script beside the scenario.
    #[serde(default)]
    pub user_data: Option<PathBuf>,
    /// The script itself.
    #[serde(default)]
    pub script: Option<String>,
    /// Lines for berth.toml, when the shipped user-data runs.
    #[serde(default)]
    pub config: String,
}

mod humantime_text {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text)
            .map_err(|e| serde::de::Error::custom(format!("{text:?} is not a time: {e}")))
    }
}

impl Scenario {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Scenario> {
        let text =
            std::fs::read_to_string(path).context(|| format!("read the scenario {}", path.display()))?;
        let mut scenario = Scenario::parse(&text, &path.display().to_string())?;
        scenario.directory = path.parent().unwrap_or(Path::new(".")).to_owned();
        Ok(scenario)
    }

    /// Understands a scenario; `name` stands before the place of a mistake.
    pub fn parse(text: &str, name: &str) -> Result<Scenario> {
        let mut scenario: Scenario =
            toml::from_str(text).map_err(|error| mistakes::explain(text, name, &error))?;
        let wrong = |key: &str, said: String| Err(mistakes::at(text, name, key, said));
        for key in scenario.region.delays.keys() {
            if set_delay(&mut Delays::default(), key, Delay::Fixed(0)).is_none() {
                return wrong(key, mistakes::unknown("delay", key, &delay_names()));
            }
        }
        if !matches!(scenario.cluster.zookeeper, 0 | 1 | 3) {
            return wrong("zookeeper", "an ensemble has 0, 1 or 3 servers".into());
        }
        if let (Some(count), true) = (scenario.slots, scenario.slot.is_empty()) {
            let zones = ZONES.iter().cycle();
            scenario.slot = (0..count)
                .zip(zones)
                .map(|(id, zone)| Slot { id, zone: (*zone).into(), disk: Disk::Consent, size_gib: 2 })
                .collect();
        } else if scenario.slots.is_some() {
            return wrong("slots", "either `slots = N` or `[[slot]]`, not both".into());
        }
        let zones = scenario.slot.iter().map(|s| &s.zone).chain(scenario.instance.iter().map(|i| &i.zone));
        let zones = zones.chain(scenario.group.iter().flat_map(|g| &g.zones));
        for zone in zones {
            if !ZONES.contains(&zone.as_str()) {
                return wrong("zone", format!("there is no zone {zone:?}: a, b or c"));
            }
        }
        for (n, step) in scenario.step.iter().enumerate() {
            step.deed().map_err(|said| Error::new(format!("{name}: step {}: {said}", n + 1)))?;
        }
        Ok(scenario)
    }

    /// The region's delays with those of the scenario.
    pub fn delays(&self) -> Delays {
        let mut delays = if self.region.quick { quick() } else { Delays::default() };
        for (key, Span(low, high)) in &self.region.delays {
            let (low, high) = (low.as_millis() as u64, high.as_millis() as u64);
            set_delay(
                &mut delays,
                key,
                if low == high { Delay::Fixed(low) } else { Delay::Uniform(low, high) },
            );
        }
        delays
    }
}

/// What a boot waits for is there in half a second; what ends takes as long as on AWS.
fn quick() -> Delays {
    let half = Delay::Fixed(500);
    Delays {
        instance_pending: half,
        volume_attach: half,
        volume_detach: half,
        eni_attach: half,
        eni_detach: half,
        group_launch: Delay::Fixed(100),
        imds_target_state: Delay::Fixed(100),
        ..Delays::default()
    }
}

/// The names of all delays, as a scenario writes them.
fn delay_names() -> Vec<String> {
    let value = serde_json::to_value(Delays::default()).unwrap_or_default();
    value.as_object().map(|map| map.keys().map(|key| key.replace('_', "-")).collect()).unwrap_or_default()
}

fn set_delay(delays: &mut Delays, name: &str, delay: Delay) -> Option<()> {
    let mut value = serde_json::to_value(&*delays).ok()?;
    let slot = value.as_object_mut()?.get_mut(&name.replace('-', "_"))?;
    *slot = serde_json::to_value(delay).ok()?;
    *delays = serde_json::from_value(value).ok()?;
    Some(())
}

#[cfg(test)]
mod tests;
