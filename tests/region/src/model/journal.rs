//! The journal: everything that happened in the region, in order. Tests judge by it and not by what a program says of
//! itself; the lab makes its network interfaces and disks appear by it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Millis;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place, from 0.
    pub seq: usize,
    /// When.
    pub at: Millis,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[allow(missing_docs)] // The fields are the words of the API.
pub enum Event {
    /// An API call or a metadata request, with its outcome: `ok`, an error code, `reset` or `lost`.
    Call {
        api: String,
        action: String,
        caller: Option<String>,
        params: BTreeMap<String, String>,
        outcome: String,
        request_id: String,
    },
    /// An instance exists, `pending`.
    InstanceLaunched {
        instance: String,
        zone: String,
        subnet: String,
        eni: String,
        mac: String,
        address: String,
        instance_type: String,
        user_data: String,
        group: Option<String>,
        root_volume: Option<String>,
        delay_ms: Millis,
    },
    /// It is `running`; after a start from `stopped` too.
    InstanceRunning {
        instance: String,
    },
    /// Its hardware died: status checks are impaired, EC2 still calls it `running`.
    InstanceFailed {
        instance: String,
    },
    InstanceRebooted {
        instance: String,
    },
    InstanceStopping {
        instance: String,
        delay_ms: Millis,
    },
    InstanceStopped {
        instance: String,
    },
    /// It was started from `stopped` and is `pending`.
    InstanceStarting {
        instance: String,
        delay_ms: Millis,
    },
    InstanceShuttingDown {
        instance: String,
        reason: String,
        delay_ms: Millis,
    },
    InstanceTerminated {
        instance: String,
    },
    /// What EC2's status checks find from now on.
    ChecksSet {
        instance: String,
        system: String,
        checks: String,
        ebs: String,
    },
    /// A Spot Instance was told that it will be interrupted.
    SpotNotice {
        instance: String,
        action: String,
        time: Millis,
    },
    RebalanceNotice {
        instance: String,
    },
    EventScheduled {
        instance: String,
        id: String,
        code: String,
        not_before: Millis,
    },
    EventEnded {
        instance: String,
        id: String,
        canceled: bool,
    },
    VolumeCreated {
        volume: String,
        zone: String,
        size_gib: u64,
    },
    VolumeDeleted {
        volume: String,
    },
    /// It was put into a state that no call of its users brings about.
    VolumeState {
        volume: String,
        state: String,
    },
    VolumeAttaching {
        volume: String,
        instance: String,
        device: String,
        delay_ms: Option<Millis>,
    },
    VolumeAttached {
        volume: String,
        instance: String,
        device: String,
    },
    VolumeDetaching {
        volume: String,
        instance: String,
        delay_ms: Option<Millis>,
    },
    VolumeDetached {
        volume: String,
        instance: String,
    },
    EniCreated {
        eni: String,
        subnet: String,
        mac: String,
        addresses: Vec<String>,
    },
    EniDeleted {
        eni: String,
    },
    EniAttaching {
        eni: String,
        instance: String,
        attachment: String,
        device_index: u32,
        delay_ms: Option<Millis>,
    },
    EniAttached {
        eni: String,
        instance: String,
        attachment: String,
        device_index: u32,
        mac: String,
        addresses: Vec<String>,
        subnet: String,
        cidr: String,
    },
    EniDetaching {
        eni: String,
        instance: String,
        attachment: String,
        delay_ms: Millis,
    },
    EniDetached {
        eni: String,
        instance: String,
        attachment: String,
    },
    /// The tags after the change.
    TagsChanged {
        resource: String,
        tags: BTreeMap<String, String>,
    },
    HealthSet {
        instance: String,
        health: String,
    },
    LifecycleState {
        instance: String,
        state: String,
    },
    InstanceRefresh {
        group: String,
        refresh: String,
        status: String,
    },
    HookSet {
        group: String,
        hook: String,
    },
    HookDeleted {
        group: String,
        hook: String,
    },
    /// An instance waits for a hook.
    HookWaits {
        instance: String,
        hook: String,
        transition: String,
        token: String,
        until: Millis,
    },
    HookHeartbeat {
        instance: String,
        hook: String,
        until: Millis,
    },
    /// It waits for it no more: by a call, by its time-out, or because the hook was deleted.
    HookCompleted {
        instance: String,
        hook: String,
        result: String,
        by: String,
    },
    GroupActivity {
        group: String,
        instance: Option<String>,
        cause: String,
    },
    Signal {
        stack: String,
        resource: String,
        instance: String,
        status: String,
    },
    StackStatus {
        stack: String,
        status: String,
    },
}

impl Event {
    /// The call's action and outcome, if it is a call.
    pub fn as_call(&self) -> Option<(&str, &str)> {
        match self {
            Event::Call { action, outcome, .. } => Some((action, outcome)),
            _ => None,
        }
    }
}
