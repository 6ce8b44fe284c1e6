//! `berth plan` and `berth status` against the real world: what they say is so, and they change nothing.
//!
//! Judged by the region's journal, the nodes of ZooKeeper, and files and processes of the instance.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "../common/mod.rs"]
mod common;

mod plan;
mod status;

use std::collections::BTreeMap;
use std::time::Duration;

use common::lab_runs::shell;
use lab::lab_run::{InstanceInfo, LabRun};
use region::model::Event;

/// A status must end within the limits of its sources: 4 s each, and EC2 after the metadata service. A busy machine
/// adds to it.
const BOUND: Duration = Duration::from_secs(15);

async fn nodes(lab: &LabRun) -> BTreeMap<String, (i64, i64)> {
    let nodes = lab.znodes(&["/"]).await.unwrap().into_iter();
    nodes.map(|(path, node)| (path, (node.czxid, node.mzxid))).collect()
}

/// What an instance called, metadata left out.
fn calls_of(lab: &LabRun, of: &InstanceInfo, from: usize) -> Vec<(String, String)> {
    let entries = lab.journal(from).into_iter();
    let call = |event| match event {
        Event::Call { api, action, caller, params, .. }
            if api != "imds" && caller.as_deref() == Some(&of.id) =>
        {
            Some((action, params.get("VolumeId").cloned().unwrap_or_default()))
        }
        _ => None,
    };
    entries.filter_map(|entry| call(entry.event)).collect()
}

async fn files(lab: &LabRun, on: &InstanceInfo) -> String {
    shell(
        lab,
        on,
        "find /run/berth /var/lib/berth /etc/kafka /etc/berth -printf '%p %s %T@\\n' 2>/dev/null; true",
    )
    .await
}

/// Runs a look at everything, which must change nothing.
async fn looks(lab: &LabRun, on: &InstanceInfo, line: &str) -> String {
    let before = (nodes(lab).await, files(lab, on).await);
    let from = lab.journal_length();
    let said = shell(lab, on, line).await;
    let calls = calls_of(lab, on, from);
    assert!(calls.iter().all(|(action, _)| action.starts_with("Describe")), "`{line}`: {calls:?}");
    assert_eq!((nodes(lab).await, files(lab, on).await), before, "`{line}`");
    said
}
