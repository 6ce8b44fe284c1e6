//! What is set once for a region: its seed, its names, its delays.

use serde::{Deserialize, Serialize};

use super::{Delays, Millis};

/// An access key pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessKey {
    /// `AKIA…`
    pub access_key: String,
    /// What requests are signed with.
    pub secret: String,
}

/// What a region is made with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Same seed and same calls give the same journal.
    pub seed: u64,
    /// Unix time in milliseconds of the region's start.
    pub epoch: u64,
    /// `eu-central-1`
    pub region: String,
    /// Twelve digits.
    pub account: String,
    /// `aws`, `aws-cn`, …
    pub partition: String,
    /// `amazonaws.com`
    pub domain: String,
    /// The VPC's addresses.
    pub vpc_cidr: String,
    /// Whether the token buckets of the EC2 API are in force.
    pub throttle: bool,
    /// The operator's keys: calls signed with them come from no instance.
    pub admin: AccessKey,
    /// Every instance has a root volume (and one attachment less to give).
    pub root_volumes: bool,
    /// From so many interfaces on, an unpaginated and unfiltered DescribeNetworkInterfaces is refused.
    pub many_interfaces: usize,
    /// How long an instance's temporary credentials are good for.
    pub credentials_lifetime: Millis,
    /// How long a terminated instance stays visible.
    pub terminated_visible: Millis,
    /// How far a signature's time may be off.
    pub clock_skew: Millis,
    /// How long things take.
    pub delays: Delays,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            seed: 1,
            epoch: 1_767_225_600_000, // 2026-01-01T00:00:00Z
            region: "eu-central-1".into(),
            account: "123456789012".into(),
            partition: "aws".into(),
            domain: "amazonaws.com".into(),
            vpc_cidr: "10.0.0.0/16".into(),
            throttle: true,
            admin: AccessKey {
                access_key: "AKIAREGIONADMIN00000".into(),
                secret: "region-admin-secret-0000000000000000000".into(),
            },
            root_volumes: true,
            many_interfaces: 1_000,
            credentials_lifetime: 6 * 3_600_000,
            terminated_visible: 3_600_000,
            clock_skew: 300_000,
            delays: Delays::default(),
        }
    }
}

impl Settings {
    /// `arn:<partition>:<service>:<region>:<account>:<rest>`
    pub fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{rest}", self.partition, self.region, self.account)
    }

    /// The zone id of a zone name: `eu-central-1a` is `euc1-az1` here.
    pub fn zone_id(&self, zone: &str) -> String {
        let letter = zone.bytes().last().unwrap_or(b'a');
        let mut parts = self.region.split('-');
        let place = parts.next().unwrap_or("xx");
        let direction = parts.next().and_then(|d| d.chars().next()).unwrap_or('x');
        let number = parts.next().unwrap_or("1");
        format!("{place}{direction}{number}-az{}", letter.wrapping_sub(b'a').wrapping_add(1))
    }
}
