//! What is known of this instance, source by source: the JSON of `berth status --json`.
//!
//! A source that did not answer has a reason in the place of its facts.

use crate::host::timeline::Outcome;
use berth_plan::records::Claim;
use berth_plan::{BrokerId, EniId, InstanceId, UnixTime, VolumeId, Zone};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// Facts, or why their source is away.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Asked<T> {
    Away { unreachable: String },
    Known(T),
}

impl<T> Asked<T> {
    pub(super) fn known(&self) -> Option<&T> {
        match self {
            Self::Known(facts) => Some(facts),
            Self::Away { .. } => None,
        }
    }

    pub(super) fn away(&self) -> Option<&str> {
        match self {
            Self::Known(_) => None,
            Self::Away { unreachable } => Some(unreachable),
        }
    }
}

/// Everything.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) cluster: String,
    pub(super) instance: InstanceFacts,
    pub(super) boot: Asked<BootFacts>,
    /// The slot whose claim names me, or that I am about to take.
    pub(super) slot: Asked<Option<BrokerId>>,
    pub(super) claim: Asked<ClaimFacts>,
    pub(super) holders: Asked<HolderFacts>,
    /// What the slot consists of, whoever has it.
    pub(super) resources: Asked<ResourceFacts>,
    pub(super) attached: Asked<AttachedFacts>,
    pub(super) mount: Asked<MountFacts>,
    pub(super) routes: Asked<RouteFacts>,
    pub(super) service: Asked<ServiceFacts>,
    pub(super) gate: GateFacts,
    pub(super) registration: Asked<RegistrationFacts>,
    /// That this instance was released, or is about to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) released: Option<ReleasedFacts>,
    /// What contradicts itself; none where ZooKeeper is away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) contradictions: Option<Vec<String>>,
    /// The service runs on an instance that no longer has the slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) zombie: Option<bool>,
}

/// A release of this instance: from its marker, written before the service is stopped, to the next kernel boot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ReleasedFacts {
    pub(super) reason: String,
    pub(super) at: UnixTime,
    /// Whether a run of it goes on.
    pub(super) goes_on: bool,
    /// What that run waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) waits_for: Option<String>,
}

/// This instance: by the metadata service, or by what the run of this boot had of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum InstanceFacts {
    Known { id: InstanceId, zone: Zone, target_state: Option<String> },
    ByRun { id: InstanceId, by: String, unreachable: String },
    Away { unreachable: String },
}

/// The run of this kernel boot.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct BootFacts {
    /// `running`, how it ended, or why there is none.
    pub(super) state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exit: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ended_at: Option<UnixTime>,
    /// When a run that goes on gives up; none where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deadline: Option<UnixTime>,
    /// What a run that goes on waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) awaited: Option<Vec<Awaited>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) steps: Option<Vec<StepFacts>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) steps_left_out: Option<u64>,
    /// What was told to CloudFormation and Auto Scaling.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) signalled: Vec<String>,
}

/// A wait.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Awaited {
    pub(super) step: String,
    pub(super) waits_for: Option<String>,
    /// Seconds.
    pub(super) for_s: u64,
}

/// A step.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct StepFacts {
    pub(super) step: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) took_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<String>,
    /// How often it ended so; none where once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) times: Option<u64>,
}

/// The claim of the slot.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum ClaimFacts {
    Record(Box<Claim>),
    None { state: String },
}

/// The three witnesses of who holds the slot, side by side, and the intent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum HolderFacts {
    Of {
        claim: Option<InstanceId>,
        intent: Option<InstanceId>,
        volume: Asked<Vec<String>>,
        eni: Asked<Vec<String>>,
    },
    NoSlot {
        state: String,
    },
}

/// The slot's volume and interface.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ResourceFacts {
    pub(super) volume: Option<VolumeFacts>,
    pub(super) eni: Option<EniFacts>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct VolumeFacts {
    pub(super) id: VolumeId,
    pub(super) size_gib: u32,
    pub(super) state: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct EniFacts {
    pub(super) id: EniId,
    pub(super) addresses: Vec<Ipv4Addr>,
}

/// What of the cluster is attached to this instance.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct AttachedFacts {
    pub(super) volumes: Vec<AttachedVolume>,
    pub(super) enis: Vec<AttachedEni>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AttachedVolume {
    pub(super) volume: VolumeId,
    pub(super) name: Option<String>,
    pub(super) state: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AttachedEni {
    pub(super) eni: EniId,
    pub(super) name: Option<String>,
    pub(super) addresses: Vec<Ipv4Addr>,
    pub(super) state: String,
}

/// What is mounted where slots' volumes are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum MountFacts {
    Mounted { at: String, device: String, fs: String, serial: Option<String> },
    Nothing { at: String, state: String },
}

/// What of berth is in the kernel.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RouteFacts {
    pub(super) links: Vec<String>,
    /// How many.
    pub(super) routes: usize,
    pub(super) rules: Vec<String>,
    /// What should be there and is not, as sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) missing: Vec<String>,
}

/// The unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ServiceFacts {
    pub(super) unit: String,
    /// The state in lower case.
    pub(super) state: String,
    pub(super) invocation: String,
    /// Since when it is in this state; none where the service manager does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<UnixTime>,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) result: String,
}

/// Whether the service may start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct GateFacts {
    pub(super) state: String,
    /// The slot that this boot settled; none where it is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) slot: Option<BrokerId>,
}

/// The broker's own registration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum RegistrationFacts {
    Found {
        broker: BrokerId,
        endpoints: Vec<String>,
        czxid: i64,
    },
    Missing {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        broker: Option<BrokerId>,
        state: String,
    },
}
