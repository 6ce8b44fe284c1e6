//! Notes in files that survive a reboot: which volumes are being detached, and that a slot is started for me.
//!
//! The detach note is written ahead of every DetachVolume. A DetachVolume whose reply was lost may land late. Until reads at least 60 s after the note agree, this instance
//! neither attaches that volume again nor starts on it; otherwise the late detach would pull the volume from under a
//! running service.

use crate::ports::{Host, HostError};
use berth_plan::slot::Slot;
use berth_plan::{InstanceId, UnixTime, VolumeId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

const NOTES: &str = "detaching.json";

/// How old a note must be.
const SETTLES_AFTER: Duration = Duration::from_secs(60);

/// How many looks must agree.
const AGREEING_LOOKS: u32 = 2;

/// Volumes and when their detach was asked for.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Notes(BTreeMap<VolumeId, UnixTime>);

fn read(host: &dyn Host) -> Result<Notes, HostError> {
    let text = host.recall_lasting(NOTES)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

fn write(host: &dyn Host, notes: &Notes) -> Result<(), HostError> {
    if notes.0.is_empty() {
        return host.forget_lasting(NOTES);
    }
    let text = serde_json::to_string(notes).expect("a map of texts to numbers is always JSON");
    host.note_lasting(NOTES, &text)
}

/// Notes that a detach of this volume is about to be asked for.
pub(crate) fn note_detach(host: &dyn Host, volume: &VolumeId) -> Result<(), HostError> {
    let mut notes = read(host)?;
    notes.0.insert(volume.clone(), host.unix_time());
    write(host, &notes)
}

/// Whether an earlier detach of the slot's volume can no longer land. `looks` is how many spaced looks showed it as it
/// is now.
pub(crate) fn forget_settled_detach(host: &dyn Host, slot: &Slot, looks: u32) -> Result<bool, HostError> {
    let Some(volume) = &slot.volume else { return Ok(true) };
    let mut notes = read(host)?;
    let Some(at) = notes.0.get(&volume.id) else { return Ok(true) };
    let age = host.unix_time().since(*at);
    if age < SETTLES_AFTER || looks < AGREEING_LOOKS {
        return Ok(false);
    }
    notes.0.remove(&volume.id);
    write(host, &notes)?;
    Ok(true)
}

/// Whether a detach of the slot's volume was asked for and is not known to have settled. Only reads.
pub(crate) fn is_detaching(host: &dyn Host, slot: &Slot) -> bool {
    let noted = read(host).unwrap_or_default();
    slot.volume.as_ref().is_some_and(|volume| noted.0.contains_key(&volume.id))
}

/// The instance for which a slot was started. With ZooKeeper away after a reboot it alone tells a holder, which waits
/// for ever, from an instance that gives up at its deadline.
const STARTED: &str = "started";

/// Who was started, if anybody; the file is of the volume that the instance boots from, and so may be an image's.
pub(crate) fn started(host: &dyn Host) -> Option<InstanceId> {
    host.recall_lasting(STARTED).ok().flatten()?.trim().parse().ok()
}

/// Written ahead of the `started` mark.
pub(crate) fn note_start(host: &dyn Host, me: &InstanceId) -> Result<(), HostError> {
    host.note_lasting(STARTED, me.as_str())
}

/// The instance that told an outcome since its slot was started. With `started` of the same instance beside it, a boot
/// that finds its slot started knows whether CloudFormation has heard of it.
const TOLD: &str = "told";

/// Written once CloudFormation has answered.
pub(crate) fn note_told(host: &dyn Host, me: &InstanceId) -> Result<(), HostError> {
    host.note_lasting(TOLD, me.as_str())
}

/// A slot is about to be started for the first time: what was told before was no word of it.
pub(crate) fn forget_told(host: &dyn Host) -> Result<(), HostError> {
    host.forget_lasting(TOLD)
}

/// Whether a slot was started for this instance and surely no outcome was told. Not where the notes are lost: silence is
/// the smaller harm then, the stack's time-out ends it.
pub(crate) fn start_is_untold(host: &dyn Host, me: &InstanceId) -> bool {
    let told = host.recall_lasting(TOLD).map(|text| text.is_some_and(|text| text.trim() == me.as_str()));
    started(host).as_ref() == Some(me) && told == Ok(false)
}

/// No claim is started for me any more.
pub(crate) fn forget_start(host: &dyn Host) {
    if let Err(error) = host.forget_lasting(STARTED) {
        tracing::warn!(%error, "the note of a started slot stays; the next read of the claims corrects it");
    }
}
