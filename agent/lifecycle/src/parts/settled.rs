//! The note of the slot that this boot settled: it opens the gate.

use crate::ports::{Host, HostError};
use berth_plan::service::{Endpoint, Incarnation};
use berth_plan::{BootId, BrokerId};
use serde::{Deserialize, Serialize};

/// State file: the slot that this boot settled, which lets the unit start.
const FILE: &str = "settled.json";

/// What the state file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settled {
    /// The slot.
    pub(crate) slot: BrokerId,
    /// The kernel boot: another boot's file counts for nothing.
    pub(crate) boot: BootId,
    /// The serial of the mounted volume; none where slots have none.
    pub(crate) serial: Option<String>,
    /// The registration that was seen before the start: ours is another one. None where an older berth wrote the note.
    #[serde(default)]
    pub(crate) before: Option<Incarnation>,
    /// The endpoints that were written for this start: a file that is written later counts from the next one.
    #[serde(default)]
    pub(crate) endpoints: Vec<Endpoint>,
}

/// Reads the note; none where this kernel boot wrote none, or one that cannot be read.
pub(crate) fn read(host: &dyn Host) -> Result<Option<Settled>, HostError> {
    Ok(host.recall(FILE)?.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Reads the note as it stands.
pub(crate) fn text(host: &dyn Host) -> Result<Option<String>, HostError> {
    host.recall(FILE)
}

/// Writes the note: the gate opens.
pub(crate) fn open_gate(host: &dyn Host, settled: &Settled) -> Result<(), HostError> {
    let text = serde_json::to_string(settled).expect("a record of texts and numbers is always JSON");
    host.note(FILE, &text)
}

/// Removes the note: the gate closes.
pub(crate) fn close_gate(host: &dyn Host) -> Result<(), HostError> {
    host.forget(FILE)
}
