//! How long AWS takes: settable distributions, drawn from the region's seed. Each delay of the region is one field here
//! and one row in `sources`.

use serde::{Deserialize, Serialize};

use super::Millis;

/// A distribution of milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delay {
    /// Always the same.
    Fixed(Millis),
    /// Evenly between two bounds, both included.
    Uniform(Millis, Millis),
    /// Log-normal, given by its median and its 99th percentile; never above twice the latter.
    Spread {
        /// Half of the draws are below.
        median: Millis,
        /// One draw of a hundred is above.
        p99: Millis,
    },
}

impl Delay {
    /// One draw.
    pub fn draw(&self, rng: &mut fastrand::Rng) -> Millis {
        match *self {
            Delay::Fixed(ms) => ms,
            Delay::Uniform(low, high) => rng.u64(low..=high.max(low)),
            Delay::Spread { median, p99 } => {
                let median = median.max(1) as f64;
                let sigma = ((p99 as f64).max(median) / median).ln() / 2.326;
                // Box-Muller: two even draws make one normal draw.
                let normal =
                    (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos();
                ((median * (sigma * normal).exp()) as Millis).min(p99.saturating_mul(2))
            }
        }
    }
}

/// Every delay of the region.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delays {
    /// An instance from `pending` to `running`.
    pub instance_pending: Delay,
    /// An instance from `shutting-down` to `terminated`.
    pub instance_shutting_down: Delay,
    /// An instance from `stopping` to `stopped`.
    pub instance_stopping: Delay,
    /// From `terminated` until volumes and interfaces are `available`.
    pub release: Delay,
    /// A new volume from `creating` to `available`.
    pub volume_create: Delay,
    /// A deleted volume from `deleting` to gone.
    pub volume_delete: Delay,
    /// A volume attachment from `attaching` to `attached`.
    pub volume_attach: Delay,
    /// From an attachment's acceptance until EBS undoes it because the volume's key is pending deletion.
    pub volume_undone: Delay,
    /// A volume attachment from `detaching` to gone.
    pub volume_detach: Delay,
    /// A new interface from `pending` to `available`.
    pub eni_create: Delay,
    /// An interface attachment from `attaching` to `attached`.
    pub eni_attach: Delay,
    /// An interface attachment from `detaching` to gone.
    pub eni_detach: Delay,
    /// From a change until describe calls show it.
    pub describe_staleness: Delay,
    /// From a change of tags until describe calls show it.
    pub tag_visibility: Delay,
    /// From the group's decision until the new instance is launched.
    pub group_launch: Delay,
    /// From an impaired status check until the group calls the instance unhealthy.
    pub health_check: Delay,
    /// From an instance no longer `running` until the group notices.
    pub group_notice: Delay,
    /// From the end of the last hook of a transition until the instance goes on (`:Proceed`).
    pub hook_proceed: Delay,
    /// From what an instance writes to its serial console until GetConsoleOutput shows it unasked.
    pub console_output: Delay,
    /// From `attached` until the instance metadata lists the new MAC.
    pub imds_new_interface: Delay,
    /// From then until its `device-number` is true (it reads 0 before).
    pub imds_device_number: Delay,
    /// From launch until `autoscaling/target-lifecycle-state` exists.
    pub imds_target_state: Delay,
}

impl Default for Delays {
    fn default() -> Delays {
        Delays {
            instance_pending: Delay::Uniform(8_000, 20_000),
            instance_shutting_down: Delay::Uniform(20_000, 60_000),
            instance_stopping: Delay::Uniform(20_000, 60_000),
            release: Delay::Fixed(0),
            volume_create: Delay::Spread { median: 1_500, p99: 4_000 },
            volume_delete: Delay::Fixed(0),
            volume_attach: Delay::Uniform(1_000, 4_000),
            volume_undone: Delay::Uniform(2_000, 10_000),
            volume_detach: Delay::Uniform(1_000, 4_000),
            eni_create: Delay::Fixed(0),
            eni_attach: Delay::Uniform(1_000, 4_000),
            eni_detach: Delay::Uniform(1_000, 4_000),
            describe_staleness: Delay::Fixed(0),
            tag_visibility: Delay::Fixed(0),
            group_launch: Delay::Uniform(1_000, 5_000),
            health_check: Delay::Uniform(120_000, 300_000),
            group_notice: Delay::Uniform(1_000, 5_000),
            hook_proceed: Delay::Uniform(500, 3_000),
            console_output: Delay::Uniform(60_000, 300_000),
            imds_new_interface: Delay::Uniform(100, 2_000),
            imds_device_number: Delay::Uniform(0, 2_000),
            imds_target_state: Delay::Uniform(0, 5_000),
        }
    }
}

impl Delays {
    /// Everything happens at once: for tests that are about something else.
    pub fn none() -> Delays {
        let now = Delay::Fixed(0);
        Delays {
            instance_pending: now,
            instance_shutting_down: now,
            instance_stopping: now,
            release: now,
            volume_create: now,
            volume_delete: now,
            volume_attach: now,
            volume_undone: now,
            volume_detach: now,
            eni_create: now,
            eni_attach: now,
            eni_detach: now,
            describe_staleness: now,
            tag_visibility: now,
            group_launch: now,
            health_check: now,
            group_notice: now,
            hook_proceed: now,
            console_output: now,
            imds_new_interface: now,
            imds_device_number: now,
            imds_target_state: now,
        }
    }
}
