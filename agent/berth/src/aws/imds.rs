//! The instance's metadata (IMDSv2 only), read once at the start and turned into values.
//!
//! Every value has a type that it must parse as: whatever answers with status 200 in this service's place is not believed.
//! Early in a boot the service may refuse connections or answer 401 for a while; both are retried until the deadline.

mod client;
mod role;

pub(crate) use client::Client;
pub(crate) use role::InstanceRole;

use berth_lifecycle::Me;
use berth_plan::ec2::LifecycleState;
use berth_plan::{
    BootId, Domain, GroupName, LogicalId, MacAddress, Region, StackName, Subnet, SubnetId, Zone,
};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// The instance, and what only the program's own adapters need to know of it.
pub(crate) struct Metadata {
    pub(crate) me: Me,
    pub(crate) domain: Domain,
    pub(crate) tags: BTreeMap<String, String>,
}

/// Why a text is no value of its kind.
type Reads = fn(&str) -> Result<(), String>;

/// The tags that tell stack and group, and what reads the value of each.
const TAGS: [(&str, Reads); 3] = [
    ("aws:cloudformation:stack-name", is::<StackName>),
    ("aws:cloudformation:logical-id", is::<LogicalId>),
    ("aws:autoscaling:groupName", is::<GroupName>),
];

fn is<T: FromStr<Err: Display>>(text: &str) -> Result<(), String> {
    text.parse::<T>().map(drop).map_err(|error| error.to_string())
}

/// Reads the metadata; tries until `patience` is over. Each failed try goes to `waiting`.
pub(crate) async fn read(patience: Duration, waiting: &dyn Fn(&str)) -> Result<Metadata, String> {
    let client = Client::new()?;
    let began = Instant::now();
    let mut pause = Duration::from_millis(250);
    loop {
        let why = match metadata(&client).await {
            Ok(metadata) => return Ok(metadata),
            Err(why) => why,
        };
        waiting(&why);
        let left = patience.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(format!(
                "read the instance metadata (IMDSv2): {why}; tried for {} s; is the metadata endpoint enabled (HttpEndpoint) and is its address routed?",
                began.elapsed().as_secs()
            ));
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

async fn metadata(client: &Client) -> Result<Metadata, String> {
    let zone: Zone = required(client, "placement/availability-zone").await?;
    let region: Region = required(client, "placement/region").await?;
    if !zone.as_str().starts_with(region.as_str()) {
        return Err(format!("the metadata contradicts itself: zone {zone} is not of region {region}"));
    }
    let mac: MacAddress = required(client, "mac").await?;
    let interface = format!("network/interfaces/macs/{mac}");
    let subnet = optional::<SubnetId>(client, &format!("{interface}/subnet-id")).await?;
    let cidr = optional::<Subnet>(client, &format!("{interface}/subnet-ipv4-cidr-block")).await?;
    let me = Me {
        instance: required(client, "instance-id").await?,
        boot: boot_id()?,
        zone,
        zone_id: optional(client, "placement/availability-zone-id").await?,
        region,
        instance_type: required(client, "instance-type").await?,
        mac,
        address: address(client, &interface).await?,
        subnet: subnet.zip(cidr),
        target_state: optional(client, TARGET_STATE).await?,
    };
    let domain = optional(client, "services/domain").await?;
    let mut tags = BTreeMap::new();
    for (key, is_value) in TAGS {
        let Some(value) = text(client, &format!("tags/instance/{key}")).await? else { continue };
        is_value(&value).map_err(|why| format!("tags/instance/{key}: {why}"))?;
        tags.insert(key.to_owned(), value);
    }
    Ok(Metadata { me, domain: domain.unwrap_or(usual_domain()?), tags })
}

fn usual_domain() -> Result<Domain, String> {
    "amazonaws.com".parse().map_err(|error| format!("{error}"))
}

/// The primary interface's first IPv4 address. None only where the service shows IPv6 addresses in its place: a 404
/// alone may be a key that is not there yet.
async fn address(client: &Client, interface: &str) -> Result<Option<Ipv4Addr>, String> {
    match optional(client, "local-ipv4").await? {
        Some(address) => Ok(Some(address)),
        None if text(client, &format!("{interface}/ipv6s")).await?.is_some() => Ok(None),
        None => Err(absent("local-ipv4")),
    }
}

/// Where Auto Scaling's target state of this instance stands.
const TARGET_STATE: &str = "autoscaling/target-lifecycle-state";

/// Auto Scaling's target state of this instance now; none for a 404.
pub(crate) async fn target_state() -> Result<Option<LifecycleState>, String> {
    optional(&Client::new()?, TARGET_STATE).await
}

/// The kernel's boot id (random(4)).
pub(crate) fn boot_id() -> Result<BootId, String> {
    let path = "/proc/sys/kernel/random/boot_id";
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    text.trim().parse().map_err(|error| format!("{path}: {error}"))
}

async fn required<T: FromStr<Err: Display>>(client: &Client, key: &str) -> Result<T, String> {
    optional(client, key).await?.ok_or_else(|| absent(key))
}

fn absent(key: &str) -> String {
    format!("{key} is not there yet (404)")
}

/// None for a 404.
async fn optional<T: FromStr<Err: Display>>(client: &Client, key: &str) -> Result<Option<T>, String> {
    let Some(text) = text(client, key).await? else { return Ok(None) };
    text.parse().map(Some).map_err(|error| format!("{key}: {error}"))
}

async fn text(client: &Client, key: &str) -> Result<Option<String>, String> {
    client.get(&format!("meta-data/{key}")).await.map_err(|why| format!("{key}: {why}"))
}
