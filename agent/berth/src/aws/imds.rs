//! The instance's metadata (IMDSv2 only), read once at the start and turned into values.
//!
//! Early in a boot the service may refuse connections or answer 401 for a while; both are retried until the deadline.

use aws_config::imds::client::Client;
use aws_config::imds::client::error::ImdsError;
use berth_lifecycle::Me;
use berth_plan::{BootId, Subnet, SubnetId};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The instance, and what only the program's own adapters need to know of it.
pub(crate) struct Metadata {
    pub(crate) me: Me,
    pub(crate) domain: String,
    pub(crate) tags: BTreeMap<String, String>,
}

/// The tags that tell stack and group.
const TAGS: [&str; 3] =
    ["aws:cloudformation:stack-name", "aws:cloudformation:logical-id", "aws:autoscaling:groupName"];

/// Reads the metadata; tries until `patience` is over. Each failed try goes to `waiting`.
pub(crate) async fn read(patience: Duration, waiting: &dyn Fn(&str)) -> Result<Metadata, String> {
    let client = client();
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

/// A client with short time-outs: the endpoint is one hop away.
pub(crate) fn client() -> Client {
    Client::builder()
        .connect_timeout(Duration::from_secs(1))
        .read_timeout(Duration::from_secs(2))
        .operation_timeout(Duration::from_secs(10))
        .build()
}

async fn metadata(client: &Client) -> Result<Metadata, String> {
    let get = async |path: &str| required(client, path).await;
    let mac: String = get("mac").await?;
    let interface = format!("network/interfaces/macs/{mac}");
    let subnet_id = optional(client, &format!("{interface}/subnet-id")).await?;
    let cidr = optional(client, &format!("{interface}/subnet-ipv4-cidr-block")).await?;
    let subnet = subnet_id
        .zip(cidr)
        .map(|(id, cidr)| Ok::<_, String>((parsed::<SubnetId>(&id)?, parsed::<Subnet>(&cidr)?)))
        .transpose()?;
    let target_state = optional(client, "autoscaling/target-lifecycle-state").await?;
    let me = Me {
        instance: parsed(&get("instance-id").await?)?,
        boot: boot_id()?,
        zone: parsed(&get("placement/availability-zone").await?)?,
        zone_id: optional(client, "placement/availability-zone-id").await?.unwrap_or_default(),
        region: get("placement/region").await?,
        instance_type: get("instance-type").await?,
        mac: parsed(&mac)?,
        address: parsed(&get("local-ipv4").await?)?,
        subnet,
        target_state: target_state.map(|state| parsed(&state)).transpose()?,
    };
    let domain = optional(client, "services/domain").await?.unwrap_or_else(|| "amazonaws.com".to_owned());
    let mut tags = BTreeMap::new();
    for key in TAGS {
        if let Some(value) = optional(client, &format!("tags/instance/{key}")).await? {
            tags.insert(key.to_owned(), value);
        }
    }
    Ok(Metadata { me, domain, tags })
}

/// The kernel's boot id (random(4)).
pub(crate) fn boot_id() -> Result<BootId, String> {
    let path = "/proc/sys/kernel/random/boot_id";
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    parsed(text.trim())
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    text.trim().parse().map_err(|error| format!("the metadata gave what is none: {error}"))
}

async fn required(client: &Client, key: &str) -> Result<String, String> {
    optional(client, key).await?.ok_or_else(|| format!("{key} is not there yet (404)"))
}

/// None for a 404.
async fn optional(client: &Client, key: &str) -> Result<Option<String>, String> {
    match client.get(format!("/latest/meta-data/{key}")).await {
        Ok(text) => Ok(Some(text.as_ref().to_owned())),
        Err(ImdsError::ErrorResponse(response)) if response.response().status().as_u16() == 404 => Ok(None),
        Err(ImdsError::ErrorResponse(response)) => {
            Err(format!("{key}: HTTP {}", response.response().status().as_u16()))
        }
        Err(error) => Err(format!("{key}: {}", crate::aws::chain(&error))),
    }
}
